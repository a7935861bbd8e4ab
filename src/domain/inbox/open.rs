//! Finding the source of an address, with all that its webhooks are checked with.

use std::sync::Arc;

use crate::{
    context::{Cx, intake::Door},
    domain::{
        credential::webhook,
        integration::{self, Integration},
        keyring::HUB,
        tenant::{self, Status},
    },
    entity::{first::First, webhook_source as entity},
    kernel::{
        error::{Error, Result},
        id::WebhookSourceId,
        token,
    },
};

use super::WebhookSource;

/// What stands behind an address.
#[derive(Clone, Debug)]
pub enum Found {
    /// Nothing, or nothing that takes webhooks at present.
    Nobody,
    /// A source whose tenant is suspended: it may come again.
    Suspended,
    /// A source.
    Open(Arc<Door>),
}

/// What stands behind an address. Looking for one that does not exist costs what looking for one that does costs.
pub async fn find(cx: &Cx, address: &str) -> Result<Found> {
    if !token::well_formed(token::Kind::Hook, address) {
        return Ok(Found::Nobody);
    }
    let digest = token::digest(address);
    match cx.hub().intake.door(&digest, cx.now()) {
        Some(door) => Ok(Found::Open(door)),
        None => read(cx, &digest).await,
    }
}

/// The same, read anew.
pub async fn again(cx: &Cx, door: &Door) -> Result<Found> {
    read(cx, &door.source.digest).await
}

async fn read(cx: &Cx, digest: &[u8]) -> Result<Found> {
    let source = entity::at(digest).first(cx.db()).await?;
    let Some(source) = source.filter(|source| source.enabled) else { return Ok(Found::Nobody) };
    let cx = Cx::system(Arc::clone(cx.hub()), "inbox", source.tenant_id);
    if source.tenant_id != HUB {
        match tenant::by_ids(&cx, &[source.tenant_id]).await?.pop().map(|tenant| tenant.state()) {
            Some(Status::Active) => {}
            Some(Status::Suspended) => return Ok(Found::Suspended),
            _ => return Ok(Found::Nobody),
        }
    }
    let integration = match of_source(&cx, &source).await {
        Err(Error::NotFound(_)) => return Ok(Found::Nobody),
        found => found?,
    };
    if integration.as_ref().is_some_and(|integration| !integration.can_webhook) {
        return Ok(Found::Nobody);
    }
    let Some(manifest) = cx.hub().catalogue.get(&source.provider).cloned() else { return Ok(Found::Nobody) };
    let owner = source.id.to_string();
    let (tenant, until) = (source.tenant_id, source.overlap_until);
    let keys = webhook::values(&cx, tenant, &manifest, integration.as_ref(), &owner, until).await?;
    let door = Arc::new(Door { source, integration, manifest, keys, at: cx.now() });
    cx.hub().intake.keep(&door);
    Ok(Found::Open(door))
}

/// The integration that a source is for, if it is for one.
pub(super) async fn of_source(cx: &Cx, source: &WebhookSource) -> Result<Option<Integration>> {
    match source.integration_id {
        Some(id) => integration::get(cx, id).await.map(Some),
        None => Ok(None),
    }
}

/// The source of the tenant with that id.
pub(super) async fn get(cx: &Cx, id: WebhookSourceId) -> Result<WebhookSource> {
    super::list::sources_by_ids(cx, &[id]).await?.pop().ok_or(Error::NotFound("webhook source"))
}
