//! Bad files are refused by line and reason, and the reason says what to write.

use super::{Manifest, schema};
use crate::provider::catalogue::EMBEDDED;

/// The smallest provider that has a little of everything.
const SMALL: &str = r#"key = "small"
name = "Small"
description = "A little of everything."
category = "commerce"
docs = "https://example.com/docs"
per_tenant = "many"
version = "none"
discovery = "none"
[[environments]]
key = "live"
label = "Live"
sandbox = false
base_url = "https://{shop}.example.com"
[[settings]]
name = "shop"
label = "Shop"
pattern = '^[a-z]{1,20}$'
example = "tea"
[[auth]]
kind = "bearer_token"
key = "token"
label = "Token"
[[auth.fields]]
name = "token"
label = "Token"
example = "t0ken"
[[auth.inject]]
into = "bearer"
token = "{token}"
[probe]
by = "request"
request = { path = "/me" }
expect = "id"
example = { id = "1" }
[errors]
message = "error"
[[errors.rules]]
class = "throttled"
status = [403]
text = "slow down"
example = { status = 403, body = { error = "slow down" } }
[[limits]]
shape = "window"
requests = 10
per = "1s"
[paging]
by = "page"
parameter = "page"
size = { parameter = "size", most = 50 }
[[actions]]
key = "read"
name = "Read"
description = "Reads."
effect = "read"
request = { path = "/things/{input.id}" }
input = { type = "object", properties = { id = { type = "string" } } }
output = { type = "object" }
example = { id = "1" }
[[streams]]
key = "things"
name = "Things"
about = "order"
request = { path = "/things", query = { from = "{since}" } }
records = "things"
id = "id"
updated_at = "at"
since = { form = "rfc3339", overlap = "5m" }
schedule = "hourly"
deletions = "unknown"
example = { id = "1", at = "2026-11-21T10:00:00Z" }
[webhook]
setup = "Enter our address."
handshake = "none"
kind = { body = "type" }
id = { body = "id" }
time = "none"
account = { at = { body = "shop" }, setting = "shop", proof = "none" }
reconcile = { stream = "things", every = "1h", why = "It tries once." }
verify = { engine = "hmac_body", header = "X-Sign", encoding = "hex", secret = "{hook}" }
retry = { note = "It tries once." }
[[webhook.fields]]
name = "hook"
label = "Secret"
example = "s3cret"
[[webhook.routes]]
kinds = ["thing.new"]
is = "order.created"
subject = "id"
[webhook.example]
body = { type = "thing.new", id = "1", shop = "tea" }
"#;

fn problems(text: &str) -> Vec<String> {
    match Manifest::parse("small.toml", text) {
        Ok(_) => Vec::new(),
        Err(refused) => refused.to_string().lines().map(str::to_owned).collect(),
    }
}

#[test]
fn the_small_provider_is_right() {
    assert_eq!(problems(SMALL), Vec::<String>::new());
}

