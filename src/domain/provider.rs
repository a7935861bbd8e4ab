//! What is known of providers, for whoever wants to connect one.
//!
//! Nothing here belongs to a tenant and nothing is stored: the catalogue was read when the program started.
//! Lists are in the order of names, since people read them; a cursor is the key of a provider, which never
//! changes.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use uuid::Builder;

pub use crate::provider::manifest::{
    Category, Manifest, PerTenant,
    auth::Auth,
    connection::{Ends, Environment, Field, KnownVersion, Setting, SettingKind, Version},
    limit::{Limit, Scope as LimitScope},
    request::Method,
    stream::{About, Action, Deletions, Effect, Schedule, Stream},
    webhook::{Handshake, Webhook},
};
pub use crate::provider::warning::Warning;
use crate::{
    context::Cx,
    kernel::{
        cursor::Cursor,
        error::{Error, Result},
        id::ProviderId,
        page::{Page, PageArgs},
    },
    provider::warning,
};

/// The name of the list in its cursors.
const LIST: &str = "providers";

/// Longest text that is searched for.
const MAX_SEARCH: usize = 100;

/// Something that can be done with a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Its records can be read regularly.
    Sync,
    /// It can be told to do something.
    Push,
    /// It tells of changes by itself.
    Webhook,
    /// Its accounts can be found with a credential alone.
    Discovery,
}

impl Capability {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Sync, Self::Push, Self::Webhook, Self::Discovery];

    /// Whether a provider has it.
    #[must_use]
    pub fn of(self, provider: &Manifest) -> bool {
        match self {
            Self::Sync => !provider.streams.all().is_empty(),
            Self::Push => provider.actions.all().iter().any(|action| action.effect != Effect::Read),
            Self::Webhook => provider.webhook.get().is_some(),
            Self::Discovery => provider.discovery.get().is_some(),
        }
    }
}

/// Which providers to list; what is left out does not matter.
#[derive(Clone, Debug, Default)]
pub struct ProviderFilter {
    /// For this purpose.
    pub category: Option<Category>,
    /// With this in the key, name or description, in whichever case.
    pub search: Option<String>,
    /// That can do all of this.
    pub capabilities: Vec<Capability>,
}

/// One page of the providers.
pub fn list(cx: &Cx, filter: &ProviderFilter, args: &PageArgs) -> Result<Page<Arc<Manifest>>> {
    let all = matching(cx, filter)?;
    let place = |cursor: &Cursor, argument: &'static str| {
        let key: String = cursor.decode(LIST, argument)?;
        let found = all.iter().position(|provider| provider.key.as_str() == key);
        found.ok_or_else(|| Error::invalid(argument, "this cursor does not come from this list"))
    };
    let from = args.after.as_ref().map(|cursor| place(cursor, "after")).transpose()?.map_or(0, |at| at + 1);
    let to = args.before.as_ref().map(|cursor| place(cursor, "before")).transpose()?.unwrap_or(all.len()).max(from);
    let size = args.size as usize;
    let (from, to) =
        if args.backward { (to.saturating_sub(size).max(from), to) } else { (from, (from + size).min(to)) };
    let row = |provider: &Arc<Manifest>| Ok((Cursor::encode(LIST, &provider.key.0)?, Arc::clone(provider)));
    let rows = all[from..to].iter().map(row).collect::<Result<_>>()?;
    Ok(Page { rows, has_previous: from > 0, has_next: to < all.len() })
}

/// How many providers there are.
pub fn count(cx: &Cx, filter: &ProviderFilter) -> Result<u64> {
    Ok(matching(cx, filter)?.len() as u64)
}

/// The id of a provider. It is made of the key, which never changes, so it is the same in every hub.
#[must_use]
pub fn id(provider: &Manifest) -> ProviderId {
    let digest = Sha256::digest(format!("portolan provider {}", provider.key));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    ProviderId::new(Builder::from_custom_bytes(bytes).into_uuid())
}

/// The providers of those ids.
#[must_use]
pub fn by_ids(cx: &Cx, ids: &[ProviderId]) -> Vec<Arc<Manifest>> {
    cx.hub().catalogue.iter().filter(|provider| ids.contains(&id(provider))).cloned().collect()
}

/// What whoever uses a provider in its usual version should know. The most urgent comes first.
#[must_use]
pub fn warnings(cx: &Cx, provider: &Manifest) -> Vec<Warning> {
    warning::warnings(provider, None, cx.now())
}

/// The provider of that key.
#[must_use]
pub fn get(cx: &Cx, key: &str) -> Option<Arc<Manifest>> {
    cx.hub().catalogue.get(key).cloned()
}

fn matching(cx: &Cx, filter: &ProviderFilter) -> Result<Vec<Arc<Manifest>>> {
    let search = filter.search.as_deref().unwrap_or_default().trim().to_lowercase();
    if search.len() > MAX_SEARCH {
        return Err(Error::invalid("filter.search", format!("a search has at most {MAX_SEARCH} bytes")));
    }
    let fits = |provider: &&Arc<Manifest>| {
        let texts = [provider.key.as_str(), &provider.name, &provider.description];
        filter.category.is_none_or(|category| provider.category == category)
            && texts.iter().any(|text| text.to_lowercase().contains(&search))
            && filter.capabilities.iter().all(|capability| capability.of(provider))
    };
    let mut all: Vec<_> = cx.hub().catalogue.iter().filter(fits).cloned().collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}
