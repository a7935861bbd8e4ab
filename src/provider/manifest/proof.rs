//! How a provider proves that a credential belongs to an account.

use super::shape::{choice, shape};
use crate::provider::expression::Expression;

choice! {
    /// The provider's own answer that names the accounts of a credential.
    pub enum Proof by "by" {
        /// The answer to the probe names them.
        Probe(ProbeProof) = "probe",
        /// The list of accounts behind the credential, by what it sets.
        Discovery(DiscoveryProof) = "discovery",
    }
}

shape! {
    /// Accounts in the answer to the probe.
    pub struct ProbeProof {
        /// The id of the account, or a list of ids, as the setting has them.
        id: Expression,
    }
}

shape! {
    /// Accounts in the list behind the credential.
    pub struct DiscoveryProof {
        /// Why being on the list proves the right to the account's webhooks.
        why: String,
    }
}
