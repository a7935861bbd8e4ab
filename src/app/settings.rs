//! The configuration, in the words of those whom it concerns.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use chrono::TimeDelta;

use crate::{
    config::{self, Config, TrustedDocuments},
    context::{
        AccessSettings, HealthSettings, OutboundSettings,
        database::{self, Place},
    },
    graphql::{
        document::Limits,
        endpoint::{self, Trust},
    },
    http::{self, LiveLimits, Profile, params::ParamLimits, pulse::Patience, serve::ServeLimits, unsent::UnsentLimits},
    kernel::secret::Secret,
};

/// How long a stalled write may last, unless streams may stall for longer.
const STALLED_WRITE: Duration = Duration::from_secs(90);

/// How to reach the database of a configuration.
#[must_use]
pub fn database_settings(config: &Config) -> database::Settings {
    let of = &config.database;
    let place = place(&config.server.data_dir, of.url.as_ref());
    let acquire_timeout = match place {
        Place::File(_) => of.acquire_timeout,
        Place::Server(_) => of.connect_timeout,
    };
    database::Settings {
        place,
        max_connections: of.max_connections,
        readers: of.readers,
        acquire_timeout,
        busy_timeout: of.busy_timeout,
        statement_timeout: of.statement_timeout,
        lock_timeout: of.lock_timeout,
        idle_transaction_timeout: of.idle_transaction_timeout,
    }
}

/// The file in the data folder, another file, or a server.
fn place(data_dir: &std::path::Path, url: Option<&Secret>) -> Place {
    match url {
        None => Place::File(data_dir.join("portolan.db")),
        Some(url) => match url.expose().strip_prefix("sqlite:") {
            Some(path) => Place::File(PathBuf::from(path.strip_prefix("//").unwrap_or(path))),
            None => Place::Server(url.clone()),
        },
    }
}

/// The bounds of documents by a configuration.
#[must_use]
pub fn limits(config: &Config) -> Limits {
    let of = &config.graphql;
    Limits {
        text_bytes: of.max_text.bytes(),
        tokens: of.max_tokens,
        nesting: of.max_nesting,
        depth: of.max_depth,
        introspection_depth: of.max_introspection_depth,
        selections: of.max_selections,
        aliases: of.max_aliases,
        directives: of.max_directives,
        root_fields: of.max_root_fields,
        operations: of.max_operations,
        variables: of.max_variables,
        variables_bytes: of.max_variables_bytes.bytes(),
        variables_depth: of.max_variables_depth,
        cost: of.max_cost,
        page_default: of.page_default as u64,
        page_max: of.page_max as u64,
        list_assumed: Limits::default().list_assumed,
        errors: of.max_errors,
    }
}

pub(super) fn access_settings(config: &Config) -> AccessSettings {
    let of = &config.access;
    let public = config.server.public_url.as_ref();
    AccessSettings {
        issuer: public.map_or_else(|| "portolan".to_owned(), |url| url.as_str().to_owned()),
        base_url: public.map_or_else(|| reachable(config.server.listen), |url| url.as_str().to_owned()),
        access_life: span(of.jwt_expiration),
        refresh_life: span(of.refresh_token_expiration),
        audit_retention: span(of.audit_retention),
        password_memory_kib: narrow(of.password_memory.bytes() / 1024),
        password_passes: of.password_passes,
        password_lanes: of.password_lanes,
    }
}

pub(super) fn health_settings(config: &Config) -> HealthSettings {
    let of = &config.health;
    HealthSettings {
        interval: span(of.interval),
        intervals: of.intervals.iter().map(|of| (of.name.clone(), span(of.value))).collect(),
        timeout: of.timeout,
        at_once: of.at_once,
        down_after: of.down_after,
        healthy_after: of.healthy_after,
        window: span(of.window),
        retention: span(of.retention),
    }
}

pub(super) fn outbound_settings(config: &Config) -> OutboundSettings {
    let of = &config.outbound;
    OutboundSettings {
        schedule: of.schedule.iter().copied().map(span).collect(),
        timeout: of.timeout,
        at_once: of.at_once,
        disable_after: span(of.disable_after),
        retention: span(of.retention),
    }
}

/// The address under which a server that listens there is reached from the same machine.
fn reachable(listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() {
        format!("http://localhost:{}", listen.port())
    } else {
        format!("http://{listen}")
    }
}

pub(super) fn endpoint_settings(config: &Config) -> endpoint::Settings {
    let of = &config.graphql;
    endpoint::Settings {
        limits: limits(config),
        introspection: config.introspection(),
        suggestions: config.suggestions(),
        timeout: of.operation_timeout,
        response_bytes: of.max_response.bytes(),
        cost_per_minute: (of.cost_per_minute > 0).then_some(of.cost_per_minute),
        cached_documents: of.document_cache,
        cached_hashes: of.persisted_cache,
        trust: match of.trusted_documents_mode {
            TrustedDocuments::Off => Trust::Off,
            TrustedDocuments::Allow => Trust::Allow,
            TrustedDocuments::Require => Trust::Require,
        },
    }
}

pub(super) fn door_settings(config: &Config) -> http::Settings {
    let of = &config.http;
    let public = config.server.public_url.as_ref();
    http::Settings {
        max_body: of.max_body.bytes(),
        body_timeout: of.body_timeout,
        request_timeout: of.request_timeout,
        trusted_proxies: of.trusted_proxies.clone(),
        allowed_origins: of.allowed_origins.iter().map(ToString::to_string).collect(),
        profile: match config.graphql.http_status {
            config::HttpStatus::Compat => Profile::Compat,
            config::HttpStatus::Draft2026 => Profile::Draft2026,
        },
        live: LiveLimits {
            init_timeout: config.live.init_timeout,
            ping: config.live.ping_interval,
            patience: config.live.patience,
            max_message: config.live.max_message.bytes(),
            operations_per_socket: config.live.operations_per_socket,
            sockets_per_caller: config.live.sockets_per_caller,
        },
        params: ParamLimits { document: config.graphql.max_text.bytes(), ..ParamLimits::default() },
        tls: public.is_some_and(|url| url.as_str().starts_with("https:")),
        playground: config.playground(),
    }
}

pub(super) fn serve_limits(config: &Config) -> ServeLimits {
    let of = &config.http;
    ServeLimits {
        patience: Patience {
            head: of.header_timeout,
            idle: of.idle_timeout,
            write: STALLED_WRITE.max(config.live.patience),
        },
        headers: of.max_headers,
        header_bytes: narrow(of.max_header_bytes.bytes()),
        streams: of.h2_streams,
        connections: narrow(of.max_connections),
        per_address: of.connections_per_address,
        uncapped: of.trusted_proxies.clone(),
        drain: of.drain_timeout,
        unsent: UnsentLimits {
            write: of.write_timeout,
            stream: of.write_timeout.max(config.live.patience),
            per_connection: of.unsent_per_connection.bytes(),
            per_address: of.unsent_per_address.bytes(),
            total: of.unsent_total.bytes(),
        },
        ..ServeLimits::default()
    }
}

pub(super) fn span(span: Duration) -> TimeDelta {
    TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX)
}

pub(super) fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
