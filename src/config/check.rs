//! Rules between settings.
//!
//! Each value is sound by itself when this runs; here they are held against each other. A rule
//! belongs here if breaking it makes a setting meaningless (a bound that another one hides) or
//! stops the server later with a worse message. Matters of taste do not.

use super::{
    problem::{Problem, Source},
    settings::{Config, Environment, TrustedDocuments},
    value::Value,
};

/// The least buffer the HTTP server can read a head into.
const LEAST_HEAD: usize = 8 * 1024;

/// Holds settings against those that bound them; a key is the path of its field.
macro_rules! in_order {
    ($rules:ident.$rule:ident: $($topic:ident.$small:ident <= $other:ident.$great:ident;)+) => { $(
        $rules.$rule(
            (concat!(stringify!($topic), ".", stringify!($small)), &$topic.$small),
            (concat!(stringify!($other), ".", stringify!($great)), &$other.$great),
        );
    )+ };
}

/// What is wrong between the settings.
pub(super) fn check(config: &Config) -> Vec<Problem> {
    let Config { server, database, http, graphql, live, .. } = config;
    let mut rules = Rules { config, problems: Vec::new() };

    in_order!(rules.must: graphql.page_default <= graphql.page_max;);
    in_order!(rules.should:
        graphql.max_depth <= graphql.max_nesting;
        graphql.max_introspection_depth <= graphql.max_nesting;
        graphql.max_text <= http.max_body;
        graphql.max_variables_bytes <= http.max_body;
        graphql.operation_timeout <= http.request_timeout;
        http.body_timeout <= http.request_timeout;
        http.connections_per_address <= http.max_connections;
        http.unsent_per_connection <= http.unsent_per_address;
        http.unsent_per_address <= http.unsent_total;
        database.lock_timeout <= database.statement_timeout;
        live.ping_interval <= live.patience;
    );

    if http.max_header_bytes.bytes() < LEAST_HEAD {
        rules.refuse("http.max_header_bytes", "must be at least 8KiB");
    }
    if graphql.trusted_documents_mode != TrustedDocuments::Off && server.trusted_documents.is_none() {
        rules.refuse("graphql.trusted_documents_mode", "needs a folder in trusted_documents");
    }
    let scheme = database.url.as_ref().and_then(|url| url.expose().split(':').next());
    if scheme.is_some_and(|scheme| !["postgres", "postgresql", "sqlite"].contains(&scheme)) {
        rules.refuse("database.url", "must begin with postgres: or sqlite:");
    }
    if server.nats_url.is_some() && scheme.is_none_or(|scheme| scheme == "sqlite") {
        rules.refuse("nats_url", "needs PostgreSQL in database.url: an SQLite file has one node");
    }
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    if server.nats_prefix.is_empty() || !server.nats_prefix.chars().all(plain) {
        rules.refuse("nats_prefix", "takes letters, digits, '_', '-' and '.'");
    }
    if config.sync.max_deletion_percent > 100 {
        rules.refuse("sync.max_deletion_percent", "must be between 1 and 100");
    }
    if config.outgoing.simulator.is_some() && server.env == Environment::Production {
        rules.refuse("outgoing.simulator", "is for development: in production providers are asked for real");
    }
    rules.problems
}

/// What was found so far.
struct Rules<'a> {
    config: &'a Config,
    problems: Vec<Problem>,
}

impl Rules<'_> {
    /// Refuses one setting.
    fn refuse(&mut self, key: &str, message: &str) {
        let source = self.config.source(key);
        self.problems.push(Problem::at(&source, format!("{key} {message}")));
    }

    /// Refuses a setting that is greater than the one which bounds it.
    fn must<T: Value + PartialOrd>(&mut self, (small, a): (&str, &T), (great, b): (&str, &T)) {
        if a > b {
            self.problems.push(Problem::between(format!(
                "{small} = {} ({}) is more than {great} = {} ({})",
                a.show(),
                self.config.source(small),
                b.show(),
                self.config.source(great),
            )));
        }
    }

    /// The same, if somebody chose the setting: a default may be hidden by a tighter bound, so that
    /// tightening one takes one setting and not three.
    fn should<T: Value + PartialOrd>(&mut self, small: (&str, &T), great: (&str, &T)) {
        if self.config.source(small.0) != Source::Default {
            self.must(small, great);
        }
    }
}
