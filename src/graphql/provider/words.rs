//! The closed vocabularies of providers as the API names them.

use async_graphql::Enum;

use crate::domain::provider as domain;

/// What a provider is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::Category")]
pub enum ProviderCategory {
    /// Takes payments.
    Payment,
    /// Carries parcels.
    Shipping,
    /// Where people post and comment.
    Social,
    /// Buys and measures advertising.
    Advertising,
    /// Sends campaigns.
    Marketing,
    /// Carries messages to single people.
    Messaging,
    /// Sells goods and subscriptions.
    Commerce,
    /// Sells in shops.
    PointOfSale,
    /// Sells lines and numbers.
    Telecom,
    /// A partner with whom orders are exchanged.
    Partner,
}

/// How many connections a tenant may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::PerTenant")]
pub enum ProviderPerTenant {
    /// One.
    One,
    /// As many as it likes.
    Many,
}

/// Something that can be done with a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::Capability")]
pub enum ProviderCapability {
    /// Its records can be read regularly.
    Sync,
    /// It can be told to do something.
    Push,
    /// It tells of changes by itself.
    Webhook,
    /// Its accounts can be found with a credential alone.
    Discovery,
}

/// What a setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::SettingKind")]
pub enum ProviderSettingKind {
    /// A text.
    Text,
    /// An address that begins with https://.
    Url,
    /// One of a few words.
    Choice,
    /// A whole number.
    Number,
    /// Yes or no, as `true` or `false`.
    Flag,
    /// Words and what they stand for: a JSON object of patterns, whose ends may be `*`, and texts.
    Mapping,
}

/// A kind of proof who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ProviderAuthKind {
    /// A key that does not change by itself.
    ApiKey,
    /// A token that does not change by itself.
    BearerToken,
    /// User and password.
    BasicAuth,
    /// Fields inside the body of every request.
    BodyCredentials,
    /// OAuth 2: a token that a client id and secret buy.
    Oauth2ClientCredentials,
    /// OAuth 2: a token that a person at the provider agrees to.
    Oauth2AuthorizationCode,
    /// Nothing.
    None,
}

impl From<&domain::Auth> for ProviderAuthKind {
    fn from(auth: &domain::Auth) -> Self {
        match auth {
            domain::Auth::ApiKey(_) => Self::ApiKey,
            domain::Auth::BearerToken(_) => Self::BearerToken,
            domain::Auth::Basic(_) => Self::BasicAuth,
            domain::Auth::BodyCredentials(_) => Self::BodyCredentials,
            domain::Auth::ClientCredentials(_) => Self::Oauth2ClientCredentials,
            domain::Auth::AuthorizationCode(_) => Self::Oauth2AuthorizationCode,
            domain::Auth::Open(_) => Self::None,
        }
    }
}

/// What records are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::About")]
pub enum ProviderSubject {
    /// People and firms who buy.
    Customer,
    /// What they order.
    Order,
    /// What they pay.
    Payment,
    /// What they are billed.
    Invoice,
    /// What they have subscribed to.
    Subscription,
    /// What is sold.
    Product,
    /// What is sent to them.
    Shipment,
    /// People to whom campaigns go.
    Contact,
    /// Campaigns.
    Campaign,
    /// What is spent on advertising and what it brings.
    Insight,
    /// Posts and videos.
    Post,
    /// Messages to single people.
    Message,
    /// Accounts, shops, pages.
    Account,
}

/// How often a stream is read unless somebody chooses otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ProviderSchedule {
    /// When a webhook tells of a change, and in a sweep.
    RealTime,
    /// Four times an hour.
    #[graphql(name = "EVERY_15_MINUTES")]
    Every15Minutes,
    /// Once an hour.
    Hourly,
    /// Once a day.
    Daily,
}

impl From<domain::Schedule> for ProviderSchedule {
    fn from(schedule: domain::Schedule) -> Self {
        match schedule {
            domain::Schedule::RealTime => Self::RealTime,
            domain::Schedule::Quarterly => Self::Every15Minutes,
            domain::Schedule::Hourly => Self::Hourly,
            domain::Schedule::Daily => Self::Daily,
        }
    }
}

/// How it is known that a record is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::Deletions")]
pub enum ProviderDeletions {
    /// It is not.
    Unknown,
    /// The record says so.
    Marked,
    /// It is no longer in a full listing.
    Absent,
}

/// What an action does to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::Effect")]
pub enum ProviderEffect {
    /// Nothing.
    Read,
    /// Makes or changes something.
    Write,
    /// Takes something away.
    Delete,
    /// Moves money.
    Money,
    /// Reaches a person.
    Message,
}

/// Who shares an allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::LimitScope")]
pub enum ProviderLimitScope {
    /// Everybody who uses the operator's application.
    App,
    /// Everybody with this credential.
    Integration,
}

/// How a limit works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ProviderLimitShape {
    /// So many requests in each span; all may come at once.
    Window,
    /// So many requests in whatever span one looks at.
    Sliding,
    /// A bucket that fills steadily.
    Bucket,
    /// A bucket from which each request takes what it costs.
    Points,
    /// So many requests at once.
    Concurrency,
    /// So many requests a day.
    Daily,
    /// Answers say how much is used, in percent.
    Usage,
    /// Answers say how much is left.
    Headers,
    /// Nothing is published; the pace is found by trying.
    Adaptive,
}

impl From<&domain::Limit> for ProviderLimitShape {
    fn from(limit: &domain::Limit) -> Self {
        match limit {
            domain::Limit::Window(_) => Self::Window,
            domain::Limit::Sliding(_) => Self::Sliding,
            domain::Limit::Bucket(_) => Self::Bucket,
            domain::Limit::Points(_) => Self::Points,
            domain::Limit::Concurrency(_) => Self::Concurrency,
            domain::Limit::Daily(_) => Self::Daily,
            domain::Limit::Usage(_) => Self::Usage,
            domain::Limit::Headers(_) => Self::Headers,
            domain::Limit::Adaptive(_) => Self::Adaptive,
        }
    }
}
