//! People.
//!
//! A tenant sees the people who have a membership in it. The account is the person's own (see the module above); who
//! else may change it is in [`changeable`].

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use serde::Serialize;
use serde_json::json;

use super::{may_grant, membership};
use crate::{
    context::{Audit, Cx, Hub, Once, Txn},
    entity::{first::First, membership as bond, page, user as entity},
    event::{Changes, access::AccessEvent},
    kernel::{
        actor::Actor,
        error::{Error, Result},
        id::{TenantId, UserId},
        input::{self, Check},
        page::{Page, PageArgs},
        scope::{Role, Scope},
    },
};

pub use entity::Model as User;

/// A person to let in.
#[derive(Clone, Debug, Serialize)]
pub struct NewUser {
    /// Names the person in the hub.
    pub email: String,
    /// For people.
    pub name: String,
    /// The role in the caller's tenant.
    pub role: RoleName,
}

/// A role as inputs carry it; its name goes into digests of inputs.
#[derive(Clone, Copy, Debug)]
pub struct RoleName(pub Role);

impl Serialize for RoleName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

/// What to change of a person; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// Names the person in the hub.
    pub email: Option<String>,
    /// For people.
    pub name: Option<String>,
}

/// One person of the tenant.
pub async fn get(cx: &Cx, id: UserId) -> Result<User> {
    by_ids(cx, &[id]).await?.pop().ok_or(Error::NotFound("user"))
}

