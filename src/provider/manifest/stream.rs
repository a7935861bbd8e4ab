//! What is read regularly, and what can be done.

use std::time::Duration;

use super::{
    json_schema::Schema,
    leaf::{Header, Json, Name},
    paging::Paging,
    request::Request,
    shape::{OrNone, shape, words},
};
use crate::provider::expression::Expression;

words! {
    /// What records are about.
    pub enum About {
        /// People and firms who buy.
        Customer = "customer",
        /// What they order.
        Order = "order",
        /// What they pay.
        Payment = "payment",
        /// What they are billed.
        Invoice = "invoice",
        /// What they have subscribed to.
        Subscription = "subscription",
        /// What is sold.
        Product = "product",
        /// What is sent to them.
        Shipment = "shipment",
        /// People to whom campaigns go.
        Contact = "contact",
        /// Campaigns.
        Campaign = "campaign",
        /// What is spent on advertising and what it brings.
        Insight = "insight",
        /// Posts and videos.
        Post = "post",
        /// Messages to single people.
        Message = "message",
        /// Accounts, shops, pages.
        Account = "account",
    }
}

words! {
    /// How often a stream is read unless somebody chooses otherwise.
    pub enum Schedule {
        /// When a webhook tells of a change, and in a sweep.
        RealTime = "real_time",
        /// Four times an hour.
        Quarterly = "every_15_minutes",
        /// Once an hour.
        Hourly = "hourly",
        /// Once a day.
        Daily = "daily",
    }
}

words! {
    /// How it is known that a record is gone.
    pub enum Deletions {
        /// It is not.
        Unknown = "unknown",
        /// The record says so.
        Marked = "marked",
        /// It is no longer in a full listing.
        Absent = "absent",
    }
}

words! {
    /// How a time is written.
    pub enum TimeForm {
        /// `2026-11-21T10:00:00Z`.
        Rfc3339 = "rfc3339",
        /// `2026-11-21`.
        Date = "date",
        /// Seconds since 1970.
        Seconds = "epoch_seconds",
        /// Milliseconds since 1970.
        Millis = "epoch_millis",
    }
}

shape! {
    /// Something that is read regularly.
    pub struct Stream {
        /// Name by which it is chosen.
        key: Name,
        /// Name for people.
        name: String,
        /// What its records are about.
        about: About,
        /// The request. `{since}` stands for the time from which on changes are wanted.
        request: Request,
        /// Where the records are in the answer.
        records: Expression,
        /// The id of a record.
        id: Expression,
        /// When a record last changed.
        updated_at: OrNone<Expression>,
        /// How only changes are asked for; without it everything is read each time.
        since: OrNone<Since>,
        /// What a record becomes; itself if not given.
        transform: Option<Expression> = None,
        /// What kind of thing a record is, in the words of the user.
        category: Option<Category> = None,
        /// How often it is read.
        schedule: Schedule,
        /// How it is known that a record is gone.
        deletions: Deletions,
        /// What holds in a record that is gone.
        deleted: Option<Expression> = None,
        /// How its answers are cut into pages, where that differs.
        paging: Option<OrNone<Paging>> = None,
        /// A record, for documentation and simulation.
        example: Json,
    }
}

shape! {
    /// How only changes are asked for.
    pub struct Since {
        /// How the time is written in the request.
        form: TimeForm,
        /// How far to look back before the last change, since providers show changes late.
        overlap: Duration,
        /// Whether all of today is asked for each time, by the clocks of the tenant's time zone, and only that the first
        /// time: for providers whose time is that of a thing's beginning, not of its last change.
        today: bool = false,
    }
}

shape! {
    /// What kind of thing a record is: what a part of it stands for in a mapping that the user may change. It becomes
    /// the part `category` of the record.
    pub struct Category {
        /// Where the word is, after the transform.
        of: Expression,
        /// The setting that holds the mapping.
        by: Name,
    }
}

words! {
    /// What an action does to the world.
    pub enum Effect {
        /// Nothing.
        Read = "read",
        /// Makes or changes something.
        Write = "write",
        /// Takes something away.
        Delete = "delete",
        /// Moves money.
        Money = "money",
        /// Reaches a person.
        Message = "message",
    }
}

shape! {
    /// Something that can be done.
    pub struct Action {
        /// Name by which it is called.
        key: Name,
        /// Name for people.
        name: String,
        /// What it does, in one sentence.
        description: String,
        /// What it does to the world.
        effect: Effect,
        /// The request; `{input.x}` stands for a part of the input.
        request: Request,
        /// JSON Schema of the input.
        input: Schema,
        /// JSON Schema of the result.
        output: Schema,
        /// Where the result is in the answer; the whole answer if not given.
        result: Option<Expression> = None,
        /// The header that makes a repetition harmless.
        idempotency: Option<Header> = None,
        /// The body of a right answer.
        example: Json,
    }
}
