//! Rules between settings.
//!
//! Each value is sound by itself when this runs; here they are held against each other. A rule belongs
//! here if breaking it makes a setting meaningless (a bound that another one hides) or stops the server
//! later with a worse message. Matters of taste do not.

use super::{
    problem::Problem,
    settings::{Config, TrustedDocuments},
    value::Value,
};

/// The least buffer the HTTP server can read a head into.
const LEAST_HEAD: usize = 8 * 1024;

/// What is wrong between the settings.
pub(super) fn check(config: &Config) -> Vec<Problem> {
    let Config {
        server,
        database,
        http,
        graphql,
        ..
    } = config;
    let mut rules = Rules {
        config,
        problems: Vec::new(),
    };

    rules.order(
        ("graphql.page_default", &graphql.page_default),
        ("graphql.page_max", &graphql.page_max),
    );
    rules.order(
        ("graphql.max_depth", &graphql.max_depth),
        ("graphql.max_nesting", &graphql.max_nesting),
    );
    rules.order(
        (
            "graphql.max_introspection_depth",
            &graphql.max_introspection_depth,
        ),
        ("graphql.max_nesting", &graphql.max_nesting),
    );
    rules.order(
        ("graphql.max_text", &graphql.max_text),
        ("http.max_body", &http.max_body),
    );
    rules.order(
        ("graphql.max_variables_bytes", &graphql.max_variables_bytes),
        ("http.max_body", &http.max_body),
    );
    rules.order(
        ("graphql.operation_timeout", &graphql.operation_timeout),
        ("http.request_timeout", &http.request_timeout),
    );
    rules.order(
        ("http.body_timeout", &http.body_timeout),
        ("http.request_timeout", &http.request_timeout),
    );
    rules.order(
        (
            "http.connections_per_address",
            &http.connections_per_address,
        ),
        ("http.max_connections", &http.max_connections),
    );
    rules.order(
        ("database.lock_timeout", &database.lock_timeout),
        ("database.statement_timeout", &database.statement_timeout),
    );

    if http.max_header_bytes.bytes() < LEAST_HEAD {
        rules.refuse("http.max_header_bytes", "must be at least 8KiB");
    }
    if graphql.trusted_documents_mode != TrustedDocuments::Off && server.trusted_documents.is_none()
    {
        rules.refuse(
            "graphql.trusted_documents_mode",
            "needs a folder in trusted_documents",
        );
    }
    let scheme = database
        .url
        .as_ref()
        .and_then(|url| url.expose().split(':').next());
    if scheme.is_some_and(|scheme| !["postgres", "postgresql", "sqlite"].contains(&scheme)) {
        rules.refuse("database.url", "must begin with postgres: or sqlite:");
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
        self.problems
            .push(Problem::at(&source, format!("{key} {message}")));
    }

    /// Refuses a setting that is greater than the one which bounds it.
    fn order<T: Value + PartialOrd>(&mut self, (small, a): (&str, &T), (great, b): (&str, &T)) {
        if a > b {
            let place = |key| self.config.source(key);
            self.problems.push(Problem::between(format!(
                "{small} = {} ({}) is more than {great} = {} ({})",
                a.show(),
                place(small),
                b.show(),
                place(great),
            )));
        }
    }
}