/// What is replaced, by what, the line that must be named, and what must be said.
const SLIPS: &[(&str, &str, usize, &str)] = &[
    // Missing.
    ("key = \"small\"\n", "\n", 1, "the file lacks `key`; write `key = \"some_name\"`"),
    ("docs = \"https://example.com/docs\"\n", "\n", 1, "lacks `docs`"),
    ("version = \"none\"\n", "\n", 1, "lacks `version`; write `version = \"none\"`"),
    ("base_url = \"https://{shop}.example.com\"\n", "\n", 9, "`environments[1]` lacks `base_url`"),
    ("label = \"Shop\"\n", "\n", 14, "`settings[1]` lacks `label`"),
    ("kind = \"bearer_token\"\n", "\n", 19, "lacks `kind`; write `kind = \"api_key\"`, or one of"),
    ("by = \"page\"\n", "\n", 46, "`paging` lacks `by`"),
    ("records = \"things\"\n", "\n", 59, "`streams[1]` lacks `records`; write `records = "),
    ("example = \"t0ken\"\n", "\n", 23, "lacks `example`"),
    ("kinds = [\"thing.new\"]\n", "\n", 85, "`webhook.routes[1]` lacks `kinds`; write `kinds = [\"…\"]`"),
    (", proof = \"none\" }", " }", 77, "`webhook.account` lacks `proof`; write `proof = \"none\"`"),
    // No proof of an account.
    (
        "proof = \"none\" }",
        "proof = { by = \"probe\", id = \"shop\" } }",
        77,
        "`id` of the proof finds no \"tea\" in the `example` of the probe",
    ),
    (
        "proof = \"none\" }",
        "proof = { by = \"discovery\", why = \"It lists them.\" } }",
        77,
        "`proof` is by discovery, which does not set `shop`",
    ),
    (
        "setting = \"shop\", proof = \"none\" }",
        "setting = \"token\", proof = { by = \"probe\", id = \"id\" } }",
        77,
        "is no setting",
    ),
    // Doubled.
    ("name = \"Small\"\n", "name = \"Small\"\nname = \"Small\"\n", 3, "duplicate key"),
    (
        "[[settings]]\n",
        "[[settings]]\nname = \"shop\"\nlabel = \"Shop\"\nexample = \"x\"\n[[settings]]\n",
        18,
        "is there twice, first in line 14",
    ),
    ("[[limits]]\n", "[probe]\nby = \"token\"\n[[limits]]\n", 42, "duplicate key"),
    ("label = \"Secret\"\n", "label = \"Secret\"\nsecret = true\nsecret = true\n", 85, "duplicate key"),
    // Misspelt.
    ("category = \"commerce\"", "category = \"comerce\"", 4, "(did you mean \"commerce\"?)"),
    (
        "per_tenant = \"many\"",
        "per_tenent = \"many\"",
        6,
        "unknown key `per_tenent` in the file (did you mean \"per_tenant\"?)",
    ),
    ("schedule = \"hourly\"", "schedule = \"hourley\"", 68, "(did you mean \"hourly\"?)"),
    ("into = \"bearer\"", "into = \"beerer\"", 28, "(did you mean \"bearer\"?)"),
    ("class = \"throttled\"", "class = \"throtled\"", 38, "(did you mean \"throttled\"?)"),
    ("is = \"order.created\"", "is = \"order.craeted\"", 87, "(did you mean \"order.created\"?)"),
    ("shape = \"window\"", "shape = \"widow\"", 43, "(did you mean \"window\"?)"),
    (
        "token = \"{token}\"",
        "token = \"{tokn}\"",
        27,
        "`{tokn}` in the auth method `token` means nothing there (did you mean \"token\"?)",
    ),
    ("https://{shop}.example.com", "https://{shpo}.example.com", 9, "(did you mean \"shop\"?)"),
    (
        "/things/{input.id}",
        "/things/{input.ids}",
        55,
        "`{input.ids}` in the action `read` is no part of the action's `input` (did you mean \"id\"?)",
    ),
    ("setting = \"shop\"", "setting = \"shoop\"", 77, "(did you mean \"shop\"?)"),
    ("stream = \"things\"", "stream = \"thing\"", 78, "there is no stream `thing` (did you mean \"things\"?)"),
    // Of the wrong type, or not to be read.
    (
        "sandbox = false",
        "sandbox = \"no\"",
        12,
        "`environments[1].sandbox` is a text, but must be true or false; write `sandbox = true`",
    ),
    ("requests = 10", "requests = \"10\"", 44, "is a text, but must be a whole number"),
    ("requests = 10", "requests = 0", 44, "must be a whole number from 1"),
    ("per = \"1s\"", "per = \"1\"", 45, "the unit is missing"),
    (
        "status = [403]",
        "status = [\"forbidden\"]",
        39,
        "`errors.rules[1].status[1]` is a text, but must be a status such as 401",
    ),
    ("status = [403]", "status = 403", 39, "must be a list of"),
    ("docs = \"https://example.com/docs\"", "docs = \"http://example.com\"", 5, "it begins with https://"),
    ("expect = \"id\"", "expect = \"id[\"", 33, "`probe.expect` cannot be \"id[\""),
    ("pattern = '^[a-z]{1,20}$'", "pattern = '[a-z]'", 17, "begin it with ^"),
    ("pattern = '^[a-z]{1,20}$'", "pattern = '^([a-z]$'", 17, "unclosed group"),
    ("https://{shop}.example.com", "http://{shop}.example.com", 13, "begins with https://"),
    ("https://{shop}.example.com", "https://{shop.example.com", 13, "a gap is not closed"),
    ("path = \"/me\"", "path = \"me\"", 32, "it begins with /"),
    ("path = \"/me\"", "path = \"/me?x=1\"", 32, "give parameters in `query`"),
    ("header = \"X-Sign\"", "header = \"X Sign\"", 79, "a header has letters, digits and - only"),
    ("header = \"X-Sign\"", "header = \"Host\"", 79, "the transport's own"),
    ("probe]", "probe", 30, "this is not TOML"),
    ("version = \"none\"", "version = \"no\"", 7, "must be a table or \"none\""),
    ("settings]]\nname = \"shop\"", "settings]]\nname = \"Shop\"", 15, "lower-case"),
    // What does not fit together.
    ("example = \"tea\"", "example = \"TEA\"", 14, "`example` of the setting `shop` does not fit"),
    ("pattern = '^[a-z]{1,20}$'\n", "\n", 9, "is part of a host name, but its setting has no `pattern`"),
    (
        "query = { from = \"{since}\" }",
        "query = { from = \"now\" }",
        67,
        "has `since`, but no `{since}` in its request",
    ),
    ("deletions = \"unknown\"", "deletions = \"marked\"", 59, "`deletions = \"marked\"` and `deleted`, or neither"),
    ("deletions = \"unknown\"", "deletions = \"absent\"", 59, "reads only changes"),
    ("kind = { body = \"type\" }", "kind = { body = \"type\", header = \"X\" }", 74, "write exactly one"),
    (
        "into = \"bearer\"\ntoken = \"{token}\"",
        "into = \"header\"\nname = \"X-Key\"\nvalue = \"{token}\"",
        19,
        "`into = \"bearer\"`",
    ),
    ("input = { type = \"object\",", "input = { type = \"array\",", 50, "is no JSON Schema of an object"),
    ("input = { type = \"object\",", "input = { type = \"list\",", 56, "is no JSON Schema: "),
    // Examples that are not what they stand by.
    ("example = { id = \"1\" }\n[errors]", "example = { name = \"x\" }\n[errors]", 30, "does not prove a credential"),
    ("text = \"slow down\"", "text = \"hurry up\"", 37, "`example` of this rule is `permission`, not `throttled`"),
    ("id = \"id\"\nupdated_at", "id = \"uid\"\nupdated_at", 59, "`id` of the stream `things` finds nothing"),
    ("updated_at = \"at\"", "updated_at = \"on\"", 59, "`updated_at` of the stream `things` finds no time"),
    ("body = { type = \"thing.new\"", "body = { type = \"thing.old\"", 89, "of a kind that no route knows"),
];

