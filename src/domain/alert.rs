//! Alerts: what somebody should look at, from when until when.
//!
//! A concern that sees something go wrong raises an alert in the commit in which it sees it, and resolves it in the
//! commit in which that is over; so there is no alert without its cause and no cause without its alert. What goes
//! wrong on and on is one alert: of a kind, one is open for a subject. Both ends are events, for who wants to be
//! told. Nobody closes an alert by hand: it is over when what it says is not true any more.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QuerySelect, Select, TryInsertResult,
};

use crate::{
    context::{Cx, Txn},
    entity::{
        alert::{self as entity, Column},
        page,
    },
    event::{Entry, alert::AlertEvent},
    kernel::{
        error::Result,
        id::{AlertId, TenantId},
        page::{Page, PageArgs},
    },
};

pub use entity::{Kind, Model as Alert, Severity};

impl Kind {
    /// The name in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NeedsReauth => "NEEDS_REAUTH",
            Self::Unhealthy => "UNHEALTHY",
            Self::SyncStopped => "SYNC_STOPPED",
            Self::DeletionsHeld => "DELETIONS_HELD",
            Self::Undelivered => "UNDELIVERED",
            Self::DestinationDisabled => "DESTINATION_DISABLED",
            Self::WebhooksGivenUp => "WEBHOOKS_GIVEN_UP",
            Self::UnmappedStatus => "UNMAPPED_STATUS",
            Self::ForbiddenStatus => "FORBIDDEN_STATUS",
            Self::UnknownOrder => "UNKNOWN_ORDER",
            Self::UnreadableSetting => "UNREADABLE_SETTING",
        }
    }
}

impl Severity {
    /// The name in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }
}

/// Something that should be looked at.
#[derive(Clone, Debug)]
pub struct NewAlert {
    /// What it is.
    pub kind: Kind,
    /// How bad.
    pub severity: Severity,
    /// The id of what it is about.
    pub subject: String,
    /// What happened and what helps, for people.
    pub text: String,
}

/// Raises an alert of the caller's tenant, unless it is open already.
pub async fn raise(txn: &Txn, new: NewAlert) -> Result<()> {
    raise_in(txn, txn.cx().tenant()?, new).await
}

/// Raises an alert of another tenant, for who works for all of them.
pub async fn raise_in(txn: &Txn, tenant: TenantId, new: NewAlert) -> Result<()> {
    let row = Alert {
        id: txn.id(),
        tenant_id: tenant,
        kind: new.kind,
        severity: new.severity,
        subject: new.subject,
        text: new.text,
        raised_at: txn.now(),
        resolved_at: None,
    };
    let (alert, kind) = (row.id, row.kind);
    let fact = AlertEvent::Raised {
        alert,
        about: kind.name().to_owned(),
        severity: row.severity.name().to_owned(),
        subject: row.subject.clone(),
        text: row.text.clone(),
    };
    let insert = entity::Entity::insert(row.into_active_model()).on_conflict(entity::raised_meanwhile());
    match insert.try_insert().exec_without_returning(&**txn).await? {
        TryInsertResult::Inserted(1..) => txn.emit_in(tenant, &fact),
        _ => Ok(()),
    }
}

/// Resolves the alert of that kind about a subject, if one is open.
pub async fn resolve(txn: &Txn, kind: Kind, subject: &str) -> Result<()> {
    resolve_in(txn, txn.cx().tenant()?, kind, subject).await
}

/// Resolves one of another tenant, for who works for all of them.
pub async fn resolve_in(txn: &Txn, tenant: TenantId, kind: Kind, subject: &str) -> Result<()> {
    close(txn, entity::open(tenant, subject).filter(Column::Kind.eq(kind))).await
}

/// Resolves whatever is open about a subject that is gone.
pub async fn resolve_all(txn: &Txn, subject: &str) -> Result<()> {
    close(txn, entity::open(txn.cx().tenant()?, subject)).await
}

async fn close(txn: &Txn, open: Select<entity::Entity>) -> Result<()> {
    for found in open.lock_exclusive().all(&**txn).await? {
        let fact = AlertEvent::Resolved {
            alert: found.id,
            about: found.kind.name().to_owned(),
            severity: found.severity.name().to_owned(),
            subject: found.subject.clone(),
        };
        let tenant = found.tenant_id;
        let mut row = found.into_active_model();
        row.resolved_at = Set(Some(txn.now()));
        row.update(&**txn).await?;
        txn.emit_in(tenant, &fact)?;
    }
    Ok(())
}

/// Which alerts; what is left out does not matter.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    /// Not over yet, or over.
    pub open: Option<bool>,
    /// Of these kinds.
    pub kinds: Option<Vec<Kind>>,
    /// As bad as one of these.
    pub severities: Option<Vec<Severity>>,
    /// About this id.
    pub subject: Option<String>,
}

fn filtered(cx: &Cx, filter: &AlertFilter) -> Result<Select<entity::Entity>> {
    let mut select = entity::of(cx.tenant()?);
    select = match filter.open {
        Some(true) => select.filter(Column::ResolvedAt.is_null()),
        Some(false) => select.filter(Column::ResolvedAt.is_not_null()),
        None => select,
    };
    if let Some(kinds) = &filter.kinds {
        select = select.filter(Column::Kind.is_in(kinds.iter().copied()));
    }
    if let Some(severities) = &filter.severities {
        select = select.filter(Column::Severity.is_in(severities.iter().copied()));
    }
    if let Some(subject) = &filter.subject {
        select = select.filter(Column::Subject.eq(subject));
    }
    Ok(select)
}

/// One page of the tenant's alerts, newest first.
pub async fn list(cx: &Cx, filter: &AlertFilter, args: &PageArgs) -> Result<Page<Alert>> {
    page::by_order(cx.db(), "alerts", filtered(cx, filter)?, Column::Id, true, |row| row.id.uuid(), args).await
}

/// How many there are.
pub async fn count(cx: &Cx, filter: &AlertFilter) -> Result<u64> {
    Ok(filtered(cx, filter)?.count(cx.db()).await?)
}

/// Those of the ids that belong to the tenant.
pub async fn by_ids(cx: &Cx, ids: &[AlertId]) -> Result<Vec<Alert>> {
    Ok(entity::of(cx.tenant()?).filter(Column::Id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// The alert that an event is about.
#[must_use]
pub fn concerned(entry: &Entry) -> Option<AlertId> {
    entry.subject.parse().ok()
}
