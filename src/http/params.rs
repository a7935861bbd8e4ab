//! The parameters of a GraphQL request, out of a body or a query string.
//!
//! A request names its document in one of three ways: as text (`query`), by the id of a trusted document
//! (`documentId`), or by the hash of a text sent before (`extensions.persistedQuery`). One of them must be
//! there; what to make of several is for whoever looks documents up. An empty text and `null` are the same
//! as nothing, and members nobody knows are passed over, as the specification asks.
//!
//! Failures carry two statuses. Deployed clients expect 400 for all of them; the draft of 2026 keeps 400 for
//! what cannot be parsed and answers 422 where the text is fine and its shape is not.

use serde_json::{Map, Value};

use super::json;
use crate::kernel::error::Code;

/// How much a request may bring.
#[derive(Clone, Copy, Debug)]
pub struct ParamLimits {
    /// Levels of brackets in JSON.
    pub nesting: usize,
    /// Values in JSON, members and items alike.
    pub values: usize,
    /// Bytes of the document.
    pub document: usize,
    /// Bytes of an operation name or a document id.
    pub name: usize,
}

impl Default for ParamLimits {
    fn default() -> Self {
        Self { nesting: 64, values: 20_000, document: 32 * 1024, name: 256 }
    }
}

/// What a request asks to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params {
    /// The document as text.
    pub query: Option<String>,
    /// Which operation of the document to run.
    pub operation_name: Option<String>,
    /// Values for the document's variables.
    pub variables: Map<String, Value>,
    /// Whatever else a client and a server agree on.
    pub extensions: Map<String, Value>,
    /// The id of a trusted document: `sha256:` and a hash, or any other word.
    pub document_id: Option<String>,
    /// The SHA-256 of the document in lower-case hexadecimal, out of `extensions.persistedQuery`.
    pub apq: Option<String>,
}

/// Why the parameters were not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParamError {
    /// The code clients see.
    pub code: Code,
    /// The HTTP status that deployed clients expect.
    pub status: u16,
    /// The HTTP status by the draft of 2026.
    pub status_draft: u16,
    /// A sentence for people.
    pub message: String,
}

impl ParamError {
    /// The text cannot be parsed.
    pub(super) fn unreadable(message: impl Into<String>) -> Self {
        Self { code: Code::BadUserInput, status: 400, status_draft: 400, message: message.into() }
    }

    /// The text is fine, what it says is not.
    fn malformed(message: impl Into<String>) -> Self {
        Self { status_draft: 422, ..Self::unreadable(message) }
    }
}

/// Reads the parameters from the body of a POST.
pub fn from_post(body: &[u8], limits: &ParamLimits) -> Result<Params, ParamError> {
    match json::read(body, limits.nesting, limits.values) {
        Ok(Value::Object(members)) => check(members, limits),
        Ok(Value::Array(_)) => Err(ParamError::malformed("batching is off: send one request as a JSON object")),
        Ok(_) => Err(ParamError::malformed("the body must be a JSON object")),
        Err(error) => Err(ParamError::unreadable(format!("the body {error}"))),
    }
}

/// Reads the parameters from the query string of a GET, without its question mark.
pub fn from_get(query_string: &str, limits: &ParamLimits) -> Result<Params, ParamError> {
    let mut members = Map::new();
    for pair in query_string.split('&') {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name).ok_or_else(|| ParamError::unreadable("the query string is not well encoded"))?;
        let structured = match name.as_str() {
            "query" | "operationName" | "documentId" => false,
            "variables" | "extensions" => true,
            _ => continue,
        };
        let text = decode(text).ok_or_else(|| ParamError::unreadable(format!("`{name}` is not well encoded")))?;
        let value = if !structured {
            text.into()
        } else if text.is_empty() {
            Value::Null
        } else {
            json::read(text.as_bytes(), limits.nesting, limits.values)
                .map_err(|error| ParamError::unreadable(format!("`{name}` {error}")))?
        };
        if members.contains_key(&name) {
            return Err(ParamError::malformed(format!("`{name}` appears twice")));
        }
        members.insert(name, value);
    }
    check(members, limits)
}

/// Takes the parameters out of their object, each of its own type.
pub fn check(mut members: Map<String, Value>, limits: &ParamLimits) -> Result<Params, ParamError> {
    let query = text(&mut members, "query")?;
    let operation_name = word(&mut members, "operationName", limits)?;
    let document_id = word(&mut members, "documentId", limits)?;
    let variables = object(&mut members, "variables")?;
    let mut extensions = object(&mut members, "extensions")?;
    let apq = persisted(&mut extensions)?;
    if query.is_none() && document_id.is_none() && apq.is_none() {
        return Err(ParamError::malformed("`query` is missing: send a document, or its documentId"));
    }
    if query.as_ref().is_some_and(|query| query.len() > limits.document) {
        let message = format!("the document is larger than {} bytes", limits.document);
        return Err(ParamError { code: Code::QueryTooLarge, ..ParamError::malformed(message) });
    }
    Ok(Params { query, operation_name, variables, extensions, document_id, apq })
}