#[test]
fn each_slip_is_refused_by_line_with_what_to_write() {
    assert!(SLIPS.len() >= 50);
    let mut wrong = Vec::new();
    for (from, to, line, part) in SLIPS {
        assert!(SMALL.contains(from), "{from:?} is not in the small provider");
        let found = problems(&SMALL.replacen(from, to, 1));
        let place = format!("small.toml:{line}: ");
        if !found.iter().any(|problem| problem.starts_with(&place) && problem.contains(part)) {
            wrong.push(format!("{to:?}\n  wanted {place}… {part}\n  found  {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn several_slips_are_told_at_once_and_in_order() {
    let text = SMALL
        .replace("name = \"Small\"\n", "nam = \"Small\"\n")
        .replace("hourly", "hour")
        .replace("requests = 10", "requests = -1");
    let lines: Vec<usize> =
        problems(&text).iter().filter_map(|problem| problem.split(':').nth(1)?.parse().ok()).collect();
    assert!(lines.len() >= 4, "{lines:?}");
    assert!(lines.is_sorted(), "{lines:?}");
}

#[test]
fn any_single_line_may_be_lost_without_a_panic() {
    for (name, text) in EMBEDDED {
        let lines: Vec<&str> = text.lines().collect();
        // Every 29th line of each file keeps this quick; the offset makes files differ.
        for lost in (name.len() % 29..lines.len()).step_by(29) {
            let kept: Vec<&str> =
                lines.iter().enumerate().filter(|(at, _)| *at != lost).map(|(_, line)| *line).collect();
            let _ = Manifest::parse(name, &kept.join("\n"));
        }
    }
}

#[test]
fn no_text_makes_the_reader_panic() {
    use crate::kernel::chance::{Chance, SeededChance};

    let chance = SeededChance::new(11);
    let characters: Vec<char> = SMALL.chars().collect();
    for _ in 0..300 {
        let mut bytes = [0; 8];
        chance.fill(&mut bytes);
        let at = usize::from(u16::from_be_bytes([bytes[0], bytes[1]])) % characters.len();
        let length = usize::from(bytes[2]) % 40;
        let mut text: String = characters[..at].iter().collect();
        text.push(char::from(bytes[3] % 128));
        text.extend(characters.iter().skip(at + length));
        let _ = Manifest::parse("small.toml", &text);
    }
}

#[test]
fn the_schema_describes_every_key() {
    let schema: serde_json::Value = serde_json::from_str(&schema::document()).unwrap();
    let definitions = schema["$defs"].as_object().unwrap();
    assert!(definitions.len() > 50, "{}", definitions.len());
    for (name, definition) in definitions {
        assert!(definition["description"].is_string(), "{name}");
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].is_string(), "{name}.{key}");
        }
    }
}
