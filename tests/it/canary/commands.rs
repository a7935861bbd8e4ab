//! Secrets that operators give: by variables, files and arguments, rightly and wrongly. What the commands say about
//! them holds none.

use std::{fs, path::Path};

use super::{canaries::Canaries, doors::Taken};
use crate::support::{
    database::{MASTER_KEY, TestDatabase},
    process::run,
};

/// Commands that look at their settings and fail, or do not get to a database.
const APART: &[&[&str]] = &[
    &["doctor"],
    &["doctor", "--json"],
    &["config", "show"],
    &["config", "show", "--json"],
    &["migrate"],
    &["serve"],
    &["token", "list", "--tenant", "default"],
    &["keys", "status"],
    &["keys", "verify"],
    &["audit", "verify"],
];

/// How a URL with a password can be wrong, or merely lead nowhere.
const URLS: &[(&str, &str)] = &[
    ("the password of a database that does not answer", "postgres://hub:§@127.0.0.1:1/hub"),
    ("the password of a database without a name", "postgres://hub:§@nowhere.invalid/hub"),
    ("a password with a sign that ends it", "postgres://hub:§/more@127.0.0.1:1/hub"),
    ("a password with a hash", "postgres://hub:§#more@127.0.0.1:1/hub"),
    ("a password before a port that is none", "postgres://hub:§@127.0.0.1:port/hub"),
    ("a password as a parameter", "postgres://hub@127.0.0.1:1/hub?password=§"),
    ("a password as another parameter", "postgres://hub@127.0.0.1:1/hub?sslmode=§"),
    ("a password in a URL of another kind", "mysql://hub:§@127.0.0.1:1/hub"),
    ("a password alone in place of the URL", "§"),
    ("a password in a URL cut short", "postgres://hub:§"),
    ("a password beside spaces", "postgres://hub:§ @127.0.0.1:1/hub"),
];

/// Master keys that are none; the secret stands where a key would.
const KEYS: &[(&str, &str)] = &[
    ("a master key that is too short", "1:§"),
    ("a master key without a version", "§ §"),
    ("a master key with a version that is none", "one:§"),
    ("a master key with a stray sign", "1:§%"),
    ("a master key that is given twice", "1:Zm9yIHRlc3RzIG9ubHksIDMyIGJ5dGVzIG9mIHRoZW0=,1:§"),
];

/// Arguments with a secret in them.
const ARGUMENTS: &[(&str, &[&str])] = &[
    ("a master key as an argument", &["serve", "--master-key", "§"]),
    ("a master key as an argument's value", &["serve", "--master-key=§"]),
    ("a database URL as an argument", &["serve", "--database-url", "postgres://hub:§@db/hub"]),
    ("a database URL as an argument's value", &["doctor", "--database-url=postgres://hub:§@db/hub"]),
    ("a database URL in place of its file", &["doctor", "--database-url-file", "postgres://hub:§@db/hub"]),
    ("a master key in place of its file", &["doctor", "--master-key-file", "§"]),
    ("a token in place of its id", &["token", "revoke", "--tenant", "default", "ptl_§"]),
    ("a token in place of a command", &["ptl_§"]),
    ("a token in place of a tenant", &["audit", "verify", "--tenant", "ptl_§"]),
    ("a token in place of a role", &["token", "create", "--tenant", "default", "--role", "ptl_§"]),
    ("a token beside a command", &["serve", "ptl_§"]),
];

/// Settings files with a secret in them.
const FILES: &[(&str, &str)] = &[
    ("a password in a file that is not closed", "[database]\nurl = \"postgres://hub:§@db/hub\nreaders = 4\n"),
    ("a password in a file, of a wrong type", "[database]\nurl = [[\"postgres://hub:§@db/hub\"]]\n"),
    ("a password in a file, given twice", "[database]\nurl = \"postgres://hub:§@db/hub\"\nurl = \"§\"\n"),
    ("a password in a file, beside a fault", "database.url = \"postgres://hub:§@db/hub\"\nlisten = \"nowhere\"\n"),
    ("a password in a file, as a table", "[database.url]\npassword = \"§\"\n"),
    ("a password in a file, under a key nobody knows", "[database]\npassword = \"§\"\n"),
    ("a password in a public address", "public_url = \"https://hub:§@hub.example.com\"\n"),
    ("a password in an origin", "http.allowed_origins = [\"https://hub:§@hub.example.com\"]\n"),
    ("a key in place of a number", "[graphql]\nmax_depth = \"§§\"\n"),
    ("a key in place of a duration", "[http]\nbody_timeout = \"5§§\"\n"),
    ("a key in place of a choice", "env = \"§§\"\n"),
];

