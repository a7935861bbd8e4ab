//! Portolan as it is, with a source of webhooks.

use std::sync::Arc;

use portolan::{
    context::Cx,
    domain::{
        credential::given::Given,
        inbox::source::{self, NewSource},
        integration::create::{self, Capabilities, NewIntegration},
    },
    http::serve::{ServeLimits, serve as listen_on},
};
use tokio_util::sync::CancellationToken;

use crate::{
    hubs::{listen, start},
    servers::SECRET,
};

/// The load comes from one address.
const SETTINGS: [(&str, &str); 2] =
    [("PORTOLAN_HTTP_CONNECTIONS_PER_ADDRESS", "20000"), ("PORTOLAN_LOG_LEVEL", "error")];

/// The argument with which this program serves at a port, for the harness that measures other servers, too.
pub(crate) const SERVE_TARGET: &str = "--serve-target";

/// Makes a source for that, prints its path, and does nothing else.
pub(crate) const MAKE_SOURCE: &str = "--make-source";

/// A source of webhooks. Gives its path.
async fn source(cx: &Cx) -> String {
    // Its records are not read: what is measured is webhooks.
    let capabilities = Capabilities { can_sync: Some(false), ..Capabilities::default() };
    let new = NewIntegration {
        provider: "custom_rest".to_owned(),
        name: Some("Bench".to_owned()),
        settings: vec![("base_url".to_owned(), "https://api.partner.example".to_owned())],
        skip_test: true,
        capabilities,
        ..NewIntegration::default()
    };
    let given = Given::Bearer("bench-bench-bench".to_owned().into());
    let integration = create::create(cx, new, Some(given), None).await.unwrap();
    let new = NewSource {
        provider: None,
        integration: Some(integration.id),
        hub_wide: false,
        name: None,
        secrets: vec![("webhook_secret".to_owned(), SECRET.to_owned().into())],
    };
    let made = source::create(cx, new, None).await.unwrap();
    format!("/hooks/{}", made.source.address)
}

/// Serves until killed, with everything or without those who process what came.
pub(crate) async fn serve(whole: bool) {
    let (app, cx) = start(SETTINGS).await;
    let path = source(&cx).await;
    let listener = listen(0).await;
    println!("{} {path}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    if whole {
        app.serve(listener, stop).await;
    } else {
        let limits = ServeLimits { per_address: 20_000, ..ServeLimits::default() };
        listen_on(listener, app.router(), limits, stop, Arc::new(|_| {})).await;
    }
}

/// Prints the path of a source, made for this.
pub(crate) async fn make_source() {
    let (app, cx) = start(SETTINGS).await;
    println!("{}", source(&cx).await);
    drop(cx);
    app.close().await;
}

/// Serves at a port until killed.
pub(crate) async fn serve_target(port: u16) {
    let (app, _) = start(SETTINGS).await;
    app.serve(listen(port).await, CancellationToken::new()).await;
}
