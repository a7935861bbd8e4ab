//! Outside issuers in the API.

use async_graphql::{Context, Enum, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{
    context::Ask,
    error::{Result, UserError, outcome},
    guard::Needs,
    id,
    page::Connection,
    scope::Role,
};
use crate::{
    domain::access::{
        issuer::{self, Algorithm, IssuerChange, NewIssuer, Open},
        jwks::{FetchError, Published},
        user::RoleName,
    },
    kernel::{id::IssuerId, scope::Scope},
};

/// With what an issuer signs its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Algorithm")]
pub enum IssuerAlgorithm {
    /// RSA with SHA-256, keys of 2048 to 4096 bits.
    #[graphql(name = "RS256")]
    Rs256,
    /// The curve P-256 with SHA-256.
    #[graphql(name = "ES256")]
    Es256,
    /// The curve Ed25519.
    #[graphql(name = "EDDSA")]
    EdDsa,
}

/// An outside issuer.
#[derive(Clone)]
pub struct Issuer(pub issuer::Issuer);

/// A server whose tokens open your tenant, with the roles that their claims are mapped to.
#[Object]
impl Issuer {
    /// The global id, beginning with `iss_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// The name for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What its tokens say in `iss`, letter by letter.
    async fn iss(&self) -> &str {
        &self.0.iss
    }

    /// What its tokens say in `aud`, alone or among others.
    async fn audience(&self) -> &str {
        &self.0.audience
    }

    /// Where its keys are; null means where its discovery document says.
    async fn jwks_url(&self) -> Option<&str> {
        self.0.jwks_url.as_deref()
    }

    /// The one algorithm with which its tokens are signed.
    async fn algorithm(&self) -> IssuerAlgorithm {
        self.0.algorithm.into()
    }

    /// The names on the way to the claim that holds roles; empty if every token gets the default role.
    async fn roles_claim(&self) -> Vec<String> {
        self.0.claim_path()
    }

    /// Which value of the claim gives which role. Of several, the most powerful counts.
    async fn role_map(&self) -> Vec<RoleMapping> {
        let roles = self.0.mapped_roles().into_iter();
        roles.map(|(value, role)| RoleMapping { value, role: role.into() }).collect()
    }

    /// The role of tokens with no value that is mapped; null means that they open nothing.
    async fn default_role(&self) -> Option<Role> {
        self.0.default_role.map(Into::into)
    }

    /// Who registered it: an id, or a part of the program.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When it was registered.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// A value of a claim and the role it gives.
#[derive(SimpleObject)]
pub struct RoleMapping {
    /// The value.
    value: String,
    /// The role.
    role: Role,
}

/// A value of a claim and the role it is to give.
#[derive(InputObject)]
pub struct RoleMappingInput {
    /// The value, letter by letter.
    value: String,
    /// The role: `ADMIN`, `OPERATOR` or `VIEWER`, and not more than your own.
    role: Role,
}

/// Which issuer to accept tokens of.
#[derive(InputObject)]
pub struct CreateIssuerInput {
    /// The name for people.
    name: String,
    /// What its tokens say in `iss`. Without `jwksUrl` it is the address of the issuer, as OpenID has it.
    iss: String,
    /// What its tokens say in `aud`. Together with `iss` it is unique in the hub.
    audience: String,
    /// Where its keys are, beginning with `https:`; left out, where its discovery document says.
    jwks_url: Option<String>,
    /// The one algorithm with which its tokens are signed; others are refused.
    algorithm: IssuerAlgorithm,
    /// The names on the way to the claim that holds roles, such as `["realm_access", "roles"]`. The claim is a
    /// text or a list of texts; `scope` is split at spaces. Left out, every token gets the default role.
    #[graphql(default)]
    roles_claim: Vec<String>,
    /// Which value of the claim gives which role. Of several, the most powerful counts.
    #[graphql(default)]
    role_map: Vec<RoleMappingInput>,
    /// The role of tokens with no value that is mapped; left out, they open nothing.
    default_role: Option<Role>,
    /// Repeat a request with the same key, and it has its effect once. Remembered for 48 hours.
    idempotency_key: Option<String>,
}

/// What came of registering an issuer.
#[derive(SimpleObject)]
pub struct CreateIssuerPayload {
    /// The issuer, unless refused.
    issuer: Option<Issuer>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What to change of an issuer; what is left out stays.
#[derive(InputObject)]
pub struct UpdateIssuerInput {
    /// Which issuer of your tenant.
    id: IssuerId,
    /// A new name.
    name: Option<String>,
    /// What its tokens say in `iss`.
    iss: Option<String>,
    /// What its tokens say in `aud`.
    audience: Option<String>,
    /// Where its keys are; null, where its discovery document says.
    jwks_url: MaybeUndefined<String>,
    /// The one algorithm with which its tokens are signed.
    algorithm: Option<IssuerAlgorithm>,
    /// The names on the way to the claim that holds roles.
    roles_claim: Option<Vec<String>>,
    /// Which value of the claim gives which role, in the place of all before.
    role_map: Option<Vec<RoleMappingInput>>,
    /// The role of tokens with no value that is mapped; null, they open nothing.
    default_role: MaybeUndefined<Role>,
}

/// What came of changing an issuer.
#[derive(SimpleObject)]
pub struct UpdateIssuerPayload {
    /// The issuer as it is now, unless refused.
    issuer: Option<Issuer>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which issuer to forget.
#[derive(InputObject)]
pub struct DeleteIssuerInput {
    /// Which issuer of your tenant.
    id: IssuerId,
}

/// What came of forgetting an issuer.
#[derive(SimpleObject)]
pub struct DeleteIssuerPayload {
    /// The id of the issuer that is gone, unless refused.
    deleted_id: Option<ID>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which issuer to test.
#[derive(InputObject)]
pub struct TestIssuerInput {
    /// Which issuer of your tenant.
    id: IssuerId,
}

/// What came of testing an issuer.
#[derive(SimpleObject)]
pub struct TestIssuerPayload {
    /// What was found, unless refused.
    test: Option<IssuerTest>,
    /// Why it was refused; empty on success, whatever the test found.
    user_errors: Vec<UserError>,
}

/// What an issuer said when it was asked for its keys.
#[derive(SimpleObject)]
pub struct IssuerTest {
    /// Whether its tokens can be checked: at least one of its keys can be used.
    usable: bool,
    /// What is wrong, if they cannot.
    problem: Option<String>,
    /// Where the keys were fetched; null if it was not found out.
    jwks_url: Option<String>,
    /// The keys that were found.
    keys: Vec<IssuerKey>,
}

/// A public key of an issuer.
#[derive(SimpleObject)]
pub struct IssuerKey {
    /// Its id, which tokens name in `kid`.
    key_id: Option<String>,
    /// Its kind, as the issuer says it.
    kind: Option<String>,
    /// Why it is not used; null if it is.
    unusable_because: Option<String>,
}

impl IssuerTest {
    fn of(issuer: &issuer::Issuer, found: Result<Published, FetchError>) -> Self {
        match found {
            Ok(published) => {
                let usable = published.keys.iter().any(|key| key.unusable.is_none());
                let none = || format!("none of its keys can be used with {}", issuer.algorithm.name());
                let keys = published.keys.into_iter().map(|key| IssuerKey {
                    key_id: key.id,
                    kind: key.kind,
                    unusable_because: key.unusable.map(str::to_owned),
                });
                Self { usable, problem: (!usable).then(none), jwks_url: Some(published.jwks_url), keys: keys.collect() }
            }
            Err(error) => Self {
                usable: false,
                problem: Some(error.to_string()),
                jwks_url: issuer.jwks_url.clone(),
                keys: Vec::new(),
            },
        }
    }
}

/// Reading which outside issuers are accepted.
#[derive(Default)]
pub struct IssuerQuery;

#[Object]
impl IssuerQuery {
    /// The outside issuers whose tokens open your tenant, oldest first. Needs `ACCESS_READ`.
    #[graphql(guard = "Needs(Scope::AccessRead)")]
    async fn issuers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<Issuer>> {
        let args = ctx.cx().page(after, before, first, last)?;
        let page = issuer::list(ctx.cx(), &args).await?;
        Ok(Connection::new(page, Issuer, Box::new(|cx| Box::pin(async move { issuer::count(&cx).await }))))
    }
}

/// Changing which outside issuers are accepted.
#[derive(Default)]
pub struct IssuerMutation;

#[Object]
impl IssuerMutation {
    /// Accepts tokens of an outside issuer. It is not asked; test it afterwards. Needs `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn create_issuer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which issuer.")] input: CreateIssuerInput,
    ) -> Result<CreateIssuerPayload> {
        let new = NewIssuer {
            name: input.name,
            iss: input.iss,
            audience: input.audience,
            jwks_url: input.jwks_url,
            algorithm: input.algorithm.into(),
            roles_claim: input.roles_claim,
            role_map: mappings(input.role_map),
            default_role: input.default_role.map(role_name),
        };
        let (issuer, user_errors) = outcome(issuer::create(ctx.cx(), new, input.idempotency_key.as_deref()).await)?;
        Ok(CreateIssuerPayload { issuer: issuer.map(Issuer), user_errors })
    }

    /// Changes an outside issuer; counts from the next request on. Needs `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn update_issuer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateIssuerInput,
    ) -> Result<UpdateIssuerPayload> {
        let change = IssuerChange {
            name: input.name,
            iss: input.iss,
            audience: input.audience,
            jwks_url: open(input.jwks_url),
            algorithm: input.algorithm.map(Into::into),
            roles_claim: input.roles_claim,
            role_map: input.role_map.map(mappings),
            default_role: open(input.default_role.map_value(role_name)),
        };
        let (issuer, user_errors) = outcome(issuer::update(ctx.cx(), input.id, change).await)?;
        Ok(UpdateIssuerPayload { issuer: issuer.map(Issuer), user_errors })
    }

    /// Forgets an outside issuer; from the next request on its tokens open nothing. Needs `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn delete_issuer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which issuer.")] input: DeleteIssuerInput,
    ) -> Result<DeleteIssuerPayload> {
        let (gone, user_errors) = outcome(issuer::delete(ctx.cx(), input.id).await)?;
        Ok(DeleteIssuerPayload { deleted_id: gone.map(id::out), user_errors })
    }

    /// Asks an outside issuer for its keys and says what it found; changes nothing. Needs `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn test_issuer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which issuer.")] input: TestIssuerInput,
    ) -> Result<TestIssuerPayload> {
        let (found, user_errors) = outcome(issuer::test(ctx.cx(), input.id).await)?;
        let test = found.map(|(issuer, found)| IssuerTest::of(&issuer, found));
        Ok(TestIssuerPayload { test, user_errors })
    }
}

fn role_name(role: Role) -> RoleName {
    RoleName(role.into())
}

fn open<T>(input: MaybeUndefined<T>) -> Open<T> {
    match input {
        MaybeUndefined::Undefined => Open::Stays,
        MaybeUndefined::Null => Open::Left,
        MaybeUndefined::Value(value) => Open::Is(value),
    }
}

fn mappings(input: Vec<RoleMappingInput>) -> Vec<(String, RoleName)> {
    input.into_iter().map(|mapping| (mapping.value, role_name(mapping.role))).collect()
}
