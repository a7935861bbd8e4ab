//! A provider whose records, pages and faults a test decides.

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::played::{Heard, Said, Scripted, settings};

/// Everything is read each time and what is absent is gone; or what changed is read and what is gone is marked.
const FILE: &str = r#"
key = "acme"
name = "Acme"
description = "Has what a test gives it."
category = "commerce"
docs = "https://example.com"
per_tenant = "many"
version = "none"
discovery = "none"
webhook = "none"

[[environments]]
key = "live"
label = "Live"
sandbox = false
base_url = "https://api.acme.example"

[[settings]]
name = "kinds"
label = "Kinds"
kind = "mapping"
default = '{"FTTP*": "fibre", "*": "other"}'

[[auth]]
kind = "bearer_token"
key = "token"
label = "Token"
fields = [{ name = "token", label = "Token", example = "right" }]
inject = [{ into = "bearer", token = "{token}" }]

[probe]
by = "request"
request = { path = "/me" }
example = { id = "1" }

[errors]
message = "error"

[[limits]]
shape = "adaptive"
start = 2
most = 10

[paging]
by = "cursor"
parameter = "after"
next = "next"
size = { parameter = "limit", most = 10 }

[[streams]]
key = "things"
name = "Things"
about = "product"
request = { path = "/things" }
records = "things"
id = "id"
updated_at = "none"
since = "none"
schedule = "hourly"
deletions = "absent"
transform = "{id: id, text: text}"
example = { id = "1", text = "a" }

[[streams]]
key = "changes"
name = "Changes"
about = "product"
request = { path = "/changes", query = { since = "{since}" } }
records = "things"
id = "id"
updated_at = "at"
since = { form = "epoch_seconds", overlap = "1m" }
schedule = "every_15_minutes"
deletions = "marked"
deleted = "gone == `true`"
transform = "{id: id, text: text}"
example = { id = "1", text = "a", at = 1795255200, gone = false }

[[actions]]
key = "me"
name = "Who am I"
description = "Says who asks."
effect = "read"
request = { path = "/me" }
input = { type = "object" }
output = { type = "object" }
example = { id = "1" }
"#;

/// A stream of which all of today is read, in categories.
const DAYS: &str = r#"
[[streams]]
key = "days"
name = "Things of today"
about = "product"
request = { path = "/days", query = { since = "{since}" } }
records = "things"
id = "id"
updated_at = "at"
since = { form = "epoch_seconds", overlap = "1h", today = true }
schedule = "hourly"
deletions = "unknown"
transform = "{id: id, text: text}"
category = { of = "text", by = "kinds" }
example = { id = "1", text = "a", at = 1795255200 }
"#;

/// Streams whose positions count: by page number, by offset, and by addresses that have a page number.
const COUNTED: &str = r#"
[[streams]]
key = "numbered"
name = "Things by page number"
about = "product"
request = { path = "/things" }
records = "things"
id = "id"
updated_at = "none"
since = "none"
schedule = "hourly"
deletions = "absent"
transform = "{id: id, text: text}"
paging = { by = "page", parameter = "page", size = { parameter = "limit", most = 50 } }
example = { id = "1", text = "a" }

[[streams]]
key = "skipped"
name = "Things by offset"
about = "product"
request = { path = "/things" }
records = "things"
id = "id"
updated_at = "none"
since = "none"
schedule = "hourly"
deletions = "absent"
transform = "{id: id, text: text}"
paging = { by = "offset", parameter = "skip", total = "total", size = { parameter = "limit", most = 50 } }
example = { id = "1", text = "a" }

[[streams]]
key = "linked"
name = "Things by address"
about = "product"
request = { path = "/linked" }
records = "things"
id = "id"
updated_at = "none"
since = "none"
schedule = "hourly"
deletions = "absent"
transform = "{id: id, text: text}"
paging = { by = "next_url", next = "next_url" }
example = { id = "1", text = "a" }
"#;

/// The size of pages that are counted.
pub const PAGE: usize = 50;

/// What happens to the things just before a page is given; the page is told by its number.
pub type Meanwhile = Box<dyn FnMut(usize, &mut BTreeMap<String, Thing>) + Send>;

/// A thing that Acme has.
#[derive(Clone, Debug)]
pub struct Thing {
    pub text: String,
    pub at: i64,
    pub gone: bool,
}

/// How Acme answers.
#[derive(Clone, Debug, Default)]
pub enum Way {
    #[default]
    Well,
    /// With this instead.
    Instead(Said),
    /// With pages whose cursors lead back to the first one after so many.
    Circle(usize),
    /// With the same page under ever new cursors.
    Same,
}

