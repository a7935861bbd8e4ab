//! Tenants and their settings.
//!
//! **Who acts.** An administrator changes the own tenant; who runs the hub creates tenants, sees all of
//! them and may act in any. **Life.** A tenant is created with settings that can be changed at any time;
//! its slug is how people name it in headers and on the command line, and is unique in the hub. How it is
//! suspended, resumed and deleted is in [`lifecycle`].
//! **What fails.** A slug that is taken is a conflict, also when two take it at the same instant: the
//! unique index decides, not the look beforehand.

pub mod lifecycle;
pub mod removal;

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QuerySelect,
};
use serde::Serialize;
use serde_json::json;

use crate::{
    context::{Audit, Cx, Hub, Once, Txn},
    entity::{first::First, page, rewrite::rewrite, tenant as entity},
    event::{Changes, tenant::TenantEvent},
    kernel::{
        error::{Error, Result},
        id::TenantId,
        input::{self, Check},
        page::{Page, PageArgs},
        scope::Scope,
    },
};

pub use entity::Model as Tenant;

/// Whether a tenant is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is.
    Active,
    /// Nobody of it is let in, until it is resumed.
    Suspended,
    /// It is gone for good; its audit log is kept for its time.
    Deleted,
}

impl Status {
    /// The name in the database and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Suspended => "SUSPENDED",
            Self::Deleted => "DELETED",
        }
    }
}

impl Tenant {
    /// Whether it is served.
    #[must_use]
    pub fn state(&self) -> Status {
        let known = [Status::Active, Status::Deleted].into_iter().find(|status| status.name() == self.status);
        // What a later version may have made of it is not served.
        known.unwrap_or(Status::Suspended)
    }

    /// Whether it was not deleted.
    #[must_use]
    pub fn lives(&self) -> bool {
        self.deleted_at.is_none()
    }
}

/// How a tenant writes times, dates and money.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SettingsInput {
    /// IANA name.
    pub time_zone: Option<String>,
    /// Language tag.
    pub locale: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// DD, MM and YYYY in the order people expect.
    pub date_format: Option<String>,
}

/// A tenant to be.
#[derive(Clone, Debug, Serialize)]
pub struct NewTenant {
    /// Unique in the hub.
    pub slug: String,
    /// For people.
    pub name: String,
    /// Left out: UTC, English, AED, DD/MM/YYYY.
    pub settings: SettingsInput,
}

/// What to change of a tenant; what is left out stays.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TenantChange {
    /// Unique in the hub.
    pub slug: Option<String>,
    /// For people.
    pub name: Option<String>,
    /// Settings to change.
    pub settings: SettingsInput,
}

/// One tenant: the caller's own, or any for who runs the hub.
pub async fn get(cx: &Cx, id: TenantId) -> Result<Tenant> {
    by_ids(cx, &[id]).await?.pop().ok_or(Error::NotFound("tenant"))
}

/// Those of the ids that the caller may see.
pub async fn by_ids(cx: &Cx, ids: &[TenantId]) -> Result<Vec<Tenant>> {
    let principal = cx.principal()?;
    let select = match principal.scopes.has(Scope::HubAdmin) {
        true => entity::of_hub().filter(entity::COLUMN.id.is_in(ids.iter().copied())),
        false if ids.contains(&principal.tenant) => entity::of(principal.tenant),
        false => return Ok(Vec::new()),
    };
    Ok(select.all(cx.db()).await?)
}

/// The tenant with that slug or id, for who chooses one by name. Deleted ones are not found.
pub async fn named(hub: &Hub, name: &str) -> Result<Tenant> {
    known(hub, name).await?.filter(Tenant::lives).ok_or(Error::NotFound("tenant"))
}

/// The tenant with that slug or id, deleted or not, for who looks at audit logs.
pub async fn ever_named(hub: &Hub, name: &str) -> Result<Tenant> {
    known(hub, name).await?.ok_or(Error::NotFound("tenant"))
}

async fn known(hub: &Hub, name: &str) -> Result<Option<Tenant>> {
    let select = match name.parse() {
        Ok(id) => entity::of(id),
        Err(_) => entity::by_slug(name),
    };
    Ok(select.first(hub.database.reader()).await?)
}

/// Every tenant of the hub at once, for commands of its operators.
pub async fn all(hub: &Hub) -> Result<Vec<Tenant>> {
    Ok(entity::of_hub().all(hub.database.reader()).await?)
}

/// Every tenant of the hub.
pub async fn list(cx: &Cx, args: &PageArgs) -> Result<Page<Tenant>> {
    cx.needs(Scope::HubAdmin)?;
    page::by_key(cx.db(), "tenants", entity::of_hub(), entity::Column::Id, |tenant| tenant.id.uuid(), args).await
}

/// How many there are.
pub async fn count(cx: &Cx) -> Result<u64> {
    cx.needs(Scope::HubAdmin)?;
    Ok(entity::of_hub().count(cx.db()).await?)
}

/// Creates a tenant.
pub async fn create(cx: &Cx, new: NewTenant, key: Option<&str>) -> Result<Tenant> {
    cx.needs(Scope::HubAdmin)?;
    let id = cx
        .write(async |txn| {
            let ticket = match txn.once("createTenant", key, &new).await? {
                Once::Repeated(id) => return Ok(id),
                Once::First(ticket) => ticket,
            };
            let id = txn.id();
            insert(txn, id, &new).await?;
            ticket.created(txn, id).await?;
            Ok(id)
        })
        .await?;
    get(cx, id).await
}

