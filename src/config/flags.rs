//! The command line: one long flag per setting, made from the registry.
//!
//! Flags are taken as text and judged together with the other sources, so that one run reports
//! every problem. `-h` lists the settings at the top level only, `--help` all of them under their
//! topics. Secrets are given by file: arguments are visible to everybody on the machine.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, ValueHint, error::ErrorKind, value_parser};
use zeroize::Zeroizing;

use super::{
    CONFIG_ENV, DEFAULT_FILE,
    layers::Given,
    problem::Source,
    settings::{SETTINGS, TOPICS},
    table::{Name, Spelling, names},
    value::Kind,
};

/// The identity of `--config` among the arguments of a command.
const CONFIG: &str = "config";

/// What the command line says about settings; flatten it into a command.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The settings file.
    pub(super) config: Option<PathBuf>,
    /// Flag without dashes, and text; secrets are not among them.
    values: Vec<(String, String)>,
}

impl Flags {
    /// What the flags give.
    pub(super) fn given(&self) -> impl Iterator<Item = Given> {
        self.values.iter().filter_map(|(flag, text)| {
            let name = names(SETTINGS, Spelling::Flag).find(|name| name.text == *flag)?;
            let source = Source::Flag(flag.clone());
            Some(Given { name, text: Zeroizing::new(text.clone()), source })
        })
    }
}

/// The argument for one name.
fn argument(name: &Name) -> Arg {
    let setting = name.setting;
    let heading = TOPICS.iter().find(|topic| topic.prefix == setting.prefix);
    let argument = Arg::new(name.text.clone())
        .long(name.text.clone())
        .value_name(setting.kind.placeholder())
        .help(help(name))
        .help_heading(heading.map(|topic| topic.doc.trim_end_matches('.')))
        .hide_short_help(!setting.prefix.is_empty());
    match setting.kind {
        Kind::Bool => argument.num_args(0..=1).require_equals(true).default_missing_value("true"),
        Kind::Path | Kind::Secret => argument.value_hint(ValueHint::AnyPath),
        _ => argument,
    }
}

/// What a flag does, what happens without it, and how else to say it.
fn help(name: &Name) -> String {
    let setting = name.setting;
    // Backticks are for pages; a terminal shows them as dirt.
    let summary = setting.summary().replace('`', "");
    let by_file = if name.points { "; the flag names a file that holds it" } else { "" };
    let suffix = if name.points { "_FILE" } else { "" };
    let choices = match setting.kind {
        Kind::Choice(words) => format!(" [{}]", words.join("|")),
        _ => String::new(),
    };
    let default = match setting.default {
        "" => String::new(),
        default => format!(" [default: {default}]"),
    };
    format!("{summary}{by_file}{choices}{default} [env: {}{suffix}]", setting.env())
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .help(format!("Settings file in TOML [default: {DEFAULT_FILE} if it exists] [env: {CONFIG_ENV}]"))
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath);
        names(SETTINGS, Spelling::Flag).fold(command.arg(config), |command, name| command.arg(argument(&name)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        // An identity that the command does not know is a fault of ours, not of the caller.
        let fault = |error| clap::Error::raw(ErrorKind::InvalidValue, error);
        let config = matches.try_get_one::<PathBuf>(CONFIG).map_err(fault)?.cloned();
        let mut values = Vec::new();
        for Name { text: flag, .. } in names(SETTINGS, Spelling::Flag) {
            if let Some(text) = matches.try_get_one::<String>(&flag).map_err(fault)? {
                values.push((flag, text.clone()));
            }
        }
        Ok(Self { config, values })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let later = Self::from_arg_matches(matches)?;
        self.values.retain(|(flag, _)| later.values.iter().all(|(other, _)| other != flag));
        self.values.extend(later.values);
        self.config = later.config.or(self.config.take());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Flags::augment_args(Command::new("portolan"))
    }

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn help_names_the_default_and_the_variable() {
        let help = command().render_long_help().to_string();
        let one_line = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(one_line.contains(
            "--graphql-max-depth <N> Deepest nesting of fields [default: 10] [env: PORTOLAN_GRAPHQL_MAX_DEPTH]"
        ));
        assert!(one_line.contains("[env: PORTOLAN_DATABASE_URL_FILE]"));
        assert!(one_line.contains("The bounds of the GraphQL endpoint:"));
    }

    #[test]
    fn the_short_help_is_short() {
        let help = command().render_help().to_string();
        assert!(help.contains("--listen") && !help.contains("--graphql-max-depth"), "{help}");
    }

    #[test]
    fn a_later_command_line_updates_the_flags_it_names() {
        let matches = |args: &[&str]| command().get_matches_from([&["portolan"], args].concat());
        let first = matches(&["--listen", "127.0.0.1:1", "--env", "production"]);
        let mut flags = Flags::from_arg_matches(&first).unwrap();
        flags.update_from_arg_matches(&matches(&["--listen", "127.0.0.1:2"])).unwrap();
        let texts: Vec<String> = flags.given().map(|given| given.text.to_string()).collect();
        assert_eq!(texts, ["production", "127.0.0.1:2"]);
    }
}