/// A text; an empty one counts as none.
fn text(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, ParamError> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(_) => Err(ParamError::malformed(format!("`{name}` must be a string"))),
    }
}

/// A short text.
fn word(members: &mut Map<String, Value>, name: &str, limits: &ParamLimits) -> Result<Option<String>, ParamError> {
    match text(members, name)? {
        Some(text) if text.len() > limits.name => {
            Err(ParamError::malformed(format!("`{name}` is longer than {} bytes", limits.name)))
        }
        Some(text) if text.contains('\0') => {
            Err(ParamError::malformed(format!("`{name}` must not contain NUL (U+0000)")))
        }
        text => Ok(text),
    }
}

fn object(members: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>, ParamError> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(ParamError::malformed(format!("`{name}` must be an object"))),
    }
}

/// Takes the hash of the document out of the extensions.
fn persisted(extensions: &mut Map<String, Value>) -> Result<Option<String>, ParamError> {
    let refuse = |problem: &str| Err(ParamError::malformed(format!("`extensions.persistedQuery` {problem}")));
    let mut members = match extensions.remove("persistedQuery") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(members)) => members,
        Some(_) => return refuse("must be an object"),
    };
    if members.get("version").and_then(Value::as_u64) != Some(1) {
        return refuse("must be of version 1");
    }
    match members.remove("sha256Hash") {
        Some(Value::String(hash)) if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(Some(hash.to_ascii_lowercase()))
        }
        _ => refuse("must have a sha256Hash of 64 hexadecimal digits"),
    }
}