#[derive(Default)]
struct State {
    things: BTreeMap<String, Thing>,
    /// Put into the first page as they are.
    odd: Vec<Value>,
    way: Way,
    size: Option<usize>,
    many: Option<usize>,
    meanwhile: Option<Meanwhile>,
    /// Whether a page behind the end is refused.
    strict: bool,
    /// The place of the page that was given last, if pages before it are refused.
    forward: Option<usize>,
}

pub struct Acme {
    state: Arc<Mutex<State>>,
    asked: Arc<AtomicUsize>,
    server: Scripted,
    files: TempDir,
}

impl Acme {
    pub async fn start() -> Self {
        Self::with(FILE).await
    }

    /// With another stream, `days`.
    pub async fn with_days() -> Self {
        Self::with(&format!("{FILE}{DAYS}")).await
    }

    /// With streams whose positions count.
    pub async fn counted() -> Self {
        Self::with(&format!("{FILE}{COUNTED}")).await
    }

    /// With a stream by page number, and no other.
    pub async fn numbered() -> Self {
        let (head, _) = FILE.split_once("[[streams]]").unwrap();
        let (_, actions) = FILE.split_once("[[actions]]").unwrap();
        let stream = COUNTED.split("[[streams]]").nth(1).unwrap();
        Self::with(&format!("{head}[[streams]]{stream}[[actions]]{actions}")).await
    }

    async fn with(file: &str) -> Self {
        let (state, asked) = (Arc::<Mutex<State>>::default(), Arc::<AtomicUsize>::default());
        let (behind, count) = (Arc::clone(&state), Arc::clone(&asked));
        let server = Scripted::start(move |heard| {
            count.fetch_add(1, Ordering::SeqCst);
            answer(&mut behind.lock().unwrap(), heard)
        })
        .await;
        let files = tempfile::tempdir().unwrap();
        fs::write(files.path().join("acme.toml"), file).unwrap();
        Self { state, asked, server, files }
    }

    pub fn settings(&self) -> Vec<(String, String)> {
        let mut settings = settings(self.server.address);
        settings.push(("PORTOLAN_PROVIDERS_DIR".to_owned(), self.files.path().display().to_string()));
        settings
    }

    /// Has these, one second apart from a moment on.
    pub fn has(&self, ids: impl IntoIterator<Item = usize>, text: &str, from: i64) {
        for (at, id) in ids.into_iter().enumerate() {
            let at = from + i64::try_from(at).unwrap();
            self.put(&name(id), text, at);
        }
    }

    pub fn put(&self, id: &str, text: &str, at: i64) {
        let thing = Thing { text: text.to_owned(), at, gone: false };
        self.state.lock().unwrap().things.insert(id.to_owned(), thing);
    }

    /// Takes something away, and says so from then on.
    pub fn mark(&self, id: &str, at: i64) {
        let mut state = self.state.lock().unwrap();
        let thing = state.things.get_mut(id).unwrap();
        (thing.gone, thing.at) = (true, at);
    }

    /// Takes something away without a word.
    pub fn lose(&self, id: &str) {
        self.state.lock().unwrap().things.remove(id).unwrap();
    }

    pub fn odd(&self, elements: Vec<Value>) {
        self.state.lock().unwrap().odd = elements;
    }

    pub fn behave(&self, way: Way) {
        self.state.lock().unwrap().way = way;
    }

    /// Lets something happen just before each page that is counted.
    pub fn meanwhile(&self, meanwhile: impl FnMut(usize, &mut BTreeMap<String, Thing>) + Send + 'static) {
        self.state.lock().unwrap().meanwhile = Some(Box::new(meanwhile));
    }

    /// Lets nothing happen any more.
    pub fn quiet(&self) {
        let mut state = self.state.lock().unwrap();
        (state.meanwhile, state.forward) = (None, None);
    }

    /// Refuses pages before the one that was given last.
    pub fn only_forward(&self) {
        self.state.lock().unwrap().forward = Some(0);
    }

    /// Refuses pages behind the end of a list that is counted.
    pub fn strict(&self) {
        self.state.lock().unwrap().strict = true;
    }

    /// Has pages of that size.
    pub fn pages_of(&self, size: usize) {
        self.state.lock().unwrap().size = Some(size);
    }

    /// Has so many changes, which nobody holds: they are made up for whoever asks, 500 to a page.
    pub fn made_up(&self, many: usize) {
        self.state.lock().unwrap().many = Some(many);
    }

