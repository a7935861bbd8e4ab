//! `portolan serve`: migrate, make the first tenant if there is none, serve until told to stop.
//!
//! The first signal (SIGTERM, SIGINT) drains: no new requests, running ones are finished. A second one
//! drops what is left.

use std::net::SocketAddr;

use clap::Args;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::{Failure, Outcome, block_on, first_start, load, program, speak::say};
use crate::{
    app::{App, FolderLock, Prepared, StartError, World},
    config::Flags,
    http::pages,
    telemetry,
};

/// Serve the API.
#[derive(Args, Debug, Default)]
pub(super) struct Serve {
    #[command(flatten)]
    settings: Flags,
}

impl Serve {
    pub(super) fn run(self) -> Outcome {
        let mut config = load(&self.settings)?;
        telemetry::start_logging(&config.log.level, config.log.format)?;
        block_on(async {
            let wanted = config.server.listen;
            let listener = TcpListener::bind(wanted).await.map_err(|error| StartError::Listen(wanted, error))?;
            let address = listener.local_addr()?;
            // Port 0 asks for any; links name the one that was given.
            config.server.listen = address;
            let folder = FolderLock::take(&config).map_err(StartError::from)?;
            let (app, prepared) = match App::start(&config, World::default()).await {
                Ok(started) => started,
                Err(error) => {
                    if let Some(folder) = folder {
                        folder.withdraw();
                    }
                    return Err(error.into());
                }
            };
            greet(address, &prepared, config.playground() && pages::embedded());
            let stop = CancellationToken::new();
            let watched = watch_signals(stop.clone(), || {})?;
            let drained = app.serve(listener, stop).await;
            tracing::info!(drained = drained.drained, dropped = drained.dropped, "stopped serving");
            app.close().await;
            watched.abort();
            Ok(())
        })
    }
}

fn greet(address: SocketAddr, prepared: &Prepared, playground: bool) {
    tracing::info!(%address, migrations = prepared.migrations, "serving");
    say(&format!("Portolan {} listens on http://{address}", env!("CARGO_PKG_VERSION")));
    first_start(prepared);
    let Some(tenant) = &prepared.tenant else { return };
    say(&format!(
        "Or make a token and ask who you are:\n\n  \
         TOKEN=$({program} token create --tenant {slug} --role admin)\n  \
         curl http://{address}/graphql -H \"authorization: Bearer $TOKEN\" -H 'content-type: application/json' \\\n    \
         -d '{{\"query\":\"{{ viewer {{ role tenant {{ name }} }} }}\"}}'\n",
        slug = tenant.slug,
        program = program(),
    ));
    if playground {
        say(&format!("Or paste the token at http://{address}/playground\n"));
    }
}

/// Stops at the first signal; at the second, the process ends after a last act.
pub(super) fn watch_signals(
    stop: CancellationToken,
    last_act: impl FnOnce() + Send + 'static,
) -> Result<tokio::task::JoinHandle<()>, Failure> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    #[expect(clippy::disallowed_methods, reason = "this task ends the others, so none of them can own it")]
    Ok(tokio::spawn(async move {
        let mut next = async || tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} };
        next().await;
        say("stopping; once more to stop at once");
        stop.cancel();
        next().await;
        last_act();
        std::process::exit(1);
    }))
}
