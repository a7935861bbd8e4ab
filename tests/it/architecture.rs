//! The walls of the house: which room may import which.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Room by room, what it may import of ours. `config` and `telemetry` are plain data and counters; the
/// rooms that need them say so.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("entity", &["kernel"]),
    ("event", &["kernel", "entity"]),
    ("vault", &["kernel"]),
    ("provider", &["kernel"]),
    ("context", &["kernel", "entity", "vault", "provider", "event"]),
    ("domain", &["kernel", "entity", "vault", "provider", "event", "context"]),
    ("graphql", &["kernel", "context", "domain", "event", "telemetry"]),
    ("http", &["kernel", "context", "domain", "event", "graphql", "telemetry"]),
    ("worker", &["kernel", "context", "domain", "event"]),
    ("telemetry", &["config"]),
    ("config", &["kernel"]),
];

/// Concerns of the domain, in the order in which they may call each other: only those before.
const CONCERNS: &[&str] = &[
    "keyring",
    "tenant",
    "audit",
    "event",
    "job",
    "access",
    "alert",
    "provider",
    "credential",
    "integration",
    "health",
    "sync",
    "inbox",
    "outbound",
    "order",
    "partner",
];

/// Crates that a room must not name.
const MUST_NOT_NAME: &[(&str, &[&str])] = &[
    ("kernel", &["axum", "async_graphql", "tokio"]),
    ("entity", &["axum", "async_graphql"]),
    ("vault", &["axum", "async_graphql", "sea_orm", "tokio"]),
    ("provider", &["axum", "async_graphql", "sea_orm"]),
    ("event", &["axum", "async_graphql"]),
    ("context", &["axum", "async_graphql"]),
    ("domain", &["axum", "async_graphql", "reqwest"]),
    ("graphql", &["axum", "hyper", "sea_orm", "reqwest"]),
    ("http", &["sea_orm", "reqwest"]),
    ("worker", &["axum", "async_graphql", "sea_orm", "reqwest"]),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file with its room and its text, comments taken out.
fn files() -> Vec<(String, PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&source(), &mut found);
    assert!(found.len() > 50, "the sources were not found");
    found
        .into_iter()
        .map(|path| {
            let inner = path.strip_prefix(source()).unwrap();
            let room = inner.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            (room, path, code.join("\n"))
        })
        .collect()
}

/// The first names after a root in `use` trees and paths: `crate::a::b` and `crate::{a::b, c}` give a, c.
fn named_after(root: &str, code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(root) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':') {
            continue;
        }
        let rest = &code[at + root.len()..];
        if let Some(tree) = rest.strip_prefix('{') {
            let (mut depth, mut start) = (0, true);
            let mut name = String::new();
            for letter in tree.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    letter if depth == 0 && start && (letter.is_alphanumeric() || letter == '_') => name.push(letter),
                    ':' if depth == 0 => start = false,
                    _ => {}
                }
                if (!start || letter == ',') && !name.is_empty() {
                    names.insert(std::mem::take(&mut name));
                }
            }
            if !name.is_empty() {
                names.insert(name);
            }
        } else {
            let name: String = rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
            if !name.is_empty() {
                names.insert(name);
            }
        }
    }
    names
}

#[test]
fn the_reader_of_imports_understands_both_forms() {
    let code =
        "use crate::{\n a::{b, c},\n d,\n e::f,\n};\nuse crate::g::h; fn x() { crate::i::j() }\nuse other_crate::k;";
    let names: Vec<_> = named_after("crate::", code).into_iter().collect();
    assert_eq!(names, ["a", "d", "e", "g", "i"]);
}

