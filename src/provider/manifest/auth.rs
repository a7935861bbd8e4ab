//! Ways to prove who asks.

use std::{collections::BTreeMap, time::Duration};

use super::{
    connection::Field,
    leaf::{Endpoint, Header, Name, Templates},
    request::Method,
    shape::{OrNone, choice, shape, words},
};
use crate::provider::{
    expression::Expression,
    template::{Template, Tree},
};

choice! {
    /// A way to prove who asks.
    pub enum Auth by "kind" {
        /// A key that does not change by itself.
        ApiKey(Static) = "api_key",
        /// A token that does not change by itself, sent as `Authorization: Bearer`.
        BearerToken(Static) = "bearer_token",
        /// User and password, sent as `Authorization: Basic`.
        Basic(Static) = "basic_auth",
        /// Fields inside the body of every request.
        BodyCredentials(Static) = "body_credentials",
        /// A token that a client id and secret buy.
        ClientCredentials(ClientCredentials) = "oauth2_client_credentials",
        /// A token that a person at the provider agrees to.
        AuthorizationCode(AuthorizationCode) = "oauth2_authorization_code",
        /// Nothing.
        Open(Open) = "none",
    }
}

impl Auth {
    /// The name by which it is chosen.
    #[must_use]
    pub fn key(&self) -> &Name {
        match self {
            Self::ApiKey(it) | Self::BearerToken(it) | Self::Basic(it) | Self::BodyCredentials(it) => &it.key,
            Self::ClientCredentials(it) => &it.key,
            Self::AuthorizationCode(it) => &it.key,
            Self::Open(it) => &it.key,
        }
    }

    /// The name for people.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::ApiKey(it) | Self::BearerToken(it) | Self::Basic(it) | Self::BodyCredentials(it) => &it.label,
            Self::ClientCredentials(it) => &it.label,
            Self::AuthorizationCode(it) => &it.label,
            Self::Open(it) => &it.label,
        }
    }

    /// How to come by such a credential.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::ApiKey(it) | Self::BearerToken(it) | Self::Basic(it) | Self::BodyCredentials(it) => {
                it.help.as_deref()
            }
            Self::ClientCredentials(it) => it.help.as_deref(),
            Self::AuthorizationCode(it) => it.help.as_deref(),
            Self::Open(_) => None,
        }
    }

    /// What has to be typed in.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        match self {
            Self::ApiKey(it) | Self::BearerToken(it) | Self::Basic(it) | Self::BodyCredentials(it) => &it.fields,
            Self::ClientCredentials(it) => &it.fields,
            Self::AuthorizationCode(it) => it.fields.as_deref().unwrap_or_default(),
            Self::Open(_) => &[],
        }
    }

    /// Where it goes in a request.
    #[must_use]
    pub fn inject(&self) -> &[Inject] {
        match self {
            Self::ApiKey(it) | Self::BearerToken(it) | Self::Basic(it) | Self::BodyCredentials(it) => &it.inject,
            Self::ClientCredentials(it) => &it.inject,
            Self::AuthorizationCode(it) => &it.inject,
            Self::Open(_) => &[],
        }
    }

    /// Every call that gives a token.
    pub fn calls(&self) -> impl Iterator<Item = &TokenCall> {
        let (exchange, refresh) = match self {
            Self::AuthorizationCode(it) => (it.exchange.as_ref(), it.refresh.get()),
            _ => (None, None),
        };
        self.token().into_iter().chain(exchange).chain(refresh)
    }

    /// The call that gives a token, if tokens are given by calls.
    #[must_use]
    pub fn token(&self) -> Option<&TokenCall> {
        match self {
            Self::ClientCredentials(it) => Some(&it.token),
            Self::AuthorizationCode(it) => Some(&it.token),
            _ => None,
        }
    }
}

shape! {
    /// A credential that stays as it is.
    pub struct Static {
        /// Name by which it is chosen.
        key: Name,
        /// Name for people.
        label: String,
        /// How to come by one.
        help: Option<String> = None,
        /// What has to be typed in.
        fields: Vec<Field>,
        /// Where it goes in a request.
        inject: Vec<Inject>,
    }
}

shape! {
    /// No credential.
    pub struct Open {
        /// Name by which it is chosen.
        key: Name,
        /// Name for people.
        label: String,
    }
}

shape! {
    /// A token that a client id and secret buy.
    pub struct ClientCredentials {
        /// Name by which it is chosen.
        key: Name,
        /// Name for people.
        label: String,
        /// How to come by one.
        help: Option<String> = None,
        /// What has to be typed in.
        fields: Vec<Field>,
        /// The call that gives a token.
        token: TokenCall,
        /// Where the token goes in a request.
        inject: Vec<Inject>,
    }
}

shape! {
    /// A token that a person at the provider agrees to.
    pub struct AuthorizationCode {
        /// Name by which it is chosen.
        key: Name,
        /// Name for people.
        label: String,
        /// How to come by one.
        help: Option<String> = None,
        /// What has to be typed in beside.
        fields: Option<Vec<Field>> = None,
        /// The page on which the person agrees.
        authorize: Authorize,
        /// The call that gives a token for the code.
        token: TokenCall,
        /// A call that changes the first token for one that lives longer.
        exchange: Option<TokenCall> = None,
        /// The call that gives the next token.
        refresh: OrNone<TokenCall>,
        /// Whether a refresh token serves once.
        refresh_rotates: bool = false,
        /// A call after the first token that tells something about the account.
        after: Option<After> = None,
        /// Where the token goes in a request.
        inject: Vec<Inject>,
    }
}

