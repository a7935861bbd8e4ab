//! The event log: who may read which of it.
//!
//! Each topic asks for one scope, the same that its concern asks of who reads it elsewhere. Who names a topic
//! without having the scope is refused; who names none gets what the scopes allow. A partner reads nothing here: the
//! log is of all partners, and what is for one is told elsewhere.
//!
//! Events are kept for a time and up to a number; then they go, oldest first. Whoever comes with a cursor from
//! before is told so, and from where on everything is there.

use std::{collections::BTreeMap, sync::Arc};

use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter, QuerySelect, Select};

use crate::{
    context::{Cx, Database, Hub, Txn, clock_guard::SLACK},
    domain::keyring::HUB,
    entity::{
        event as entity, event_head, first::First, page, partner_integration, partner_reader, webhook_destination,
        webhook_router,
    },
    event::{Entry, Interest, log},
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::EventId,
        page::{Page, PageArgs},
        scope::{Scope, Scopes},
    },
};

/// Every topic, and the scope that lets one read it.
const TOPICS: &[(&str, Scope)] = &[
    ("tenant", Scope::TenantRead),
    ("access", Scope::AccessRead),
    ("keyring", Scope::TenantRead),
    ("job", Scope::JobRead),
    ("alert", Scope::AlertRead),
    ("integration", Scope::IntegrationRead),
    ("health", Scope::IntegrationRead),
    ("sync", Scope::IntegrationRead),
    ("inbox", Scope::IntegrationRead),
    ("outbound", Scope::IntegrationRead),
    ("order", Scope::OrderRead),
    ("partner", Scope::PartnerRead),
    ("exchange", Scope::PartnerRead),
];

/// Events that are removed at a time.
const BATCH: u64 = 1_000;

/// Which events to list; what is left out does not matter.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Of these topics.
    pub topics: Option<Vec<&'static str>>,
    /// About these ids.
    pub subjects: Option<Vec<String>>,
}

/// What decides what somebody reads here.
fn scopes(cx: &Cx) -> Result<Scopes> {
    let principal = cx.principal()?;
    Ok(if principal.is_partner() { Scopes::NONE } else { principal.scopes })
}

/// The topics that the caller may read.
pub fn readable(cx: &Cx) -> Result<Vec<&'static str>> {
    let scopes = scopes(cx)?;
    Ok(TOPICS.iter().filter(|(_, scope)| scopes.has(*scope)).map(|(topic, _)| *topic).collect())
}

/// The events that the caller wants and may see.
pub fn interest(cx: &Cx, filter: &EventFilter) -> Result<Interest> {
    let scopes = scopes(cx)?;
    let mut topics = Vec::new();
    for (topic, scope) in TOPICS {
        match &filter.topics {
            Some(named) if !named.contains(topic) => {}
            Some(_) if !scopes.has(*scope) => return Err(Error::Forbidden(scope.name())),
            _ if scopes.has(*scope) => topics.push(*topic),
            _ => {}
        }
    }
    let interest = Interest::of_topics(topics);
    Ok(match &filter.subjects {
        Some(subjects) => interest.about(subjects.iter().cloned()),
        None => interest,
    })
}

fn filtered(cx: &Cx, filter: &EventFilter) -> Result<Select<entity::Entity>> {
    let (interest, columns) = (interest(cx, filter)?, entity::COLUMN);
    let mut select = entity::of(cx.tenant()?);
    if let Some(topics) = interest.topics() {
        select = select.filter(columns.topic.is_in(topics.iter().copied()));
    }
    if let Some(subjects) = interest.subjects() {
        select = select.filter(columns.subject.is_in(subjects));
    }
    Ok(select)
}

/// The events of the tenant, oldest first.
pub async fn list(cx: &Cx, filter: &EventFilter, args: &PageArgs) -> Result<Page<Entry>> {
    let select = filtered(cx, filter)?;
    if let Some(after) = &args.after {
        log::head(cx.db(), cx.tenant()?).await?.check(after.decode("events", "after")?)?;
    }
    let page = page::by_key(cx.db(), "events", select, entity::Column::Number, |entry| entry.number, args).await?;
    let rows = page.rows.into_iter().map(|(cursor, row)| (cursor, Entry::new(row))).collect();
    Ok(Page { rows, has_previous: page.has_previous, has_next: page.has_next })
}

/// Those of the ids that belong to the tenant and that the caller may read.
pub async fn by_ids(cx: &Cx, ids: &[EventId]) -> Result<Vec<Entry>> {
    let select = filtered(cx, &EventFilter::default())?.filter(entity::COLUMN.event_id.is_in(ids.iter().copied()));
    Ok(select.all(cx.db()).await?.into_iter().map(Entry::new).collect())
}

/// How many there are.
pub async fn count(cx: &Cx, filter: &EventFilter) -> Result<u64> {
    Ok(filtered(cx, filter)?.count(cx.db()).await?)
}

/// Removes events that are too old, and the oldest where there are too many. Says how many went.
///
/// What is kept is always a whole end of the log: of every tenant the events from some number on. The newest
/// event of all stays, so that positions go on from it.
pub async fn retain(hub: Arc<Hub>) -> Result<u64> {
    let mut gone = 0;
    loop {
        let cx = Cx::system(Arc::clone(&hub), "event retention", HUB);
        let batch = cx.write(async |txn| remove(txn).await).await?;
        gone += batch;
        if batch < BATCH {
            return Ok(gone);
        }
    }
}

/// When the newest event of the hub was written, by the clock of who wrote it.
pub async fn newest_at(database: &Database) -> Result<Option<Moment>> {
    Ok(entity::newest().first(database.reader()).await?.map(|event| event.at))
}

/// Removes one batch.
async fn remove(txn: &Txn) -> Result<u64> {
    let settings = &txn.cx().hub().events;
    let newest = log::position(&**txn).await?;
    let most = newest - i64::try_from(settings.most).unwrap_or(i64::MAX);
    let due = txn.now() - settings.retention;
    let rows = entity::oldest().limit(BATCH).all(&**txn).await?;
    // What somebody is still to be sent as a webhook is read here first.
    let newest = match webhook_destination::any().first(&**txn).await? {
        Some(_) => newest.min(1 + webhook_router::row().first(&**txn).await?.map_or(0, |row| row.position)),
        None => newest,
    };
    // And what has to do with partners.
    let newest = match partner_integration::any().first(&**txn).await? {
        Some(_) => newest.min(1 + partner_reader::row().first(&**txn).await?.map_or(0, |row| row.position)),
        None => newest,
    };
    // One that a clock wrote which was ahead is as old as what comes after it.
    let future = txn.now() + SLACK;
    let ended = |row: &entity::Model| row.position <= most || row.at < due;
    let mut old: Vec<_> =
        rows.into_iter().take_while(|row| row.position < newest && (ended(row) || row.at > future)).collect();
    while old.pop_if(|row| !ended(row)).is_some() {}
    let mut oldest = BTreeMap::new();
    let (mut last, mut count) = (None, 0);
    for row in old {
        oldest.insert(row.tenant_id, row.number + 1);
        last = Some(row.position);
        count += 1;
    }
    let Some(last) = last else { return Ok(0) };
    // First what readers ask before they trust what they read, then the rows.
    for (tenant, number) in oldest {
        event_head::keeps_from(tenant, number).exec(&**txn).await?;
    }
    entity::up_to(last).exec(&**txn).await?;
    Ok(count)
}
