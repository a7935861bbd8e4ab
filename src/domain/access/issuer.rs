//! Outside issuers: servers whose tokens a tenant accepts.
//!
//! **Who acts.** An administrator registers what the tokens say in `iss` and `aud`, where the keys are, the one
//! algorithm, and which values of which claim mean which role. Nobody gives more than they have, and nobody gives
//! what opens the whole hub, or what needs an organisation that a claim cannot name.
//!
//! **Whose tokens.** Issuer and audience together are unique in the hub, as a tenant's slug is: a token belongs to one
//! tenant whatever others register later. Who finds them taken takes an audience of its own, which is
//! what audiences are for.
//!
//! **What fails.** Registering asks nobody, so an issuer that is away can be registered; addresses are held
//! against what may be called. [`test`] asks, and says what it found.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, EntityTrait, IntoActiveModel, ModelTrait, PaginatorTrait, QueryFilter, QuerySelect,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    jwks::{self, FetchError, Published},
    may_grant_at,
    user::RoleName,
};
use crate::{
    context::{Audit, Cx, Once, Txn},
    entity::{first::First, issuer as entity, page, rewrite::rewrite},
    event::{Changes, access::AccessEvent},
    kernel::{
        error::{Error, Result},
        id::IssuerId,
        input::{self, Check},
        page::{Page, PageArgs},
        scope::Role,
    },
};

pub use entity::{Algorithm, Model as Issuer};

/// The roles that an outside issuer may give.
pub(super) const MAY_GIVE: [Role; 3] = [Role::Admin, Role::Operator, Role::Viewer];

/// The longest `iss`, the longest of other texts.
const LONGEST_ISSUER: usize = 500;
const LONGEST: usize = 255;

/// The longest way to a claim, and the most values that are mapped.
const DEEPEST: usize = 8;
const MOST: usize = 100;

/// An issuer to be.
#[derive(Clone, Debug, Serialize)]
pub struct NewIssuer {
    /// For people.
    pub name: String,
    /// What the tokens say in `iss`.
    pub iss: String,
    /// What they say in `aud`.
    pub audience: String,
    /// Where the keys are; left out, where the discovery document says.
    pub jwks_url: Option<String>,
    /// With what it signs.
    pub algorithm: Algorithm,
    /// The names on the way to the claim that holds roles.
    pub roles_claim: Vec<String>,
    /// Roles by values of that claim.
    pub role_map: Vec<(String, RoleName)>,
    /// The role of tokens with no value that is mapped.
    pub default_role: Option<RoleName>,
}

/// A change of what may be left open.
#[derive(Clone, Debug, Default)]
pub enum Open<T> {
    /// It stays.
    #[default]
    Stays,
    /// It is left open.
    Left,
    /// It is this.
    Is(T),
}

impl<T> Open<T> {
    fn over(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Stays => before,
            Self::Left => None,
            Self::Is(value) => Some(value),
        }
    }
}

/// What to change of an issuer; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct IssuerChange {
    /// For people.
    pub name: Option<String>,
    /// What the tokens say in `iss`.
    pub iss: Option<String>,
    /// What they say in `aud`.
    pub audience: Option<String>,
    /// Where the keys are.
    pub jwks_url: Open<String>,
    /// With what it signs.
    pub algorithm: Option<Algorithm>,
    /// The names on the way to the claim that holds roles.
    pub roles_claim: Option<Vec<String>>,
    /// Roles by values of that claim.
    pub role_map: Option<Vec<(String, RoleName)>>,
    /// The role of tokens with no value that is mapped.
    pub default_role: Open<RoleName>,
}