/// Runs a command and takes what it says.
fn take(taken: &mut Vec<Taken>, what: &str, folder: &Path, settings: &[(String, String)], arguments: &[&str]) {
    let outcome = run(folder, settings, arguments);
    let what = format!("{what}: portolan {}", arguments.first().unwrap());
    taken.push(Taken { what, bytes: [outcome.stdout, outcome.stderr].concat().into_bytes(), handed: Vec::new() });
}

/// Gives secrets to commands in every wrong way.
pub fn wrongly(canaries: &mut Canaries, taken: &mut Vec<Taken>) {
    let own = |name: &str, text: &str| vec![(name.to_owned(), text.to_owned())];
    for (kind, url) in URLS {
        let url = url.replace('§', &canaries.make(kind));
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("url"), &url).unwrap();
        let mut settings = own("PORTOLAN_DATABASE_URL", &url);
        settings.push(("PORTOLAN_MASTER_KEY".to_owned(), MASTER_KEY.to_owned()));
        settings.push(("PORTOLAN_DATABASE_CONNECT_TIMEOUT".to_owned(), "300ms".to_owned()));
        for arguments in APART {
            take(taken, kind, folder.path(), &settings, arguments);
        }
        settings[0] = ("PORTOLAN_DATABASE_URL_FILE".to_owned(), "url".to_owned());
        take(taken, kind, folder.path(), &settings, &["doctor"]);
        // And in place of the file, by mistake.
        settings[0] = ("PORTOLAN_DATABASE_URL_FILE".to_owned(), url);
        take(taken, kind, folder.path(), &settings, &["doctor"]);
    }
    for (kind, keys) in KEYS {
        let keys = keys.replace('§', &canaries.make(kind));
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("keys"), &keys).unwrap();
        for arguments in APART {
            take(taken, kind, folder.path(), &own("PORTOLAN_MASTER_KEY", &keys), arguments);
        }
        for file in ["keys", &keys] {
            take(taken, kind, folder.path(), &own("PORTOLAN_MASTER_KEY_FILE", file), &["serve"]);
        }
        take(taken, kind, folder.path(), &own("PORTOLAN_MASTER_KEYS", &keys), &["serve"]);
    }
    for (kind, arguments) in ARGUMENTS {
        let secret = canaries.make(kind);
        let arguments: Vec<_> = arguments.iter().map(|argument| argument.replace('§', &secret)).collect();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        take(taken, kind, tempfile::tempdir().unwrap().path(), &own("PORTOLAN_LISTEN", "127.0.0.1:0"), &arguments);
    }
    for (kind, text) in FILES {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("portolan.toml"), text.replace('§', &canaries.make(kind))).unwrap();
        for arguments in [&["doctor"][..], &["config", "show"], &["serve"]] {
            take(taken, kind, folder.path(), &own("PORTOLAN_DATABASE_CONNECT_TIMEOUT", "300ms"), arguments);
        }
    }
}

/// A database that refuses the password.
pub fn refused(canaries: &mut Canaries, taken: &mut Vec<Taken>, database: &TestDatabase) {
    let Some(url) = database.url() else { return };
    let kind = "a password that the database refuses";
    let (scheme, rest) = url.split_once("://").unwrap();
    let (user, host) = rest.split_once('@').unwrap();
    let user = user.split(':').next().unwrap();
    let settings = [
        ("PORTOLAN_DATABASE_URL".to_owned(), format!("{scheme}://{user}:{}@{host}", canaries.make(kind))),
        ("PORTOLAN_MASTER_KEY".to_owned(), MASTER_KEY.to_owned()),
    ];
    for arguments in APART {
        take(taken, kind, database.folder(), &settings, arguments);
    }
}

/// What the commands say about a database that is full of secrets.
pub fn rightly(taken: &mut Vec<Taken>, database: &TestDatabase, settings: &[(String, String)]) {
    for arguments in [
        &["doctor"][..],
        &["doctor", "--json"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["keys", "status"],
        &["keys", "status", "--json"],
        &["keys", "verify"],
        &["keys", "rotate-master"],
        &["audit", "verify"],
        &["audit", "export", "--tenant", "default"],
        &["token", "list", "--tenant", "default"],
        &["token", "list", "--tenant", "default", "--json"],
    ] {
        let outcome = run(database.folder(), settings, arguments);
        // The doctor may find that the server has its port.
        assert!(outcome.code == Some(0) || arguments[0] == "doctor", "{arguments:?}: {outcome:?}");
        let what = format!("portolan {}", arguments.join(" "));
        taken.push(Taken { what, bytes: [outcome.stdout, outcome.stderr].concat().into_bytes(), handed: Vec::new() });
    }
}
