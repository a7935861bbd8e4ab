//! Every text that can be sent, with a NUL in it.
//!
//! The cases touch every argument and every input field of the schema, which [`rules`](super::rules) holds. Here each
//! text of each case, in its variables and in its document, is sent once with a NUL inside, and each JSON object once
//! with a NUL in a key. All of them are refused before anything runs, on both databases, with the path.

use portolan::kernel::scope::Role;
use serde_json::Value;

use super::{cases, principal::Principal, world::World};

/// Pointers to all texts and all objects of some variables.
fn places(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(pointer.to_owned()),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| places(item, &format!("{pointer}/{at}"), found));
        }
        Value::Object(fields) => {
            if !pointer.is_empty() {
                found.push(pointer.to_owned());
            }
            fields.iter().for_each(|(name, item)| places(item, &format!("{pointer}/{name}"), found));
        }
        _ => {}
    }
}

/// The document with a NUL in each of its texts, one after the other.
fn written(document: &str) -> Vec<String> {
    let quotes: Vec<_> = document.match_indices('"').map(|(at, _)| at).collect();
    let ends = quotes.chunks(2).filter_map(|pair| pair.get(1));
    ends.map(|end| format!("{}\\u0000{}", &document[..*end], &document[*end..])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_with_nul_passes_any_argument_or_input_field() {
    let mut world = Box::pin(World::new()).await;
    let who = Principal::role(Role::SuperAdmin);
    let before = {
        world.token(&who).await;
        world.rows().await
    };
    let (mut tried, mut failures) = (0, Vec::new());
    for case in cases::all() {
        let variables = (case.variables)(&world.here);
        let mut found = Vec::new();
        places(&variables, "", &mut found);
        let mut sent = Vec::new();
        for pointer in found {
            let mut changed = variables.clone();
            match changed.pointer_mut(&pointer).unwrap() {
                Value::String(text) => text.push('\0'),
                Value::Object(fields) => drop(fields.insert("a\0b".to_owned(), 1.into())),
                _ => unreachable!("only texts and objects were found"),
            }
            sent.push((pointer, case.document.to_owned(), changed));
        }
        let documents = written(case.document).into_iter();
        sent.extend(documents.map(|document| ("the document".to_owned(), document, variables.clone())));
        for (place, document, variables) in sent {
            let token = world.token(&who).await;
            let reply = world.hub.ask(&token, &document, variables).await;
            tried += 1;
            let error = &reply.json()["errors"][0];
            let named = place == "the document"
                || error["extensions"]["argument"]
                    .as_str()
                    .is_some_and(|path| path.replace('.', "/").starts_with(&format!("variables{place}")));
            if reply.codes().iter().any(|code| code != "BAD_USER_INPUT") || reply.codes().is_empty() || !named {
                failures.push(format!("{place} of {}: {}", case.document.trim(), reply.text));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {tried}:\n{}", failures.len(), failures.join("\n"));
    assert!(tried > 300, "only {tried} texts were sent");
    println!("{tried} texts with NUL were refused");
    assert_eq!(world.rows().await, before, "a refused request wrote something");
}
