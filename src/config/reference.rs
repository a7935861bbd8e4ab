//! What is written about the settings, made from the registry: `docs/settings.md` and the JSON
//! Schema of the file, with which editors complete and check it.
//!
//! Both depend on the registry alone, so a difference from the committed files is drift.

use serde_json::{Map, Value as Json, json};

use super::{
    CLIENT_ENV, CONFIG_ENV, DEFAULT_FILE,
    settings::{SETTINGS, TOPICS},
    table::{Setting, Spelling, Topic, names},
    value::Kind,
};

/// The reference page, in Markdown.
pub fn reference() -> String {
    let mut page = format!(
        "# Settings\n\n\
        Generated from the program; do not edit.\n\n\
        A setting is taken from the first of these that gives it: its flag, its variable in the\n\
        environment, the settings file, its default. The settings file is the one named by\n\
        `--config` or `{CONFIG_ENV}`, or `{DEFAULT_FILE}` in the working folder if it\n\
        exists. `portolan config show` tells where each value came from.\n\n\
        Durations carry a unit (`250ms`, `30s`, `5m`, `12h`, `7d`); sizes are bytes or carry one\n\
        (`32KiB`, `1MiB`, `2GiB`). Lists are separated by commas. An empty text unsets an\n\
        optional setting. Relative paths start at the working folder. Unknown keys and variables\n\
        are errors. A secret can also be given by a file that holds it; on the command line only\n\
        so. `{}` and `{}` are for commands that call a running hub, and no settings.\n",
        CLIENT_ENV.url, CLIENT_ENV.token,
    );
    for topic in TOPICS {
        page.push_str(&section(topic));
    }
    page
}

/// The part of the page about one topic.
fn section(topic: &Topic) -> String {
    let title = match topic.prefix.trim_end_matches('.') {
        "" => "Top level".to_owned(),
        table => format!("`[{table}]`"),
    };
    let mut section = format!(
        "\n## {title}\n\n{}\n\n\
        | Key | Environment | Flag | Default | Meaning |\n|---|---|---|---|---|\n",
        topic.doc
    );
    for setting in SETTINGS.iter().filter(|setting| setting.prefix == topic.prefix) {
        section.push_str(&row(setting));
    }
    section
}

/// The line of the page about one setting.
fn row(setting: &Setting) -> String {
    let spelt = |spelling, dashes: &str| {
        names(SETTINGS, spelling)
            .filter(|name| name.setting.key == setting.key)
            .map(|name| format!("`{dashes}{}`", name.text))
            .collect::<Vec<_>>()
            .join("<br>")
    };
    let default = match setting.default {
        "" => "unset".to_owned(),
        default => format!("`{default}`"),
    };
    let choices = match setting.kind {
        Kind::Choice(words) => format!(" One of `{}`.", words.join("`, `")),
        _ => String::new(),
    };
    format!(
        "| {} | {} | {} | {default} | {}{choices} |\n",
        spelt(Spelling::Key, ""),
        spelt(Spelling::Env, ""),
        spelt(Spelling::Flag, "--"),
        setting.meaning(),
    )
}

/// The JSON Schema (2020-12) of the settings file.
pub fn json_schema() -> Json {
    let mut root = Map::new();
    for topic in TOPICS {
        let properties: Map<String, Json> = names(SETTINGS, Spelling::Key)
            .filter(|name| name.setting.prefix == topic.prefix)
            .map(|name| {
                let key = name.text.trim_start_matches(topic.prefix).to_owned();
                (key, if name.points { pointer(name.setting) } else { property(name.setting) })
            })
            .collect();
        match topic.prefix.trim_end_matches('.') {
            "" => root.extend(properties),
            table => {
                let object = json!({
                    "type": "object",
                    "description": topic.doc,
                    "additionalProperties": false,
                    "properties": properties,
                });
                root.insert(table.to_owned(), object);
            }
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Portolan settings",
        "type": "object",
        "additionalProperties": false,
        "properties": root,
    })
}

/// The schema of one setting.
fn property(setting: &Setting) -> Json {
    let mut schema = kind(setting.kind, i32::from(setting.zero.is_none()));
    schema["description"] = setting.meaning().into();
    if !setting.default.is_empty() {
        schema["default"] = match (setting.kind, setting.default.parse::<u64>()) {
            (Kind::Number, Ok(number)) => number.into(),
            (Kind::Bool, _) => (setting.default == "true").into(),
            _ => setting.default.into(),
        };
    }
    schema
}

/// The schema of the key that names a file with a secret in it.
fn pointer(setting: &Setting) -> Json {
    let description = format!("File that holds the value of {}.", setting.key);
    json!({ "type": "string", "minLength": 1, "description": description })
}

/// The schema of a kind; numbers begin at `least`.
fn kind(of: Kind, least: i32) -> Json {
    match of {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Number => json!({ "type": "integer", "minimum": least }),
        Kind::Duration => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" }),
        Kind::Size => json!({
            "type": ["integer", "string"],
            "minimum": least,
            "pattern": "^[0-9]+(KiB|MiB|GiB)?$",
        }),
        Kind::Url | Kind::Origin => json!({ "type": "string", "pattern": "^https?://" }),
        Kind::Secret => json!({ "type": "string", "writeOnly": true }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Named(_) => json!({ "type": "string", "pattern": "^[^=]+=" }),
        Kind::List(&item) => json!({ "type": "array", "items": kind(item, least) }),
        Kind::Text | Kind::Socket | Kind::Ip | Kind::Path | Kind::Place => json!({ "type": "string" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_row_for_every_setting() {
        let page = reference();
        for setting in SETTINGS {
            assert!(page.contains(&format!("| `{}`", setting.key)), "{}", setting.key);
        }
        assert!(page.contains("`database.url`<br>`database.url_file`"));
        assert!(page.contains("0 = unlimited."));
        assert_eq!(page, reference());
    }

    #[test]
    fn every_row_has_five_cells() {
        for line in reference().lines().filter(|line| line.starts_with('|')) {
            assert_eq!(line.matches('|').count(), 6, "{line}");
        }
    }

    #[test]
    fn the_schema_knows_types_defaults_and_nothing_else() {
        let schema = json_schema();
        let graphql = &schema["properties"]["graphql"];
        assert_eq!(graphql["additionalProperties"], false);
        assert_eq!(graphql["properties"]["max_depth"]["default"], 10);
        assert_eq!(graphql["properties"]["max_depth"]["minimum"], 1);
        assert_eq!(graphql["properties"]["cost_per_minute"]["minimum"], 0);
        assert_eq!(graphql["properties"]["introspection"]["enum"], json!(["auto", "on", "off"]));
        assert_eq!(schema["properties"]["listen"]["default"], "127.0.0.1:8080");
        assert!(schema["properties"]["database"]["properties"]["url_file"].is_object());
    }
}
