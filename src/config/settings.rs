//! Every setting of the server, in one table.
//!
//! To add one, add a line: the field, the key in the file, the variable, the flag, the help, the
//! reference and the schema follow from it. To add a topic, add a block. A rule between settings
//! goes into `check.rs`. A setting that nothing reads is not declared: it comes with the code that
//! obeys it.
//!
//! Bounds of zero are refused, since a server that takes nothing is a slip; where zero is useful,
//! the line says what it means.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use super::{
    layers::{Layers, Sources},
    measure::Size,
    table::{Setting, Topic, settings},
    url::{Origin, Url},
    value::{Kind, Named, Value, choice},
};
use crate::kernel::{network::Place, secret::Secret};

settings! {
    /// Where and as whom the server runs.
    server: Server, keys "" {
        /// Address and port to listen on.
        listen: SocketAddr = "127.0.0.1:8080",
        /// Folder for the embedded database and generated keys.
        data_dir: PathBuf = "./data",
        /// Master keys that guard every secret: 32 random bytes in base64, or several as
        /// `version:key`, to rotate to the highest. Unset with SQLite: one is made in `data_dir`.
        master_key: Option<Secret> = "",
        /// Address under which clients reach this server, for links and callbacks.
        /// Unset: the address it listens on.
        public_url: Option<Url> = "",
        /// Where this server stands; production shuts what only developers need.
        env: Environment = "development",
        /// Addresses of NATS servers by which several nodes hear of each other's changes at once,
        /// joined by commas. Unset: by notifications of PostgreSQL.
        nats_url: Option<Secret> = "",
        /// Prefix of the NATS subjects of this hub. Hubs that share NATS servers need different ones: messages of
        /// another hub are ignored, with a warning.
        nats_prefix: String = "portolan",
        /// Folder of documents that clients may run by id. How they are used is said by
        /// `graphql.trusted_documents_mode`.
        trusted_documents: Option<PathBuf> = "",
        /// Folder with further files about providers, `*.toml`. A file that is wrong is refused by name and
        /// the rest load; a provider of the folder counts instead of ours of the same key.
        providers_dir: Option<PathBuf> = "",
    }

    /// Where the state is kept, and how long it may take.
    database: Database, keys "database." {
        /// Connection URL of the database, `postgres:` or `sqlite:`. Unset: SQLite
        /// in `data_dir`.
        url: Option<Secret> = "",
        /// Connections in the pool (PostgreSQL).
        max_connections: u32 = "16",
        /// Connections that only read (SQLite); writes have one of their own.
        readers: u32 = "4",
        /// Longest wait for a free connection (SQLite).
        acquire_timeout: Duration = "5s",
        /// Longest wait for a connection from the pool, opening one included (PostgreSQL). While the server is away,
        /// requests are refused after this time.
        connect_timeout: Duration = "1500ms",
        /// Longest wait for another process that writes (SQLite).
        busy_timeout: Duration = "5s",
        /// Longest run of one statement (PostgreSQL).
        statement_timeout: Duration = "15s",
        /// Longest wait for a row or table lock (PostgreSQL).
        lock_timeout: Duration = "3s",
        /// Longest pause inside an open transaction (PostgreSQL).
        idle_transaction_timeout: Duration = "10s",
    }

    /// What a client may send, and how long it may take over it.
    http: Http, keys "http." {
        /// Largest request body, after decompression.
        max_body: Size = "1MiB",
        /// Longest time for the head of a request to arrive.
        header_timeout: Duration = "10s",
        /// Longest time for the body of a request to arrive.
        body_timeout: Duration = "20s",
        /// Longest time from the head of a request to its answer.
        request_timeout: Duration = "30s",
        /// Longest time for a client to take 16 KiB of a response, or the rest of it. After that the response is
        /// dropped: its stream is reset (HTTP/2) or its connection closed (HTTP/1.1).
        write_timeout: Duration = "30s",
        /// Response bytes that may wait for one connection before its new requests are refused with 503. At most twice
        /// as much waits.
        unsent_per_connection: Size = "8MiB",
        /// Response bytes that may wait for all connections of one client address before its new requests are refused
        /// with 503. At most twice as much waits. Addresses of trusted proxies have no such bound.
        unsent_per_address: Size = "16MiB",
        /// Response bytes that may wait in the whole server before new requests are refused with 503. At most twice as
        /// much waits.
        unsent_total: Size = "128MiB",
        /// Longest silence on a kept connection.
        idle_timeout: Duration = "1m",
        /// Most header lines of a request.
        max_headers: usize = "64",
        /// Largest head of a request.
        max_header_bytes: Size = "16KiB",
        /// Most connections from one client address.
        connections_per_address: usize = "200",
        /// Most connections at once.
        max_connections: usize = "20000",
        /// Most requests at once on one HTTP/2 connection.
        h2_streams: u32 = "100",
        /// Longest time to finish requests when the server stops.
        drain_timeout: Duration = "25s",
        /// Addresses of proxies whose X-Forwarded-For is believed.
        trusted_proxies: Vec<IpAddr> = "",
        /// Origins of browser applications that may call this server (CORS).
        allowed_origins: Vec<Origin> = "",
        /// Whether the playground is served at `/playground`. `auto`: in development.
        playground: Switch = "auto",
    }

    /// How much of the event log is kept.
    events: Events, keys "events." {
        /// How long events are kept; a cursor older than that has expired.
        retention: Duration = "7d",
        /// Most events that are kept, of all tenants together.
        most: u64 = "10000000",
    }

    /// What WebSockets and event streams may cost, and how long they may take over what.
    live: Live, keys "live." {
        /// Longest wait for `connection_init` on a new WebSocket.
        init_timeout: Duration = "3s",
        /// Time between pings, and between signs of life on an event stream.
        ping_interval: Duration = "12s",
        /// Longest time in which a client neither says nor takes anything.
        patience: Duration = "90s",
        /// Largest message of a client.
        max_message: Size = "64KiB",
        /// Most operations at once on one WebSocket.
        operations_per_socket: usize = "50",
        /// Most WebSockets and event streams of one caller.
        sockets_per_caller: usize = "1000",
    }

    /// The bounds of the GraphQL endpoint.
    graphql: Graphql, keys "graphql." {
        /// How the HTTP status of a response is chosen. `compat`: as most clients expect it;
        /// `draft-2026`: as the draft of GraphQL over HTTP says.
        http_status: HttpStatus = "compat",
        /// Largest document.
        max_text: Size = "32KiB",
        /// Most tokens in a document.
        max_tokens: usize = "2000",
        /// Deepest nesting of brackets that is parsed.
        max_nesting: usize = "64",
        /// Deepest nesting of fields.
        max_depth: usize = "10",
        /// Deepest nesting of fields in introspection.
        max_introspection_depth: usize = "15",
        /// Most fields once fragments are put in.
        max_selections: usize = "2000",
        /// Most aliases in a document.
        max_aliases: usize = "30",
        /// Most directives in a document.
        max_directives: usize = "20",
        /// Most fields at the root of an operation.
        max_root_fields: usize = "10",
        /// Most operations in a document.
        max_operations: usize = "10",
        /// Most variables of an operation.
        max_variables: usize = "100",
        /// Largest JSON text of the variables.
        max_variables_bytes: Size = "256KiB",
        /// Deepest nesting of the variables.
        max_variables_depth: usize = "32",
        /// Most that one operation may cost; the page size multiplies the cost of a list.
        max_cost: u64 = "1000",
        /// Cost that a tenant may spend in a minute.
        cost_per_minute: u64 = "20000" or 0 = "unlimited",
        /// Most errors in a response.
        max_errors: usize = "10",
        /// Largest response.
        max_response: Size = "1MiB",
        /// Longest run of one operation.
        operation_timeout: Duration = "10s",
        /// Documents kept parsed and checked.
        document_cache: usize = "1000",
        /// Documents kept for clients that send a hash first.
        persisted_cache: usize = "1000",
        /// How the folder of trusted documents is used. `off`: not at all; `allow`: besides other
        /// documents; `require`: nothing else runs.
        trusted_documents_mode: TrustedDocuments = "off",
        /// Whether the schema can be asked for. `auto`: in development.
        introspection: Switch = "auto",
        /// Whether a misspelt field gets a suggestion, which tells names. `auto`: in
        /// development.
        suggestions: Switch = "auto",
        /// Items on a page when the client does not say.
        page_default: usize = "25",
        /// Most items on a page.
        page_max: usize = "100",
    }

    /// Signing in.
    access: Access, keys "access." {
        /// How long an access token of a person is good.
        jwt_expiration: Duration = "1h",
        /// How long a session lasts without signing in again.
        refresh_token_expiration: Duration = "7d",
        /// How long audit entries are kept; five years by default.
        audit_retention: Duration = "1826d",
        /// Memory that hashing a password takes.
        password_memory: Size = "19MiB",
        /// Passes over that memory.
        password_passes: u32 = "2",
        /// Lanes in which it is done.
        password_lanes: u32 = "1",
    }

    /// Keys that guard secrets.
    keys: Keys, keys "keys." {
        /// How long a tenant's data key seals until the next one takes its place.
        data_key_life: Duration = "90d",
    }

    /// Background work.
    jobs: Jobs, keys "jobs." {
        /// How long a job belongs to a node that is not heard of; then another takes it.
        lease: Duration = "1m",
    }

    /// Whether connections to providers work.
    health: Health, keys "health." {
        /// Time between two probes of an integration, a fifth more or less; an integration may have its own.
        interval: Duration = "1m",
        /// The same for single providers, joined by commas: `stripe=5m,pxc=1h`. It counts before what a provider's file
        /// says.
        intervals: Vec<Named<Duration>> = "",
        /// How long a provider may take over a probe.
        timeout: Duration = "10s",
        /// Most probes that are under way at once on a node.
        at_once: usize = "256",
        /// Failures in a row after which an integration is down, or troubles after which it is degraded.
        down_after: u32 = "3",
        /// Successes in a row after which it is healthy again.
        healthy_after: u32 = "2",
        /// Shortest time between two improvements; an integration that comes and goes stays down meanwhile.
        window: Duration = "10m",
        /// How long each check is kept. Changes of the verdict are kept as long as the integration.
        retention: Duration = "2d",
    }
    /// Reading records from providers.
    sync: Sync, keys "sync." {
        /// How long a run may show no progress before it is looked after: put back if nobody does it any more.
        watchdog: Duration = "15m",
        /// How long ended runs, their log lines and what they could not keep stay.
        retention: Duration = "30d",
        /// Largest share of a stream's records, in percent, that one pass marks as deleted without confirmation because
        /// the provider no longer lists them. A pass that would delete more holds its deletions back, raises an alert
        /// and waits for `confirmSyncDeletions`. 100 holds nothing back.
        max_deletion_percent: u32 = "30",
        /// Smallest number of deletions that is held back. A pass that would delete fewer records is never held.
        min_held_deletions: u32 = "50",
    }

    /// Webhooks that providers send.
    inbox: Inbox, keys "inbox." {
        /// The largest body of a webhook.
        max_body: Size = "1MiB",
        /// How long webhooks are kept, and so for how long one that comes again is known to have come.
        retention: Duration = "30d",
        /// Most webhooks that wait to be written; further ones are told to come again.
        queue: usize = "4096",
        /// Most bytes of those that wait.
        queue_bytes: Size = "64MiB",
    }

    /// Webhooks that the hub sends.
    outbound: Outbound, keys "outbound." {
        /// How long to wait after each attempt that failed, joined by commas; a tenth more or less. The first attempt is
        /// at once, and after as many as there are waits and one more it is given up.
        schedule: Vec<Duration> = "5s,5m,30m,2h,5h,10h,14h,20h,1d",
        /// How long a destination may take to answer.
        timeout: Duration = "15s",
        /// Most attempts that are under way at once on a node, those that take longer than a second not counted.
        at_once: usize = "64",
        /// After how long without success a destination is disabled. After half of it there is an alert.
        disable_after: Duration = "5d",
        /// How long webhooks are kept that arrived or were given up.
        retention: Duration = "30d",
    }

    /// Calls to other servers.
    outgoing: Outgoing, keys "outgoing." {
        /// Networks, addresses and hosts that may be called although they are not of the public
        /// internet, and without TLS; for development. A host by name is trusted wherever it leads.
        allow: Vec<Place> = "",
        /// Time for which an unused connection to another server is kept. All are closed within twice of it.
        idle_timeout: Duration = "30s",
        /// Where a simulator plays the providers (`portolan provider simulate`). All of them are then asked
        /// there and none for real; not in production. Its address has to be among those that are allowed.
        simulator: Option<Url> = "",
    }

    /// What is written to standard error.
    log: Log, keys "log." {
        /// Which events are logged: a level, or levels by module such as `info,portolan=debug`.
        level: String = "info",
        /// How they are written. `auto`: pretty on a terminal, JSON elsewhere.
        format: LogFormat = "auto",
    }
}

