//! Making, testing, changing, switching and deleting integrations.

use async_graphql::{Context, Enum, ID, InputObject, Json, MaybeUndefined, Object, SimpleObject};
use serde_json::{Map, Value};

use super::{
    Integration, IntegrationSetting,
    input::{
        CreateIntegrationInput, CredentialsInput, IntegrationCapabilitiesInput, IntegrationConnectionInput,
        IntegrationSettingInput,
    },
};
use crate::{
    domain::integration::{
        account,
        change::{self, IntegrationChange},
        create::{self, NewIntegration, Place},
        test,
    },
    graphql::{
        attempt::attempt,
        context::Ask,
        error::{Result, UserError},
        guard::Needs,
        id,
    },
    kernel::{id::IntegrationId, input::Patch, scope::Scope},
};

/// What came of making an integration.
#[derive(SimpleObject)]
pub struct CreateIntegrationPayload {
    /// The integration, unless refused.
    integration: Option<Integration>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// With what to look for accounts.
#[derive(InputObject)]
pub struct DiscoverAccountsInput {
    /// The key of the provider, such as `pancake_pos`.
    provider: String,
    /// The credential.
    credentials: CredentialsInput,
    /// What the integration is for, if one is made.
    description: Option<String>,
    /// Which of the provider's environments; its first if left out.
    environment: Option<String>,
    /// Where the provider is and how it is asked.
    connection: Option<IntegrationConnectionInput>,
    /// Settings of the provider's file.
    settings: Option<Vec<IntegrationSettingInput>>,
    /// If there is one account, make its integration at once, with its name.
    #[graphql(default = true)]
    create_if_one: bool,
    /// Repeat a request with the same key, and it has its effect once. Remembered for 48 hours.
    idempotency_key: Option<String>,
}

/// An account, shop or page behind a credential.
#[derive(SimpleObject)]
pub struct ProviderAccount {
    /// Its id at the provider: `account` of `createIntegration` takes it.
    key: String,
    /// Its name.
    name: String,
    /// The settings it fills.
    settings: Vec<IntegrationSetting>,
}

/// What was found behind a credential.
#[derive(SimpleObject)]
pub struct DiscoverAccountsPayload {
    /// The accounts; choose one if there are several.
    accounts: Vec<ProviderAccount>,
    /// The integration that was made because there is one account.
    integration: Option<Integration>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// A setting to change.
#[derive(InputObject)]
pub struct IntegrationSettingChangeInput {
    /// Its name.
    name: String,
    /// Its value; null takes it away.
    value: Option<String>,
}

/// What to change of an integration; what is left out stays.
#[derive(InputObject)]
pub struct UpdateIntegrationInput {
    /// Which integration of your tenant.
    id: IntegrationId,
    /// A new name.
    name: Option<String>,
    /// A new description; null takes it away.
    description: MaybeUndefined<String>,
    /// Settings to change; those left out stay.
    settings: Option<Vec<IntegrationSettingChangeInput>>,
    /// What your tenant notes about it, as a whole.
    metadata: Option<Json<Map<String, Value>>>,
    /// How long a question may take, in milliseconds; null for the hub's own bound.
    timeout: MaybeUndefined<i32>,
    /// What it may be used for.
    capabilities: Option<IntegrationCapabilitiesInput>,
}

/// What came of changing an integration.
#[derive(SimpleObject)]
pub struct UpdateIntegrationPayload {
    /// The integration as it is now, unless refused.
    integration: Option<Integration>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which integration to test.
#[derive(InputObject)]
pub struct TestIntegrationInput {
    /// Which integration of your tenant.
    id: IntegrationId,
}

/// What is known of one side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "test::Known")]
pub enum IntegrationTestVerdict {
    /// It is as it should be.
    Good,
    /// It is not.
    Bad,
    /// The answer does not tell.
    Unknown,
}

/// What a test found.
#[derive(SimpleObject)]
pub struct IntegrationTest {
    /// Whether the integration works.
    success: bool,
    /// What the provider said, in a sentence.
    message: String,
    /// The class of the failure, such as `auth`, `throttled` or `down`; null if there was none.
    error_class: Option<String>,
    /// Whether the provider can be reached.
    reachability: IntegrationTestVerdict,
    /// Whether it takes the credential.
    credential: IntegrationTestVerdict,
    /// Whether the credential allows what is needed.
    permission: IntegrationTestVerdict,
    /// Whether there is allowance left.
    quota: IntegrationTestVerdict,
    /// How long it took, in milliseconds.
    took_ms: i32,
}

/// What came of testing an integration.
#[derive(SimpleObject)]
pub struct TestIntegrationPayload {
    /// The integration as it is now, unless refused.
    integration: Option<Integration>,
    /// What was found, unless refused. That the provider refuses the credential is a finding.
    test: Option<IntegrationTest>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which integration to enable.
#[derive(InputObject)]
pub struct EnableIntegrationInput {
    /// Which integration of your tenant.
    id: IntegrationId,
}

/// What came of enabling an integration.
#[derive(SimpleObject)]
pub struct EnableIntegrationPayload {
    /// The integration as it is now, unless refused.
    integration: Option<Integration>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which integration to disable.
#[derive(InputObject)]
pub struct DisableIntegrationInput {
    /// Which integration of your tenant.
    id: IntegrationId,
}

/// What came of disabling an integration.
#[derive(SimpleObject)]
pub struct DisableIntegrationPayload {
    /// The integration as it is now, unless refused.
    integration: Option<Integration>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which integration to delete.
#[derive(InputObject)]
pub struct DeleteIntegrationInput {
    /// Which integration of your tenant.
    id: IntegrationId,
}

/// What came of deleting an integration.
#[derive(SimpleObject)]
pub struct DeleteIntegrationPayload {
    /// The id of the integration that is gone, unless refused.
    deleted_id: Option<ID>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Making and changing integrations.
#[derive(Default)]
pub struct IntegrationMutation;

#[Object]
impl IntegrationMutation {
    /// Makes an integration in one call: asks the provider whether the credential is right, fills settings from its
    /// account, and takes over what it can be told to do. If the provider refuses, nothing is made and its words are
    /// in `userErrors`. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn create_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it is to be.")] input: CreateIntegrationInput,
    ) -> Result<CreateIntegrationPayload> {
        let (new, given, key) = input.split();
        let (integration, user_errors) = attempt(ctx, create::create(ctx.cx(), new, given, key.as_deref()).await)?;
        Ok(CreateIntegrationPayload { integration: integration.map(Integration), user_errors })
    }