/// Undoes the encoding of a form; `None` where it is broken or does not give UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => digit(bytes.next())? * 16 + digit(bytes.next())?,
            plain => plain,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn post(body: &Value) -> Result<Params, ParamError> {
        from_post(body.to_string().as_bytes(), &ParamLimits::default())
    }

    fn get(query_string: &str) -> Result<Params, ParamError> {
        from_get(query_string, &ParamLimits::default())
    }

    /// Refused with 400 today, and with the given status by the draft.
    fn refused(outcome: Result<Params, ParamError>, draft: u16) -> String {
        let error = outcome.unwrap_err();
        assert_eq!((error.status, error.status_draft), (400, draft), "{error}");
        error.message
    }

    const HASH: &str = "ECF4EDB46DB40B5132295C0291D62FB65D6759A9EEDFA4D5D612DD5EC54A6B38";

    #[test]
    fn all_parameters_are_taken() {
        let params = post(&json!({
            "query": "query Q { a }", "operationName": "Q", "variables": {"a": {"b": [1]}},
            "extensions": {"some": "value"}, "documentId": "sha256:abc", "unknown": [1],
        }));
        let params = params.unwrap();
        assert_eq!(params.query.as_deref(), Some("query Q { a }"));
        assert_eq!(params.operation_name.as_deref(), Some("Q"));
        assert_eq!(Value::Object(params.variables), json!({"a": {"b": [1]}}));
        assert_eq!(Value::Object(params.extensions), json!({"some": "value"}));
        assert_eq!(params.document_id.as_deref(), Some("sha256:abc"));
        assert_eq!(params.apq, None);
    }

    #[test]
    fn null_and_empty_text_are_the_same_as_nothing() {
        let bare = Params { query: Some("{a}".to_owned()), ..Params::default() };
        for name in ["operationName", "variables", "extensions", "documentId"] {
            assert_eq!(post(&json!({"query": "{a}", name: null})), Ok(bare.clone()), "{name}");
            assert_eq!(get(&format!("query={{a}}&{name}=")), Ok(bare.clone()), "{name}");
        }
        assert_eq!(post(&json!({"query": "{a}", "operationName": ""})), Ok(bare.clone()));
        assert_eq!(get("query={a}&variables=null"), Ok(bare));
    }

    #[test]
    fn a_member_of_the_wrong_type_is_refused() {
        for wrong in [json!({"obj": "ect"}), json!(0), json!(false), json!(["array"])] {
            for name in ["query", "operationName", "documentId"] {
                let mut body = json!({"query": "{a}"});
                body[name] = wrong.clone();
                assert_eq!(refused(post(&body), 422), format!("`{name}` must be a string"));
            }
        }
        for wrong in [json!("string"), json!(""), json!(0), json!(false), json!(["array"])] {
            for name in ["variables", "extensions"] {
                assert_eq!(
                    refused(post(&json!({"query": "{a}", name: wrong})), 422),
                    format!("`{name}` must be an object")
                );
            }
        }
    }

    #[test]
    fn without_a_document_there_is_nothing_to_run() {
        for body in [json!({}), json!({"qeury": "{a}"}), json!({"query": null}), json!({"query": ""})] {
            assert!(refused(post(&body), 422).contains("`query` is missing"));
        }
        assert!(refused(get(""), 422).contains("`query` is missing"));
        assert!(post(&json!({"documentId": "any-word"})).is_ok());
    }

    #[test]
    fn a_body_that_is_not_one_object_is_refused() {
        assert!(refused(post(&json!([{"query": "{a}"}])), 422).starts_with("batching is off"));
        assert_eq!(refused(post(&json!("text")), 422), "the body must be a JSON object");
        let limits = ParamLimits::default();
        for (body, message) in [
            (&b""[..], "the body is empty"),
            (b"{ \"not a JSON", "the body is not valid JSON"),
            (b"\xef\xbb\xbf{}", "the body begins with a byte order mark"),
            (b"{\"query\":\"\xc3\"}", "the body is not UTF-8"),
            (br#"{"query":"{a}","query":"{b}"}"#, "the body is not valid JSON: the member `query` appears twice"),
        ] {
            assert!(refused(from_post(body, &limits), 400).starts_with(message), "{message}");
        }
    }

    #[test]
    fn nesting_is_limited_in_bodies_and_in_query_strings() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let body = |levels| format!(r#"{{"query":"{{a}}","variables":{{"a":{}}}}}"#, deep(levels));
        let limits = ParamLimits::default();
        assert!(from_post(body(62).as_bytes(), &limits).is_ok());
        assert!(refused(from_post(body(63).as_bytes(), &limits), 400).contains("deeper than 64"));
        assert!(refused(get(&format!("query={{a}}&variables={}", deep(65))), 400).contains("deeper than 64"));
    }

    #[test]
    fn sizes_are_limited_with_the_limit_in_the_message() {
        let limits = ParamLimits { document: 4, name: 2, ..ParamLimits::default() };
        let error = from_get("query={aaa}", &limits).unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (Code::QueryTooLarge, "the document is larger than 4 bytes"));
        assert!(refused(from_get("query={a}&operationName=abc", &limits), 422).contains("longer than 2 bytes"));
    }

    #[test]
    fn a_persisted_query_gives_its_hash() {
        let body = json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": HASH}, "other": 1}});
        let params = post(&body).unwrap();
        assert_eq!(params.apq, Some(HASH.to_ascii_lowercase()));
        assert_eq!(Value::Object(params.extensions), json!({"other": 1}));
        let encoded = format!("extensions=%7B%22persistedQuery%22:{{\"version\":1,\"sha256Hash\":\"{HASH}\"}}%7D");
        assert_eq!(get(&encoded).unwrap().apq, Some(HASH.to_ascii_lowercase()));
    }

    #[test]
    fn a_persisted_query_is_of_version_1_and_whole() {
        for wrong in [
            json!("x"),
            json!({}),
            json!({"version": 2, "sha256Hash": HASH}),
            json!({"version": 1}),
            json!({"version": 1, "sha256Hash": "abc"}),
            json!({"version": 1, "sha256Hash": HASH.replace('E', "g")}),
        ] {
            let body = json!({"query": "{a}", "extensions": {"persistedQuery": wrong}});
            assert!(refused(post(&body), 422).starts_with("`extensions.persistedQuery` must"));
        }
    }

    #[test]
    fn a_query_string_is_decoded_like_a_form() {
        let params = get("x=%ff&query=query+Q%28%24n%3AString%29%7Ba%7D&variables=%7B%22n%22%3A%22%C3%A9%2B1%22%7D");
        let params = params.unwrap();
        assert_eq!(params.query.as_deref(), Some("query Q($n:String){a}"));
        assert_eq!(Value::Object(params.variables), json!({"n": "é+1"}));
        assert_eq!(get("%71uery={a}&documentId=sha256:0a").unwrap().document_id.as_deref(), Some("sha256:0a"));
    }

    #[test]
    fn a_query_string_that_is_not_well_encoded_is_refused() {
        for broken in ["query=%ff", "query=%C3", "query=%2", "query=%", "query=%zz", "query=%+1", "query=é%80"] {
            assert_eq!(refused(get(broken), 400), "`query` is not well encoded", "{broken}");
        }
        assert!(refused(get("query={a}&%ff=1"), 400).contains("not well encoded"));
        assert!(refused(get("query={a}&variables={"), 400).starts_with("`variables` is not valid JSON"));
        assert_eq!(refused(get("query={a}&variables=[]"), 422), "`variables` must be an object");
    }

    #[test]
    fn a_parameter_given_twice_is_refused() {
        assert_eq!(refused(get("query={a}&query={b}"), 422), "`query` appears twice");
        assert_eq!(refused(get("query={a}&variables=&variables={}"), 422), "`variables` appears twice");
        assert!(get("query={a}&utm=1&utm=2").is_ok());
    }
}