words! {
    /// What stands between scopes.
    pub enum Separator {
        /// A space, as the standard has it.
        Space = "space",
        /// A comma.
        Comma = "comma",
    }
}

shape! {
    /// The page on which a person agrees.
    pub struct Authorize {
        /// Its address.
        url: Endpoint,
        /// What is asked for.
        scopes: Vec<String>,
        /// What stands between scopes.
        scope_separator: Separator = Separator::Space,
        /// How the parameter with the client id is called.
        client_id_parameter: String = "client_id".to_owned(),
        /// Whether the exchange is bound to this browser by PKCE (S256).
        pkce: bool,
        /// Further parameters.
        parameters: Option<Templates> = None,
    }
}

words! {
    /// Where a client id and secret go in a token call.
    pub enum ClientPlace {
        /// In `Authorization: Basic`.
        Basic = "basic",
        /// Among the parameters.
        Parameters = "parameters",
        /// Nowhere; the file says it all in `headers` and `parameters`.
        Nowhere = "nowhere",
    }
}

words! {
    /// How the parameters of a token call are written.
    pub enum TokenBody {
        /// As a form.
        Form = "form",
        /// As JSON.
        Json = "json",
        /// In the address.
        Query = "query",
    }
}

shape! {
    /// A call that gives a token.
    pub struct TokenCall {
        /// Its address.
        url: Endpoint,
        /// Its method.
        method: Method = Method::Post,
        /// Where client id and secret go.
        client: ClientPlace = ClientPlace::Parameters,
        /// The client id.
        client_id: Option<Template> = None,
        /// The client secret.
        client_secret: Option<Template> = None,
        /// How the parameter with the client id is called.
        client_id_parameter: String = "client_id".to_owned(),
        /// How the parameters are written.
        body: TokenBody = TokenBody::Form,
        /// The media type of the body, where it is not the usual one.
        content_type: Option<String> = None,
        /// The grant type, where it is not the usual one.
        grant_type: Option<String> = None,
        /// Whether the grant type is sent.
        sends_grant_type: bool = true,
        /// Further parameters.
        parameters: Option<Templates> = None,
        /// Headers.
        headers: Option<Templates> = None,
        /// Where things are in the answer.
        answer: Option<TokenAnswer> = None,
    }
}

impl TokenCall {
    /// Whether a refresh by this call sends the refresh token, by its usual name or by one of the file's.
    #[must_use]
    pub fn sends_refresh_token(&self) -> bool {
        let templates = self.parameters.iter().chain(&self.headers).flat_map(BTreeMap::values);
        self.grant_type.is_none() || templates.into_iter().any(|text| text.names().any(|name| name == "refresh_token"))
    }
}

shape! {
    /// Where things are in the answer of a token call.
    pub struct TokenAnswer {
        /// The token.
        access_token: Option<Expression> = None,
        /// The token that gives the next one.
        refresh_token: Option<Expression> = None,
        /// Seconds the token lives.
        expires_in: Option<Expression> = None,
        /// How long the token lives when the answer does not say. Without it: until it is refused.
        lives: Option<Duration> = None,
        /// Settings that the answer fills.
        set: Option<BTreeMap<String, Expression>> = None,
    }
}

shape! {
    /// A call after the first token.
    pub struct After {
        /// Its address.
        url: Endpoint,
        /// Its headers.
        headers: Option<Templates> = None,
        /// Settings that the answer fills.
        set: BTreeMap<String, Expression>,
    }
}

choice! {
    /// Where a credential goes in a request.
    pub enum Inject by "into" {
        /// In a header.
        Header(InHeader) = "header",
        /// In a header whose name a setting says.
        NamedHeader(InNamedHeader) = "named_header",
        /// Among the parameters of the address. Logs leave it out.
        Query(InQuery) = "query",
        /// In the body, beside what is there.
        Body(InBody) = "body",
        /// In `Authorization: Basic`.
        Basic(InBasic) = "basic",
        /// In `Authorization: Bearer`.
        Bearer(InBearer) = "bearer",
    }
}

shape! {
    /// In a header.
    pub struct InHeader {
        /// Which one.
        name: Header,
        /// What it says.
        value: Template,
    }
}

shape! {
    /// In a header whose name a setting says.
    pub struct InNamedHeader {
        /// Which one.
        name: Template,
        /// What it says.
        value: Template,
    }
}

shape! {
    /// Among the parameters of the address.
    pub struct InQuery {
        /// Which one.
        name: String,
        /// What it says.
        value: Template,
    }
}

shape! {
    /// In the body.
    pub struct InBody {
        /// What is put beside the body's own fields.
        fields: Tree,
    }
}

shape! {
    /// In `Authorization: Basic`.
    pub struct InBasic {
        /// The user.
        username: Template,
        /// The password; empty if it is not given.
        password: Option<Template> = None,
    }
}

shape! {
    /// In `Authorization: Bearer`.
    pub struct InBearer {
        /// The token.
        token: Template,
    }
}
