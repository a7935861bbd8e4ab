//! Arguments and variables that make no sense, or are meant to deceive.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use portolan::kernel::scope::Role;
use serde_json::{Value, json};

use super::{Case, Wanted, withstand};
use crate::support::{TestHub, hub::get};

const COERCION: Wanted = Wanted::Refused(200, "BAD_USER_INPUT");
const FAILED: Wanted = Wanted::Failed("BAD_USER_INPUT");
const USER: Wanted = Wanted::UserError("BAD_USER_INPUT");
const CREATE: &str = "mutation($input: CreateUserInput!) { createUser(input: $input) { user { id name email } userErrors { code path message } } }";
const TENANT: &str = "mutation($input: CreateTenantInput!) { createTenant(input: $input) { tenant { id } userErrors { code path message } } }";

fn user(email: &str, name: &str) -> Value {
    json!({ "input": { "email": email, "name": name, "role": "VIEWER" } })
}

#[tokio::test]
async fn variables_of_the_wrong_kind_are_refused() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::SuperAdmin).await;
    let list = "query($first: Int) { users(first: $first) { totalCount } }";
    let mut cases = Vec::new();
    for value in [
        json!("1"),
        json!(1.5),
        json!(1e30),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(2_147_483_648_i64),
        json!(true),
        json!([1]),
        json!({}),
    ] {
        cases.push(Case::asked(&format!("a page of {value}"), COERCION, &token, list, &json!({ "first": value })));
    }
    for value in [json!(-1), json!(101), json!(i32::MAX), json!(i32::MIN)] {
        cases.push(Case::asked(&format!("a page of {value}"), FAILED, &token, list, &json!({ "first": value })));
    }
    let inputs = [
        ("no input", json!({})),
        ("an input that is null", json!({ "input": null })),
        ("an input that is a text", json!({ "input": "{}" })),
        ("an input that is a list of two", json!({ "input": [{}, {}] })),
        ("an input without its fields", json!({ "input": {} })),
        (
            "a field nobody knows",
            json!({ "input": { "email": "a@b.c", "name": "A", "role": "VIEWER", "isAdmin": true } }),
        ),
        ("a prototype", json!({ "input": { "email": "a@b.c", "name": "A", "role": "VIEWER", "__proto__": {} } })),
        ("an enum value nobody knows", json!({ "input": { "email": "a@b.c", "name": "A", "role": "EMPEROR" } })),
        ("an enum value in lower case", json!({ "input": { "email": "a@b.c", "name": "A", "role": "viewer" } })),
        ("a number for an enum", json!({ "input": { "email": "a@b.c", "name": "A", "role": 0 } })),
        ("a number for a text", json!({ "input": { "email": 1, "name": "A", "role": "VIEWER" } })),
        ("a list for a text", json!({ "input": { "email": ["a@b.c"], "name": "A", "role": "VIEWER" } })),
        ("null for a text", json!({ "input": { "email": null, "name": "A", "role": "VIEWER" } })),
    ];
    cases.extend(inputs.map(|(name, variables)| Case::asked(name, COERCION, &token, CREATE, &variables)));
    let nested = (0..40).fold(json!(1), |value, _| json!([value]));
    let long = json!({ "first": 1, "unused": "x".repeat(300_000) });
    cases.push(Case::asked(
        "a variable nobody declared, 40 deep",
        COERCION,
        &token,
        list,
        &json!({ "unused": nested }),
    ));
    cases.push(Case::asked("a variable nobody declared, 300 KB", COERCION, &token, list, &long));
    let tokens = "mutation($at: DateTime) { createApiToken(input: {name: \"A\", role: VIEWER, expiresAt: $at}) { userErrors { code } } }";
    for value in [
        json!("yesterday"),
        json!("2026-13-45T25:61:61Z"),
        json!("2026-01-01"),
        json!(0),
        json!(""),
        json!("9".repeat(10_000)),
    ] {
        let name = format!("a time that is {value:.24}");
        cases.push(Case::asked(&name, FAILED, &token, tokens, &json!({ "at": value })));
    }
    for value in ["1970-01-01T00:00:00Z", "-262143-01-01T00:00:00Z"] {
        cases.push(Case::asked(
            &format!("a token that ends in {value}"),
            USER,
            &token,
            tokens,
            &json!({ "at": value }),
        ));
    }
    withstand(&hub, cases).await;
}