/// Adds the row, its event and its audit entry; `bootstrap` uses it too.
pub(super) async fn insert(txn: &Txn, id: TenantId, new: &NewTenant) -> Result<()> {
    let mut check = Check::new();
    let slug = check.take("slug", input::slug(&new.slug));
    let name = check.take("name", input::name(&new.name));
    let settings = checked(&mut check, &new.settings);
    check.done()?;
    let now = txn.now();
    let row = Tenant {
        id,
        slug,
        name,
        status: Status::Active.name().to_owned(),
        time_zone: settings.time_zone.unwrap_or_else(|| "UTC".to_owned()),
        locale: settings.locale.unwrap_or_else(|| "en".to_owned()),
        currency: settings.currency.unwrap_or_else(|| "AED".to_owned()),
        date_format: settings.date_format.unwrap_or_else(|| "DD/MM/YYYY".to_owned()),
        created_at: now,
        updated_at: now,
        suspended_at: None,
        suspension_reason: None,
        deleted_at: None,
        emptied_at: None,
    };
    free_slug(txn, &row.slug).await?;
    entity::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**txn).await.map_err(taken)?;
    let fact = TenantEvent::Created { tenant: id, slug: row.slug.clone(), name: row.name.clone() };
    txn.emit_in(id, &fact)?;
    txn.audit_in(id, Audit::of(&fact).after(shown(&row)));
    Ok(())
}

/// Changes the caller's tenant, or any for who runs the hub.
pub async fn update(cx: &Cx, id: TenantId, change: TenantChange) -> Result<Tenant> {
    get(cx, id).await?;
    cx.write(async |txn| {
        let mut check = Check::new();
        let slug = check.take_some("slug", change.slug.as_deref(), input::slug);
        let name = check.take_some("name", change.name.as_deref(), input::name);
        let settings = checked(&mut check, &change.settings);
        check.done()?;
        let before = entity::of(id).lock_exclusive().first(&**txn).await?.filter(Tenant::lives);
        let before = before.ok_or(Error::NotFound("tenant"))?;
        let after = Tenant {
            slug: slug.unwrap_or_else(|| before.slug.clone()),
            name: name.unwrap_or_else(|| before.name.clone()),
            time_zone: settings.time_zone.unwrap_or_else(|| before.time_zone.clone()),
            locale: settings.locale.unwrap_or_else(|| before.locale.clone()),
            currency: settings.currency.unwrap_or_else(|| before.currency.clone()),
            date_format: settings.date_format.unwrap_or_else(|| before.date_format.clone()),
            updated_at: txn.now(),
            ..before.clone()
        };
        let changes = Changes::new()
            .field("slug", &before.slug, &after.slug)
            .field("name", &before.name, &after.name)
            .field("timeZone", &before.time_zone, &after.time_zone)
            .field("locale", &before.locale, &after.locale)
            .field("currency", &before.currency, &after.currency)
            .field("dateFormat", &before.date_format, &after.date_format);
        if changes.is_empty() {
            return Ok(before);
        }
        if before.slug != after.slug {
            free_slug(txn, &after.slug).await?;
        }
        let mut row = rewrite(after.clone());
        row.id = sea_orm::ActiveValue::Unchanged(id);
        row.created_at = sea_orm::ActiveValue::Unchanged(before.created_at);
        row.updated_at = Set(after.updated_at);
        row.update(&**txn).await.map_err(taken)?;
        let fact = TenantEvent::Updated { tenant: id, changes: changes.clone() };
        txn.emit_in(id, &fact)?;
        txn.audit_in(id, Audit::of(&fact).before(changes.side("from")).after(changes.side("to")));
        Ok(after)
    })
    .await
}

fn checked(check: &mut Check, settings: &SettingsInput) -> SettingsInput {
    SettingsInput {
        time_zone: check.take_some("settings.timeZone", settings.time_zone.as_deref(), input::time_zone),
        locale: check.take_some("settings.locale", settings.locale.as_deref(), input::locale),
        currency: check.take_some("settings.currency", settings.currency.as_deref(), input::currency),
        date_format: check.take_some("settings.dateFormat", settings.date_format.as_deref(), input::date_format),
    }
}

async fn free_slug(txn: &Txn, slug: &str) -> Result<()> {
    match entity::by_slug(slug).count(&**txn).await? {
        0 => Ok(()),
        _ => Err(slug_taken()),
    }
}

/// The index speaks when two took the slug at the same instant.
fn taken(error: sea_orm::DbErr) -> Error {
    match error.sql_err() {
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_)) => slug_taken(),
        _ => error.into(),
    }
}

fn slug_taken() -> Error {
    Error::conflict("slug", "another tenant has this slug")
}

fn shown(tenant: &Tenant) -> serde_json::Value {
    json!({
        "slug": tenant.slug, "name": tenant.name, "timeZone": tenant.time_zone, "locale": tenant.locale,
        "currency": tenant.currency, "dateFormat": tenant.date_format,
    })
}
