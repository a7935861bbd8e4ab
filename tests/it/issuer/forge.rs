//! Tokens that must open nothing.

use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

use crate::support::{
    hub::beginning,
    issuer::{TestKey, encoded},
};

/// Tokens, each with what is wrong with it.
type Tokens = Vec<(&'static str, String)>;

/// An honest key with honest claims, and what could be made of them.
pub struct Forge<'a> {
    pub key: &'a TestKey,
    /// A key of the same id that is somebody else's.
    pub stranger: &'a TestKey,
    pub claims: Value,
    /// Where keys are that nobody should fetch.
    pub keys_url: String,
}

impl Forge<'_> {
    pub fn good(&self) -> String {
        self.key.token(&self.claims)
    }

    fn name(&self) -> String {
        format!("{:?}", self.key.algorithm)
    }

    pub fn header(&self, name: &str, value: Value) -> String {
        let mut header = self.key.header();
        header[name] = value;
        self.key.sign(&header, &self.claims)
    }

    /// With another claim; null takes it away.
    pub fn claim(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        claims[name] = value;
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.key.token(&claims)
    }

    /// The algorithm is not the token's to choose.
    pub fn algorithms(&self) -> Tokens {
        let (good, claims) = (self.good(), &self.claims);
        let (body, signature) = good.split_once('.').unwrap().1.split_once('.').unwrap();
        let head = |alg: &str| encoded(json!({ "alg": alg, "kid": "first" }).to_string());
        let mut tokens = vec![
            ("none", format!("{}.{body}.", head("none"))),
            ("none, signed", format!("{}.{body}.{signature}", head("none"))),
            ("None", format!("{}.{body}.", head("None"))),
            ("no alg", self.key.sign(&json!({ "kid": "first" }), claims)),
            ("alg a list", self.header("alg", json!([self.name()]))),
            ("alg in another case", self.header("alg", json!(self.name().to_lowercase()))),
            ("crit", self.header("crit", json!(["exp"]))),
        ];
        // The public key as the secret of an HMAC, in the forms in which people have it.
        for secret in [&self.key.jwk.to_string(), self.key.jwk["n"].as_str().or(self.key.jwk["x"].as_str()).unwrap()] {
            let message = format!("{}.{body}", head("HS256"));
            let secret = EncodingKey::from_secret(secret.as_bytes());
            let signature = crypto::sign(message.as_bytes(), &secret, Algorithm::HS256).unwrap();
            tokens.push(("HMAC", format!("{message}.{signature}")));
        }
        for other in ["RS256", "ES256", "EdDSA"].into_iter().filter(|other| *other != self.name()) {
            tokens.push(("another algorithm", TestKey::new(other, "first").token(claims)));
        }
        if self.key.algorithm == Algorithm::RS256 {
            for alg in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
                let header = json!({ "alg": format!("{alg:?}"), "kid": "first" });
                tokens.push(("another of the family", self.key.sign_as(alg, &header, claims)));
            }
        }
        tokens
    }

    /// A key is known by its id in the issuer's own set, and by nothing else.
    pub fn keys(&self) -> Tokens {
        let mut tokens = vec![
            ("no kid", self.key.sign(&json!({ "alg": self.name() }), &self.claims)),
            ("kid a number", self.header("kid", json!(1))),
            ("kid a path", self.header("kid", json!("../../../../dev/null"))),
            ("kid a URL", self.header("kid", json!(self.keys_url))),
            ("kid SQL", self.header("kid", json!("first' OR '1'='1"))),
            ("kid empty", self.header("kid", json!(""))),
            ("kid long", self.header("kid", json!("k".repeat(4000)))),
            ("kid in another case", self.header("kid", json!("FIRST"))),
            ("somebody else's key", self.stranger.token(&self.claims)),
        ];
        for name in ["jwk", "jku", "x5u", "x5c"] {
            let mut header = self.stranger.header();
            header[name] = match name {
                "jwk" => self.stranger.jwk.clone(),
                "x5c" => json!([encoded("certificate")]),
                _ => json!(self.keys_url),
            };
            tokens.push(("brings its key", self.stranger.sign(&header, &self.claims)));
        }
        tokens
    }

    pub fn wrong_claims(&self) -> Tokens {
        let (now, iss) = (beginning().timestamp(), self.claims["iss"].as_str().unwrap());
        let wrong = [
            ("exp", Value::Null),
            ("exp", json!((now + 600).to_string())),
            ("exp", json!(1e300)),
            ("exp", json!(-1)),
            ("exp", json!(now - 31)),
            ("exp", json!([now + 600])),
            ("nbf", json!(now + 31)),
            ("nbf", json!("now")),
            ("aud", Value::Null),
            ("aud", json!("another")),
            ("aud", json!(["a", "b"])),
            ("aud", json!("portola")),
            ("aud", json!({ "portolan": true })),
            ("sub", Value::Null),
            ("sub", json!("")),
            ("sub", json!("s".repeat(256))),
            ("sub", json!(5)),
            ("iss", Value::Null),
            ("iss", json!("https://idp.example.com")),
            ("iss", json!(format!("{iss}/"))),
            ("iss", json!(iss.to_uppercase())),
            ("iss", json!([iss])),
            ("roles", json!([])),
            ("roles", json!(["Admins", "admin", "admins "])),
        ];
        wrong.into_iter().map(|(name, value)| (name, self.claim(name, value))).collect()
    }

    pub fn forms(&self) -> Tokens {
        let good = self.good();
        let parts: Vec<_> = good.split('.').collect();
        let [head, body, signature] = parts[..] else { panic!("{good}") };
        let other = self.claim("sub", json!("somebody else"));
        let mut tokens = vec![
            ("no signature", format!("{head}.{body}.")),
            ("another's signature", format!("{head}.{body}.{}", other.rsplit_once('.').unwrap().1)),
            ("a dot more", format!("{good}.")),
            ("a dot before", format!(".{good}")),
            ("two parts", format!("{head}.{body}")),
            ("five parts", format!("{good}.a.b")),
            ("padded", format!("{good}==")),
            ("a letter more", format!("{good}A")),
            ("a megabyte", format!("{head}.{}.{signature}", "A".repeat(1 << 20))),
            ("a megabyte, signed", self.claim("sub", json!("s".repeat(1 << 20)))),
            ("deep", format!("{head}.{}.{signature}", encoded("[".repeat(5000)))),
        ];
        for at in (0..good.len()).step_by(7).chain([good.len() - 1]) {
            let mut changed = good.clone().into_bytes();
            changed[at] = if changed[at] == b'B' { b'C' } else { b'B' };
            tokens.push(("a letter changed", String::from_utf8(changed).unwrap()));
        }
        tokens
    }
}
