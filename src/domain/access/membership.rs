//! The bond of a person to a tenant.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, ModelTrait, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};
use serde_json::json;

use super::may_grant;
use crate::{
    context::{Audit, Cx, Hub, Txn},
    domain::tenant::{Status, Tenant},
    entity::{first::First, membership as entity, tenant},
    event::{Changes, access::AccessEvent},
    kernel::{
        error::{Error, Result},
        id::{MembershipId, TenantId, UserId},
        scope::{Role, Scope},
    },
};

pub use entity::Model as Membership;

/// Those of the ids that belong to the tenant.
pub async fn by_ids(cx: &Cx, ids: &[MembershipId]) -> Result<Vec<Membership>> {
    Ok(entity::of(cx.tenant()?).filter(entity::COLUMN.id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// The memberships of these people in the tenant.
pub async fn of_users(cx: &Cx, users: &[UserId]) -> Result<Vec<Membership>> {
    Ok(entity::of(cx.tenant()?).filter(entity::COLUMN.user_id.is_in(users.iter().copied())).all(cx.db()).await?)
}

/// The tenants of one person that were not deleted, longest belonging first, for operators of the hub.
pub async fn tenants_of(hub: &Hub, user: UserId) -> Result<Vec<Tenant>> {
    let db = hub.database.reader();
    let bonds = entity::of_person(user).order_by_asc(entity::Column::Id).all(db).await?;
    let found = tenant::of_any(bonds.iter().map(|bond| bond.tenant_id).collect()).all(db).await?;
    Ok(bonds.iter().filter_map(|bond| found.iter().find(|tenant| tenant.id == bond.tenant_id).cloned()).collect())
}

/// Adds the row, its event and its audit entry.
pub(super) async fn insert(txn: &Txn, user: UserId, role: Role) -> Result<MembershipId> {
    insert_in(txn, txn.cx().tenant()?, user, role).await
}

/// The same in a tenant in which the caller does not act yet.
pub(super) async fn insert_in(txn: &Txn, tenant: TenantId, user: UserId, role: Role) -> Result<MembershipId> {
    if entity::of(tenant).filter(entity::COLUMN.user_id.eq(user)).count(&**txn).await? > 0 {
        return Err(member_already());
    }
    let (id, now) = (txn.id(), txn.now());
    let row = Membership {
        id,
        tenant_id: tenant,
        user_id: user,
        role,
        created_at: now,
        updated_at: now,
        sessions_ended_at: None,
    };
    entity::Entity::insert(row.into_active_model()).exec_without_returning(&**txn).await.map_err(
        |error| match error.sql_err() {
            Some(sea_orm::SqlErr::UniqueConstraintViolation(_)) => member_already(),
            _ => error.into(),
        },
    )?;
    let fact = AccessEvent::MembershipGranted { membership: id, user, role: role.to_string() };
    txn.emit_in(tenant, &fact)?;
    txn.audit_in(tenant, Audit::of(&fact).after(json!({ "user": user, "role": role.name() })));
    Ok(id)
}

/// Keeps sessions that a person has now from acting in the tenant, and says so. `ended` of them are over.
pub(super) async fn end_sessions(txn: &Txn, bond: Membership, ended: usize) -> Result<()> {
    let (membership, user) = (bond.id, bond.user_id);
    let mut row = bond.into_active_model();
    row.sessions_ended_at = Set(Some(txn.now()));
    row.update(&**txn).await?;
    let fact = AccessEvent::MembershipSessionsEnded { membership, user, ended };
    txn.emit(&fact)?;
    txn.audit(Audit::of(&fact).after(json!(fact)))
}

/// Gives a person another role in the tenant.
pub async fn change_role(cx: &Cx, id: MembershipId, role: Role) -> Result<Membership> {
    cx.write(async |txn| {
        may_grant(cx, role, role.scopes())?;
        let before = held(txn, id).await?;
        if before.role == role {
            return Ok(before);
        }
        keeps_an_admin(txn, &before, Some(role)).await?;
        keeps_who_runs_the_hub(txn, &before, Some(role)).await?;
        let changes = Changes::new().field("role", &before.role.name(), &role.name());
        let user = before.user_id;
        let mut row = before.into_active_model();
        row.role = Set(role);
        row.updated_at = Set(txn.now());
        let after = row.update(&**txn).await?;
        let fact = AccessEvent::MembershipChanged { membership: id, user, changes: changes.clone() };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).before(changes.side("from")).after(changes.side("to")))?;
        Ok(after)
    })
    .await
}

/// Takes a person out of the tenant. The account stays, for the tenants it may still belong to.
pub async fn revoke(cx: &Cx, id: MembershipId) -> Result<MembershipId> {
    cx.write(async |txn| {
        let before = held(txn, id).await?;
        keeps_an_admin(txn, &before, None).await?;
        keeps_who_runs_the_hub(txn, &before, None).await?;
        let fact =
            AccessEvent::MembershipRevoked { membership: id, user: before.user_id, role: before.role.to_string() };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).before(json!({ "user": before.user_id, "role": before.role.name() })))?;
        before.delete(&**txn).await?;
        Ok(id)
    })
    .await
}

/// The membership, with the tenant's row held so that nobody else changes memberships meanwhile, and with it
/// those of all tenants whose people run the hub, so that they cannot do away with each other.
async fn held(txn: &Txn, id: MembershipId) -> Result<Membership> {
    let own: TenantId = txn.cx().tenant()?;
    tenant::with_those_of_role(own, Role::SuperAdmin).lock_exclusive().all(&**txn).await?;
    let found =
        entity::of(own).filter(entity::COLUMN.id.eq(id)).first(&**txn).await?.ok_or(Error::NotFound("membership"))?;
    may_grant(txn.cx(), found.role, found.role.scopes())?;
    Ok(found)
}

/// Refuses to take the last administrator away.
async fn keeps_an_admin(txn: &Txn, leaving: &Membership, stays_as: Option<Role>) -> Result<()> {
    let runs_tenant = |role: Role| role.scopes().has(Scope::AccessWrite);
    if !runs_tenant(leaving.role) || stays_as.is_some_and(runs_tenant) {
        return Ok(());
    }
    let others = entity::of(leaving.tenant_id)
        .filter(entity::COLUMN.id.ne(leaving.id))
        .filter(entity::COLUMN.role.is_in(Role::ALL.iter().copied().filter(|role| runs_tenant(*role))))
        .count(&**txn)
        .await?;
    if others > 0 {
        Ok(())
    } else {
        Err(Error::conflict("id", "this is the tenant's last administrator; give somebody else the role first"))
    }
}

/// Refuses to take the last one away who runs the hub: by a membership in a tenant that is served.
async fn keeps_who_runs_the_hub(txn: &Txn, leaving: &Membership, stays_as: Option<Role>) -> Result<()> {
    let runs_hub = |role: Role| role.scopes().has(Scope::HubAdmin);
    if !runs_hub(leaving.role) || stays_as.is_some_and(runs_hub) {
        return Ok(());
    }
    let others = entity::of_role(Role::SuperAdmin).filter(entity::COLUMN.id.ne(leaving.id)).all(&**txn).await?;
    let places = tenant::of_any(others.iter().map(|bond| bond.tenant_id).collect()).all(&**txn).await?;
    if places.iter().any(|tenant| tenant.state() == Status::Active) {
        Ok(())
    } else {
        Err(Error::conflict("id", "nobody would be left to run the hub; make somebody else a SUPER_ADMIN first"))
    }
}

pub(super) fn member_already() -> Error {
    Error::conflict("email", "this person is a member of the tenant already")
}
