//! How much may be asked in which time.

use std::time::Duration;

use super::{
    leaf::{Header, Name},
    shape::{choice, shape, words},
};
use crate::provider::{expression::Expression, template::Template};

words! {
    /// Who shares an allowance.
    pub enum Scope {
        /// Everybody who uses the operator's application.
        App = "app",
        /// Everybody with this credential.
        Integration = "integration",
    }
}

choice! {
    /// The shape of a limit.
    pub enum Limit by "shape" {
        /// So many requests in each span; all may come at once.
        Window(Window) = "window",
        /// So many requests in whatever span one looks at.
        Sliding(Window) = "sliding",
        /// A bucket that fills steadily.
        Bucket(Bucket) = "bucket",
        /// A bucket from which each request takes what it costs.
        Points(Points) = "points",
        /// So many requests at once.
        Concurrency(Concurrency) = "concurrency",
        /// So many requests a day.
        Daily(Daily) = "daily",
        /// Headers that say how much is used, in percent.
        Usage(Usage) = "usage",
        /// Headers that say how much is left.
        Headers(HeaderLimit) = "headers",
        /// Nothing is published: slower after each refusal, faster after each success.
        Adaptive(Adaptive) = "adaptive",
    }
}

impl Limit {
    /// What is common to all shapes.
    #[must_use]
    pub fn reach(&self) -> Option<&Reach> {
        match self {
            Self::Window(it) | Self::Sliding(it) => it.reach.as_ref(),
            Self::Bucket(it) => it.reach.as_ref(),
            Self::Points(it) => it.reach.as_ref(),
            Self::Concurrency(it) => it.reach.as_ref(),
            Self::Daily(it) => it.reach.as_ref(),
            Self::Usage(it) => it.reach.as_ref(),
            Self::Headers(it) => it.reach.as_ref(),
            Self::Adaptive(it) => it.reach.as_ref(),
        }
    }
}

shape! {
    /// For whom and what a limit is.
    pub struct Reach {
        /// Who shares the allowance.
        scope: Scope = Scope::Integration,
        /// Only in this environment.
        environment: Option<Name> = None,
        /// Only where this setting has one of these values.
        setting: Option<Name> = None,
        /// The values of the setting.
        values: Option<Vec<String>> = None,
        /// Only for these streams and actions.
        only: Option<Vec<Name>> = None,
        /// An allowance of its own for each value of this text, such as `{input.to}`.
        per: Option<Template> = None,
    }
}

shape! {
    /// So many requests in a span.
    pub struct Window {
        /// How many.
        requests: u32,
        /// In which span.
        per: Duration,
        /// For whom and what.
        reach: Option<Reach> = None,
    }
}

shape! {
    /// A bucket that fills steadily.
    pub struct Bucket {
        /// How many requests it holds.
        capacity: u32,
        /// How many flow in each second.
        per_second: u32,
        /// For whom and what.
        reach: Option<Reach> = None,
    }
}

shape! {
    /// A bucket of points.
    pub struct Points {
        /// How many points it holds.
        capacity: u32,
        /// How many flow in each second.
        per_second: u32,
        /// What a request is taken to cost before its answer says.
        assumed: u32,
        /// Where the answer says what it did cost.
        cost: Option<Expression> = None,
        /// Where the answer says how many points are left.
        left: Option<Expression> = None,
        /// For whom and what.
        reach: Option<Reach> = None,
    }
}

shape! {
    /// So many requests at once.
    pub struct Concurrency {
        /// How many.
        most: u32,
        /// For whom and what.
        reach: Option<Reach> = None,
    }
}

shape! {
    /// So many requests a day, counted from midnight of UTC.
    pub struct Daily {
        /// How many.
        requests: u32,
        /// For whom and what.
        reach: Option<Reach> = None,
    }
}

shape! {
    /// Headers that say how much is used, in percent. A header may be a number, or JSON in which the largest
    /// of the named numbers counts.
    pub struct Usage {
        /// The headers.
        headers: Vec<Header>,
        /// The names of percentages inside a header of JSON.
        fields: Vec<String>,
        /// The name of the minutes until access is given back.
        wait_minutes: Option<String> = None,
        /// From which percentage on requests are spread out.
        slow_at: u32,
        /// From which percentage on none are made.
        stop_at: u32,
        /// For whom and what.
        reach: Option<Reach> = None,
    }
}

words! {
    /// How a header tells when an allowance begins anew.
    pub enum ResetIs {
        /// In seconds since 1970.
        Epoch = "epoch",
        /// In seconds from now.
        Seconds = "seconds",
    }
}

shape! {
    /// Headers that say how much is left.
    pub struct HeaderLimit {
        /// How many there are in all.
        limit: Option<Header> = None,
        /// How many are left.
        remaining: Header,
        /// When the allowance begins anew.
        reset: Header,
        /// How that is written.
        reset_is: ResetIs,
        /// For whom and what.
        reach: Option<Reach> = None,
    }
}

shape! {
    /// A pace that is found by trying.
    pub struct Adaptive {
        /// Requests per second to begin with.
        start: u32,
        /// Most requests per second.
        most: u32,
        /// For whom and what.
        reach: Option<Reach> = None,
    }
}
