//! The life of a tenant: suspended, resumed, deleted. All of it by who runs the hub.
//!
//! **Suspended**, a tenant keeps everything and lets nobody in: its people, tokens and agents are refused
//! with `TENANT_SUSPENDED` from their next request on. Who runs the hub from elsewhere may look at it, and
//! resume it as it was.
//!
//! **Deleted** is for good. In one commit the tenant's data keys are destroyed, so that every copy of what
//! they sealed is noise (backups included, unless a backup holds the keys and somebody holds the master
//! key); its secrets are forgotten, its tokens revoked, the sessions of its people ended. Its name is free
//! for another tenant. Before the caller hears of it, the destroyed keys are erased from the files of the
//! database, too ([`keyring::erase`]). The rest of its rows goes later, in the background
//! ([`super::removal`]).
//!
//! **What stays** of a deleted tenant is its audit log, for as long as audit logs are kept, and the row that
//! it belongs to. The log can be verified and exported; its last entry says who deleted the tenant, and so
//! does one in the log of the tenant from which that was done.
//!
//! **What is refused**: whatever would leave nobody to run the hub. A tenant is not suspended or deleted by a
//! credential of its own, nor if no other tenant that is served has a person who runs the hub; also when two
//! who run it turn on each other at the same instant, because both hold the rows of all such tenants.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel, QuerySelect};
use serde_json::json;

use super::{Status, Tenant};
use crate::{
    context::{Audit, Cx, Txn},
    domain::keyring,
    entity::{api_token, first::First, session, tenant as entity},
    event::tenant::TenantEvent,
    kernel::{
        error::{Error, Result, chain},
        id::TenantId,
        input::{self, Check},
        scope::{Role, Scope},
    },
};

/// Lets nobody of the tenant in until it is resumed. Doing so twice changes nothing.
pub async fn suspend(cx: &Cx, id: TenantId, reason: &str) -> Result<Tenant> {
    cx.needs(Scope::HubAdmin)?;
    cx.write(async |txn| {
        let mut check = Check::new();
        let reason = check.take("reason", input::note(reason));
        check.done()?;
        let before = held_leaving_somebody(txn, id).await?;
        if before.state() == Status::Suspended {
            return Ok(before);
        }
        let mut row = before.into_active_model();
        row.status = Set(Status::Suspended.name().to_owned());
        row.suspended_at = Set(Some(txn.now()));
        row.suspension_reason = Set(Some(reason.clone()));
        row.updated_at = Set(txn.now());
        let after = row.update(&**txn).await?;
        let fact = TenantEvent::Suspended { tenant: id, reason: reason.clone() };
        txn.emit_in(id, &fact)?;
        txn.audit_in(id, Audit::of(&fact).after(json!({ "reason": reason })));
        Ok(after)
    })
    .await
}

/// Lets everybody in again. Doing so twice changes nothing.
pub async fn resume(cx: &Cx, id: TenantId) -> Result<Tenant> {
    cx.needs(Scope::HubAdmin)?;
    cx.write(async |txn| {
        let before = entity::of(id).lock_exclusive().first(&**txn).await?.filter(Tenant::lives);
        let before = before.ok_or(Error::NotFound("tenant"))?;
        if before.state() == Status::Active {
            return Ok(before);
        }
        let since = before.suspended_at;
        let mut row = before.into_active_model();
        row.status = Set(Status::Active.name().to_owned());
        row.suspended_at = Set(None);
        row.suspension_reason = Set(None);
        row.updated_at = Set(txn.now());
        let after = row.update(&**txn).await?;
        let fact = TenantEvent::Resumed { tenant: id };
        txn.emit_in(id, &fact)?;
        txn.audit_in(id, Audit::of(&fact).before(json!({ "suspendedAt": since })));
        Ok(after)
    })
    .await
}

/// Deletes a tenant for good. `confirmation` is its slug, typed by whoever means it.
pub async fn delete(cx: &Cx, id: TenantId, confirmation: &str) -> Result<Tenant> {
    cx.needs(Scope::HubAdmin)?;
    let deleted = cx
        .write(async |txn| {
            let before = held_leaving_somebody(txn, id).await?;
            if confirmation != before.slug {
                let reason = "to delete the tenant for good, repeat its slug here";
                return Err(Error::invalid("confirmation", reason));
            }
            let (slug, name) = (before.slug.clone(), before.name.clone());
            let mut row = before.into_active_model();
            row.status = Set(Status::Deleted.name().to_owned());
            row.deleted_at = Set(Some(txn.now()));
            row.slug = Set(vacated(id));
            row.updated_at = Set(txn.now());
            let after = row.update(&**txn).await.map_err(super::taken)?;
            let shredded = keyring::shred(txn, id).await?;
            let tokens = api_token::revoke_all(id, txn.now()).exec(&**txn).await?.rows_affected;
            let sessions = session::end_of_tenant(id, txn.now(), "the tenant was deleted").exec(&**txn).await?;
            let fact = TenantEvent::Deleted { tenant: id, slug: slug.clone() };
            txn.emit_in(id, &fact)?;
            let entry = Audit::of(&fact).before(json!({ "slug": slug, "name": name })).after(json!({
                "keysDestroyed": shredded.keys, "secretsForgotten": shredded.secrets,
                "tokensRevoked": tokens, "sessionsEnded": sessions.rows_affected,
            }));
            txn.audit_in(cx.principal()?.home, entry.clone());
            txn.audit_in(id, entry);
            Ok(after)
        })
        .await?;
    // After the commit: until then somebody could read the keys once more, and remember them.
    cx.hub().data_keys.forget_all(id);
    // Now, so that the files hold nothing of them when this is answered; what stands in the way is tried again later.
    if let Err(error) = keyring::erase::erase(cx.hub()).await {
        tracing::warn!(tenant = %id, error = chain(&error), "the files still hold destroyed keys; will try again");
    }
    Ok(deleted)
}

/// The tenant, held until the commit together with all whose people run the hub, if somebody is left to run
/// it without this one.
async fn held_leaving_somebody(txn: &Txn, id: TenantId) -> Result<Tenant> {
    let rows = entity::with_those_of_role(id, Role::SuperAdmin);
    rows.clone().lock_exclusive().all(&**txn).await?;
    // Read again: whoever we waited for may have taken somebody's role.
    let rows = rows.all(&**txn).await?;
    let (found, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|tenant| tenant.id == id);
    let found = found.into_iter().next().filter(Tenant::lives).ok_or(Error::NotFound("tenant"))?;
    if txn.cx().principal()?.home == id {
        let reason = "your own credential belongs to this tenant, and would open nothing any more";
        return Err(Error::conflict("id", reason));
    }
    if !others.iter().any(|tenant| tenant.state() == Status::Active) {
        let reason = "nobody would be left to run the hub; make somebody of another tenant a SUPER_ADMIN first";
        return Err(Error::conflict("id", reason));
    }
    Ok(found)
}

/// The slug of a tenant that gave its own up.
fn vacated(id: TenantId) -> String {
    id.to_string().replacen("ten_", "deleted-", 1)
}
