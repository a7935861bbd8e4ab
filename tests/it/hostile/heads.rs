//! Forged credentials, and tenants that are not there or not one's own.

use portolan::kernel::{scope::Role, token};

use super::{Case, Wanted, withstand};
use crate::support::{TestHub, hub::post, request::With};

const ASK: &str = "{\"query\":\"{ viewer { role } }\"}";

#[tokio::test]
async fn a_forged_token_opens_nothing() {
    let hub = TestHub::start().await;
    let real = hub.token(Role::SuperAdmin).await;
    let other = token::mint(token::Kind::Api, &*hub.app.hub().chance).expose().to_owned();
    let (head, tail) = real.split_at(real.len() - 6);
    let last = if tail.ends_with('0') { '1' } else { '0' };
    let upper: String = real.chars().map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c }).collect();
    let tokens = [
        ("a token nobody made", other.clone()),
        ("a wrong checksum", format!("{head}{}{last}", &tail[..5])),
        ("the checksum of another token", format!("{head}{}", &other[other.len() - 6..])),
        ("no checksum", head.to_owned()),
        ("one letter less", real[..real.len() - 1].to_owned()),
        ("one letter more", format!("{real}0")),
        ("another prefix", real.replacen("ptl_", "ptx_", 1)),
        ("no prefix", real[4..].to_owned()),
        ("upper case", upper),
        ("backwards", real.chars().rev().collect()),
        ("base64 signs", format!("ptl_{}", "+/=-_".repeat(10))),
        ("nothing but the prefix", "ptl_".to_owned()),
        ("nothing", String::new()),
        ("blanks", "     ".to_owned()),
        ("a blank inside", format!("{head} {tail}")),
        ("two tokens", format!("{real} {real}")),
        ("two tokens with a comma", format!("{real},{real}")),
        ("quotes", format!("\"{real}\"")),
        ("percent signs", format!("{head}%00{tail}")),
        ("a tab inside", format!("{head}\t{tail}")),
        ("SQL", "' OR '1'='1".to_owned()),
        ("a JSON web token of no algorithm", "eyJhbGciOiJub25lIn0.eyJyb2xlIjoiU1VQRVJfQURNSU4ifQ.".to_owned()),
        ("the name of a role", "SUPER_ADMIN".to_owned()),
        ("1 MB of letters", "A".repeat(1_000_000)),
        ("1 MB that begins well", format!("{real}{}", "A".repeat(1_000_000))),
    ];
    let wanted = Wanted::Refused(401, "UNAUTHENTICATED");
    let mut cases: Vec<_> = tokens
        .into_iter()
        .map(|(name, text)| {
            Case::new(name, wanted, move || post("", ASK).with("authorization", format!("Bearer {text}")))
        })
        .collect();
    let letters: [(&str, &[u8]); 4] = [
        ("Cyrillic letters", "Bearer ptl_АВСЕНКМОРТХ".as_bytes()),
        ("bytes that are no text", b"Bearer \xff\xfe\xfd"),
        ("no scheme", b"\xf0\x9f\x9a\xa2"),
        ("a scheme nobody knows", b"Digest username=\"admin\""),
    ];
    cases.extend(
        letters.map(|(name, value)| Case::new(name, wanted, move || post("", ASK).with("authorization", value))),
    );
    withstand(&hub, cases).await;
    // Blanks around a token that holds do no harm.
    let padded = hub.send(post("", ASK).with("authorization", format!("Bearer   {real}  "))).await;
    assert_eq!(padded.data()["viewer"]["role"], "SUPER_ADMIN");
}

#[tokio::test]
async fn a_tenant_that_is_foreign_looks_like_one_that_is_not_there() {
    let hub = TestHub::start().await;
    let foreign = hub.another_tenant("foreign").await;
    let chosen: Vec<(&str, Vec<u8>)> = vec![
        ("nonsense", b"no-such-tenant".to_vec()),
        ("nothing", Vec::new()),
        ("a blank", b" ".to_vec()),
        ("a path", b"../default".to_vec()),
        ("another case", b"DEFAULT".to_vec()),
        ("a pattern", b"%".to_vec()),
        ("SQL", b"default' OR '1'='1".to_vec()),
        ("two slugs", b"default,foreign".to_vec()),
        ("an id of another kind", hub.tenant.id.to_string().replacen("ten_", "usr_", 1).into_bytes()),
        ("a malformed id", b"ten_zzz".to_vec()),
        ("another alphabet", "défaut".as_bytes().to_vec()),
        ("bytes that are no text", b"\xff\xfe".to_vec()),
        ("100,000 letters", vec![b'a'; 100_000]),
    ];
    let own =
        [("the slug of somebody else", foreign.slug.clone()), ("the id of somebody else", foreign.id.to_string())];
    let wanted = Wanted::Refused(404, "NOT_FOUND");
    let (admin, operator) = (hub.token(Role::Admin).await, hub.token(Role::SuperAdmin).await);
    let mut cases = Vec::new();
    let case = |name: String, token: &str, value: Vec<u8>| {
        let token = token.to_owned();
        Case::new(name, wanted, move || post(&token, ASK).with("x-portolan-tenant", &value))
    };
    for (name, value) in chosen {
        cases.push(case(format!("{name}, by an administrator"), &admin, value.clone()));
        cases.push(case(format!("{name}, by who runs the hub"), &operator, value));
    }
    cases.extend(own.map(|(name, value)| case(name.to_owned(), &admin, value.into_bytes())));
    withstand(&hub, cases).await;
    let mut words = Vec::new();
    for name in ["foreign", "no-such-tenant"] {
        let reply = hub.ask_in(name, &admin, "{ viewer { role } }").await;
        words.push(reply.json()["errors"][0]["message"].clone());
    }
    assert_eq!(words[0], words[1]);
    // Without a credential the header means nothing.
    let open = post("", "{\"query\":\"{ __typename }\"}").with("x-portolan-tenant", "foreign");
    assert_eq!(hub.send(open).await.data()["__typename"], "Query");
}
