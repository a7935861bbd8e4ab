//! A hub of a test's own, in this process, without a socket.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, header},
};
use chrono::{DateTime, TimeDelta, Utc};
use http_body_util::BodyExt;
use portolan::{
    app::{App, World},
    config::{Config, Flags},
    context::Cx,
    domain::{
        access::{
            agent::{self, NewAgent},
            link, session,
            token::{self, NewApiToken},
            user::{self, NewUser, RoleName},
        },
        partner::organization::{self, NewOrganization},
        tenant::{self, NewTenant, SettingsInput, Tenant},
    },
    event::sequencer,
    kernel::{
        chance::SeededChance,
        clock::ManualClock,
        id::{AgentId, PartnerOrganizationId, UserId},
        scope::{Role, Scope},
    },
};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{
    Reply,
    database::{TestDatabase, on_postgres},
    request::With,
    stream::Stream,
};

/// When every test begins.
pub fn beginning() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// A hub, its database and its clock.
pub struct TestHub {
    pub app: App,
    pub clock: ManualClock,
    pub tenant: Tenant,
    router: Router,
    // Dropped last: the connections close before the database goes.
    pub database: TestDatabase,
}

impl TestHub {
    /// A hub with default settings.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A hub with some settings changed, given as environment variables.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let database = TestDatabase::with_tables().await;
        Self::on(database, settings).await
    }

    /// A hub on a database that may have been used before.
    pub async fn on(database: TestDatabase, settings: &[(&str, &str)]) -> Self {
        let mut environment = database.settings();
        environment.retain(|(name, _)| settings.iter().all(|(given, _)| given != name));
        environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let config = Config::load(&Flags::default(), environment, database.folder()).unwrap();
        let clock = ManualClock::at(beginning());
        let world = World { clock: Arc::new(clock.clone()), chance: Arc::new(SeededChance::new(seed())) };
        let (app, prepared) = App::start(&config, world).await.unwrap();
        let tenant = match prepared.tenant {
            Some(tenant) => tenant,
            None => tenant::named(app.hub(), "default").await.unwrap(),
        };
        let router = app.router();
        Self { app, clock, tenant, router, database }
    }

    /// Another node on the same database, by the same clock. It has a folder of its own, which goes with it.
    pub async fn beside(other: &Self, settings: &[(&str, &str)]) -> Self {
        let mut environment = other.database.settings();
        environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let config = Config::load(&Flags::default(), environment, other.database.folder()).unwrap();
        let world = World { clock: Arc::new(other.clock.clone()), chance: Arc::new(SeededChance::new(seed())) };
        let (app, _) = App::start(&config, world).await.unwrap();
        let (router, clock, tenant) = (app.router(), other.clock.clone(), other.tenant.clone());
        Self { app, clock, tenant, router, database: TestDatabase::create().await }
    }

    /// The same database under another process's settings.
    pub async fn restart(self, settings: &[(&str, &str)]) -> Self {
        let Self { app, database, .. } = self;
        app.close().await;
        Self::on(database, settings).await
    }

    /// A context with every right in the first tenant.
    pub fn cx(&self) -> Cx {
        self.cx_of(&self.tenant)
    }

    /// A context with every right in a tenant.
    pub fn cx_of(&self, tenant: &Tenant) -> Cx {
        Cx::system(self.app.hub().clone(), "test", tenant.id)
    }

    /// Another tenant.
    pub async fn another_tenant(&self, slug: &str) -> Tenant {
        let new = NewTenant { slug: slug.to_owned(), name: slug.to_owned(), settings: SettingsInput::default() };
        tenant::create(&self.cx(), new, None).await.unwrap()
    }

    /// A token of the first tenant.
    pub async fn token(&self, role: Role) -> String {
        self.token_of(&self.tenant, role).await
    }

    /// A token of a tenant.
    pub async fn token_of(&self, tenant: &Tenant, role: Role) -> String {
        self.new_token(tenant, role, None, None).await.1
    }

    /// A token with everything chosen, and its id.
    pub async fn new_token(
        &self,
        tenant: &Tenant,
        role: Role,
        scopes: Option<&[Scope]>,
        lasting: Option<TimeDelta>,
    ) -> (String, String) {
        let new = NewApiToken {
            name: "test".to_owned(),
            role: RoleName(role),
            scopes: scopes.map(|scopes| scopes.iter().map(|scope| scope.name().to_owned()).collect()),
            expires_at: lasting.map(|span| beginning() + span),
            agent: None,
            // A partner's token is of some organisation.
            partner: if role == Role::Partner { Some(self.partner_of(tenant, "Somebody").await) } else { None },
        };
        let (made, secret) = token::create(&self.cx_of(tenant), new, None).await.unwrap();
        (made.id.to_string(), secret.unwrap().expose().to_owned())
    }

    /// A partner organisation of a tenant.
    pub async fn partner_of(&self, tenant: &Tenant, name: &str) -> PartnerOrganizationId {
        let new = NewOrganization { name: name.to_owned(), kind: "partner_dealer".to_owned(), contacts: Vec::new() };
        organization::create(&self.cx_of(tenant), new, None).await.unwrap().id
    }

    /// A token of a partner organisation.
    pub async fn partner_token(&self, tenant: &Tenant, partner: PartnerOrganizationId) -> String {
        let new = NewApiToken {
            name: "test".to_owned(),
            role: RoleName(Role::Partner),
            scopes: None,
            expires_at: None,
            agent: None,
            partner: Some(partner),
        };
        token::create(&self.cx_of(tenant), new, None).await.unwrap().1.unwrap().expose().to_owned()
    }

    /// An agent of a tenant, and its id.
    pub async fn agent_of(&self, tenant: &Tenant, name: &str, role: Role) -> AgentId {
        let new = NewAgent { name: name.to_owned(), description: None, role: RoleName(role), scopes: None };
        agent::create(&self.cx_of(tenant), new, None).await.unwrap().id
    }

    /// A token of an agent.
    pub async fn agent_token(&self, tenant: &Tenant, agent: AgentId, role: Role) -> String {
        let (name, role) = ("test".to_owned(), RoleName(role));
        let new = NewApiToken { name, role, scopes: None, expires_at: None, agent: Some(agent), partner: None };
        token::create(&self.cx_of(tenant), new, None).await.unwrap().1.unwrap().expose().to_owned()
    }

    /// Signs a person in, and gives the access token.
    pub async fn session_of(&self, tenant: &Tenant, user: UserId) -> String {
        let cx = self.cx_of(tenant);
        let (link, _) = link::make(&cx, user, link::Purpose::SignIn).await.unwrap();
        let pair = link::sign_in(&cx, link.expose(), &session::Client::default()).await.unwrap();
        pair.access.expose().to_owned()
    }

    /// A person in a tenant.
    pub async fn user_of(&self, tenant: &Tenant, email: &str, role: Role) -> user::User {
        let new = NewUser { email: email.to_owned(), name: "Somebody".to_owned(), role: RoleName(role) };
        user::create(&self.cx_of(tenant), new, None).await.unwrap()
    }

    /// Sees to it that every event written so far is in the log.
    pub async fn number_events(&self) {
        if on_postgres() {
            while !sequencer::pass(self.app.hub().database.writer()).await.unwrap().is_empty() {}
        }
    }

    /// Waits until a question has an answer.
    pub async fn until<T>(&self, mut question: impl AsyncFnMut() -> Option<T>) -> T {
        for _ in 0..500 {
            if let Some(answer) = question().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nothing happened for ten seconds");
    }

    /// Waits until no small work is left that outlives its request.
    pub async fn settle(&self) {
        for _ in 0..10_000 {
            if self.app.hub().tasks.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("small work went on for ten seconds");
    }

    /// Sends any request.
    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Reply { status: head.status, headers: head.headers, text }
    }

    /// Asks by POST.
    pub async fn ask(&self, token: &str, query: &str, variables: Value) -> Reply {
        let body = json!({ "query": query, "variables": variables }).to_string();
        self.send(post(token, body)).await
    }

    /// Sends any request whose answer may last.
    pub async fn open(&self, request: Request<Body>) -> Stream {
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        Stream::new(head.status, head.headers, body)
    }

    /// Asks for a stream of events.
    pub async fn follow(&self, token: &str, query: &str, variables: Value) -> Stream {
        let body = json!({ "query": query, "variables": variables }).to_string();
        self.open(post(token, body).with("accept", "text/event-stream")).await
    }

    /// Asks by POST, in a tenant that is not the token's own.
    pub async fn ask_in(&self, tenant: &str, token: &str, query: &str) -> Reply {
        let mut request = post(token, json!({ "query": query }).to_string());
        request.headers_mut().insert("x-portolan-tenant", tenant.parse().unwrap());
        self.send(request).await
    }
}

/// A seed that no other hub of this process has.
fn seed() -> u64 {
    static SEED: AtomicU64 = AtomicU64::new(1);
    SEED.fetch_add(1, Ordering::Relaxed)
}

/// A POST to the endpoint; an empty token sends none.
pub fn post(token: &str, body: impl Into<Body>) -> Request<Body> {
    let mut request =
        Request::builder().method(Method::POST).uri("/graphql").header(header::CONTENT_TYPE, "application/json");
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(body.into()).unwrap()
}

/// A GET of a path.
pub fn get(path: &str) -> Request<Body> {
    Request::builder().uri(path).body(Body::empty()).unwrap()
}
