//! What tells one's rows from another's: the ids of everything that the database holds, and words that nobody else has.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use portolan::kernel::id::TenantId;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use uuid::Uuid;

use crate::support::TestHub;

/// What every word of somebody else begins with.
pub const WORD: &str = "zq-";

async fn texts(hub: &TestHub, sql: String) -> Vec<String> {
    let db = hub.app.hub().database.reader();
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

/// Every table.
pub async fn tables(hub: &TestHub) -> Vec<String> {
    let sql = match hub.app.hub().database.backend() {
        DbBackend::Postgres => "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
        _ => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    };
    texts(hub, sql.to_owned()).await
}

/// The columns of a table.
pub async fn columns(hub: &TestHub, table: &str) -> Vec<String> {
    let sql = match hub.app.hub().database.backend() {
        DbBackend::Postgres => format!(
            "SELECT column_name::text FROM information_schema.columns \
             WHERE table_schema = 'public' AND table_name = '{table}'"
        ),
        _ => format!("SELECT name FROM pragma_table_info('{table}')"),
    };
    texts(hub, sql).await
}

/// Every row of every table, as text.
pub async fn rows(hub: &TestHub) -> BTreeMap<String, BTreeSet<String>> {
    hub.number_events().await;
    let mut all = BTreeMap::new();
    for table in tables(hub).await {
        let sql = if hub.app.hub().database.backend() == DbBackend::Postgres {
            format!("SELECT t::text FROM \"{table}\" t")
        } else {
            let columns = columns(hub, &table).await;
            let columns: Vec<_> = columns.iter().map(|column| format!("quote(\"{column}\")")).collect();
            format!("SELECT {} FROM \"{table}\"", columns.join(" || ' ' || "))
        };
        all.insert(table, texts(hub, sql).await.into_iter().collect());
    }
    all
}

/// Every id that any row has or names, as its last part is written in the API.
pub async fn ids(hub: &TestHub) -> HashSet<String> {
    hub.number_events().await;
    let mut all = HashSet::new();
    for row in rows(hub).await.values().flatten() {
        // A blob of sixteen bytes here, a text with dashes there.
        let words = row.split(|letter: char| !letter.is_ascii_hexdigit() && letter != '-');
        all.extend(words.filter(|word| [32, 36].contains(&word.len())).filter_map(|word| Uuid::parse_str(word).ok()));
    }
    all.remove(&Uuid::nil());
    all.into_iter().map(|id| suffix(&TenantId::new(id).to_string()).to_owned()).collect()
}

/// An id without what says its kind.
pub fn suffix(id: &str) -> &str {
    id.rsplit_once('_').map_or(id, |(_, last)| last)
}

/// Every id in a text, as the API writes ids.
pub fn ids_in(text: &str) -> impl Iterator<Item = &str> {
    let is_of_ids = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    text.split(move |letter: char| !is_of_ids(letter)).filter(|word| suffix(word).len() == 26 && word.len() == 30)
}

/// What of somebody else is in a text, or in a cursor that is in it.
pub fn found(text: &str, foreign: &HashSet<String>) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let cursors = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-' && letter != '_');
    let cursors = cursors.filter(|word| word.len() >= 16).filter_map(|word| {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(word).ok()?;
        String::from_utf8(bytes).ok().filter(|cursor| cursor.starts_with('['))
    });
    for text in cursors.chain([text.to_owned()]) {
        all.extend(ids_in(&text).filter(|id| foreign.contains(suffix(id))).map(str::to_owned));
        let bare =
            text.split(|letter: char| !letter.is_ascii_hexdigit() && letter != '-').filter(|word| word.len() == 36);
        let bare = bare.filter_map(|word| Uuid::parse_str(word).ok()).map(|id| TenantId::new(id).to_string());
        all.extend(bare.filter(|id| foreign.contains(suffix(id))));
        let words = text.match_indices(WORD).map(|(at, _)| &text[at..]);
        all.extend(words.map(|word| word.chars().take_while(|letter| !"\"\\".contains(*letter)).collect::<String>()));
    }
    all
}

#[test]
fn ids_words_and_keys_of_cursors_are_found() {
    let (own, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let written = |id: Uuid| TenantId::new(id).to_string();
    let foreign = HashSet::from([suffix(&written(other)).to_owned()]);
    let cursor = |id: Uuid| portolan::kernel::cursor::Cursor::encode("orders", &id).unwrap().0;
    let none = format!("{{\"id\":\"{}\",\"cursor\":\"{}\"}}", written(own), cursor(own));
    assert_eq!(found(&none, &foreign), BTreeSet::new());
    for text in
        [written(other), cursor(other), format!("usr_{}", suffix(&written(other))), "{\"a\":\"zq-b\"}".to_owned()]
    {
        assert_eq!(found(&format!("{{\"it\":\"{text}\"}}"), &foreign).len(), 1, "{text}");
    }
}
