//! Agents in the API.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{
    attempt::attempt,
    context::Ask,
    error::{Result, UserError},
    guard::Needs,
    id,
    page::Connection,
    scope::{self, Role},
};
use crate::{
    domain::access::{
        agent::{self, AgentChange, NewAgent},
        user::RoleName,
    },
    kernel::{id::AgentId, input::Patch, scope::Scope},
};

/// A machine user.
#[derive(Clone)]
pub struct Agent(pub agent::Agent);

/// A machine user of your tenant. It cannot sign in; it has API tokens, and whatever is done with any of them
/// is done by the agent.
#[Object]
impl Agent {
    /// The global id, beginning with `agt_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// The name for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it is for, as somebody wrote it down.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// The role it has here.
    async fn role(&self) -> Role {
        self.0.role.into()
    }

    /// What it may do: the scopes of its role, narrowed if it was made so.
    async fn scopes(&self) -> Vec<scope::Scope> {
        scope::listed(self.0.allowed())
    }

    /// Whether its tokens open anything.
    async fn enabled(&self) -> bool {
        self.0.enabled()
    }

    /// When it was disabled; null while it is enabled.
    async fn disabled_at(&self) -> Option<DateTime<Utc>> {
        self.0.disabled_at
    }

    /// Who made it: an id, or a part of the program.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// What a new agent is to be.
#[derive(InputObject)]
pub struct CreateAgentInput {
    /// The name for people.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// What it may do at most; not more than you may.
    role: Role,
    /// Narrows the role to these scopes; left out, all of the role.
    scopes: Option<Vec<scope::Scope>>,
    /// Repeat a request with the same key, and it has its effect once. Remembered for 48 hours.
    idempotency_key: Option<String>,
}

/// What came of making an agent.
#[derive(SimpleObject)]
pub struct CreateAgentPayload {
    /// The agent, unless refused. It has no token yet.
    agent: Option<Agent>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What to change of an agent; what is left out stays.
#[derive(InputObject)]
pub struct UpdateAgentInput {
    /// Which agent of your tenant.
    id: AgentId,
    /// A new name.
    name: Option<String>,
    /// A new description; null takes it away.
    description: MaybeUndefined<String>,
    /// A new role; not more than your own. Its tokens follow with their next request, as far as they go.
    role: Option<Role>,
    /// Narrows the role to these scopes; null means all of the role.
    scopes: MaybeUndefined<Vec<scope::Scope>>,
}

/// What came of changing an agent.
#[derive(SimpleObject)]
pub struct UpdateAgentPayload {
    /// The agent as it is now, unless refused.
    agent: Option<Agent>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which agent to disable.
#[derive(InputObject)]
pub struct DisableAgentInput {
    /// Which agent of your tenant.
    id: AgentId,
}

/// What came of disabling an agent.
#[derive(SimpleObject)]
pub struct DisableAgentPayload {
    /// The agent as it is now, unless refused.
    agent: Option<Agent>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which agent to enable.
#[derive(InputObject)]
pub struct EnableAgentInput {
    /// Which agent of your tenant.
    id: AgentId,
}

/// What came of enabling an agent.
#[derive(SimpleObject)]
pub struct EnableAgentPayload {
    /// The agent as it is now, unless refused.
    agent: Option<Agent>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which agent to delete.
#[derive(InputObject)]
pub struct DeleteAgentInput {
    /// Which agent of your tenant.
    id: AgentId,
}

/// What came of deleting an agent.
#[derive(SimpleObject)]
pub struct DeleteAgentPayload {
    /// The id of the agent that is gone, unless refused.
    deleted_id: Option<ID>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Reading agents.
#[derive(Default)]
pub struct AgentQuery;

#[Object]
impl AgentQuery {
    /// The agents of your tenant, oldest first, disabled ones included. Needs `ACCESS_READ`.
    #[graphql(guard = "Needs(Scope::AccessRead)")]
    async fn agents(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<Agent>> {
        let args = ctx.cx().page(after, before, first, last)?;
        let page = agent::list(ctx.cx(), &args).await?;
        Ok(Connection::new(page, Agent, Box::new(|cx| Box::pin(async move { agent::count(&cx).await }))))
    }
}

/// Changing agents.
#[derive(Default)]
pub struct AgentMutation;

#[Object]
impl AgentMutation {
    /// Makes an agent. Give it tokens with `createApiToken`. Needs `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn create_agent(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it is to be.")] input: CreateAgentInput,
    ) -> Result<CreateAgentPayload> {
        let new = NewAgent {
            name: input.name,
            description: input.description,
            role: RoleName(input.role.into()),
            scopes: input.scopes.map(scope::names),
        };
        let made = agent::create(ctx.cx(), new, input.idempotency_key.as_deref()).await;
        let (agent, user_errors) = attempt(ctx, made)?;
        Ok(CreateAgentPayload { agent: agent.map(Agent), user_errors })
    }

    /// Changes an agent. What its tokens allow follows with their next request. Needs `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn update_agent(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateAgentInput,
    ) -> Result<UpdateAgentPayload> {
        let change = AgentChange {
            name: input.name,
            description: input.description.into(),
            role: input.role.map(Into::into),
            scopes: Patch::from(input.scopes).map(scope::names),
        };
        let (agent, user_errors) = attempt(ctx, agent::update(ctx.cx(), input.id, change).await)?;
        Ok(UpdateAgentPayload { agent: agent.map(Agent), user_errors })
    }

    /// Disables an agent; from the next request on its tokens open nothing, until it is enabled. Needs
    /// `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn disable_agent(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which agent.")] input: DisableAgentInput,
    ) -> Result<DisableAgentPayload> {
        let (agent, user_errors) = attempt(ctx, agent::enable(ctx.cx(), input.id, false).await)?;
        Ok(DisableAgentPayload { agent: agent.map(Agent), user_errors })
    }

    /// Enables an agent that was disabled; its tokens open again what they did. Needs `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn enable_agent(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which agent.")] input: EnableAgentInput,
    ) -> Result<EnableAgentPayload> {
        let (agent, user_errors) = attempt(ctx, agent::enable(ctx.cx(), input.id, true).await)?;
        Ok(EnableAgentPayload { agent: agent.map(Agent), user_errors })
    }

    /// Deletes an agent with its tokens. What it did stays in the audit log under its id. Needs
    /// `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn delete_agent(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which agent.")] input: DeleteAgentInput,
    ) -> Result<DeleteAgentPayload> {
        let (gone, user_errors) = attempt(ctx, agent::delete(ctx.cx(), input.id).await)?;
        Ok(DeleteAgentPayload { deleted_id: gone.map(id::out), user_errors })
    }
}
