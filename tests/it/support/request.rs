//! Requests with anything in their heads, and the one shape that every refusal has.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Request},
};

use super::Reply;

/// What tests add to a request.
pub trait With {
    /// One header more; the same name twice gives two lines.
    fn with(self, name: &'static str, value: impl AsRef<[u8]>) -> Self;
    /// Without a header.
    fn without(self, name: &'static str) -> Self;
    /// With another method.
    fn by(self, method: &str) -> Self;
}

impl With for Request<Body> {
    fn with(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
        self.headers_mut().append(HeaderName::from_static(name), value);
        self
    }

    fn without(mut self, name: &'static str) -> Self {
        self.headers_mut().remove(name);
        self
    }

    fn by(mut self, method: &str) -> Self {
        *self.method_mut() = method.parse().unwrap();
        self
    }
}

/// A text as it stands in a query string.
pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |query, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => query + char::from(byte).encode_utf8(&mut [0]),
        _ => query + &format!("%{byte:02X}"),
    })
}

impl Reply {
    /// Asserts that this is a refusal with one code, in the shape that every refusal has.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), self.codes()), (status, vec![code.to_owned()]), "{}", self.text);
        self.well_formed();
        assert_eq!(self.json().get("data"), None, "what did not run has no data: {}", self.text);
    }

    /// Asserts the shape of a GraphQL answer: its type, its members, the request id of every error.
    #[track_caller]
    pub fn well_formed(&self) {
        let kind = self.header("content-type");
        let known = ["application/json; charset=utf-8", "application/graphql-response+json; charset=utf-8"];
        assert!(known.contains(&kind), "{kind}: {}", self.text);
        let json = self.json();
        let members = json.as_object().unwrap();
        assert!(members.keys().all(|name| ["data", "errors", "extensions"].contains(&name.as_str())), "{json}");
        assert!(members.contains_key("data") || members.contains_key("errors"), "{json}");
        for error in json["errors"].as_array().into_iter().flatten() {
            assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{json}");
            assert!(error["extensions"]["code"].is_string(), "{json}");
            assert_eq!(error["extensions"]["requestId"], self.header("x-request-id"), "{json}");
        }
    }
}
