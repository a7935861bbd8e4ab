//! What expressions find, and what they must not be.

use serde_json::{Value, json};

use super::{Document, Expression};

fn parse(text: &str) -> Expression {
    Expression::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn found(text: &str, of: Value) -> Value {
    parse(text).value(&Document::from(of)).unwrap()
}

#[test]
fn paths_go_through_what_is_missing() {
    let answer = json!({"data": {"orders": {"edges": [{"node": {"id": 1}}, {"node": {"id": 2}}]}}});
    assert_eq!(found("data.orders.edges[].node.id", answer.clone()), json!([1, 2]));
    assert_eq!(found("data.refunds.edges[].node.id", answer), Value::Null);
}

#[test]
fn large_numbers_come_out_as_they_went_in() {
    assert_eq!(found("id", json!({"id": 9_007_199_254_740_993_i64})), json!(9_007_199_254_740_993_i64));
    let parsed = Document::parse(br#"{"id": 18446744073709551615}"#).unwrap();
    assert_eq!(parse("id").text(&parsed), Some("18446744073709551615".to_owned()));
}

#[test]
fn a_document_holds_no_nul() {
    let text = br#"{"i\u0000d": "a\u0000", "list": ["\u0000", {"x": "\\u0000"}]}"#;
    let expected = json!({"i\u{fffd}d": "a\u{fffd}", "list": ["\u{fffd}", {"x": "\\u0000"}]});
    assert_eq!(Document::parse(text).unwrap().to_value().unwrap(), expected);
    assert_eq!(Document::from(json!({"a\0": ["b\0"]})).to_value().unwrap(), json!({"a\u{fffd}": ["b\u{fffd}"]}));
}

#[test]
fn our_functions_do_what_they_say() {
    assert_eq!(found("times(amount, `100`)", json!({"amount": 12.5})), json!(1250));
    assert_eq!(found("divide(`1`, `0`)", json!({})), Value::Null);
    assert_eq!(found("split(gid, '/')[-1]", json!({"gid": "gid://shop/Order/7"})), json!("7"));
    assert_eq!(found("from_epoch(t)", json!({"t": 1_700_000_000})), json!("2023-11-14T22:13:20Z"));
    assert_eq!(found("from_epoch(t)", json!({"t": 1_700_000_000_123_i64})), json!("2023-11-14T22:13:20.123Z"));
    assert_eq!(found("from_epoch(t)", json!({"t": 1e300})), Value::Null);
    assert_eq!(found("upper(lower(x))", json!({"x": "Aé"})), json!("AÉ"));
}

#[test]
fn a_type_that_does_not_fit_makes_a_condition_false() {
    assert!(!parse("contains(errors, 'x')").holds(&Document::from(json!({"errors": null}))));
    assert!(parse("contains(errors, 'x')").holds(&Document::from(json!({"errors": ["x"]}))));
}

#[test]
fn faults_name_the_character() {
    for (text, at, part) in [
        ("a[", 3, "Expected"),
        ("a == = b", 6, "'='"),
        ("nothing(a)", 8, "there is no function"),
        ("lenght(a)", 7, "did you mean \"length\""),
        ("split(a)", 6, "split(text, separator)"),
        ("", 1, "no expression"),
        ("a[::0]", 6, "steps"),
        ("a[::2147483647]", 15, "steps"),
        ("'never closed", 1, "Unclosed"),
    ] {
        let fault = Expression::parse(text).unwrap_err();
        assert!(fault.message.contains(part), "{text}: {fault}");
        assert!(fault.at.abs_diff(at) <= 1, "{text}: {fault}");
    }
}

#[test]
fn what_could_grow_is_refused_before_it_runs() {
    for text in [
        vec!["[@,@]"; 30].join("|"),
        format!("{}[]", vec!["[@,@][]"; 30].join("|")),
        "[".repeat(3_000),
        "!".repeat(3_000),
        "(".repeat(4_000),
        vec!["a"; 2_000].join("."),
        "&".repeat(4_000),
        format!("`[{}]`", vec!["1"; 1_900].join(",")),
        "a".repeat(5_000),
        "map(&map(&[@,@,@,@,@,@,@,@,@,@],[@,@,@,@,@,@,@,@,@,@]),[@,@,@,@,@,@,@,@,@,@,@])".to_owned(),
    ] {
        assert!(Expression::parse(&text).is_err(), "{}…", text.chars().take(40).collect::<String>());
    }
}

#[test]
fn no_text_makes_the_parser_panic() {
    use crate::kernel::chance::{Chance, SeededChance};

    let chance = SeededChance::new(7);
    let alphabet: Vec<char> = "ab.[]{}()*@&|!<>=?:,'\"`\\-0123 \néfoo".chars().collect();
    let document = Document::from(json!({"a": [1, 2, {"b": "x"}], "b": {"a": null, "f": 1.5}}));
    for _ in 0..20_000 {
        let mut bytes = [0; 24];
        chance.fill(&mut bytes);
        let text: String = bytes.iter().map(|byte| alphabet[usize::from(*byte) % alphabet.len()]).collect();
        if let Ok(expression) = Expression::parse(&text) {
            let _ = expression.value(&document);
        }
    }
}

#[test]
fn a_path_can_be_walked_backwards() {
    for (path, value) in [
        ("orders", json!([1, 2])),
        ("data.orders.edges[].node", json!([{"id": 1}, {"id": 2}])),
        ("@", json!([1])),
        ("data[].id", json!(["a", "b"])),
        ("entry[0].id", json!("x")),
        ("a || b", json!("x")),
    ] {
        let mut whole = Value::Null;
        assert!(parse(path).put(value.clone(), &mut whole), "{path}");
        assert_eq!(found(path, whole), value, "{path}");
    }
    assert!(!parse("length(a)").put(json!(1), &mut Value::Null));
}

#[test]
fn joining_stops_at_a_size() {
    let long = "x".repeat(600_000);
    let document = Document::from(json!({"glue": long, "parts": ["a", "b", "c"]}));
    assert!(parse("join(glue, parts)").value(&document).is_err());
}
