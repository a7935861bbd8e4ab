//! Who wants to know of every call: health, the log of calls, metrics, allowances.

use std::time::Duration;

use http::Method;

use crate::{
    kernel::{clock::Moment, trace::Trace},
    provider::{classify::Failure, limit::Seen},
};

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// To see whether the credential is right.
    Probe,
    /// To get a token.
    Token,
    /// To list accounts.
    Discovery,
    /// To do something; the key of the action.
    Action(&'a str),
    /// To read a page; the key of the stream.
    Stream(&'a str),
}

impl Purpose<'_> {
    /// In a word, for logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Token => "token",
            Self::Discovery => "discovery",
            Self::Action(_) => "action",
            Self::Stream(_) => "stream",
        }
    }

    /// The stream or action.
    #[must_use]
    pub const fn of(&self) -> Option<&str> {
        match self {
            Self::Action(key) | Self::Stream(key) => Some(key),
            _ => None,
        }
    }
}

/// One call that was made, fit to be kept: no secret is in it, except in what [`Called::seen`] lends for a
/// moment to whoever counts allowances.
#[derive(Clone, Copy, Debug)]
pub struct Called<'a> {
    /// The key of the provider.
    pub provider: &'a str,
    /// What it was for.
    pub purpose: Purpose<'a>,
    /// The method.
    pub method: &'a Method,
    /// The provider's address, with marks in place of secrets.
    pub url: &'a str,
    /// Which try this was, from 1.
    pub attempt: u32,
    /// Its place among other calls.
    pub trace: Trace,
    /// When it began.
    pub at: Moment,
    /// How long it took.
    pub took: Duration,
    /// How many bytes of body were sent.
    pub sent: usize,
    /// How many bytes of body came back.
    pub received: usize,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// The failure, if it was one.
    pub failure: Option<&'a Failure>,
    /// Which version of its interface the provider says it served.
    pub served: Option<&'a str>,
    /// The answer as limits see it, if there was one. Not to be kept.
    pub seen: Option<Seen<'a>>,
}

/// Hears of every call.
pub trait Observer: Send + Sync + 'static {
    /// A call ended. Nothing may wait here.
    fn called(&self, call: &Called<'_>);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Observer for Nobody {
    fn called(&self, _: &Called<'_>) {}
}
