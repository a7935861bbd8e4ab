//! The rules that hold across sources.

use std::{fs, path::Path, time::Duration};

use clap::{Args as _, Command, FromArgMatches as _};
use tempfile::TempDir;

use super::*;

/// A working folder, an environment and a command line.
struct Case {
    folder: TempDir,
    env: Vec<(String, String)>,
    args: Vec<String>,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, env: Vec::new(), args: vec!["portolan".to_owned()] }
    }

    fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    fn toml(self, text: &str) -> Self {
        self.file(DEFAULT_FILE, text)
    }

    fn env(mut self, name: &str, text: &str) -> Self {
        self.env.push((name.to_owned(), text.to_owned()));
        self
    }

    fn flag(mut self, name: &str, text: &str) -> Self {
        self.args.extend([name.to_owned(), text.to_owned()]);
        self
    }

    fn load(self) -> Result<Config, Problems> {
        let matches = Flags::augment_args(Command::new("portolan")).get_matches_from(self.args);
        Config::load(&Flags::from_arg_matches(&matches).unwrap(), self.env, self.folder.path())
    }

    fn problems(self) -> Vec<String> {
        self.load().unwrap_err().0.iter().map(ToString::to_string).collect()
    }
}

fn row(config: &Config, key: &str) -> (String, String) {
    let row = config.shown().into_iter().find(|row| row.key == key).unwrap();
    (row.value, row.source.to_string())
}

#[test]
fn without_any_source_every_value_is_its_default() {
    let config = Case::new().load().unwrap();
    for row in config.shown() {
        assert_eq!(row.value, row.default, "{}", row.key);
        assert_eq!(row.source, Source::Default, "{}", row.key);
    }
    assert_eq!(config.http.idle_timeout, Duration::from_mins(1));
    assert_eq!(config.graphql.max_text.bytes(), 32 * 1024);
    assert!(config.introspection() && config.database.url.is_none());
}

#[test]
fn the_file_wins_over_the_default() {
    let config = Case::new().toml("\n[graphql]\nmax_depth = 7\n").load().unwrap();
    assert_eq!(row(&config, "graphql.max_depth"), ("7".to_owned(), "portolan.toml:3".to_owned()));
}

#[test]
fn the_environment_wins_over_the_file() {
    let case = Case::new().toml("graphql.max_depth = 7").env("PORTOLAN_GRAPHQL_MAX_DEPTH", "8");
    let shown = row(&case.load().unwrap(), "graphql.max_depth");
    assert_eq!(shown, ("8".to_owned(), "PORTOLAN_GRAPHQL_MAX_DEPTH".to_owned()));
}

#[test]
fn a_flag_wins_over_the_environment() {
    let case = Case::new().env("PORTOLAN_GRAPHQL_MAX_DEPTH", "8").flag("--graphql-max-depth", "9");
    let shown = row(&case.load().unwrap(), "graphql.max_depth");
    assert_eq!(shown, ("9".to_owned(), "--graphql-max-depth".to_owned()));
}

#[test]
fn an_overridden_value_cannot_fail() {
    let case = Case::new()
        .env("PORTOLAN_LISTEN", "nowhere")
        .env("PORTOLAN_DATABASE_URL_FILE", "missing")
        .file("url", "sqlite:hub.db")
        .flag("--listen", "[::1]:0")
        .flag("--database-url-file", "url");
    assert_eq!(row(&case.load().unwrap(), "listen").0, "[::1]:0");
}

#[test]
fn an_empty_variable_unsets_what_the_file_gave() {
    let case = Case::new().toml("public_url = \"https://a\"").env("PORTOLAN_PUBLIC_URL", "");
    assert!(case.load().unwrap().server.public_url.is_none());
    let lines = Case::new().env("PORTOLAN_LISTEN", "").problems();
    assert!(lines[0].starts_with("PORTOLAN_LISTEN: listen cannot be \"\": "), "{lines:?}");
}

#[test]
fn the_file_named_by_a_flag_wins_over_the_one_named_by_a_variable() {
    let case =
        Case::new().file("a.toml", "env = \"production\"").env(CONFIG_ENV, "missing.toml").flag("--config", "a.toml");
    let config = case.load().unwrap();
    assert_eq!(row(&config, "env"), ("production".to_owned(), "a.toml:1".to_owned()));
    assert!(!config.introspection() && !config.suggestions());
}

#[test]
fn a_named_file_must_exist() {
    let lines = Case::new().env(CONFIG_ENV, "missing.toml").problems();
    assert_eq!(lines.len(), 1);
    let start = "PORTOLAN_CONFIG: cannot read the settings file missing.toml: ";
    assert!(lines[0].starts_with(start), "{lines:?}");
}

