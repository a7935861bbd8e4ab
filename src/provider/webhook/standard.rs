//! Signing what we send, after Standard Webhooks: an HMAC under a shared secret (`v1`), and where it is wanted a
//! signature by Ed25519 that can be checked with what is no secret (`v1a`). While secrets rotate, each of both kinds
//! signs, so that whoever checks knows one of them.

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

use super::hmac::{mac, standard_key};
use crate::{
    kernel::{chance::Chance, secret::Secret},
    provider::manifest::webhook::Hash,
};

/// What a shared secret begins with, a private key, and the public half of one.
const SHARED: &str = "whsec_";
const PRIVATE: &str = "whsk_";
const PUBLIC: &str = "whpk_";

/// Makes a shared secret.
#[must_use]
pub fn new_secret(chance: &dyn Chance) -> Secret {
    written(SHARED, chance)
}

/// Makes a private key, and says its public half.
#[must_use]
pub fn new_key(chance: &dyn Chance) -> (Secret, String) {
    let private = written(PRIVATE, chance);
    let public = key(&private).map(|key| format!("{PUBLIC}{}", STANDARD.encode(key.verifying_key().as_bytes())));
    (private, public.unwrap_or_default())
}

fn written(prefix: &str, chance: &dyn Chance) -> Secret {
    let mut bytes = Zeroizing::new([0; 32]);
    chance.fill(&mut *bytes);
    Secret::from(format!("{prefix}{}", STANDARD.encode(*bytes)))
}

fn key(private: &Secret) -> Option<SigningKey> {
    let bytes = Zeroizing::new(STANDARD.decode(private.expose().strip_prefix(PRIVATE)?).ok()?);
    Some(SigningKey::from_bytes(bytes.as_slice().try_into().ok()?))
}

/// Signs with whatever a destination has.
pub struct Signer {
    shared: Vec<Zeroizing<Vec<u8>>>,
    keys: Vec<SigningKey>,
}

impl Signer {
    /// Of shared secrets and private keys; nothing if one of them is none.
    #[must_use]
    pub fn new(secrets: &[Secret], keys: &[Secret]) -> Option<Self> {
        let shared: Option<_> = secrets.iter().map(|one| standard_key(one.expose()).map(Zeroizing::new)).collect();
        Some(Self { shared: shared?, keys: keys.iter().map(key).collect::<Option<_>>()? })
    }

    /// The header `webhook-signature` of a body that is sent under an id at a second.
    #[must_use]
    pub fn sign(&self, id: &str, second: i64, body: &[u8]) -> String {
        let second = second.to_string();
        let parts = [id.as_bytes(), b".", second.as_bytes(), b".", body];
        let mut signatures: Vec<_> = self
            .shared
            .iter()
            .map(|secret| format!("v1,{}", STANDARD.encode(mac(Hash::Sha256, secret, &parts))))
            .collect();
        if !self.keys.is_empty() {
            let whole = parts.concat();
            let signed = self.keys.iter().map(|key| STANDARD.encode(key.sign(&whole).to_bytes()));
            signatures.extend(signed.map(|signature| format!("v1a,{signature}")));
        }
        signatures.join(" ")
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({} + {})", self.shared.len(), self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signature, Verifier, VerifyingKey};

    use super::*;
    use crate::kernel::chance::SeededChance;

    #[test]
    fn the_example_of_the_specification_is_signed_as_it_says() {
        let secret = Secret::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        let signed = Signer::new(&[secret], &[]).unwrap().sign(id, 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn the_public_half_checks_what_the_private_one_signed_and_each_secret_signs() {
        let chance = SeededChance::new(1);
        let (private, public) = new_key(&chance);
        let secrets = [new_secret(&chance), new_secret(&chance)];
        let signed = Signer::new(&secrets, &[private]).unwrap().sign("evt_1", 5, b"{}");
        let all: Vec<_> = signed.split(' ').collect();
        assert_eq!(all.len(), 3);
        assert!(all[0].starts_with("v1,") && all[1].starts_with("v1,") && all[0] != all[1]);
        let public = STANDARD.decode(public.strip_prefix("whpk_").unwrap()).unwrap();
        let public = VerifyingKey::from_bytes(public.as_slice().try_into().unwrap()).unwrap();
        let signature = STANDARD.decode(all[2].strip_prefix("v1a,").unwrap()).unwrap();
        let signature = Signature::from_slice(&signature).unwrap();
        public.verify(b"evt_1.5.{}", &signature).unwrap();
        public.verify(b"evt_1.6.{}", &signature).unwrap_err();
    }

    #[test]
    fn what_is_no_secret_signs_nothing() {
        assert!(Signer::new(&[Secret::from("whsec_%%".to_owned())], &[]).is_none());
        assert!(Signer::new(&[], &[Secret::from("whsk_AAAA".to_owned())]).is_none());
    }
}
