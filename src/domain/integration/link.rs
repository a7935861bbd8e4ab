//! Links by which an outsider gives an integration its credential.
//!
//! Whoever has the key is often not who runs the hub. A link opens a form for one integration, works once, for half
//! an hour, and shows nothing but the provider's name and what it asks for. A credential that the provider refuses
//! does not use it up; twenty of them do. It is void while its tenant is suspended or its integration is disabled, and
//! once whoever made it could not make it any more.

use chrono::TimeDelta;
use sea_orm::{EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, sea_query::Expr};

use super::{Integration, authorize, create, get, reconnect};
use crate::{
    context::{Audit, Cx},
    domain::{access::starter::Starter, credential::given::Given},
    entity::{
        connect_link::{self as entity, Column, Model as Link},
        first::First,
    },
    event::integration::IntegrationEvent,
    kernel::{
        actor::Caller,
        clock::Moment,
        error::{Code, Error, Issue, Result},
        id::IntegrationId,
        scope::Scope,
        secret::Secret,
        token::{Kind, digest, mint, well_formed},
    },
    provider::manifest::Manifest,
};

/// How long a link works.
const LIFE: TimeDelta = TimeDelta::minutes(30);

/// So many credentials that the provider refuses use a link up.
const TRIES: i32 = 20;

/// A link that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The address to hand over. It is shown once.
    pub url: Secret,
    /// When it ends.
    pub expires_at: Moment,
    /// The integration.
    pub integration: Integration,
}

/// What a link opens.
#[derive(Clone, Debug)]
pub struct Form {
    /// The provider.
    pub manifest: std::sync::Arc<Manifest>,
    /// The integration.
    pub integration: Integration,
    /// When the link ends.
    pub expires_at: Moment,
}

/// Makes a link for an integration.
pub async fn create(cx: &Cx, id: IntegrationId) -> Result<Made> {
    let integration = get(cx, id).await?;
    let token = mint(Kind::Connect, &*cx.hub().chance);
    let expires_at = cx.now() + LIFE;
    cx.write(async |txn| {
        let row = Link {
            id: txn.id(),
            tenant_id: integration.tenant_id,
            integration_id: id,
            digest: digest(token.expose()).to_vec(),
            created_by: cx.actor().to_string(),
            starter: Some(Starter::of(cx).stored()?),
            created_at: txn.now(),
            expires_at,
            tries: 0,
            used_at: None,
        };
        entity::Entity::insert(row.into_active_model()).exec_without_returning(&**txn).await?;
        let fact = IntegrationEvent::ConnectLinkMade { integration: id, expires_at };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact))
    })
    .await?;
    let base = cx.hub().access.base_url.trim_end_matches('/');
    Ok(Made { url: Secret::from(format!("{base}/#/connect/{}", token.expose())), expires_at, integration })
}

/// What a link opens, for who has it.
pub async fn open(cx: &Cx, token: &Secret) -> Result<Form> {
    let (cx, link) = found(cx, token).await?;
    let integration = get(&cx, link.integration_id).await?;
    let manifest = create::provider(&cx, &integration.provider)?;
    Ok(Form { manifest, integration, expires_at: link.expires_at })
}

/// Gives the credential. The link is used up if the provider takes it.
pub async fn give(cx: &Cx, token: &Secret, given: Given) -> Result<Form> {
    let (cx, link) = found(cx, token).await?;
    // Counted before it is tried, so that many at once do not get more.
    let counted = cx
        .write(async |txn| {
            let count = entity::update_of(link.tenant_id, link.id)
                .col_expr(Column::Tries, Expr::col(Column::Tries).add(1))
                .filter(entity::COLUMN.used_at.is_null())
                .filter(entity::COLUMN.tries.lt(TRIES));
            Ok(count.exec(&**txn).await?.rows_affected)
        })
        .await?;
    if counted == 0 {
        return Err(over());
    }
    let integration = reconnect::give_by_link(&cx, &link, given).await.map_err(|error| match error {
        // Whoever has the link must not learn what the tenant has.
        Error::NotFound(_) => over(),
        error => error,
    })?;
    let manifest = create::provider(&cx, &integration.provider)?;
    Ok(Form { manifest, integration, expires_at: link.expires_at })
}

/// The provider's page, for whoever has a link to an integration for which somebody has to agree. The link is used up.
pub async fn authorize(cx: &Cx, token: &Secret) -> Result<url::Url> {
    let (cx, link) = found(cx, token).await?;
    let starter = Starter::recorded(link.starter.as_ref()).ok_or_else(over)?;
    let url = authorize::start_for(&cx, link.integration_id, &starter).await.map_err(by_the_link)?;
    cx.write(async |txn| use_up(txn, &link).await).await?;
    Ok(url)
}

/// Uses a link up, unless somebody was quicker.
pub(super) async fn use_up(txn: &crate::context::Txn, link: &Link) -> Result<()> {
    let used = entity::update_of(link.tenant_id, link.id)
        .col_expr(Column::UsedAt, Expr::value(txn.now()))
        .filter(entity::COLUMN.used_at.is_null());
    if used.exec(&**txn).await?.rows_affected == 0 { Err(over()) } else { Ok(()) }
}

async fn found(cx: &Cx, token: &Secret) -> Result<(Cx, Link)> {
    if !well_formed(Kind::Connect, token.expose()) {
        return Err(over());
    }
    let link = entity::by_digest(&digest(token.expose())).first(cx.db()).await?.ok_or_else(over)?;
    if link.used_at.is_some() || link.tries >= TRIES || link.expires_at <= cx.now() {
        return Err(over());
    }
    let cx = cx.with_caller(Caller::system("connect link", link.tenant_id));
    still_open(&cx, &link).await?;
    Ok((cx, link))
}

/// Passes a link whose tenant is served, whose integration is there and enabled, and whose maker could make it now.
pub(super) async fn still_open(cx: &Cx, link: &Link) -> Result<()> {
    let starter = Starter::recorded(link.starter.as_ref()).ok_or_else(over)?;
    let integration = match get(cx, link.integration_id).await {
        Err(Error::NotFound(_)) => return Err(over()),
        found => found?,
    };
    match starter.barred(cx.hub(), link.tenant_id, Scope::IntegrationWrite).await? {
        None if integration.enabled => Ok(()),
        _ => Err(over()),
    }
}

/// What is refused about the integration, said of the link: its owner named nothing else.
fn by_the_link(error: Error) -> Error {
    match error {
        Error::Refused(issues) => {
            Error::Refused(issues.into_iter().map(|issue| Issue { path: vec!["token".to_owned()], ..issue }).collect())
        }
        error => error,
    }
}

fn over() -> Error {
    let issue = Issue::at("token", "this link is unknown, used up or has ended; ask for another");
    Error::Refused(vec![Issue { code: Code::NotFound, ..issue }])
}