impl Issuer {
    /// The names on the way to the claim that holds roles.
    #[must_use]
    pub fn claim_path(&self) -> Vec<String> {
        let names = self.roles_claim.as_array().into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Roles by values of that claim.
    #[must_use]
    pub fn mapped_roles(&self) -> Vec<(String, Role)> {
        let pairs = self.role_map.as_object().into_iter().flatten();
        // A role this program does not know comes from a later version and gives nothing here.
        pairs.filter_map(|(value, role)| Some((value.clone(), role.as_str()?.parse().ok()?))).collect()
    }
}

/// Those of the ids that belong to the tenant.
pub async fn by_ids(cx: &Cx, ids: &[IssuerId]) -> Result<Vec<Issuer>> {
    Ok(entity::of(cx.tenant()?).filter(entity::COLUMN.id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// One issuer of the tenant.
pub async fn get(cx: &Cx, id: IssuerId) -> Result<Issuer> {
    by_ids(cx, &[id]).await?.pop().ok_or(Error::NotFound("issuer"))
}

/// The issuers of the tenant.
pub async fn list(cx: &Cx, args: &PageArgs) -> Result<Page<Issuer>> {
    page::by_key(cx.db(), "issuers", entity::of(cx.tenant()?), entity::Column::Id, |row| row.id.uuid(), args).await
}

/// How many there are.
pub async fn count(cx: &Cx) -> Result<u64> {
    Ok(entity::of(cx.tenant()?).count(cx.db()).await?)
}

/// Registers an issuer.
pub async fn create(cx: &Cx, new: NewIssuer, key: Option<&str>) -> Result<Issuer> {
    let id = cx
        .write(async |txn| {
            let ticket = match txn.once("createIssuer", key, &new).await? {
                Once::Repeated(id) => return Ok(id),
                Once::First(ticket) => ticket,
            };
            let now = txn.now();
            let row = Issuer {
                id: txn.id(),
                tenant_id: cx.tenant()?,
                name: checked(cx, &new)?,
                iss: new.iss.clone(),
                audience: new.audience.clone(),
                jwks_url: new.jwks_url.clone(),
                algorithm: new.algorithm,
                roles_claim: json!(new.roles_claim),
                role_map: map(&new.role_map),
                default_role: new.default_role.map(|role| role.0),
                created_by: cx.actor().to_string(),
                created_at: now,
                updated_at: now,
            };
            let inserted = entity::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**txn).await;
            inserted.map_err(taken)?;
            let fact = AccessEvent::IssuerCreated { issuer: row.id, name: row.name.clone(), iss: row.iss.clone() };
            txn.emit(&fact)?;
            txn.audit(Audit::of(&fact).after(shown(&row)))?;
            ticket.created(txn, row.id).await?;
            Ok(row.id)
        })
        .await?;
    get(cx, id).await
}

/// Changes an issuer; counts from the next request on.
pub async fn update(cx: &Cx, id: IssuerId, change: IssuerChange) -> Result<Issuer> {
    cx.write(async |txn| {
        let before = held(txn, id).await?;
        let roles = before.mapped_roles().into_iter().map(|(value, role)| (value, RoleName(role)));
        let wanted = NewIssuer {
            name: change.name.unwrap_or_else(|| before.name.clone()),
            iss: change.iss.unwrap_or_else(|| before.iss.clone()),
            audience: change.audience.unwrap_or_else(|| before.audience.clone()),
            jwks_url: change.jwks_url.over(before.jwks_url.clone()),
            algorithm: change.algorithm.unwrap_or(before.algorithm),
            roles_claim: change.roles_claim.unwrap_or_else(|| before.claim_path()),
            role_map: change.role_map.unwrap_or_else(|| roles.collect()),
            default_role: change.default_role.over(before.default_role.map(RoleName)),
        };
        let after = Issuer {
            // The whole is checked: who moves an issuer elsewhere gives every role that it gives.
            name: checked(cx, &wanted)?,
            iss: wanted.iss,
            audience: wanted.audience,
            jwks_url: wanted.jwks_url,
            algorithm: wanted.algorithm,
            roles_claim: json!(wanted.roles_claim),
            role_map: map(&wanted.role_map),
            default_role: wanted.default_role.map(|role| role.0),
            updated_at: txn.now(),
            ..before.clone()
        };
        let (old, new) = (shown(&before), shown(&after));
        let fields = new.as_object().into_iter().flatten();
        let changes = fields.fold(Changes::new(), |changes, (name, to)| changes.field(name, &old[name], to));
        if changes.is_empty() {
            return Ok(before);
        }
        let mut row = rewrite(after.clone());
        row.id = Unchanged(id);
        row.updated_at = Set(after.updated_at);
        row.update(&**txn).await.map_err(taken)?;
        let fact = AccessEvent::IssuerUpdated { issuer: id, changes: changes.clone() };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).before(changes.side("from")).after(changes.side("to")))?;
        Ok(after)
    })
    .await
}

/// Forgets an issuer; from the next request on its tokens open nothing.
pub async fn delete(cx: &Cx, id: IssuerId) -> Result<IssuerId> {
    cx.write(async |txn| {
        let before = held(txn, id).await?;
        let fact = AccessEvent::IssuerDeleted { issuer: id, name: before.name.clone(), iss: before.iss.clone() };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).before(shown(&before)))?;
        before.delete(&**txn).await?;
        Ok(id)
    })
    .await
}