#[test]
fn every_room_imports_only_what_the_table_allows() {
    let mut breaches = Vec::new();
    for (room, path, code) in files() {
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == room) else { continue };
        for imported in named_after("crate::", &code) {
            let is_room = source().join(&imported).exists() || source().join(format!("{imported}.rs")).exists();
            if is_room && imported != room && !allowed.contains(&imported.as_str()) {
                breaches.push(format!("{} imports {imported}", path.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn every_folder_of_the_source_is_in_the_table() {
    let outside = ["app", "cli", "lib", "main"];
    for (room, path, _) in files() {
        let known = MAY_IMPORT.iter().any(|(name, _)| *name == room) || outside.contains(&room.as_str());
        assert!(known, "{} is in no room of the table", path.display());
    }
}

#[test]
fn a_concern_calls_only_those_before_it() {
    let place = |concern: &str| CONCERNS.iter().position(|name| *name == concern);
    let mut breaches = Vec::new();
    for (room, path, code) in files() {
        let inner: Vec<_> = path.strip_prefix(source()).unwrap().iter().filter_map(|part| part.to_str()).collect();
        if room != "domain" || inner[1] == "mod.rs" {
            continue;
        }
        let own = inner[1].trim_end_matches(".rs");
        let own_place = place(own).unwrap_or_else(|| panic!("the concern {own} is not in the list"));
        for imported in domain_imports(&code) {
            let imported_place =
                place(&imported).unwrap_or_else(|| panic!("{own} imports {imported}, which is not in the list"));
            if imported_place > own_place {
                breaches.push(format!("{} imports {imported}", path.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

/// The concerns that a file of the domain names, in whichever form.
fn domain_imports(code: &str) -> BTreeSet<String> {
    let compact: String = code.chars().filter(|letter| !letter.is_whitespace()).collect();
    let mut names = BTreeSet::new();
    for root in ["crate::domain::", "{domain::", ",domain::"] {
        for (at, _) in compact.match_indices(root) {
            names.extend(
                named_after("domain::", &format!(" domain::{}", &compact[at + root.len()..])).into_iter().take(1),
            );
        }
    }
    names
}

#[test]
fn no_room_names_a_crate_that_is_not_its_business() {
    let mut breaches = Vec::new();
    for (room, path, code) in files() {
        let Some((_, forbidden)) = MUST_NOT_NAME.iter().find(|(name, _)| *name == room) else { continue };
        for name in *forbidden {
            // The simulator plays a server, so it is one.
            if *name == "axum" && path.iter().any(|part| part == "simulator") {
                continue;
            }
            if code.contains(&format!("{name}::")) {
                breaches.push(format!("{} names {name}", path.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

/// What leaves the machine leaves through the one client, which looks at addresses.
#[test]
fn only_the_one_client_reaches_other_servers() {
    let ways = ["TcpStream::connect", "TcpSocket", "UdpSocket", "lookup_host", "ToSocketAddrs", "legacy::connect"];
    let clients = ["hyper_util::client", "client::legacy", "client::conn", "reqwest", "tokio_rustls", "TlsConnector"];
    for (_, path, code) in files() {
        // The simulator delivers webhooks as a provider would: to the loopback, and never for the hub.
        let allowed = path.iter().any(|part| part == "provider")
            && path.iter().any(|part| part == "client" || part == "client.rs" || part == "simulator");
        if allowed || path.file_name().is_some_and(|name| name == "tests.rs") {
            continue;
        }
        for name in ways.iter().chain(&clients) {
            assert!(!code.contains(name), "{} names {name}", path.display());
        }
    }
}

/// The engine turns anything printable into an error of its own, text and all; so its error type is named
/// only where errors get their codes.
#[test]
fn only_the_files_that_give_codes_name_the_engines_error() {
    let allowed = ["error.rs", "guard.rs", "id.rs"];
    for (room, path, code) in files() {
        let file = path.file_name().unwrap().to_str().unwrap();
        if room != "graphql" || allowed.contains(&file) || path.iter().any(|part| part == "endpoint") {
            continue;
        }
        for name in ["async_graphql::Error", "async_graphql::Result"] {
            assert!(!code.contains(name), "{} names {name}", path.display());
        }
    }
}

#[test]
fn the_rules_of_the_domain_begin_with_an_essay() {
    for (room, path, _) in files() {
        if room == "domain" {
            let text = fs::read_to_string(&path).unwrap();
            let essay = text.lines().take_while(|line| line.starts_with("//!")).count();
            assert!(essay >= 1, "{} does not say what it is", path.display());
        }
    }
}

/// Every `path::of::a_test` in backticks.
fn tests_named_in(page: &str) -> BTreeSet<String> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.contains("::") && !text.contains(' ')).map(str::to_owned).collect()
}

#[test]
fn the_security_page_names_tests_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = tests_named_in(&fs::read_to_string(root.join("docs/security.md")).unwrap());
    assert!(named.len() > 20, "the page names next to nothing: {named:?}");
    for test in named {
        let (module, name) = test.rsplit_once("::").unwrap();
        let path = root.join("tests/it").join(module.replace("::", "/"));
        let code = fs::read_to_string(path.with_extension("rs")).or_else(|_| fs::read_to_string(path.join("mod.rs")));
        let code = code.unwrap_or_else(|error| panic!("{test}: {}: {error}", path.display()));
        assert!(code.contains(&format!("fn {name}(")), "{test} is not there");
    }
}