    pub fn things(&self) -> BTreeMap<String, Thing> {
        self.state.lock().unwrap().things.clone()
    }

    /// How often it was asked since this was asked.
    pub fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

pub fn name(id: usize) -> String {
    format!("t{id:06}")
}

fn made_up(many: usize, heard: &Heard) -> Said {
    let from: usize = heard.query.get("after").map_or(0, |after| after.parse().unwrap());
    let to = many.min(from + 500);
    let each = |id| format!("{{\"id\":\"{}\",\"text\":\"{}\",\"at\":0,\"gone\":false}}", name(id), "text".repeat(50));
    let things: Vec<_> = (from..to).map(each).collect();
    let next = if to < many { format!("\"{to}\"") } else { "null".to_owned() };
    let body = format!("{{\"things\":[{}],\"next\":{next}}}", things.join(","));
    Said { body: body.into(), ..Said::json(200, &Value::Null) }
}

/// A page that is named by its place in the list.
fn counted(state: &mut State, from: usize) -> Said {
    if let Some(meanwhile) = &mut state.meanwhile {
        meanwhile(from / PAGE + 1, &mut state.things);
    }
    let total = state.things.len();
    if let Some(last) = &mut state.forward {
        if from < *last {
            return Said::json(400, &json!({ "error": "pages are given once" }));
        }
        *last = from;
    }
    if state.strict && from > 0 && from >= total {
        return Said::json(404, &json!({ "error": "there is no such page" }));
    }
    let page: Vec<_> = state.things.iter().skip(from).take(PAGE).collect();
    let shown: Vec<_> = page.iter().map(|(id, thing)| json!({ "id": id, "text": thing.text })).collect();
    let more = from + page.len() < total;
    let next = more.then(|| format!("?next={}", from + PAGE));
    Said::json(200, &json!({ "things": shown, "total": total, "next_url": next }))
}

fn answer(state: &mut State, heard: &Heard) -> Said {
    if heard.authorization.as_deref() != Some("Bearer right") {
        return Said::json(401, &json!({ "error": "who are you?" }));
    }
    if heard.path.ends_with("/me") {
        return Said::json(200, &json!({ "id": "1" }));
    }
    if let Some(many) = state.many {
        return made_up(many, heard);
    }
    let number = |name: &str| heard.query.get(name).and_then(|text| text.parse::<usize>().ok());
    let page = number("page").map(|page| (page - 1) * PAGE).or(number("skip")).or(number("next"));
    let from = page.or(heard.path.ends_with("/linked").then_some(0));
    let well = matches!(state.way, Way::Well);
    if let Some(from) = from.filter(|_| well) {
        return counted(state, from);
    }
    let marks = heard.path.ends_with("/changes");
    let since: i64 = heard.query.get("since").and_then(|since| since.parse().ok()).unwrap_or(i64::MIN);
    let after = heard.query.get("after").map(String::as_str).unwrap_or_default();
    let (size, first) = (state.size.unwrap_or(10), after.is_empty());
    let fits = |thing: &Thing| thing.at >= since && (marks || !thing.gone);
    let (mut from, mut next) = (after.to_owned(), None);
    match &state.way {
        Way::Instead(said) => return said.clone(),
        Way::Same => {
            let number: usize = after.parse().unwrap_or(0);
            (from, next) = (String::new(), Some((number + 1).to_string()));
        }
        Way::Circle(pages) => {
            let number: usize = after.parse().unwrap_or(0);
            (from, next) = (String::new(), Some(((number + 1) % pages).to_string()));
        }
        Way::Well => {}
    }
    let mut rest = state.things.iter().filter(|(id, thing)| **id > from && fits(thing));
    let page: Vec<_> = rest.by_ref().take(size).collect();
    let more = rest.next().is_some();
    let mut shown: Vec<Value> = page
        .iter()
        .map(|(id, thing)| json!({ "id": id, "text": thing.text, "at": thing.at, "gone": thing.gone }))
        .collect();
    if first {
        shown.extend(state.odd.iter().cloned());
    }
    // Each page of a circle says something else, so that its cursors alone give it away.
    if let Way::Circle(_) = state.way {
        shown = vec![json!({ "id": "x", "text": format!("{:?}", std::time::Instant::now()) })];
    }
    let next = next.or_else(|| page.last().filter(|_| more).map(|(id, _)| (*id).clone()));
    Said::json(200, &json!({ "things": shown, "next": next }))
}