/// Asks an issuer for its keys, whatever is known of it, and says what came.
pub async fn test(cx: &Cx, id: IssuerId) -> Result<(Issuer, Result<Published, FetchError>)> {
    let issuer = get(cx, id).await?;
    let found = jwks::published(&cx.hub().client, &issuer).await;
    Ok((issuer, found))
}

async fn held(txn: &Txn, id: IssuerId) -> Result<Issuer> {
    let own = entity::of(txn.cx().tenant()?).filter(entity::COLUMN.id.eq(id));
    own.lock_exclusive().first(&**txn).await?.ok_or(Error::NotFound("issuer"))
}

/// Checks a whole issuer; gives its name in the form to store.
fn checked(cx: &Cx, new: &NewIssuer) -> Result<String> {
    let mut check = Check::new();
    let name = check.take("name", input::name(&new.name));
    check.take("iss", iss(cx, new));
    check.take("audience", plain("an audience", &new.audience, LONGEST));
    if let Some(url) = &new.jwks_url {
        check.take("jwksUrl", cx.hub().client.check(url).map_err(|refusal| refusal.to_string()));
    }
    check.that(new.roles_claim.len() <= DEEPEST, "rolesClaim", format!("a claim is at most {DEEPEST} names deep"));
    for name in &new.roles_claim {
        check.take("rolesClaim", plain("the name of a claim", name, LONGEST));
    }
    check.that(new.role_map.len() <= MOST, "roleMap", format!("at most {MOST} values are mapped"));
    for (at, (value, role)) in new.role_map.iter().enumerate() {
        check.take("roleMap", plain("a value", value, LONGEST));
        let again = new.role_map[..at].iter().any(|(other, _)| other == value);
        check.that(!again, "roleMap", "a value is mapped once");
        check.take("roleMap", may_be_given(role.0));
    }
    if let Some(role) = new.default_role {
        check.take("defaultRole", may_be_given(role.0));
    }
    let (path, mapped) = (!new.roles_claim.is_empty(), !new.role_map.is_empty());
    check.that(path || !mapped, "rolesClaim", "name the claim whose values are mapped");
    check.that(mapped || !path, "roleMap", "map the values of the claim to roles");
    check.that(mapped || new.default_role.is_some(), "defaultRole", "without a role its tokens would open nothing");
    check.done()?;
    for (path, role) in new
        .role_map
        .iter()
        .map(|(_, role)| ("roleMap", role))
        .chain(new.default_role.iter().map(|role| ("defaultRole", role)))
    {
        may_grant_at(path, cx, role.0, role.0.scopes())?;
    }
    Ok(name)
}

fn iss(cx: &Cx, new: &NewIssuer) -> Result<(), String> {
    let text = &new.iss;
    plain("an issuer", text, LONGEST_ISSUER)?;
    if *text == cx.hub().access.issuer {
        return Err("this is the hub itself".to_owned());
    }
    if new.jwks_url.is_none() {
        cx.hub().client.check(text).map_err(|refusal| refusal.to_string())?;
        if text.contains(['?', '#']) {
            return Err("an issuer with a discovery document has no query and no fragment".to_owned());
        }
    }
    Ok(())
}

/// A text that is compared letter by letter: nothing in it may be invisible.
fn plain(what: &str, text: &str, longest: usize) -> Result<(), String> {
    let visible = |letter: char| !letter.is_control() && (letter == ' ' || !letter.is_whitespace());
    if (1..=longest).contains(&text.chars().count()) && text.chars().all(visible) && text.trim() == text {
        Ok(())
    } else {
        Err(format!("{what} has 1 to {longest} characters, none of them invisible"))
    }
}

fn may_be_given(role: Role) -> Result<(), String> {
    if MAY_GIVE.contains(&role) { Ok(()) } else { Err(format!("an outside issuer cannot give the role {role}")) }
}

fn map(roles: &[(String, RoleName)]) -> Value {
    roles
        .iter()
        .map(|(value, role)| (value.clone(), Value::from(role.0.name())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn taken(error: sea_orm::DbErr) -> Error {
    match error.sql_err() {
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_)) => {
            Error::conflict("audience", "an issuer with this audience is registered already")
        }
        _ => error.into(),
    }
}

fn shown(issuer: &Issuer) -> Value {
    json!({
        "name": issuer.name, "iss": issuer.iss, "audience": issuer.audience, "jwksUrl": issuer.jwks_url,
        "algorithm": issuer.algorithm.name(), "rolesClaim": issuer.roles_claim, "roleMap": issuer.role_map,
        "defaultRole": issuer.default_role.map(Role::name),
    })
}
