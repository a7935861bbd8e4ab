//! What the words of a partner mean, in versions.
//!
//! **How a version lives.** Somebody drafts it ([`version`]). It is *validated* against the statuses of the tenant: what
//! is wrong is named by its path, and so is what is lost on the way there and back. It is *simulated* on the last
//! updates that came: each of which it would make something else is shown. It may run as a *shadow* beside the one in
//! use, which counts where the two differ. It is *activated*; the one before is retired. Whatever waited for a meaning
//! is looked at again.
//!
//! What validation accepts, simulation and activation accept: each of them asks the same function ([`check`]) again,
//! since the statuses of the tenant may have changed meanwhile.

pub mod check;
pub mod rules;
pub mod simulate;
pub mod version;

pub use self::{
    check::{Finding, Severity},
    rules::{Meaning, Rules},
};
