//! The person who agrees at a provider: opens the page that the hub names, and is sent back to the hub.
//!
//! The simulator's page agrees at once, so that following where it leads is all there is to do; what comes back goes
//! through the door that a browser would use.

use crate::{
    context::Cx,
    domain::integration::authorize,
    kernel::{
        error::{Error, Result},
        id::IntegrationId,
    },
    provider::client::Call,
};

/// Connects an integration whose provider wants somebody to agree, or connects it anew.
pub(super) async fn agree(cx: &Cx, id: IntegrationId) -> Result<()> {
    let page = authorize::start(cx, id).await?;
    let back = leads_to(cx, page.into()).await?;
    // What the hub says about it stands where it sends the browser next.
    let next = leads_to(cx, back).await?;
    match next.strip_prefix("/#/refused/") {
        None => Ok(()),
        Some(reason) => Err(Error::conflict("id", reason.replace("%20", " "))),
    }
}

/// Opens a page that leads on.
async fn leads_to(cx: &Cx, page: String) -> Result<String> {
    let reply = cx.hub().client.send(Call::get("demo consent", page)).await;
    let reply = reply.map_err(|error| Error::Internal("nobody could agree", error.into()))?;
    let next = reply.headers.get(http::header::LOCATION).and_then(|next| next.to_str().ok());
    next.map(str::to_owned).ok_or(Error::NotFound("page after the consent"))
}
