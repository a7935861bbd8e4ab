//! Which keys are used.

use serde_json::json;

use super::*;

/// The keys of RFC 7515 (A.2, A.3) and RFC 8037 (A.2), each with an id.
pub(in crate::domain::access) fn known(algorithm: Algorithm) -> Value {
    match algorithm {
        Algorithm::Rs256 => json!({
            "kty": "RSA", "kid": "known", "e": "AQAB",
            "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        }),
        Algorithm::Es256 => json!({
            "kty": "EC", "kid": "known", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        }),
        Algorithm::EdDsa => json!({
            "kty": "OKP", "kid": "known", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }),
    }
}

/// The one key that is read from a set of one.
pub(in crate::domain::access) fn read_known(algorithm: Algorithm) -> DecodingKey {
    let mut keys = read(vec![known(algorithm)], algorithm);
    assert_eq!((keys.len(), keys[0].unusable), (1, None));
    keys.remove(0).key.unwrap()
}

const ALL: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

/// A number of so many bits, in which only the first and the last are set.
fn odd(bits: usize) -> String {
    let mut bytes = vec![0; bits / 8];
    bytes[0] |= 0x80;
    bytes[bits / 8 - 1] |= 1;
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn a_key_of_another_kind_use_or_algorithm_is_not_used() {
    for algorithm in ALL {
        let with = |name: &str, value: Value| {
            let mut key = known(algorithm);
            key[name] = value;
            read_one(key, algorithm).unusable
        };
        assert_eq!(with("use", json!("sig")), None);
        assert_eq!(with("alg", json!(algorithm.name())), None);
        assert_eq!(with("key_ops", json!(["verify"])), None);
        assert_eq!(with("x5c", json!(["ignored"])), None);
        for (name, value) in [
            ("kty", json!("oct")),
            ("kty", json!(1)),
            ("use", json!("enc")),
            ("key_ops", json!(["sign"])),
            ("key_ops", json!([])),
            ("alg", json!("HS256")),
            ("alg", json!("none")),
            ("d", json!("AAAA")),
            ("kid", json!(null)),
            ("kid", json!("")),
            ("kid", json!(5)),
            ("kid", json!("k".repeat(256))),
        ] {
            assert!(with(name, value.clone()).is_some(), "{algorithm:?} {name} {value}");
        }
        for other in ALL.into_iter().filter(|other| *other != algorithm) {
            assert!(read_one(known(other), algorithm).unusable.is_some(), "{other:?} for {algorithm:?}");
        }
    }
    let named =
        |name| json!({ "kty": "OKP", "kid": "a", "crv": "Ed25519", "x": known(Algorithm::EdDsa)["x"], "alg": name });
    assert_eq!(read_one(named("Ed25519"), Algorithm::EdDsa).unusable, None);
    assert!(read_one(named("Ed448"), Algorithm::EdDsa).unusable.is_some());
}

#[test]
fn a_key_whose_numbers_are_weak_or_damaged_is_not_used() {
    let rsa = |n: &str, e: &str| {
        read_one(json!({ "kty": "RSA", "kid": "a", "n": n, "e": e }), Algorithm::Rs256).unusable.is_none()
    };
    let padded = BASE64_URL_SAFE_NO_PAD.encode([vec![0], BASE64_URL_SAFE_NO_PAD.decode(odd(1024)).unwrap()].concat());
    for (bits, good) in [(1024, false), (2040, false), (2048, true), (3072, true), (4096, true), (4104, false)] {
        assert_eq!(rsa(&odd(bits), "AQAB"), good, "{bits}");
    }
    assert!(rsa(&odd(2048), "Aw"), "3");
    for (n, e) in [
        (padded.as_str(), "AQAB"),
        (&odd(2048), "AQ"),
        (&odd(2048), "AA"),
        (&odd(2048), "BA"),
        (&odd(2048), ""),
        (&odd(2048), "AQAAAAAB"),
        ("", "AQAB"),
        ("!", "AQAB"),
        (&BASE64_URL_SAFE_NO_PAD.encode([0xff, 0xfe].repeat(128)), "AQAB"),
    ] {
        assert!(!rsa(n, e), "{n:.20} {e}");
    }
    for (algorithm, name) in [(Algorithm::Es256, "x"), (Algorithm::Es256, "y"), (Algorithm::EdDsa, "x")] {
        for value in [json!(null), json!(""), json!("AAAA"), json!("!"), json!("A".repeat(44))] {
            let mut key = known(algorithm);
            key[name] = value;
            assert!(read_one(key, algorithm).unusable.is_some());
        }
    }
    for nonsense in [json!(null), json!([]), json!("key"), json!({})] {
        assert!(read_one(nonsense, Algorithm::Rs256).unusable.is_some());
    }
}

#[test]
fn keys_that_share_an_id_are_not_used_and_a_set_has_an_end() {
    let key = known(Algorithm::EdDsa);
    let other = known(Algorithm::Es256);
    let twice = read(vec![key.clone(), key.clone()], Algorithm::EdDsa);
    assert!(twice.iter().all(|key| key.unusable.is_some() && key.key.is_none()));
    // A key of another kind may have the same id: it is never a candidate.
    let mixed = read(vec![key.clone(), other], Algorithm::EdDsa);
    assert!(mixed[0].unusable.is_none() && mixed[1].unusable.is_some());
    assert_eq!(read(vec![key; 1000], Algorithm::EdDsa).len(), KEYS);
}