/// Those of the ids that belong to the tenant.
pub async fn by_ids(cx: &Cx, ids: &[UserId]) -> Result<Vec<User>> {
    Ok(entity::of(cx.tenant()?).filter(entity::COLUMN.id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// The people of the tenant.
pub async fn list(cx: &Cx, args: &PageArgs) -> Result<Page<User>> {
    page::by_key(cx.db(), "users", entity::of(cx.tenant()?), entity::Column::Id, |user| user.id.uuid(), args).await
}

/// Whoever has that address, in whichever tenant, for operators of the hub.
pub async fn by_email(hub: &Hub, email: &str) -> Result<Option<User>> {
    let Ok(email) = input::email(email) else { return Ok(None) };
    Ok(entity::by_email(&email).first(hub.database.reader()).await?)
}

/// How many there are.
pub async fn count(cx: &Cx) -> Result<u64> {
    Ok(entity::of(cx.tenant()?).count(cx.db()).await?)
}

/// Makes a person a member without asking: creates the account, or finds the one with that address. For the operator
/// of the hub and the command line; administrators of a tenant invite people.
pub async fn create(cx: &Cx, new: NewUser, key: Option<&str>) -> Result<User> {
    let id = cx
        .write(async |txn| {
            let ticket = match txn.once("createUser", key, &new).await? {
                Once::Repeated(id) => return Ok(id),
                Once::First(ticket) => ticket,
            };
            let mut check = Check::new();
            let email = check.take("email", input::email(&new.email));
            let name = check.take("name", input::name(&new.name));
            check.done()?;
            may_grant(cx, new.role.0, new.role.0.scopes())?;
            let id = match entity::by_email(&email).first(&**txn).await? {
                Some(known) => known.id,
                None => insert(txn, email, name).await?,
            };
            membership::insert(txn, id, new.role.0).await?;
            ticket.created(txn, id).await?;
            Ok(id)
        })
        .await?;
    get(cx, id).await
}

/// An account that begins.
pub(super) struct Account {
    pub(super) id: UserId,
    pub(super) email: String,
    pub(super) name: String,
    pub(super) password_hash: Option<String>,
}

/// Adds the row, its event and its audit entry; `bootstrap` uses it too.
pub(super) async fn insert(txn: &Txn, email: String, name: String) -> Result<UserId> {
    let account = Account { id: txn.id(), email, name, password_hash: None };
    insert_in(txn, txn.cx().tenant()?, account).await
}

/// The same in a tenant in which the caller does not act yet; the tenant founds the account.
pub(super) async fn insert_in(txn: &Txn, tenant: TenantId, account: Account) -> Result<UserId> {
    let now = txn.now();
    let Account { id, email, name, password_hash } = account;
    let row = User {
        id,
        email,
        name,
        password_changed_at: password_hash.as_ref().map(|_| now),
        password_hash,
        password_reset_requested_at: None,
        founding_tenant_id: Some(tenant),
        created_at: now,
        updated_at: now,
    };
    entity::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**txn).await.map_err(taken)?;
    let fact = AccessEvent::UserCreated { user: id, email: row.email.clone(), name: row.name.clone() };
    txn.emit_in(tenant, &fact)?;
    txn.audit_in(tenant, Audit::of(&fact).after(json!({ "email": row.email, "name": row.name })));
    Ok(id)
}

/// Changes a person of the tenant.
pub async fn update(cx: &Cx, id: UserId, change: UserChange) -> Result<User> {
    cx.write(async |txn| {
        let mut check = Check::new();
        let email = check.take_some("email", change.email.as_deref(), input::email);
        let name = check.take_some("name", change.name.as_deref(), input::name);
        check.done()?;
        let before = changeable(txn, id).await?;
        // Before it is looked whether somebody else has it.
        if email.as_ref().is_some_and(|email| *email != before.email) && !cx.principal()?.scopes.has(Scope::HubAdmin) {
            return Err(Error::forbidden("email", "only the operator of the hub may change an email address"));
        }
        change_account(txn, before, email, name).await
    })
    .await
}

/// Changes the caller's own name.
pub async fn rename_self(cx: &Cx, name: &str) -> Result<User> {
    let Actor::User(user) = cx.actor() else { return Err(Error::NoPerson) };
    let name = input::name(name).map_err(|reason| Error::invalid("name", reason))?;
    cx.write(async |txn| {
        let known = entity::by_id(user).lock_exclusive().first(&**txn).await?.ok_or(Error::NotFound("user"))?;
        change_account(txn, known, None, Some(name.clone())).await
    })
    .await
}

/// Changes an account, and says so in each tenant that the person belongs to: all of them show the name and address.
async fn change_account(txn: &Txn, before: User, email: Option<String>, name: Option<String>) -> Result<User> {
    let after = User {
        email: email.unwrap_or_else(|| before.email.clone()),
        name: name.unwrap_or_else(|| before.name.clone()),
        updated_at: txn.now(),
        ..before.clone()
    };
    let changes = Changes::new().field("email", &before.email, &after.email).field("name", &before.name, &after.name);
    if changes.is_empty() {
        return Ok(before);
    }
    let mut row = before.into_active_model();
    row.email = Set(after.email.clone());
    row.name = Set(after.name.clone());
    row.updated_at = Set(after.updated_at);
    row.update(&**txn).await.map_err(taken)?;
    let fact = AccessEvent::UserUpdated { user: after.id, changes: changes.clone() };
    let here = txn.cx().tenant()?;
    for bond in bond::of_person(after.id).order_by_asc(bond::Column::TenantId).all(&**txn).await? {
        let entry = Audit::of(&fact).before(changes.side("from")).after(changes.side("to"));
        let entry = if bond.tenant_id == here { entry } else { entry.without_origin() };
        txn.emit_in(bond.tenant_id, &fact)?;
        txn.audit_in(bond.tenant_id, entry);
    }
    Ok(after)
}

/// A person of the tenant whose account the caller may change: the operator of the hub may, and an administrator of the
/// tenant that founded the account, as long as the person belongs to no other one. A new password is the account
/// itself, so the caller must also be allowed as much as the person. The row is held, so that the person joins no other
/// tenant meanwhile.
pub(super) async fn changeable(txn: &Txn, id: UserId) -> Result<User> {
    let cx = txn.cx();
    let (tenant, scopes) = (cx.tenant()?, cx.principal()?.scopes);
    entity::of(tenant).filter(entity::COLUMN.id.eq(id)).first(&**txn).await?.ok_or(Error::NotFound("user"))?;
    let found = entity::by_id(id).lock_exclusive().first(&**txn).await?.ok_or(Error::NotFound("user"))?;
    let bonds = bond::of_person(id).all(&**txn).await?;
    let looked_after = found.founding_tenant_id == Some(tenant) && bonds.len() == 1;
    if !looked_after && !scopes.has(Scope::HubAdmin) {
        let reason = "this account is the person's own; the person or the operator of the hub may change it";
        return Err(Error::forbidden("id", reason));
    }
    if bonds.iter().any(|bond| !bond.role.scopes().within(scopes)) {
        return Err(Error::forbidden("id", "this person may do more than you; you cannot change the account"));
    }
    Ok(found)
}

fn taken(error: sea_orm::DbErr) -> Error {
    match error.sql_err() {
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_)) => {
            Error::conflict("email", "another account has this address")
        }
        _ => error.into(),
    }
}