#[tokio::test]
async fn ids_of_the_wrong_kind_or_form_are_refused() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::SuperAdmin).await;
    let query = "query($id: ID) { tenant(id: $id) { id } }";
    let own = hub.tenant.id.to_string();
    let ids = [
        ("an id of another kind", own.replacen("ten_", "usr_", 1)),
        ("no prefix", own[4..].to_owned()),
        ("another prefix", own.replacen("ten_", "ten_ten_", 1)),
        ("one letter less", own[..own.len() - 1].to_owned()),
        ("one letter more", format!("{own}0")),
        ("a letter of no id", format!("{}u", &own[..own.len() - 1])),
        ("more than 128 bits", "ten_zzzzzzzzzzzzzzzzzzzzzzzzzz".to_owned()),
        ("a bare UUID", "01890a5d-ac96-774b-bcce-b302099a8057".to_owned()),
        ("a number", "1".to_owned()),
        ("nothing", String::new()),
        ("a line break", format!("{own}\n")),
        ("blanks around it", format!(" {own} ")),
        ("10 KB", "ten_".to_owned() + &"0".repeat(10_000)),
        ("250 KB", "ten_".to_owned() + &"0".repeat(250_000)),
        ("digits of another alphabet", "ten_٠١٢٣٤٥٦٧٨٩٠١٢٣٤٥٦٧٨٩٠١٢٣٤٥".to_owned()),
        ("an emoji", "ten_🚢".to_owned()),
        ("a path", "../../etc/passwd".to_owned()),
        ("SQL", "ten_' OR '1'='1".to_owned()),
    ];
    let mut cases: Vec<_> = ids
        .iter()
        .map(|(name, id)| Case::asked(&format!("tenant by {name}"), FAILED, &token, query, &json!({ "id": id })))
        .collect();
    cases.push(Case::asked("tenant by the number 1", FAILED, &token, query, &json!({ "id": 1 })));
    for value in [json!(1.5), json!(true), json!([own, own]), json!({ "id": own })] {
        cases.push(Case::asked(&format!("tenant by {value:.20}"), COERCION, &token, query, &json!({ "id": value })));
    }
    let absent = json!({ "id": "ten_00000000000000000000000000" });
    cases.push(Case::asked("a tenant that is not there", Wanted::Failed("NOT_FOUND"), &token, query, &absent));
    let change = "mutation($id: ID!) { updateTenant(input: {id: $id, name: \"X\"}) { userErrors { code } } }";
    cases.push(Case::asked("a change of what is not there", Wanted::UserError("NOT_FOUND"), &token, change, &absent));
    withstand(&hub, cases).await;
    // Asking for any object by id tells nothing about why there is none.
    let node = "query($id: ID!) { node(id: $id) { id } nodes(ids: [$id, $id]) { id } }";
    for (name, id) in ids {
        let data = hub.ask(&token, node, json!({ "id": id })).await.data();
        assert_eq!(data, json!({ "node": null, "nodes": [null, null] }), "{name}");
    }
}

#[tokio::test]
async fn cursors_from_elsewhere_are_refused() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::SuperAdmin).await;
    let places = "{ users { edges { cursor } } apiTokens { edges { cursor } } }";
    let data = hub.ask(&token, places, json!({})).await.data();
    let cursor = data["users"]["edges"][0]["cursor"].as_str().unwrap().to_owned();
    let other = data["apiTokens"]["edges"][0]["cursor"].as_str().unwrap().to_owned();
    let mut tampered = cursor.clone().into_bytes();
    tampered[2] = if tampered[2] == b'A' { b'B' } else { b'A' };
    let cursors = [
        ("of another list", other),
        ("cut short", cursor[..cursor.len() / 2].to_owned()),
        ("cut by one", cursor[..cursor.len() - 1].to_owned()),
        ("tampered with", String::from_utf8(tampered).unwrap()),
        ("twice", format!("{cursor}{cursor}")),
        ("padded", format!("{cursor}==")),
        ("with a blank", format!(" {cursor}")),
        ("of nothing", String::new()),
        ("of a number", "1".to_owned()),
        ("that is an id", hub.tenant.id.to_string()),
        ("of 200 KB", "A".repeat(200_000)),
        ("of brackets", "W1tbW1tbW1tbW1tbW1tbW1tbW1tb".repeat(30)),
        ("of another alphabet", "курсор".to_owned()),
    ];
    let mut cases = Vec::new();
    for (name, cursor) in &cursors {
        for argument in ["after", "before"] {
            let query = format!("query($at: String) {{ users({argument}: $at) {{ totalCount }} }}");
            cases.push(Case::asked(
                &format!("{argument} a cursor {name}"),
                FAILED,
                &token,
                &query,
                &json!({ "at": cursor }),
            ));
        }
    }
    let pages = [
        ("both ends", "{ users(first: 1, last: 1) { totalCount } }"),
        ("less than nothing", "{ users(first: -1) { totalCount } }"),
        ("less than nothing, from the end", "{ users(last: -1) { totalCount } }"),
        ("101", "{ users(first: 101) { totalCount } }"),
        ("101, from the end", "{ users(last: 101) { totalCount } }"),
    ];
    cases.extend(pages.map(|(name, query)| Case::document(&format!("a page of {name}"), FAILED, &token, query)));
    withstand(&hub, cases).await;

    // Null is the same as nothing, for each of the four.
    let nulls =
        "query($n: Int, $c: String) { users(first: $n, last: $n, after: $c, before: $c) { totalCount nodes { id } } }";
    for variables in [json!({}), json!({ "n": null, "c": null })] {
        let data = hub.ask(&token, nulls, variables).await.data();
        assert_eq!(data["users"]["nodes"].as_array().unwrap().len(), 1);
    }
    // An empty page is a page.
    let none = hub.ask(&token, "{ users(first: 0) { totalCount nodes { id } } }", json!({})).await.data();
    assert_eq!(none["users"], json!({ "totalCount": 1, "nodes": [] }));
}

