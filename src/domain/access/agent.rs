//! Agents: machine users of a tenant.
//!
//! **Who acts.** An administrator makes an agent, gives it a role (narrowed to scopes if wished) and hands
//! tokens to the program that is to act as it. The agent has no password, no address and no links, so there
//! is no way in but its tokens; what is done with any of them is done by the agent, in events and in the
//! audit log.
//!
//! **How it lives.** An agent can be disabled and enabled again; while it is disabled its tokens open
//! nothing. What one of its tokens allows is what both the token and the agent allow, looked up at every
//! request, so that whatever is taken from the agent is gone with the next one. Deleting an agent deletes
//! its tokens; the audit log keeps its id and its name.
//!
//! **What is refused.** Nobody makes an agent that may do more than they, nor changes one that already does:
//! whoever hands out its tokens could act as it.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, ModelTrait, PaginatorTrait,
    QueryFilter, QuerySelect,
};
use serde::Serialize;
use serde_json::json;

use super::{may_grant, narrowed, user::RoleName};
use crate::{
    context::{Audit, Cx, Once, Txn},
    entity::{agent as entity, api_token, first::First, page},
    event::{Changes, access::AccessEvent},
    kernel::{
        error::{Error, Result},
        id::AgentId,
        input::{self, Check, Patch},
        page::{Page, PageArgs},
        scope::{Role, Scopes},
    },
};

pub use entity::Model as Agent;

/// An agent to be.
#[derive(Clone, Debug, Serialize)]
pub struct NewAgent {
    /// For people.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it may do at most.
    pub role: RoleName,
    /// Narrows the role; none means all of it.
    pub scopes: Option<Vec<String>>,
}

/// What to change of an agent; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct AgentChange {
    /// For people.
    pub name: Option<String>,
    /// What it is for.
    pub description: Patch<String>,
    /// What it may do at most.
    pub role: Option<Role>,
    /// Narrows the role; cleared, it means all of it.
    pub scopes: Patch<Vec<String>>,
}

impl Agent {
    /// What the agent may do.
    #[must_use]
    pub fn allowed(&self) -> Scopes {
        narrowed::allowed(self.role, self.scopes.as_ref())
    }

    /// Whether its tokens open the door.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.disabled_at.is_none()
    }
}

/// Those of the ids that belong to the tenant.
pub async fn by_ids(cx: &Cx, ids: &[AgentId]) -> Result<Vec<Agent>> {
    Ok(entity::of(cx.tenant()?).filter(entity::COLUMN.id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// The agents of the tenant.
pub async fn list(cx: &Cx, args: &PageArgs) -> Result<Page<Agent>> {
    page::by_key(cx.db(), "agents", entity::of(cx.tenant()?), entity::Column::Id, |agent| agent.id.uuid(), args).await
}

/// How many there are.
pub async fn count(cx: &Cx) -> Result<u64> {
    Ok(entity::of(cx.tenant()?).count(cx.db()).await?)
}

/// Makes an agent. It has no token yet.
pub async fn create(cx: &Cx, new: NewAgent, key: Option<&str>) -> Result<Agent> {
    let id = cx
        .write(async |txn| {
            let ticket = match txn.once("createAgent", key, &new).await? {
                Once::Repeated(id) => return Ok(id),
                Once::First(ticket) => ticket,
            };
            let role = new.role.0;
            let mut check = Check::new();
            let name = check.take("name", input::name(&new.name));
            let description = check.take_some("description", new.description.as_deref(), input::note);
            let scopes = new.scopes.as_ref().map(|names| check.take("scopes", narrowed::read(role, names)));
            check.done()?;
            may_grant(cx, role, scopes.unwrap_or(role.scopes()))?;
            let row = Agent {
                id: txn.id(),
                tenant_id: cx.tenant()?,
                name,
                description,
                role,
                scopes: scopes.map(narrowed::stored),
                created_by: cx.actor().to_string(),
                created_at: txn.now(),
                updated_at: txn.now(),
                disabled_at: None,
            };
            entity::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**txn).await?;
            let fact = AccessEvent::AgentCreated { agent: row.id, name: row.name.clone(), role: role.to_string() };
            txn.emit(&fact)?;
            txn.audit(Audit::of(&fact).after(shown(&row)))?;
            ticket.created(txn, row.id).await?;
            Ok(row.id)
        })
        .await?;
    by_ids(cx, &[id]).await?.pop().ok_or(Error::NotFound("agent"))
}

/// Changes an agent. What its tokens allow follows with the next request.
pub async fn update(cx: &Cx, id: AgentId, change: AgentChange) -> Result<Agent> {
    cx.write(async |txn| {
        let before = held(txn, "id", id).await?;
        let role = change.role.unwrap_or(before.role);
        let mut check = Check::new();
        let name = check.take_some("name", change.name.as_deref(), input::name);
        let description =
            change.description.clone().check(&mut check, "description", |text: String| input::note(&text));
        let scopes = change.scopes.clone();
        let scopes = scopes.check(&mut check, "scopes", |names: Vec<String>| narrowed::read(role, &names));
        check.done()?;
        let after = Agent {
            name: name.unwrap_or_else(|| before.name.clone()),
            description: description.over(before.description.clone()),
            role,
            scopes: scopes.map(narrowed::stored).over(before.scopes.clone()),
            updated_at: txn.now(),
            ..before.clone()
        };
        may_grant(cx, role, after.allowed())?;
        let changes = Changes::new()
            .field("name", &before.name, &after.name)
            .field("description", &before.description, &after.description)
            .field("role", &before.role.name(), &after.role.name())
            .field("scopes", &before.scopes, &after.scopes);
        if changes.is_empty() {
            return Ok(before);
        }
        let mut row = before.into_active_model();
        row.name = Set(after.name.clone());
        row.description = Set(after.description.clone());
        row.role = Set(after.role);
        row.scopes = Set(after.scopes.clone());
        row.updated_at = Set(after.updated_at);
        row.update(&**txn).await?;
        let fact = AccessEvent::AgentUpdated { agent: id, changes: changes.clone() };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).before(changes.side("from")).after(changes.side("to")))?;
        Ok(after)
    })
    .await
}