choice! {
    /// Where a server stands.
    pub enum Environment {
        /// On a developer's machine.
        Development = "development",
        /// Before clients.
        Production = "production",
    }

    /// How the status of a GraphQL response is chosen.
    pub enum HttpStatus {
        /// As most clients expect it.
        Compat = "compat",
        /// As the draft of 2026 says.
        Draft2026 = "draft-2026",
    }

    /// How trusted documents are used.
    pub enum TrustedDocuments {
        /// Not at all.
        Off = "off",
        /// Besides other documents.
        Allow = "allow",
        /// Nothing else runs.
        Require = "require",
    }

    /// Something to have or not to have.
    pub enum Switch {
        /// As the surroundings suggest.
        Auto = "auto",
        /// In any case.
        On = "on",
        /// In no case.
        Off = "off",
    }

    /// How log events are written.
    pub enum LogFormat {
        /// Pretty on a terminal, JSON elsewhere.
        Auto = "auto",
        /// For people.
        Pretty = "pretty",
        /// For machines, one object a line.
        Json = "json",
    }
}

impl Switch {
    /// Whether it is on, given what `auto` stands for here.
    pub const fn is_on(self, auto: bool) -> bool {
        match self {
            Self::Auto => auto,
            Self::On => true,
            Self::Off => false,
        }
    }
}