#[test]
fn all_problems_are_reported_at_once() {
    let lines = Case::new()
        .toml("colour = \"blue\"\n[http]\nmax_body = \"1MB\"\n")
        .env("PORTOLAN_HTTP_IDLE_TIMEOUT", "60")
        .env("PORTOLAN_NOTHING_AT_ALL", "1")
        .flag("--graphql-max-depth", "0")
        .flag("--env", "staging")
        .problems();
    assert_eq!(
        lines,
        [
            "portolan.toml:1: unknown key \"colour\"",
            "PORTOLAN_NOTHING_AT_ALL: unknown variable",
            "--env: env cannot be \"staging\": there is no such choice; expected one of development, production",
            "portolan.toml:3: http.max_body cannot be \"1MB\": there is no unit \"MB\" here; expected a size such as 32KiB, 1MiB or a number of bytes",
            "PORTOLAN_HTTP_IDLE_TIMEOUT: http.idle_timeout cannot be \"60\": the unit is missing; expected a duration such as 250ms, 30s, 5m, 12h or 7d",
            "--graphql-max-depth: graphql.max_depth cannot be \"0\": it must be more; expected a whole number",
        ]
    );
}

#[test]
fn zero_is_taken_where_it_has_a_meaning() {
    let config = Case::new().flag("--graphql-cost-per-minute", "0").load().unwrap();
    assert_eq!(config.graphql.cost_per_minute, 0);
}

#[test]
fn a_secret_is_read_from_its_file_without_the_newline_at_the_end() {
    let case = Case::new().file("url", "postgres://u:hunter2@db/hub\r\n");
    let config = case.env("PORTOLAN_DATABASE_URL_FILE", "url").load().unwrap();
    let url = config.database.url.as_ref().unwrap();
    assert_eq!(url.expose(), "postgres://u:hunter2@db/hub");
    let source = "PORTOLAN_DATABASE_URL_FILE".to_owned();
    assert_eq!(row(&config, "database.url"), (REDACTED.to_owned(), source));
}

#[test]
fn a_secret_given_twice_in_one_source_is_refused() {
    let case = Case::new().env("PORTOLAN_DATABASE_URL", "sqlite:a");
    assert_eq!(
        case.env("PORTOLAN_DATABASE_URL_FILE", "url").problems(),
        [
            "PORTOLAN_DATABASE_URL_FILE: \"PORTOLAN_DATABASE_URL\" and \"PORTOLAN_DATABASE_URL_FILE\" are both given; keep one of them"
        ]
    );
}

#[test]
fn an_empty_file_is_not_a_secret() {
    let case = Case::new().file("url", "\n").env("PORTOLAN_DATABASE_URL_FILE", "url");
    assert_eq!(case.problems(), ["PORTOLAN_DATABASE_URL_FILE: the file that is named here is empty"]);
}

#[test]
fn a_secret_appears_in_no_output() {
    let url = "mysql://u:hunter2@db/hub";
    let refused = Case::new().env("PORTOLAN_DATABASE_URL", url).load().unwrap_err();
    assert_eq!(refused.to_string(), "PORTOLAN_DATABASE_URL: database.url must begin with postgres: or sqlite:");
    let toml = "database.url = \"sqlite:hunter2.db\"";
    let config = Case::new().toml(toml).load().unwrap();
    let shown = config.shown();
    let outputs = [format!("{config:?}"), table(&shown), json(&shown).to_string()];
    assert!(!outputs.concat().contains("hunter2"), "{outputs:?}");
}

#[test]
fn settings_that_do_not_go_together_name_each_other() {
    let case = Case::new().toml("[graphql]\npage_max = 10\ntrusted_documents_mode = \"allow\"\n");
    assert_eq!(
        case.flag("--http-max-header-bytes", "4KiB").problems(),
        [
            "graphql.page_default = 25 (default) is more than graphql.page_max = 10 (portolan.toml:2)",
            "--http-max-header-bytes: http.max_header_bytes must be at least 8KiB",
            "portolan.toml:3: graphql.trusted_documents_mode needs a folder in trusted_documents",
        ]
    );
}

#[test]
fn a_tighter_bound_may_hide_a_default_but_not_a_choice() {
    let tight = || Case::new().flag("--http-max-body", "16KiB");
    assert!(tight().load().is_ok());
    assert_eq!(
        tight().env("PORTOLAN_GRAPHQL_MAX_TEXT", "20KiB").problems(),
        ["graphql.max_text = 20KiB (PORTOLAN_GRAPHQL_MAX_TEXT) is more than http.max_body = 16KiB (--http-max-body)"]
    );
}

#[test]
fn what_is_shown_is_aligned_and_machine_readable() {
    let config = Case::new().flag("--http-trusted-proxies", "10.0.0.1, ::1").load().unwrap();
    let shown = config.shown();
    let text = table(&shown);
    let columns: Vec<_> = text.lines().take(2).map(|line| line.find("127").or(line.find("VALUE"))).collect();
    assert_eq!(columns[0], columns[1]);
    let list = json(&shown);
    let proxies = list.as_array().unwrap().iter().find(|row| row["key"] == "http.trusted_proxies");
    assert_eq!(proxies.unwrap()["value"], "10.0.0.1,::1");
    assert_eq!(proxies.unwrap()["default"], serde_json::Value::Null);
}

#[test]
fn variables_of_others_are_not_looked_at() {
    let case = Case::new().env("PATH", "/bin").env("PORTO_LISTEN", "x");
    assert!(case.load().is_ok());
    assert!(Config::load(&Flags::default(), [], Path::new("/nonexistent")).is_ok());
}
