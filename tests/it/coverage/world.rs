//! What the matrix runs against: a hub with two tenants that have the same kinds of things.
//!
//! A [`Side`] is one tenant with the ids of what it has, under short names. Both sides are prepared by the
//! same function, so whatever a case names here has its counterpart there; a new kind of thing is one line
//! in [`Side::prepare`]. Every list a case asks for must have something in it, or the case shows nothing.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Index,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::http::Request;
use chrono::TimeDelta;
use portolan::{
    context::{Cx, NewJob},
    domain::{
        access::{
            agent,
            invitation::{self, NewInvitation},
            issuer::{self, Algorithm, NewIssuer},
            link::{self, Purpose},
            membership,
            session::{self, Client},
            token,
            user::RoleName,
        },
        alert::{self, AlertFilter, Kind, NewAlert, Severity},
        inbox::{
            list::{self as webhooks, WebhookFilter},
            process,
            source::{self, NewSource},
        },
        job::queue,
        outbound::{
            again,
            destination::{self, NewDestination},
        },
        sync::{run, work},
        tenant::{Tenant, lifecycle},
    },
    entity::{sync_failure, sync_stream},
    kernel::{chance::SeededChance, cursor::Cursor, id::IntegrationId, scope::Role, token as text},
    provider::simulator::hook::How,
};
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, IntoActiveModel, Statement};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::{
    case::Case,
    connection, partner,
    principal::{Credential, Principal},
};
use crate::support::{Reply, TestHub, played::Played, stream::Heard};

/// The password of the person on either side.
pub const PASSWORD: &str = "correct horse battery";

/// Where nobody answers, and nobody is kept waiting.
const NOWHERE: &str = "127.0.0.1:1";

/// A tenant and the ids of its things.
pub struct Side {
    pub tenant: Tenant,
    ids: BTreeMap<&'static str, String>,
}

impl Side {
    /// A tenant with one thing of each kind.
    async fn prepare(hub: &TestHub, played: &Played, tenant: Tenant) -> Self {
        let mut ids = BTreeMap::from([("tenant", tenant.id.to_string())]);
        let user = hub.user_of(&tenant, &format!("clerk@{}.test", tenant.slug), Role::Viewer).await;
        let bonds = membership::of_users(&hub.cx_of(&tenant), &[user.id]).await.unwrap();
        ids.insert("user", user.id.to_string());
        ids.insert("membership", bonds[0].id.to_string());
        ids.insert("apiToken", hub.new_token(&tenant, Role::Viewer, None, None).await.0);
        let cx = hub.cx_of(&tenant);
        ids.insert("issuer", issuer::create(&cx, issuer_of(&tenant), None).await.unwrap().id.to_string());
        let signer = hub.user_of(&tenant, &format!("signer@{}.test", tenant.slug), Role::Viewer).await;
        let link = async |purpose| link::make(&cx, signer.id, purpose).await.unwrap().0;
        let (first, client) = (link(Purpose::Activation).await, Client { user_agent: Some("test".to_owned()) });
        let pair = link::set_password(&cx, first.expose(), PASSWORD.to_owned().into(), &client).await.unwrap();
        ids.insert("signer", signer.id.to_string());
        ids.insert("email", signer.email);
        ids.insert("refreshToken", pair.refresh.expose().to_owned());
        ids.insert("signInLink", link(Purpose::SignIn).await.expose().to_owned());
        ids.insert("passwordLink", link(Purpose::PasswordReset).await.expose().to_owned());
        let new = NewInvitation { email: format!("invited@{}.test", tenant.slug), role: RoleName(Role::Viewer) };
        let (invitation, link) = invitation::invite(&cx, new, None).await.unwrap();
        ids.insert("invitation", invitation.id.to_string());
        ids.insert("invitationLink", link.unwrap().expose().to_owned());
        ids.insert("agent", hub.agent_of(&tenant, "helper", Role::Viewer).await.to_string());
        ids.extend(connection::all(hub, &tenant).await);
        let (ended, queued) = Box::pin(synced(hub, &cx, ids["integration"].parse().unwrap())).await;
        ids.insert("syncRun", ended);
        ids.insert("queuedRun", queued);
        let (source, webhook) = Box::pin(heard(hub, played, &cx, ids["integration"].parse().unwrap())).await;
        ids.insert("webhookSource", source);
        ids.insert("webhookEvent", webhook);
        let [destination, delivery, message] = Box::pin(sent(played, &cx)).await;
        ids.insert("webhookDestination", destination);
        ids.insert("webhookDelivery", delivery);
        ids.insert("webhookMessage", message);
        ids.insert("webhookSince", (cx.now() - TimeDelta::days(1)).to_rfc3339());
        ids.extend(Box::pin(partner::all(hub, played, &tenant)).await);
        ids.insert("deadJob", dead_job(hub, &cx).await);
        ids.insert("alert", alert(&cx, &ids["integration"]).await);
        let spare = hub.another_tenant(&format!("spare-of-{}", tenant.slug)).await;
        ids.insert("spareTenant", spare.id.to_string());
        ids.insert("spareSlug", spare.slug);
        Self { tenant, ids }
    }