/// Disables an agent, or enables it again. Doing so twice changes nothing.
pub async fn enable(cx: &Cx, id: AgentId, enabled: bool) -> Result<Agent> {
    cx.write(async |txn| {
        let before = held(txn, "id", id).await?;
        if before.enabled() == enabled {
            return Ok(before);
        }
        let mut row = before.into_active_model();
        row.disabled_at = Set((!enabled).then_some(txn.now()));
        row.updated_at = Set(txn.now());
        let after = row.update(&**txn).await?;
        let name = after.name.clone();
        let fact = if enabled {
            AccessEvent::AgentEnabled { agent: id, name }
        } else {
            AccessEvent::AgentDisabled { agent: id, name }
        };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact))?;
        Ok(after)
    })
    .await
}

/// Deletes an agent with its tokens.
pub async fn delete(cx: &Cx, id: AgentId) -> Result<AgentId> {
    cx.write(async |txn| {
        let before = held(txn, "id", id).await?;
        let tokens = api_token::of(before.tenant_id).filter(api_token::COLUMN.agent_id.eq(id));
        let tokens = tokens.count(&**txn).await?;
        let fact = AccessEvent::AgentDeleted { agent: id, name: before.name.clone() };
        let mut last = shown(&before);
        last["tokens"] = json!(tokens);
        // The tokens go with it, by the foreign key.
        before.delete(&**txn).await?;
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).before(last))?;
        Ok(id)
    })
    .await
}

/// An agent of the tenant, named by that field of an input, that may do nothing the caller may not do. It is
/// held until the commit.
pub(super) async fn held(txn: &Txn, field: &str, id: AgentId) -> Result<Agent> {
    let cx = txn.cx();
    let found = entity::of(cx.tenant()?).filter(entity::COLUMN.id.eq(id)).lock_exclusive().first(&**txn).await?;
    let found = found.ok_or(Error::NotFound("agent"))?;
    if found.allowed().within(cx.principal()?.scopes) {
        Ok(found)
    } else {
        Err(Error::forbidden(field, "this agent may do more than you; you cannot change it or act as it"))
    }
}

fn shown(agent: &Agent) -> serde_json::Value {
    json!({
        "name": agent.name, "description": agent.description, "role": agent.role.name(), "scopes": agent.scopes,
    })
}