impl Config {
    /// Whether the schema can be asked for.
    pub fn introspection(&self) -> bool {
        self.graphql.introspection.is_on(self.is_development())
    }

    /// Whether the playground is served.
    pub fn playground(&self) -> bool {
        self.http.playground.is_on(self.is_development())
    }

    /// Whether a misspelt field gets a suggestion.
    pub fn suggestions(&self) -> bool {
        self.graphql.suggestions.is_on(self.is_development())
    }

    /// Whether this is a developer's machine.
    pub fn is_development(&self) -> bool {
        self.server.env == Environment::Development
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::{
        CONFIG_ENV,
        table::{Spelling, names},
    };

    #[test]
    fn the_names_of_the_contract_come_out() {
        let contract = [
            ("listen", "PORTOLAN_LISTEN"),
            ("data_dir", "PORTOLAN_DATA_DIR"),
            ("public_url", "PORTOLAN_PUBLIC_URL"),
            ("master_key", "PORTOLAN_MASTER_KEY"),
            ("env", "PORTOLAN_ENV"),
            ("trusted_documents", "PORTOLAN_TRUSTED_DOCUMENTS"),
            ("database.url", "PORTOLAN_DATABASE_URL"),
        ];
        for (key, env) in contract {
            assert!(SETTINGS.iter().any(|s| s.key == key && s.env() == env), "{key} {env}");
        }
    }

    #[test]
    fn every_name_is_unique_in_its_spelling() {
        let reserved = [(Spelling::Key, ""), (Spelling::Env, CONFIG_ENV), (Spelling::Flag, "config")];
        for (spelling, reserved) in reserved {
            let mut seen = BTreeSet::from([reserved.to_owned()]);
            for name in names(SETTINGS, spelling) {
                assert!(seen.insert(name.text.clone()), "{} is taken", name.text);
            }
        }
    }

    #[test]
    fn a_secret_is_offered_as_a_flag_only_by_file() {
        let flags: Vec<String> = names(SETTINGS, Spelling::Flag).map(|name| name.text).collect();
        assert!(flags.contains(&"database-url-file".to_owned()));
        assert!(!flags.contains(&"database-url".to_owned()));
    }

    #[test]
    fn every_doc_is_made_of_sentences() {
        let docs = TOPICS.iter().map(|topic| topic.doc).chain(SETTINGS.iter().map(|s| s.doc));
        for doc in docs {
            assert!(doc.ends_with('.') && !doc.contains('|'), "{doc}");
        }
    }
}
