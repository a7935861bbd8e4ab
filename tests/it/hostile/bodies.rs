//! Bodies that are not a GraphQL request.

use std::convert::Infallible;

use axum::body::Body;
use futures_util::stream;

use super::{Case, Wanted, withstand};
use crate::support::{
    TestHub,
    hub::post,
    request::With,
    text::{around, many},
};

const INPUT: Wanted = Wanted::Refused(400, "BAD_USER_INPUT");
const LARGE: Wanted = Wanted::Refused(413, "PAYLOAD_TOO_LARGE");

#[tokio::test]
async fn what_is_not_json_is_refused() {
    let ask = "{\"query\":\"{ __typename }\"}";
    let mut cases = vec![
        Case::body("nothing", INPUT, ""),
        Case::body("white space", INPUT, " \r\n\t "),
        Case::body("an open brace", INPUT, "{"),
        Case::body("half a member", INPUT, "{\"query\":"),
        Case::body("a body cut short", INPUT, &ask[..ask.len() - 1]),
        Case::body("something after the end", INPUT, format!("{ask}{ask}")),
        Case::body("single quotes", INPUT, "{'query': '{ __typename }'}"),
        Case::body("a comment", INPUT, format!("// why not\n{ask}")),
        Case::body("a trailing comma", INPUT, "{\"query\":\"{ __typename }\",}"),
        Case::body("a document without JSON", INPUT, "{ __typename }"),
        Case::body("a form", INPUT, "query=%7B__typename%7D"),
        Case::body("XML", INPUT, "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>"),
        Case::body("not a number", INPUT, "{\"query\":NaN}"),
        Case::body("a number with a leading zero", INPUT, "{\"query\":01}"),
        Case::body("a number beyond all bounds", INPUT, "{\"variables\":{\"a\":1e999},\"query\":\"{a}\"}"),
        Case::body("a line break in a string", INPUT, "{\"query\":\"{\n__typename }\"}"),
        Case::body("a control character in a string", INPUT, "{\"query\":\"{\u{1}__typename }\"}"),
        Case::body("a NUL between members", INPUT, b"{\"query\":\0\"{ __typename }\"}".to_vec()),
        Case::body("a NUL after the end", INPUT, format!("{ask}\0")),
        Case::body("an unknown escape", INPUT, r#"{"query":"\x41"}"#),
        Case::body("a surrogate alone", INPUT, r#"{"query":"{ __typename } #\ud800"}"#),
        Case::body("surrogates the wrong way round", INPUT, r#"{"query":"{ __typename } #\udc00\ud800"}"#),
        Case::body("a surrogate alone in a name", INPUT, r#"{"query":"{ __typename }","\ud800":1}"#),
        Case::body("a byte order mark", INPUT, format!("\u{feff}{ask}")),
        Case::body("UTF-16", INPUT, ask.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        Case::body("bytes that are no text", INPUT, b"{\"query\":\"\xff\xfe\"}".to_vec()),
        Case::body("an overlong NUL", INPUT, b"{\"query\":\"\xc0\x80\"}".to_vec()),
        Case::body("a surrogate in UTF-8", INPUT, b"{\"query\":\"\xed\xa0\x80\"}".to_vec()),
        Case::body("a character cut in two", INPUT, b"{\"query\":\"\xe2\x82\"}".to_vec()),
        Case::body("a byte of every kind", INPUT, (0..=255).collect::<Vec<u8>>()),
    ];
    for (name, open, close) in [("arrays", "[", "]"), ("objects", "{\"a\":", "}"), ("both", "[{\"a\":", "}]")] {
        let deep = around(open, "1", close, 100_000);
        cases.push(Case::body(&format!("{name}, 100,000 deep"), INPUT, deep));
        cases.push(Case::body(&format!("{name}, 100,000 deep, not closed"), INPUT, open.repeat(100_000)));
        let inside = format!("{{\"query\":\"{{a}}\",\"variables\":{{\"a\":{}}}}}", around(open, "1", close, 50_000));
        cases.push(Case::body(&format!("{name}, 50,000 deep, in a variable"), INPUT, inside));
    }
    withstand(&TestHub::start().await, cases).await;
}

#[tokio::test]
async fn what_is_json_and_no_request_is_refused() {
    let duplicate = "{\"query\":\"{ __typename }\",\"query\":\"{ a }\"}";
    let nested = "{\"query\":\"{ __typename }\",\"variables\":{\"a\":[{\"b\":1,\"b\":2}]}}";
    let escaped = "{\"query\":\"{ __typename }\",\"quer\\u0079\":\"{ a }\"}";
    let mut cases = vec![
        Case::body("a member twice", INPUT, duplicate),
        Case::body("a member twice, far inside", INPUT, nested),
        Case::body("a member twice, once in disguise", INPUT, escaped),
        Case::body("an object without members", INPUT, "{}"),
        Case::body("a query that is empty", INPUT, "{\"query\":\"\"}"),
        Case::body("a query that is null", INPUT, "{\"query\":null}"),
    ];
    for value in ["null", "true", "0", "-1.5e3", "\"{ __typename }\"", "[]", "[{\"query\":\"{ __typename }\"}]"] {
        cases.push(Case::body(&format!("the value {value}"), INPUT, value));
    }
    for member in ["query", "operationName", "documentId"] {
        for value in ["1", "true", "[]", "{}"] {
            let body = format!("{{\"query\":\"{{ __typename }}\",\"{member}\":{value}}}");
            let body = if member == "query" { format!("{{\"query\":{value}}}") } else { body };
            cases.push(Case::body(&format!("{member} is {value}"), INPUT, body));
        }
    }
    for member in ["variables", "extensions"] {
        for value in ["1", "true", "[]", "\"{}\""] {
            let body = format!("{{\"query\":\"{{ __typename }}\",\"{member}\":{value}}}");
            cases.push(Case::body(&format!("{member} is {value}"), INPUT, body));
        }
    }
    withstand(&TestHub::start().await, cases).await;
}

#[tokio::test]
async fn what_is_large_is_refused_without_much_work() {
    let mega = 1024 * 1024;
    let members = many(60_000, |at| format!("\"m{at}\":1,"));
    let few = many(19_000, |at| format!("\"m{at}\":1,"));
    let name = "\u{301}".repeat(200_000);
    let numbers = format!("{{\"query\":\"{{ __typename }}\",\"variables\":{{\"a\":[{}1]}}}}", "1,".repeat(400_000));
    let digits = format!("{{\"query\":\"{{ __typename }}\",\"variables\":{{\"a\":{}}}}}", "9".repeat(500_000));
    let text = |length| format!("{{\"query\":\"{{ __typename #{} }}\"}}", "x".repeat(length));
    let escapes = format!("{{\"query\":\"{}\"}}", "\\u0020".repeat(150_000));
    let streamed = move || {
        let pieces = stream::iter((0..160).map(|_| Ok::<_, Infallible>(vec![b' '; 64 * 1024])));
        post("", Body::from_stream(pieces))
    };
    let announced = || post("", "{}").with("content-length", "10485760");
    let absurd = || post("", "{}").with("content-length", "18446744073709551615");
    let cases = vec![
        Case::body("10 MB of blanks", LARGE, vec![b' '; 10 * mega]),
        Case::new("10 MB in pieces, of unknown length", LARGE, streamed),
        Case::new("10 MB announced, none sent", LARGE, announced),
        Case::new("a length of 2^64 announced", LARGE, absurd),
        Case::body("one byte more than 1 MiB", LARGE, vec![b' '; mega + 1]),
        Case::body("exactly 1 MiB of blanks", INPUT, vec![b' '; mega]),
        Case::body("1 MiB of opening brackets", INPUT, vec![b'['; mega]),
        Case::body("1 MiB of quotes", INPUT, vec![b'"'; mega]),
        Case::body("1 MiB of backslashes in a string", INPUT, format!("\"{}", "\\".repeat(mega - 1))),
        Case::body("60,000 members", INPUT, format!("{{{members}\"z\":1}}")),
        Case::body("19,000 members", INPUT, format!("{{{few}\"z\":1}}")),
        Case::body("a member of 400 KB twice", INPUT, format!("{{\"{name}\":1,\"{name}\":1}}")),
        Case::body("400,000 numbers in a variable", INPUT, numbers),
        Case::body("a number of 500,000 digits", INPUT, digits),
        Case::body("a document of 1 MB", Wanted::Refused(400, "QUERY_TOO_LARGE"), text(1_000_000)),
        Case::body("a document of 33 KB", Wanted::Refused(400, "QUERY_TOO_LARGE"), text(33_000)),
        Case::body("a document of 150,000 escapes", Wanted::Refused(400, "QUERY_TOO_LARGE"), escapes),
    ];
    withstand(&TestHub::start().await, cases).await;
}
