//! Typed ids: a UUIDv7 inside, `usr_01j…` outside.
//!
//! The outer form is a short prefix for the kind and the 128 bits in base32 without the letters people
//! mistake (i l o u): 26 characters, sortable by time of creation, safe in URLs, selectable with a
//! double click. The prefix is checked on the way in, so an id of another kind is told apart from an id
//! that does not exist. One generic type serves every kind; a kind is a marker with a prefix.

use std::{fmt, hash, marker::PhantomData, str::FromStr};

use sea_orm::{
    ColIdx, ColumnType, DbErr, QueryResult, TryFromU64, TryGetError, TryGetable,
    sea_query::{ArrayType, Nullable, Value, ValueType, ValueTypeErr},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use super::clock::Moment;

/// A kind of thing that has ids.
pub trait Kind: 'static {
    /// What the id begins with, before the underscore.
    const PREFIX: &'static str;
    /// What people call it, for messages.
    const NAME: &'static str;
}

/// Declares kinds: marker, alias, prefix, name.
macro_rules! kinds {
    ($( $(#[doc = $doc:literal])+ $marker:ident as $alias:ident = $prefix:literal, $name:literal; )+) => {
        /// The markers of the kinds; only their ids carry meaning.
        pub mod kind {
            $( $(#[doc = $doc])+ #[derive(Debug)] pub enum $marker {} )+
        }
        $(
            impl Kind for kind::$marker {
                const PREFIX: &'static str = $prefix;
                const NAME: &'static str = $name;
            }
            $(#[doc = $doc])+
            pub type $alias = Id<kind::$marker>;
        )+

        /// The prefixes in use, for `node`.
        pub const PREFIXES: &[&str] = &[$($prefix),+];
    };
}

kinds! {
    /// A tenant: one business and everything that is its own.
    Tenant as TenantId = "ten", "tenant";
    /// A person who can belong to several tenants.
    User as UserId = "usr", "user";
    /// The bond of a user to a tenant, with a role.
    Membership as MembershipId = "mem", "membership";
    /// An invitation to join a tenant.
    Invitation as InvitationId = "inv", "invitation";
    /// An API token.
    ApiToken as ApiTokenId = "tok", "API token";
    /// An entry of the audit log.
    AuditEntry as AuditEntryId = "aud", "audit entry";
    /// A change that was recorded.
    Event as EventId = "evt", "event";
    /// A piece of background work.
    Job as JobId = "job", "job";
    /// Something that is due again and again.
    Schedule as ScheduleId = "sch", "schedule";
    /// A machine user.
    Agent as AgentId = "agt", "agent";
    /// A person's session.
    Session as SessionId = "ses", "session";
    /// A refresh token of a session.
    RefreshToken as RefreshTokenId = "rft", "refresh token";
    /// A token that works once.
    OneTimeToken as OneTimeTokenId = "ott", "one-time token";
    /// A key with which the hub signs.
    SigningKey as SigningKeyId = "sig", "signing key";
    /// A sealed secret.
    Secret as SecretId = "sec", "secret";
    /// An outside issuer of tokens.
    Issuer as IssuerId = "iss", "issuer";
    /// A provider; the same in every hub, since it is made of the provider's key.
    Provider as ProviderId = "prv", "provider";
    /// A connection to a provider.
    Integration as IntegrationId = "int", "integration";
    /// What proves to a provider who asks.
    Credential as CredentialId = "crd", "credential";
    /// An action of an integration's catalogue.
    IntegrationAction as IntegrationActionId = "act", "action";
    /// A person on the way to a provider and back.
    Authorization as AuthorizationId = "oau", "authorization";
    /// A link by which an outsider gives a credential.
    ConnectLink as ConnectLinkId = "cnl", "connect link";
    /// The operator's own application at a provider.
    ProviderApp as ProviderAppId = "app", "provider app";
    /// A stream of an integration.
    SyncStream as SyncStreamId = "sst", "sync stream";
    /// A run that reads a stream.
    SyncRun as SyncRunId = "srn", "sync run";
    /// An element of a provider's answer that could not be kept.
    SyncFailure as SyncFailureId = "sfl", "sync failure";
    /// A line that a run wrote.
    SyncLog as SyncLogId = "slg", "sync log line";
    /// Where a provider sends its webhooks.
    WebhookSource as WebhookSourceId = "whs", "webhook source";
    /// A webhook that came.
    WebhookEvent as WebhookEventId = "whe", "webhook event";
    /// A webhook that was not believed.
    WebhookRefusal as WebhookRefusalId = "whr", "refused webhook";
    /// What somebody should look at.
    Alert as AlertId = "alr", "alert";
    /// Where webhooks go.
    WebhookDestination as WebhookDestinationId = "whd", "webhook destination";
    /// A webhook that goes, or went, to one destination.
    WebhookDelivery as WebhookDeliveryId = "dlv", "webhook delivery";
    /// An attempt to deliver a webhook.
    WebhookAttempt as WebhookAttemptId = "att", "webhook attempt";
    /// A check of an integration's health.
    HealthCheck as HealthCheckId = "hck", "health check";
    /// A change of an integration's health.
    HealthChange as HealthChangeId = "hch", "health change";
    /// An organisation that exchanges orders with a tenant.
    PartnerOrganization as PartnerOrganizationId = "par", "partner organization";
    /// What a partner said of an order.
    PartnerUpdate as PartnerUpdateId = "pup", "partner update";
    /// A version of what the words of a partner mean.
    StatusMapping as StatusMappingId = "smp", "status mapping";
    /// An order.
    Order as OrderId = "ord", "order";
    /// A change of an order.
    OrderChange as OrderChangeId = "och", "order change";
}

/// An id of kind `K`.
pub struct Id<K>(Uuid, PhantomData<fn() -> K>);

impl<K> Id<K> {
    /// Gives a kind to a bare UUID, at the edges where one is made or read.
    #[must_use]
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The lowest that can be made at a moment or later: a border in a list whose ids sort by time.
    #[must_use]
    pub fn first_of(moment: Moment) -> Self {
        let millis = <u64 as TryFrom<i64>>::try_from(moment.timestamp_millis()).unwrap_or_default();
        Self::new(uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid())
    }

    /// The bits, for storage and for associated data of ciphertexts.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

/// Crockford's alphabet in lower case, as `TypeID` uses it.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Length of the encoded bits.
const ENCODED: usize = 26;

fn encode(uuid: Uuid) -> [u8; ENCODED] {
    let mut bits = uuid.as_u128();
    let mut text = [b'0'; ENCODED];
    for slot in text.iter_mut().rev() {
        *slot = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
    }
    text
}

fn decode(text: &str) -> Option<Uuid> {
    let bytes = text.as_bytes();
    // 26 digits hold 130 bits; the first may therefore only use its lowest three.
    if bytes.len() != ENCODED || bytes.first().is_none_or(|first| *first > b'7') {
        return None;
    }
    let mut bits = 0_u128;
    for byte in bytes {
        let digit = ALPHABET.iter().position(|letter| letter == byte)?;
        bits = (bits << 5) | digit as u128;
    }
    Some(Uuid::from_u128(bits))
}

/// Why a text is not an id of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    /// It has the form of an id, but of another kind.
    #[error("expected the id of a {expected}, which begins with \"{prefix}_\"")]
    OtherKind {
        /// The kind asked for.
        expected: &'static str,
        /// Its prefix.
        prefix: &'static str,
    },
    /// It is no id at all.
    #[error("this is not an id; one looks like \"{0}_01j9z3n8k4e5v9x6w2t7r0y1pq\"")]
    Malformed(&'static str),
}

/// Splits an id into its prefix and bits without asking for a kind.
#[must_use]
pub fn split(text: &str) -> Option<(&str, Uuid)> {
    let (prefix, rest) = text.rsplit_once('_')?;
    Some((prefix, decode(rest)?))
}

impl<K: Kind> FromStr for Id<K> {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match split(text) {
            Some((prefix, uuid)) if prefix == K::PREFIX => Ok(Self::new(uuid)),
            Some(_) => Err(ParseIdError::OtherKind { expected: K::NAME, prefix: K::PREFIX }),
            None => Err(ParseIdError::Malformed(K::PREFIX)),
        }
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(K::PREFIX)?;
        f.write_str("_")?;
        for byte in encode(self.0) {
            fmt::Write::write_char(f, char::from(byte))?;
        }
        Ok(())
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// Derives would ask the same of `K`, which is only a marker.
impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> hash::Hash for Id<K> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

// Storage: a UUID column, 16 bytes on both databases.
impl<K> From<Id<K>> for Value {
    fn from(id: Id<K>) -> Self {
        id.0.into()
    }
}

impl<K> TryGetable for Id<K> {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        Uuid::try_get_by(row, index).map(Self::new)
    }
}

impl<K> ValueType for Id<K> {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        <Uuid as ValueType>::try_from(value).map(Self::new)
    }

    fn type_name() -> String {
        "Id".to_owned()
    }

    fn array_type() -> ArrayType {
        ArrayType::Uuid
    }

    fn column_type() -> ColumnType {
        ColumnType::Uuid
    }
}

impl<K> Nullable for Id<K> {
    fn null() -> Value {
        Uuid::null()
    }
}

impl<K> TryFromU64 for Id<K> {
    fn try_from_u64(_: u64) -> Result<Self, DbErr> {
        Err(DbErr::ConvertFromU64("Id"))
    }
}

impl<K> sea_orm::IntoActiveValue<Self> for Id<K> {
    fn into_active_value(self) -> sea_orm::ActiveValue<Self> {
        sea_orm::ActiveValue::Set(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_way_out_and_in() {
        for bits in [0, 1, u128::MAX, 0x0192_f3a1_7b2c_7def_8123_4567_89ab_cdef] {
            let id = UserId::new(Uuid::from_u128(bits));
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn the_text_sorts_as_the_bits_do() {
        let (small, large) = (Uuid::from_u128(7 << 64), Uuid::from_u128(8 << 64));
        assert!(UserId::new(small).to_string() < UserId::new(large).to_string());
    }

    #[test]
    fn an_id_of_another_kind_is_told_apart_from_nonsense() {
        let id = UserId::new(Uuid::from_u128(5)).to_string();
        assert!(matches!(id.parse::<TenantId>(), Err(ParseIdError::OtherKind { .. })));
        for text in [
            "",
            "usr",
            "usr_",
            "usr_0",
            "usr_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "usr_0000000000000000000000000u",
            "ü_00000000000000000000000000",
        ] {
            let other = text.parse::<TenantId>();
            assert!(matches!(other, Err(ParseIdError::Malformed(_) | ParseIdError::OtherKind { .. })), "{text}");
        }
    }

    #[test]
    fn no_two_kinds_share_a_prefix() {
        let mut prefixes = PREFIXES.to_vec();
        prefixes.sort_unstable();
        prefixes.dedup();
        assert_eq!(prefixes.len(), PREFIXES.len());
    }
}