    /// A text that was never used before: for names, slugs, addresses, idempotency keys.
    #[expect(clippy::unused_self, reason = "cases have nothing but a side at hand")]
    pub fn fresh(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("fresh-{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The cursor before everything in a list that is ordered by ids.
    #[expect(clippy::unused_self, reason = "cases have nothing but a side at hand")]
    pub fn start_of(&self, list: &str) -> String {
        Cursor::encode(list, &Uuid::nil()).unwrap().0
    }

    /// The cursor behind everything in a list that is ordered by ids.
    #[expect(clippy::unused_self, reason = "cases have nothing but a side at hand")]
    pub fn end_of(&self, list: &str) -> String {
        Cursor::encode(list, &Uuid::max()).unwrap().0
    }

    /// The cursor before everything in a list that is ordered by numbers.
    #[expect(clippy::unused_self, reason = "cases have nothing but a side at hand")]
    pub fn number_before(&self, list: &str) -> String {
        Cursor::encode(list, &0).unwrap().0
    }

    /// The cursor behind everything in a list that is ordered by numbers.
    #[expect(clippy::unused_self, reason = "cases have nothing but a side at hand")]
    pub fn number_behind(&self, list: &str) -> String {
        Cursor::encode(list, &i64::MAX).unwrap().0
    }

    /// Every global id of this tenant that has a name here.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let is_id = |text: &&str| text.len() == 30 && text.as_bytes()[3] == b'_';
        self.ids.values().map(String::as_str).filter(is_id)
    }

    /// The first id of this tenant that a text shows.
    pub fn shown_in(&self, text: &str) -> Option<&str> {
        self.ids.values().map(String::as_str).find(|id| text.contains(id))
    }
}

impl Index<&str> for Side {
    type Output = String;

