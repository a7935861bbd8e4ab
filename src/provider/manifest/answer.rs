//! What comes back: the probe, and telling failures apart.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use toml::de::DeValue;

use super::{
    leaf::{Header, Json},
    reader::{Node, Reader},
    request::Request,
    schema::Schemas,
    shape::{Shape, choice, shape, words},
};
use crate::provider::expression::Expression;

words! {
    /// What a failure means for whoever asked.
    pub enum Class {
        /// The credential is wrong, expired or revoked.
        Auth = "auth",
        /// The credential is right, but not for this.
        Permission = "permission",
        /// What was asked for is not there.
        NotFound = "not_found",
        /// The request is wrong; repeating it changes nothing.
        Invalid = "invalid",
        /// The request does not fit the present state.
        Conflict = "conflict",
        /// Too much was asked in too short a time.
        Throttled = "throttled",
        /// What may be asked in a day or a month is used up.
        Quota = "quota",
        /// The provider does not work at present.
        Down = "down",
        /// The answer is not what was promised, and nothing can be read from it.
        Unreadable = "unreadable",
    }
}

impl Class {
    /// Whether the same request may succeed later without a change.
    #[must_use]
    pub const fn retry(self) -> bool {
        matches!(self, Self::Throttled | Self::Quota | Self::Down | Self::Unreadable)
    }
}

shape! {
    /// An answer as the provider gives it.
    pub struct Answer {
        /// The status.
        status: u16 = 200,
        /// Headers.
        headers: Option<BTreeMap<String, String>> = None,
        /// A body of JSON.
        body: Option<Json> = None,
        /// A body of another kind.
        text: Option<String> = None,
    }
}

choice! {
    /// The cheapest call that proves the credential.
    pub enum Probe by "by" {
        /// A request.
        Request(RequestProbe) = "request",
        /// The token call is proof enough.
        Token(TokenProbe) = "token",
    }
}

impl Probe {
    /// How often it is made, where the usual interval is too much.
    #[must_use]
    pub const fn every(&self) -> Option<Duration> {
        match self {
            Self::Request(probe) => probe.every,
            Self::Token(probe) => probe.every,
        }
    }
}

shape! {
    /// A request that proves the credential.
    pub struct RequestProbe {
        /// The request.
        request: Request,
        /// What must hold in the answer.
        expect: Option<Expression> = None,
        /// Failures that prove the credential all the same.
        accepts: Option<Vec<Class>> = None,
        /// How often it is made, where the usual interval is too much.
        every: Option<Duration> = None,
        /// Whose credential it is, in the answer.
        account: Option<Expression> = None,
        /// The body of a right answer.
        example: Json,
    }
}

shape! {
    /// The token call as proof.
    pub struct TokenProbe {
        /// Why no request is made.
        why: String,
        /// How often it is made, where the usual interval is too much.
        every: Option<Duration> = None,
    }
}

shape! {
    /// Telling failures apart. Rules are tried in their order, then the status decides as usual.
    pub struct Errors {
        /// Where the provider says what was wrong.
        message: Option<Expression> = None,
        /// Where the provider says so in a word or number.
        code: Option<Expression> = None,
        /// The header that identifies a request to the provider.
        request_id: Option<Header> = None,
        /// Whether answers are JSON. Anything else is then unreadable, and never a success.
        json: bool = true,
        /// What is special here.
        rules: Option<Vec<Rule>> = None,
    }
}

shape! {
    /// A failure and how it is known. All conditions that are given must hold.
    pub struct Rule {
        /// What it means.
        class: Class,
        /// The status is one of these, such as `401` or `"5xx"`.
        status: Option<Vec<Status>> = None,
        /// A header is there.
        header: Option<HeaderTest> = None,
        /// Something is found in a body of JSON.
        body: Option<Expression> = None,
        /// These words are in the body, whatever it is.
        text: Option<String> = None,
        /// Whether the body is JSON.
        json: Option<bool> = None,
        /// When the quota begins anew.
        resets: Option<Resets> = None,
        /// Such a failure, as the provider sends it.
        example: Answer,
    }
}

words! {
    /// When a quota begins anew.
    pub enum Resets {
        /// At the next midnight of UTC.
        MidnightUtc = "midnight_utc",
    }
}

shape! {
    /// A header that is there.
    pub struct HeaderTest {
        /// Its name.
        name: Header,
        /// What it contains, in whichever case; anything if not given.
        contains: Option<String> = None,
    }
}

/// A status, or a hundred of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// This one.
    Is(u16),
    /// Those of this hundred: 5 stands for 500 to 599.
    Hundred(u16),
}

impl Status {
    /// Whether a status is among them.
    #[must_use]
    pub const fn has(self, status: u16) -> bool {
        match self {
            Self::Is(one) => one == status,
            Self::Hundred(hundred) => status / 100 == hundred,
        }
    }
}

impl Shape for Status {
    fn read(node: &Node<'_>, reader: &mut Reader) -> Option<Self> {
        let hundred = |text: &str| match text.as_bytes() {
            [digit @ b'1'..=b'5', b'x', b'x'] => Some(u16::from(digit - b'0')),
            _ => None,
        };
        match node.value {
            DeValue::Integer(_) => u16::read(node, reader).map(Self::Is),
            DeValue::String(text) if hundred(text).is_some() => hundred(text).map(Self::Hundred),
            _ => {
                reader.wrong::<Self>(node);
                None
            }
        }
    }

    fn expected() -> String {
        "a status such as 401 or \"5xx\"".to_owned()
    }

    fn example() -> String {
        "401".to_owned()
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({"anyOf": [
            {"type": "integer", "minimum": 100, "maximum": 599},
            {"enum": ["1xx", "2xx", "3xx", "4xx", "5xx"]},
        ]})
    }
}