#[tokio::test]
async fn texts_that_deceive_or_do_not_end_are_refused() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::SuperAdmin).await;
    let names = [
        ("nothing", String::new()),
        ("blanks", " \u{a0}\u{3000} ".to_owned()),
        ("a right-to-left override", "Acme\u{202e}moc.live".to_owned()),
        ("an isolate", "Acme\u{2066}x".to_owned()),
        ("a line break", "Acme\nInc".to_owned()),
        ("an escape", "\u{1b}[31mAcme".to_owned()),
        ("a control character of 8 bits", "Acme\u{85}Inc".to_owned()),
        ("a mark of byte order inside", "Ac\u{feff}me".to_owned()),
        ("500 characters", "x".repeat(500)),
        ("121 emojis", "🚢".repeat(121)),
        ("200,000 characters", "x".repeat(200_000)),
    ];
    let emails = [
        ("nothing", String::new()),
        ("no sign", "ann.example.com".to_owned()),
        ("two signs", "a@b@example.com".to_owned()),
        ("no name", "@example.com".to_owned()),
        ("no domain", "ann@".to_owned()),
        ("a blank", "ann lee@example.com".to_owned()),
        ("a line break", "ann@example.com\nbcc: all@example.com".to_owned()),
        ("angle brackets", "Ann <ann@example.com>".to_owned()),
        ("a comma", "ann@example.com,bob@example.com".to_owned()),
        ("a name of 65", format!("{}@example.com", "a".repeat(65))),
        ("a label of 64", format!("ann@{}.com", "a".repeat(64))),
        ("a domain of 260", format!("ann@{}com", "aaaa.".repeat(52))),
        ("200,000 characters", format!("{}@example.com", "a".repeat(200_000))),
        ("an override", "ann\u{202e}@example.com".to_owned()),
        ("two dots", "ann..lee@example.com".to_owned()),
        ("an address in brackets", "ann@[127.0.0.1]".to_owned()),
    ];
    let slugs = [
        "",
        "-",
        "-a",
        "a-",
        "A",
        "a_b",
        "a b",
        "a.b",
        "ä",
        "аcme",
        "../a",
        "%00",
        &"a".repeat(64),
        &"a".repeat(100_000),
    ];
    let mut cases = Vec::new();
    for (name, text) in &names {
        cases.push(Case::asked(&format!("a name of {name}"), USER, &token, CREATE, &user("ann@example.com", text)));
    }
    for (name, text) in &emails {
        cases.push(Case::asked(&format!("an address with {name}"), USER, &token, CREATE, &user(text, "Ann")));
    }
    for slug in slugs {
        let input = json!({ "input": { "slug": slug, "name": "A" } });
        cases.push(Case::asked(
            &format!("the slug {:?}", slug.chars().take(20).collect::<String>()),
            USER,
            &token,
            TENANT,
            &input,
        ));
    }
    for (setting, value) in [
        ("timeZone", "../../etc/passwd"),
        ("timeZone", &"A".repeat(200_000)),
        ("currency", "🚢"),
        ("locale", &"a-".repeat(100_000)),
        ("dateFormat", "DD/MM/YYYY<script>"),
        ("dateFormat", &"DD".repeat(100_000)),
    ] {
        let input = json!({ "input": { "slug": "acme", "name": "A", "settings": { (setting): value } } });
        let name = format!("the {setting} {:?}", value.chars().take(20).collect::<String>());
        cases.push(Case::asked(&name, USER, &token, TENANT, &input));
    }
    for (name, key) in
        [("nothing", String::new()), ("256 characters", "k".repeat(256)), ("100 KB", "k".repeat(100_000))]
    {
        let mut variables = user("ann@example.com", "Ann");
        variables["input"]["idempotencyKey"] = key.into();
        cases.push(Case::asked(&format!("an idempotency key of {name}"), USER, &token, CREATE, &variables));
    }
    withstand(&hub, cases).await;
}

