//! A fake of any provider, made of the same file as the real thing is spoken to with.
//!
//! `portolan provider simulate stripe shopify --port 9900` listens on the loopback and answers as the
//! providers would: it wants the credential where the file says ([`door`]), gives and refuses tokens, keeps to
//! the limits ([`toll`]), cuts answers into pages and grows records with time ([`data`]), fails as the file's rules have
//! it, and sends signed webhooks ([`hook`]). Credentials are the made-up ones of the file's examples.
//!
//! One port plays everybody. The address `https://api.stripe.com/v1/charges` is found at
//! `http://127.0.0.1:9900/stripe/api.stripe.com/v1/charges`; [`reroute`] turns the one into the other, so that
//! an integration is pointed at the fake without a change of the file.
//!
//! At `/_control/{provider}` it is told how to behave: see [`Mood`] and [`serve`].
//!
//! Each fake has one account, and may be given more, each with credentials of its own. The answers name the account of
//! the credential, and a credential opens no address of another account.
//!
//! What it is not: a copy of a provider's business. An action answers with the example of the file, whatever
//! was asked.

mod data;
mod door;
mod fake;
pub mod hook;
mod route;
pub mod serve;
mod toll;

use url::Url;

#[cfg(test)]
pub(super) use data::FIRST;
pub use fake::{Asked, Fake, Manner, Reply};

/// How a fake behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mood {
    /// As it should.
    #[default]
    Well,
    /// After a while.
    Slow,
    /// Not at all.
    Down,
    /// With a page of HTML and 200.
    Garbled,
    /// With letters in another encoding than was promised.
    WrongCharset,
    /// With an answer that never ends.
    Endless,
    /// By refusing everybody for asking too much.
    Throttling,
    /// By refusing every credential and forgetting every token.
    Revoked,
    /// By failing as the file's rules have it, inside a 200 where there is such a rule.
    Failing,
}

/// The private keys with which fakes sign; they guard nothing.
pub const KEYS: super::webhook::sign::PrivateKeys<'static> = super::webhook::sign::PrivateKeys {
    rsa: include_str!("keys/rsa.pem"),
    certificate_url: "https://api.paypal.com/v1/notifications/certs/PORTOLAN-SIMULATOR",
    p256: include_str!("keys/p256.pem"),
};

/// The certificate that belongs to them.
pub const CERTIFICATE: &str = include_str!("keys/certificate.pem");

/// The address under which a fake at `origin` plays that address of a provider.
#[must_use]
pub fn reroute(origin: &Url, provider: &str, address: &Url) -> Option<Url> {
    let host = match address.port() {
        Some(port) => format!("{}:{port}", address.host_str()?),
        None => address.host_str()?.to_owned(),
    };
    let mut rerouted = origin.clone();
    rerouted.set_path(&format!("/{provider}/{host}{}", address.path()));
    rerouted.set_query(address.query());
    Some(rerouted)
}

#[cfg(test)]
mod tests;