    /// Lists the accounts, shops or pages behind a credential. If there is one, its integration is made at once, with
    /// its name; among several you choose and give `account` to `createIntegration`. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn discover_accounts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "With what to look.")] input: DiscoverAccountsInput,
    ) -> Result<DiscoverAccountsPayload> {
        let place: Place = input.connection.unwrap_or_default().into();
        let new = NewIntegration {
            provider: input.provider,
            description: input.description,
            environment: input.environment,
            place,
            settings: input.settings.into_iter().flatten().map(IntegrationSettingInput::split).collect(),
            import_catalogue: true,
            ..NewIntegration::default()
        };
        let (given, key) = (input.credentials.into(), input.idempotency_key);
        let found = account::discover(ctx.cx(), new, given, input.create_if_one, key.as_deref()).await;
        let (found, user_errors) = attempt(ctx, found)?;
        let (accounts, integration) = found.map(|found| (found.accounts, found.integration)).unwrap_or_default();
        let accounts = accounts.into_iter().map(|account| ProviderAccount {
            key: account.id,
            name: account.name,
            settings: account.set.into_iter().map(|(name, value)| IntegrationSetting { name, value }).collect(),
        });
        Ok(DiscoverAccountsPayload {
            accounts: accounts.collect(),
            integration: integration.map(Integration),
            user_errors,
        })
    }

    /// Changes an integration. The provider is not asked; `testIntegration` does that. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn update_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateIntegrationInput,
    ) -> Result<UpdateIntegrationPayload> {
        let change = IntegrationChange {
            name: input.name,
            description: input.description.into(),
            settings: input.settings.into_iter().flatten().map(|each| (each.name, each.value)).collect(),
            metadata: input.metadata.map(|Json(metadata)| metadata),
            timeout_ms: Patch::from(input.timeout).map(i64::from),
            capabilities: input.capabilities.unwrap_or_default().into(),
        };
        let (integration, user_errors) = attempt(ctx, change::update(ctx.cx(), input.id, change).await)?;
        Ok(UpdateIntegrationPayload { integration: integration.map(Integration), user_errors })
    }

    /// Asks the provider whether the integration works, and notes what came of it. Needs `INTEGRATION_RUN`.
    #[graphql(guard = "Needs(Scope::IntegrationRun)")]
    async fn test_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which integration.")] input: TestIntegrationInput,
    ) -> Result<TestIntegrationPayload> {
        let (tested, user_errors) = attempt(ctx, test::test(ctx.cx(), input.id).await)?;
        let (integration, found) = tested.map(split).unzip();
        Ok(TestIntegrationPayload { integration, test: found, user_errors })
    }

    /// Enables an integration that was disabled. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn enable_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which integration.")] input: EnableIntegrationInput,
    ) -> Result<EnableIntegrationPayload> {
        let (integration, user_errors) = attempt(ctx, change::enable(ctx.cx(), input.id, true).await)?;
        Ok(EnableIntegrationPayload { integration: integration.map(Integration), user_errors })
    }

    /// Disables an integration: from now on nobody uses it, until it is enabled. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn disable_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which integration.")] input: DisableIntegrationInput,
    ) -> Result<DisableIntegrationPayload> {
        let (integration, user_errors) = attempt(ctx, change::enable(ctx.cx(), input.id, false).await)?;
        Ok(DisableIntegrationPayload { integration: integration.map(Integration), user_errors })
    }

    /// Deletes an integration; its credentials are forgotten. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn delete_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which integration.")] input: DeleteIntegrationInput,
    ) -> Result<DeleteIntegrationPayload> {
        let (gone, user_errors) = attempt(ctx, change::delete(ctx.cx(), input.id).await)?;
        Ok(DeleteIntegrationPayload { deleted_id: gone.map(id::out), user_errors })
    }
}

/// An integration and what a test of it found.
pub(super) fn split(tested: test::Tested) -> (Integration, IntegrationTest) {
    let found = IntegrationTest {
        success: tested.passed,
        message: tested.message,
        error_class: tested.class.map(|class| class.as_str().to_owned()),
        reachability: tested.reach.into(),
        credential: tested.credential.into(),
        permission: tested.permission.into(),
        quota: tested.quota.into(),
        took_ms: i32::try_from(tested.took.num_milliseconds()).unwrap_or(i32::MAX),
    };
    (Integration(tested.integration), found)
}