/// The databases differ in it: one stores NUL in a text, the other does not. So it is refused where values come in.
#[tokio::test]
async fn a_text_with_nul_is_refused_wherever_it_stands() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::SuperAdmin).await;
    let own = hub.tenant.id.to_string();
    let id = "query($id: ID!) { tenant(id: $id) { id } }";
    let node = "query($id: ID!) { node(id: $id) { id } nodes(ids: [$id]) { id } }";
    let page = "query($at: String) { users(after: $at) { totalCount } }";
    let order =
        "mutation($input: CreateIntegrationInput!) { createIntegration(input: $input) { userErrors { code } } }";
    let json = |metadata: Value| json!({ "input": { "provider": "stripe", "metadata": metadata } });
    let tenant = |settings: Value| json!({ "input": { "slug": "acme", "name": "A", "settings": settings } });
    let mut keyed = user("ann@example.com", "Ann");
    keyed["input"]["idempotencyKey"] = "k\0".into();
    let variables = [
        ("an id", id, json!({ "id": format!("{own}\0") }), "variables.id"),
        ("the id of any object", node, json!({ "id": "\0" }), "variables.id"),
        ("a cursor", page, json!({ "at": "\0" }), "variables.at"),
        ("a name", CREATE, user("ann@example.com", "Ann\0"), "variables.input.name"),
        ("an address", CREATE, user("ann\0@example.com", "Ann"), "variables.input.email"),
        ("an idempotency key", CREATE, keyed, "variables.input.idempotencyKey"),
        ("a slug", TENANT, json!({ "input": { "slug": "a\0", "name": "A" } }), "variables.input.slug"),
        ("a time zone", TENANT, tenant(json!({ "timeZone": "UTC\0" })), "variables.input.settings.timeZone"),
        ("a value of JSON", order, json(json!({ "a": [{ "b": "\0" }] })), "variables.input.metadata.a.0.b"),
        ("a key of JSON", order, json(json!({ "a": { "b\0": 1 } })), "variables.input.metadata.a"),
    ];
    let mut cases = Vec::new();
    for (name, document, variables, path) in variables {
        let reply = hub.ask(&token, document, variables.clone()).await;
        assert_eq!(reply.json()["errors"][0]["extensions"]["argument"], path, "{name}: {}", reply.text);
        cases.push(Case::asked(&format!("{name} with NUL"), COERCION, &token, document, &variables));
    }
    let written = [
        ("an argument", r#"{ users(after: "\u0000") { totalCount } }"#, "after must not contain NUL"),
        ("a list", r#"{ nodes(ids: ["a", "\u0000"]) { id } }"#, "ids.1 must not contain NUL"),
        (
            "an input",
            r#"mutation { createUser(input: { email: "a@b.example", name: "A\u0000", role: VIEWER }) { userErrors { code } } }"#,
            "input.name must not contain NUL",
        ),
        (
            "a default",
            r#"query($at: String = "\u0000") { users(after: $at) { totalCount } }"#,
            "$at must not contain NUL",
        ),
    ];
    for (name, document, said) in written {
        let reply = hub.ask(&token, document, json!({})).await;
        assert!(reply.json()["errors"][0]["message"].as_str().unwrap().starts_with(said), "{name}: {}", reply.text);
        cases.push(Case::document(&format!("{name} written with NUL"), COERCION, &token, document));
    }
    withstand(&hub, cases).await;

    // What only looks like it is a text as any other.
    let data = hub.ask(&token, CREATE, user("ann@example.com", "\\u0000")).await.data();
    assert_eq!(data["createUser"]["user"]["name"], "\\u0000");
}

#[tokio::test]
async fn nul_outside_of_graphql_is_refused_too() {
    let hub = TestHub::start().await;
    // Claims of a token, whoever signed it.
    let part = |json: &str| BASE64_URL_SAFE_NO_PAD.encode(json);
    let times = r#""aud":"a","exp":4000000000"#;
    for (name, claims) in [
        ("the issuer", format!(r#"{{"iss":"https://a.example\u0000","sub":"s",{times}}}"#)),
        ("the subject", format!(r#"{{"iss":"https://a.example","sub":"s\u0000",{times}}}"#)),
        ("another claim", format!(r#"{{"iss":"https://a.example","sub":"s",{times},"x\u0000":1}}"#)),
    ] {
        let token = format!("{}.{}.c2ln", part(r#"{"alg":"RS256","kid":"k"}"#), part(&claims));
        let reply = hub.ask(&token, "{ viewer { role } }", json!({})).await;
        assert_eq!((reply.status.as_u16(), reply.codes().concat().as_str()), (401, "UNAUTHENTICATED"), "{name}");
    }
    // Paths and parameters.
    for (path, status) in [
        ("/hooks/%00", 404),
        ("/playground/assets/%00", 404),
        ("/oauth/callback?state=%00&code=%00", 303),
        ("/oauth/callback?state=a&code=b&error=%00&error_description=%00", 303),
        ("/graphql?query=%7B__typename%7D&operationName=%00", 400),
        ("/graphql?documentId=%00", 400),
        ("/graphql?query=query(%24a%3AID!)%7Bnode(id%3A%24a)%7Bid%7D%7D&variables=%7B%22a%22%3A%22%5Cu0000%22%7D", 200),
    ] {
        let reply = hub.send(get(path)).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text);
    }
}

#[tokio::test]
async fn texts_that_are_only_unusual_are_taken_as_they_are() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::SuperAdmin).await;
    let names = [
        "🚢⚓",
        "<script>alert(1)</script>",
        "'; DROP TABLE users; --",
        "شركة",
        "{{7*7}}",
        "${env}",
        "%00",
        "\\u0000",
        "a\u{301}",
        "😀".repeat(120).as_str(),
    ]
    .map(str::to_owned);
    for (at, name) in names.iter().enumerate() {
        let data = hub.ask(&token, CREATE, user(&format!("ann{at}@example.com"), name)).await.data();
        assert_eq!(data["createUser"]["user"]["name"], *name, "{data}");
    }
    for email in ["o'neill+tag@example.co", "ann@xn--fsqu00a.example"] {
        let data = hub.ask(&token, CREATE, user(email, "Somebody")).await.data();
        assert_eq!(data["createUser"]["user"]["email"], email, "{data}");
    }
    let key = "k".repeat(255);
    let mut variables = user("key@example.com", "Key");
    variables["input"]["idempotencyKey"] = key.into();
    let first = hub.ask(&token, CREATE, variables.clone()).await.data();
    assert_eq!(hub.ask(&token, CREATE, variables.clone()).await.data(), first);
    variables["input"]["name"] = "Another".into();
    assert_eq!(hub.ask(&token, CREATE, variables).await.user_codes("createUser"), ["IDEMPOTENCY_KEY_REUSED"]);
}

/// Letters that look like others neither lead to the account of somebody else nor make one that could be
/// taken for it.
#[tokio::test]
async fn an_address_that_looks_like_another_is_refused_or_shows_what_it_is() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::SuperAdmin).await;
    let made = async |email: &str| hub.ask(&token, CREATE, user(email, "Somebody")).await.data()["createUser"].clone();
    let kate = made("kate@example.com").await["user"]["id"].clone();
    // Cyrillic а, fullwidth, the Kelvin sign, the same with an accent of its own, a letter without width.
    for alike in ["k\u{430}te", "\u{ff4b}\u{ff41}te", "\u{212a}ate", "ka\u{301}te", "ka\u{200b}te", "用户"] {
        let refused = made(&format!("{alike}@example.com")).await;
        assert_eq!(refused["userErrors"][0]["code"], "BAD_USER_INPUT", "{alike:?}: {refused}");
    }
    let other = made("kate@ex\u{430}mple.com").await;
    assert_ne!(other["user"]["id"], kate);
    assert_eq!(other["user"]["email"], "kate@xn--exmple-4nf.com", "nobody takes this for example.com");
    // What a browser takes for the same host is the same address, not another account.
    let same = made("kate@\u{ff45}xample.com").await;
    assert_eq!(same["userErrors"][0]["code"], "CONFLICT", "{same}");
}