    fn index(&self, name: &str) -> &String {
        self.ids.get(name).unwrap_or_else(|| panic!("Side::prepare makes no {name:?}"))
    }
}

/// A run that is over, and one that waits.
async fn synced(hub: &TestHub, cx: &Cx, id: IntegrationId) -> (String, String) {
    let begun = run::sync_now(cx, id, Some("customers")).await.unwrap().remove(0);
    let taken = queue::take(hub.app.hub(), "sync.run", 1, "nobody", TimeDelta::hours(1)).await.unwrap();
    Box::pin(work::work(&queue::acting(hub.app.hub(), &taken[0], "test"), begun.id, || false)).await.unwrap();
    let failure = sync_failure::Model {
        id: cx.id(),
        tenant_id: begun.tenant_id,
        integration_id: id,
        stream_id: begun.stream_id,
        run_id: begun.id,
        page: 1,
        external_id: None,
        reason: "a test".to_owned(),
        data: json!({ "name": "nameless" }),
        at: cx.now(),
    };
    cx.write(async |txn| {
        let row = failure.clone().into_active_model();
        sync_failure::Entity::insert(row).exec_without_returning(&**txn).await?;
        Ok(())
    })
    .await
    .unwrap();
    let queued = run::sync_now(cx, id, Some("payments")).await.unwrap().remove(0);
    cx.write(async |txn| {
        for run in [&begun, &queued] {
            let holds = sync_stream::update_of(run.tenant_id, run.stream_id)
                .col_expr(sync_stream::Column::HeldRunId, run.id.into())
                .col_expr(sync_stream::Column::HeldRecords, 90_i64.into())
                .col_expr(sync_stream::Column::HeldOf, 100_i64.into())
                .col_expr(sync_stream::Column::HeldAt, txn.now().into());
            holds.exec(&**txn).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    // Who takes the next one is not to get this one.
    queue::take(hub.app.hub(), "sync.run", 1, "nobody", TimeDelta::days(1_000)).await.unwrap();
    (begun.id.to_string(), queued.id.to_string())
}

/// A source of webhooks, one that was believed and processed, and one that was not believed.
async fn heard(hub: &TestHub, played: &Played, cx: &Cx, id: IntegrationId) -> (String, String) {
    let secret = vec![("webhook_secret".to_owned(), played.value("stripe", "webhook_secret").into())];
    let new = NewSource { provider: None, integration: Some(id), hub_wide: false, name: None, secrets: secret };
    let made = source::create(cx, new, None).await.unwrap();
    for how in [How::Right, How::WrongSecret] {
        let sent = played.webhooks("stripe", made.url.expose(), how, 1, cx.now()).remove(0);
        let mut request = Request::post(sent.url.path());
        for (name, value) in &sent.headers {
            request = request.header(name, value);
        }
        hub.send(request.body(sent.body.into()).unwrap()).await;
    }
    hub.settle().await;
    let taken = queue::take(hub.app.hub(), "inbox.process", 1, "nobody", TimeDelta::hours(1)).await.unwrap();
    let acting = queue::acting(hub.app.hub(), &taken[0], "test");
    Box::pin(process::process(&acting, made.source.id, || false)).await.unwrap();
    let args = cx.page(None, None, None, None).unwrap();
    let page = webhooks::list(cx, &WebhookFilter::default(), &args).await.unwrap();
    (made.source.id.to_string(), page.rows[0].1.id.to_string())
}

/// A destination of webhooks to which two were sent and did not arrive, of which one is to be sent again.
async fn sent(played: &Played, cx: &Cx) -> [String; 3] {
    let new = NewDestination {
        name: "A destination".to_owned(),
        url: format!("http://{}/nobody", played.address),
        events: vec!["job.*".to_owned()],
        filter: None,
        with_key: false,
    };
    let made = destination::create(cx, new, None).await.unwrap();
    let again = destination::test(cx, made.destination.id).await.unwrap();
    let over = destination::test(cx, made.destination.id).await.unwrap();
    again::resend(cx, again.delivery.id).await.unwrap();
    [made.destination.id.to_string(), over.delivery.id.to_string(), over.delivery.message_id.to_string()]
}

/// Work that failed for good.
async fn dead_job(hub: &TestHub, cx: &Cx) -> String {
    let work = NewJob::recorded("test.dead".to_owned(), json!({}), 1);
    cx.write(async |txn| txn.enqueue(work.clone())).await.unwrap();
    let taken = queue::take(hub.app.hub(), "test.dead", 1, "nobody", TimeDelta::seconds(1)).await.unwrap();
    queue::failed(&queue::acting(hub.app.hub(), &taken[0], "test"), &taken[0], "a test", None).await.unwrap();
    taken[0].id.to_string()
}

/// Something to be looked at.
async fn alert(cx: &Cx, subject: &str) -> String {
    let new = NewAlert {
        kind: Kind::NeedsReauth,
        severity: Severity::Critical,
        subject: subject.to_owned(),
        text: "a test".to_owned(),
    };
    cx.write(async |txn| alert::raise(txn, new.clone()).await).await.unwrap();
    let filter = AlertFilter { subject: Some(subject.to_owned()), ..AlertFilter::default() };
    let page = alert::list(cx, &filter, &cx.page(None, None, None, None).unwrap()).await.unwrap();
    page.rows[0].1.id.to_string()
}

/// An issuer where nobody answers.
fn issuer_of(tenant: &Tenant) -> NewIssuer {
    NewIssuer {
        name: "Nobody".to_owned(),
        iss: format!("http://{NOWHERE}"),
        audience: tenant.slug.clone(),
        jwks_url: None,
        algorithm: Algorithm::Rs256,
        roles_claim: Vec::new(),
        role_map: Vec::new(),
        default_role: Some(RoleName(Role::Viewer)),
    }
}

/// A hub with two tenants, and the credentials of everybody who asked so far.
pub struct World {
    pub hub: Arc<TestHub>,
    pub here: Side,
    pub there: Side,
    tokens: HashMap<String, String>,
    /// The statement that counts the rows of every table.
    counting: OnceCell<String>,
    /// Plays the providers as long as the hub may ask them.
    _played: Played,
}

impl World {
    /// A fresh one.
    pub async fn new() -> Self {
        Box::pin(Self::with(&[])).await
    }

    /// A fresh one with some settings changed.
    pub async fn with(others: &[(&str, &str)]) -> Self {
        // The clock stands still, so a budget per minute would never fill again.
        let budget = ("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0");
        let hash = ("PORTOLAN_ACCESS_PASSWORD_MEMORY", "64KiB");
        // The matrix moves the clock from case to case; sessions of people last through all of them.
        let life = ("PORTOLAN_ACCESS_JWT_EXPIRATION", "30d");
        let session = ("PORTOLAN_ACCESS_REFRESH_TOKEN_EXPIRATION", "60d");
        // A sign of life on a stream tells that there was nothing to say.
        let ping = ("PORTOLAN_LIVE_PING_INTERVAL", "500ms");
        let played = Played::start().await;
        // So many make an integration within a second.
        played.open("pancake_pos");
        let mut settings = played.settings();
        settings.retain(|(name, _)| name == "PORTOLAN_OUTGOING_SIMULATOR");
        settings.push(("PORTOLAN_OUTGOING_ALLOW".to_owned(), format!("{NOWHERE},{}", played.address)));
        let mut settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        settings.extend([budget, hash, life, session, ping]);
        settings.retain(|(name, _)| others.iter().all(|(other, _)| other != name));
        settings.extend(others);
        let hub = Arc::new(TestHub::with(&settings).await);
        let here = Side::prepare(&hub, &played, hub.tenant.clone()).await;
        let there = Side::prepare(&hub, &played, hub.another_tenant("elsewhere").await).await;
        Self { hub, here, there, tokens: HashMap::new(), counting: OnceCell::new(), _played: played }
    }

    /// Asks as somebody.
    pub async fn ask(&mut self, who: &Principal, case: &Case, variables: Value) -> Reply {
        let token = self.token(who).await;
        let reply = self.hub.ask(&token, case.document, variables).await;
        // What is noted after the answer belongs to this run and not to the next.
        self.hub.settle().await;
        reply
    }

    /// Follows as somebody: gives the first item. Where there should be nothing, a sign of life ends the wait.
    pub async fn follow(&mut self, who: &Principal, case: &Case, variables: Value, nothing: bool) -> Reply {
        let token = self.token(who).await;
        self.hub.number_events().await;
        let mut stream = self.hub.follow(&token, case.document, variables).await;
        if stream.header("content-type") != "text/event-stream; charset=utf-8" {
            let reply = stream.reply().await;
            self.hub.settle().await;
            return reply;
        }
        let text = loop {
            match stream.heard().await {
                Heard::Event(event) => break event.data,
                Heard::Comment if nothing => break json!({ "data": {} }).to_string(),
                Heard::Comment | Heard::Retry(_) => {}
                Heard::End => break json!({ "errors": [{ "message": "the stream ended" }] }).to_string(),
            }
        };
        let reply = Reply { status: stream.status, headers: stream.headers.clone(), text };
        drop(stream);
        // What is noted after the answer belongs to this run and not to the next.
        self.hub.settle().await;
        reply
    }

    /// The credential of somebody, made when it is first asked for.
    pub async fn token(&mut self, who: &Principal) -> String {
        if let Some(token) = self.tokens.get(&who.name) {
            return token.clone();
        }
        let (hub, tenant) = (&self.hub, if who.elsewhere { &self.there.tenant } else { &self.here.tenant });
        let token = match who.credential {
            Credential::None => String::new(),
            // A partner sees what is its own, and that there is something.
            Credential::Token(Role::Partner, None) => {
                let side = if who.elsewhere { &self.there } else { &self.here };
                hub.partner_token(tenant, side["partnerOrganization"].parse().unwrap()).await
            }
            Credential::Token(role, scopes) => {
                let narrowed: Option<Vec<_>> = scopes.map(|scopes| scopes.iter().collect());
                hub.new_token(tenant, role, narrowed.as_deref(), None).await.1
            }
            Credential::Expired => {
                // Every test begins at the same moment; earlier calls may have moved the clock already.
                let moment = hub.cx().now() - crate::support::hub::beginning() + TimeDelta::minutes(1);
                let (_, token) = hub.new_token(tenant, Role::SuperAdmin, None, Some(moment)).await;
                hub.clock.advance(TimeDelta::minutes(2));
                token
            }
            Credential::Revoked => {
                let (id, token) = hub.new_token(tenant, Role::SuperAdmin, None, None).await;
                token::revoke(&hub.cx_of(tenant), id.parse().unwrap()).await.unwrap();
                token
            }
            Credential::Agent(role) => {
                let agent = hub.agent_of(tenant, &who.name, role).await;
                hub.agent_token(tenant, agent, role).await
            }
            Credential::DisabledAgent => {
                let agent = hub.agent_of(tenant, &who.name, Role::SuperAdmin).await;
                let token = hub.agent_token(tenant, agent, Role::SuperAdmin).await;
                agent::enable(&hub.cx_of(tenant), agent, false).await.unwrap();
                token
            }
            Credential::Person(role) => {
                let name = format!("{}@{}.test", who.name.replace([' ', '\''], "-"), tenant.slug);
                hub.session_of(tenant, hub.user_of(tenant, &name, role).await.id).await
            }
            Credential::EndedSession => {
                let user = hub.user_of(tenant, "ended@example.test", Role::SuperAdmin).await;
                let token = hub.session_of(tenant, user.id).await;
                session::revoke_all(&hub.cx_of(tenant), user.id).await.unwrap();
                token
            }
            Credential::Suspended => {
                let asleep = hub.another_tenant("asleep").await;
                let token = hub.token_of(&asleep, Role::SuperAdmin).await;
                lifecycle::suspend(&hub.cx(), asleep.id, "a test").await.unwrap();
                token
            }
            Credential::Mistyped => "ptl_nonsense".to_owned(),
            Credential::Unknown => text::mint(text::Kind::Api, &SeededChance::new(u64::MAX)).expose().to_owned(),
        };
        self.tokens.insert(who.name.clone(), token.clone());
        token
    }

    /// How many rows each table has. Events count once, wherever they wait; they are numbered first, so that
    /// nothing moves because somebody reads them.
    pub async fn rows(&self) -> BTreeMap<String, i64> {
        self.hub.number_events().await;
        let db = self.hub.app.hub().database.reader();
        let ask =
            async |sql: String| db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
        let tables = match db.get_database_backend() {
            DbBackend::Postgres => "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
            _ => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        };
        let counting = self.counting.get_or_init(async || {
            let counts = ask(tables.to_owned()).await.into_iter().map(|row| {
                let table: String = row.try_get_by_index(0).unwrap();
                format!("SELECT '{table}', COUNT(*) FROM \"{table}\"")
            });
            counts.collect::<Vec<_>>().join(" UNION ALL ")
        });
        let counts = ask(counting.await.clone()).await;
        let mut rows = BTreeMap::new();
        for row in counts {
            let table: String = row.try_get_by_index(0).unwrap();
            let name = if table == "outbox" { "events".to_owned() } else { table };
            *rows.entry(name).or_default() += row.try_get_by_index::<i64>(1).unwrap();
        }
        rows
    }
}
