//! What an integration can be told to do, and telling it.

use async_graphql::{Context, ID, InputObject, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    Integration,
    input::{CredentialsInput, IntegrationSettingInput, settings},
};
use crate::{
    domain::{credential::resolve::Sources, integration::action},
    graphql::{
        attempt::{attempt, attempt_of},
        context::Ask,
        error::{Result, UserError},
        guard::Needs,
        id,
    },
    kernel::{id::IntegrationId, scope::Scope},
};

/// Something that an integration can be told to do.
#[derive(Clone)]
pub struct IntegrationAction(pub action::IntegrationAction);

/// Something that an integration can be told to do, as it was taken over from the provider's catalogue.
#[Object]
impl IntegrationAction {
    /// The global id, beginning with `act_`.
    pub(in crate::graphql) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// The name by which `runAction` calls it.
    async fn key(&self) -> &str {
        &self.0.key
    }

    /// The name for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it does, in one sentence.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// What it does to the world: `read`, `write`, `delete`, `money` or `message`.
    async fn effect(&self) -> &str {
        &self.0.effect
    }

    /// The JSON Schema of its arguments.
    async fn input_schema(&self) -> Json<Value> {
        Json(self.0.input.clone())
    }

    /// The JSON Schema of its result.
    async fn output_schema(&self) -> Json<Value> {
        Json(self.0.output.clone())
    }

    /// When it was taken over.
    async fn imported_at(&self) -> DateTime<Utc> {
        self.0.imported_at
    }
}

/// For which integration to take over the provider's catalogue.
#[derive(InputObject)]
pub struct ImportCatalogueInput {
    /// Which integration of your tenant.
    id: IntegrationId,
}

/// What came of taking over a catalogue.
#[derive(SimpleObject)]
pub struct ImportCataloguePayload {
    /// The integration, unless refused.
    integration: Option<Integration>,
    /// How many actions are new.
    added: Option<i32>,
    /// How many are different now.
    changed: Option<i32>,
    /// How many the provider has no more.
    removed: Option<i32>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What to run, with what. The credential is the nearest of: `credentials`; `variables.<provider>`;
/// `variables.workflow.<provider>`; `integrationId`, or `variables.<provider>IntegrationId`; your only enabled
/// integration of the provider.
#[derive(InputObject)]
pub struct RunActionInput {
    /// The key of the action.
    action: String,
    /// Its arguments, as its schema says.
    arguments: Option<Json<Value>>,
    /// Which integration of your tenant.
    integration_id: Option<IntegrationId>,
    /// The key of the provider, where no integration is named.
    provider: Option<String>,
    /// A credential of your own, used for this call and not kept; `provider` says whose.
    credentials: Option<CredentialsInput>,
    /// Settings that go with it.
    settings: Option<Vec<IntegrationSettingInput>>,
    /// Variables that may hold a credential, with `provider`.
    variables: Option<Json<Value>>,
    /// With the same key the provider does it once, where it knows such keys.
    idempotency_key: Option<String>,
}

/// What came of running an action.
#[derive(SimpleObject)]
pub struct RunActionPayload {
    /// The result as the provider gave it; null if refused.
    result: Option<Json<Value>>,
    /// The integration that was used, if one was.
    integration: Option<Integration>,
    /// Why it was refused, with what the provider says; empty on success.
    user_errors: Vec<UserError>,
}

/// Telling providers what to do.
#[derive(Default)]
pub struct ActionMutation;

#[Object]
impl ActionMutation {
    /// Takes over what the provider can be told to do, as this hub knows it now. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn import_catalogue(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "For which integration.")] input: ImportCatalogueInput,
    ) -> Result<ImportCataloguePayload> {
        let (done, user_errors) = attempt(ctx, action::import_catalogue(ctx.cx(), input.id).await)?;
        let (integration, imported) = done.unzip();
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        Ok(ImportCataloguePayload {
            integration: integration.map(Integration),
            added: imported.map(|imported| number(imported.added)),
            changed: imported.map(|imported| number(imported.changed)),
            removed: imported.map(|imported| number(imported.removed)),
            user_errors,
        })
    }

    /// Runs an action at a provider. Needs `INTEGRATION_RUN`.
    #[graphql(guard = "Needs(Scope::IntegrationRun)")]
    async fn run_action(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to run, with what.")] input: RunActionInput,
    ) -> Result<RunActionPayload> {
        let settings = settings(input.settings);
        let sources = Sources {
            provider: input.provider,
            integration: input.integration_id,
            direct: input.credentials.map(|credentials| (credentials.into(), settings)),
            variables: input.variables.map(|Json(variables)| variables),
        };
        let arguments = input.arguments.map_or_else(|| Value::Object(serde_json::Map::new()), |Json(value)| value);
        let ran = action::run(ctx.cx(), sources, &input.action, arguments, input.idempotency_key.as_deref()).await;
        let (ran, user_errors) = attempt_of(ctx, "integrationId", ran)?;
        let (result, integration) = ran.map(|ran| (Json(ran.result), ran.integration)).unzip();
        Ok(RunActionPayload { result, integration: integration.flatten().map(Integration), user_errors })
    }
}
