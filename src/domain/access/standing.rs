//! Where a person acts, and with which role.
//!
//! A person may belong to several tenants. A request names one; or the session has one that was chosen for
//! it; or it is the tenant the person has belonged to for longest. Who runs the hub, by a membership in a
//! tenant that is served, may act in any tenant that was not deleted, suspended ones included. For everybody
//! else other tenants do not exist, and suspended ones let nobody in.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, QueryOrder};

use crate::{
    domain::tenant::{Status, Tenant},
    entity::{membership, tenant},
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{TenantId, UserId},
        scope::{Role, Scope},
    },
};

/// Where somebody acts.
pub(super) struct Standing {
    pub(super) tenant: Tenant,
    pub(super) role: Role,
    /// The tenant of the membership that gives the role.
    pub(super) home: TenantId,
    /// Sessions that began by then do not act by this membership.
    pub(super) sessions_ended_at: Option<Moment>,
}

/// Where the person acts, given the tenant that was chosen, if one was.
pub(super) async fn of_person(db: &impl ConnectionTrait, user: UserId, chosen: Option<TenantId>) -> Result<Standing> {
    let bonds = membership::of_person(user).order_by_asc(membership::Column::Id).all(db).await?;
    let ids = bonds.iter().map(|bond| bond.tenant_id).chain(chosen).collect();
    let tenants: BTreeMap<_, _> = tenant::of_any(ids).all(db).await?.into_iter().map(|row| (row.id, row)).collect();
    let state = |bond: &membership::Model| tenants.get(&bond.tenant_id).map(Tenant::state);
    let served = |bond: &&membership::Model| state(bond) == Some(Status::Active);
    let runs_hub = bonds.iter().filter(served).find(|bond| bond.role.scopes().has(Scope::HubAdmin));
    let bond = match chosen {
        Some(chosen) => bonds.iter().find(|bond| bond.tenant_id == chosen && served(bond)).or(runs_hub),
        None => bonds.iter().find(served),
    };
    let place = bond.and_then(|bond| tenants.get(&chosen.unwrap_or(bond.tenant_id)));
    if let (Some(bond), Some(tenant)) = (bond, place) {
        return Ok(Standing {
            tenant: tenant.clone(),
            role: bond.role,
            home: bond.tenant_id,
            sessions_ended_at: bond.sessions_ended_at,
        });
    }
    let concerned = |bond: &&membership::Model| chosen.is_none_or(|chosen| chosen == bond.tenant_id);
    if bonds.iter().filter(concerned).any(|bond| state(bond) == Some(Status::Suspended)) {
        return Err(Error::Suspended);
    }
    Err(match chosen {
        Some(_) => Error::NotFound("tenant"),
        None => Error::Unauthenticated("this account belongs to no tenant that is served"),
    })
}

/// The tenant in which a session acts, served or not: the one that was chosen for it, or the one that the person has
/// belonged to for longest. None if the person has no place there any more.
pub(super) async fn acting(
    db: &impl ConnectionTrait,
    user: UserId,
    chosen: Option<TenantId>,
) -> Result<Option<TenantId>> {
    let bonds = membership::of_person(user).order_by_asc(membership::Column::Id).all(db).await?;
    if let Some(chosen) = chosen {
        let belongs = |bond: &membership::Model| bond.tenant_id == chosen || bond.role.scopes().has(Scope::HubAdmin);
        return Ok(bonds.iter().any(belongs).then_some(chosen));
    }
    let tenants = tenant::of_any(bonds.iter().map(|bond| bond.tenant_id).collect()).all(db).await?;
    let served = |bond: &&membership::Model| {
        tenants.iter().any(|tenant| tenant.id == bond.tenant_id && tenant.state() == Status::Active)
    };
    Ok(bonds.iter().find(served).or(bonds.first()).map(|bond| bond.tenant_id))
}

/// The tenants a person may choose, longest belonging first, with the role in each.
pub(super) async fn choices(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<(Tenant, Role)>> {
    let bonds = membership::of_person(user).order_by_asc(membership::Column::Id).all(db).await?;
    let ids = bonds.iter().map(|bond| bond.tenant_id).collect();
    let tenants: BTreeMap<_, _> = tenant::of_any(ids).all(db).await?.into_iter().map(|row| (row.id, row)).collect();
    let choice = |bond: membership::Model| Some((tenants.get(&bond.tenant_id)?.clone(), bond.role));
    Ok(bonds.into_iter().filter_map(choice).filter(|(tenant, _)| tenant.state() == Status::Active).collect())
}
