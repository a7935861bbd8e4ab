//! The environment: every variable that begins with `PORTOLAN_` is ours, and must mean something.
//!
//! One exception: an orchestrator that knows this server as the service `portolan` announces it to
//! its neighbours in variables such as `PORTOLAN_SERVICE_HOST` and `PORTOLAN_PORT_8080_TCP`. Nobody
//! wrote those, so nobody could mend them; they are passed over. So are the one that is meant for the build and those
//! that are meant for clients of a hub.

use std::{collections::BTreeMap, env};

use zeroize::Zeroizing;

use super::{
    BUILD_ENV, CLIENT_ENV, CONFIG_ENV,
    layers::Given,
    problem::{Problem, Source},
    settings::SETTINGS,
    table::{Name, PREFIX, Spelling, names},
};
use crate::kernel::suggest::did_you_mean;

/// The variables of this process that are ours.
///
/// `std::env::vars` panics over any variable that is not Unicode, even a foreign one; here such a
/// value arrives with marks in it, and is refused by its parser.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        name.starts_with(PREFIX).then(|| (name, value.to_string_lossy().into_owned()))
    })
}

/// What the variables give, and what is wrong with them.
pub(super) fn read(variables: BTreeMap<String, Zeroizing<String>>) -> (Vec<Given>, Vec<Problem>) {
    let known: Vec<Name> = names(SETTINGS, Spelling::Env).collect();
    let mut given = Vec::new();
    let mut problems = Vec::new();
    let elsewhere = [BUILD_ENV, CONFIG_ENV, CLIENT_ENV.url, CLIENT_ENV.token];
    for (variable, text) in variables {
        let source = Source::Env(variable.clone());
        if let Some(name) = known.iter().find(|name| name.text == variable) {
            given.push(Given { name: name.clone(), text, source });
        } else if !elsewhere.contains(&variable.as_str()) && !is_announcement(&variable, &text) {
            let names = known.iter().map(|name| name.text.as_str()).chain([CONFIG_ENV]);
            let hint = did_you_mean(&variable, names);
            problems.push(Problem::at(&source, format!("unknown variable{hint}")));
        }
    }
    (given, problems)
}

/// Whether an orchestrator made this variable to announce a service.
fn is_announcement(variable: &str, text: &str) -> bool {
    let is_address = text.split_once("://").is_some_and(|(scheme, _)| ["tcp", "udp", "sctp"].contains(&scheme));
    let of_a_port = ["_TCP_", "_UDP_", "_SCTP_"].iter().any(|protocol| {
        variable.split_once(protocol).is_some_and(|(port, part)| {
            let (_, number) = port.rsplit_once("_PORT_").unwrap_or_default();
            number.parse::<u16>().is_ok() && ["PROTO", "PORT", "ADDR"].contains(&part)
        })
    });
    variable.ends_with("_SERVICE_HOST")
        || variable.contains("_SERVICE_PORT")
        || (variable.contains("_PORT") && is_address)
        || of_a_port
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(variables: &[(&str, &str)]) -> Vec<String> {
        let variables = variables.iter();
        let variables = variables.map(|(k, v)| ((*k).to_owned(), Zeroizing::new((*v).to_owned())));
        read(variables.collect()).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_misspelt_variable_is_named_with_a_suggestion() {
        assert_eq!(
            problems(&[("PORTOLAN_LISTNE", "x")]),
            ["PORTOLAN_LISTNE: unknown variable (did you mean \"PORTOLAN_LISTEN\"?)"]
        );
    }

    #[test]
    fn announcements_of_a_service_are_passed_over() {
        let announced = [
            ("PORTOLAN_SERVICE_HOST", "10.0.0.1"),
            ("PORTOLAN_SERVICE_PORT", "8080"),
            ("PORTOLAN_SERVICE_PORT_HTTP", "8080"),
            ("PORTOLAN_PORT", "tcp://10.0.0.1:8080"),
            ("PORTOLAN_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("PORTOLAN_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("PORTOLAN_API_PORT_8080_TCP_PROTO", "tcp"),
        ];
        assert_eq!(problems(&announced), [""; 0]);
        assert_eq!(problems(&[("PORTOLAN_PORT", "8080")]).len(), 1);
    }

    #[test]
    fn what_was_said_to_the_build_or_to_clients_is_passed_over() {
        assert_eq!(problems(&[(BUILD_ENV, "none"), (CLIENT_ENV.url, "x"), (CLIENT_ENV.token, "x")]), [""; 0]);
    }
}
