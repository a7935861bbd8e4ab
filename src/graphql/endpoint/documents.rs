//! Where documents come from: a text, the id of a trusted document, or a hash sent before.
//!
//! *Trusted* documents are read from a folder at the start: manifests in the two usual forms (a list of
//! operations with `id` and `body`, or a flat map of id to text) and single `.graphql` files, known by the
//! SHA-256 of their text. In mode *require* nothing else runs, except a text that equals a trusted one.
//!
//! *Hashes sent before* are a cache of texts that clients bring themselves, bounded, to spare bytes; they
//! guard nothing, and mode *require* turns them off.
//!
//! Prepared documents are kept by their text, and only once the schema accepted them, so that nonsense
//! does not push out what is in use. The cache is bounded by weight, since documents differ in size.

use std::{
    collections::HashMap,
    fs::{self, DirEntry},
    path::Path,
    sync::Arc,
};

use quick_cache::{Weighter, sync::Cache};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Prepared, Settings};
use crate::{
    graphql::document::{Limits, Refusal, Shape},
    kernel::error::Code,
};

/// One operation to run.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// The document as text.
    pub query: Option<String>,
    /// The id of a trusted document.
    pub document_id: Option<String>,
    /// The hash of a document sent before.
    pub hash: Option<String>,
    /// Which operation of the document.
    pub operation_name: Option<String>,
    /// Values of variables.
    pub variables: Map<String, Value>,
    /// Refuse mutations: the transport is one that must not change anything.
    pub read_only: bool,
    /// Say in the answer what the operation cost.
    pub report_cost: bool,
    /// Say what it would cost, and run nothing.
    pub dry_run: bool,
}

/// How trusted documents are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Not at all.
    Off,
    /// Besides other documents.
    Allow,
    /// Nothing else runs.
    Require,
}

/// Why the trusted documents could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file cannot be read.
    #[error("{file} cannot be read")]
    Unreadable {
        /// Which.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not a manifest.
    #[error("{0} is not a manifest: {1}")]
    Malformed(String, String),
    /// A document breaks a limit or is not GraphQL.
    #[error("{0}: the document {1} is refused: {2}")]
    Refused(String, String, String),
    /// The schema itself could not be read back.
    #[error("the schema cannot be read: {0}")]
    Schema(String),
}

/// Finds and prepares documents.
pub(super) struct Documents {
    limits: Limits,
    shape: Arc<Shape>,
    trust: Trust,
    trusted: HashMap<String, Arc<Prepared>>,
    prepared: Cache<Box<str>, Arc<Prepared>, ByText>,
    hashes: Cache<[u8; 32], Arc<str>, ByLength>,
}

/// A prepared document takes some twelve bytes for each byte of text.
#[derive(Clone)]
struct ByText;
impl Weighter<Box<str>, Arc<Prepared>> for ByText {
    fn weight(&self, text: &Box<str>, _: &Arc<Prepared>) -> u64 {
        1024 + 12 * text.len() as u64
    }
}

#[derive(Clone)]
struct ByLength;
impl Weighter<[u8; 32], Arc<str>> for ByLength {
    fn weight(&self, _: &[u8; 32], text: &Arc<str>) -> u64 {
        128 + text.len() as u64
    }
}

/// What an ordinary document weighs; the caches hold as much as their number of these.
const ORDINARY: (u64, u64) = (16 * 1024, 2 * 1024);

impl Documents {
    pub(super) fn new(settings: &Settings, folder: Option<&Path>, shape: Arc<Shape>) -> Result<Self, TrustError> {
        let trusted = match (settings.trust, folder) {
            (Trust::Off, _) | (_, None) => HashMap::new(),
            (_, Some(folder)) => load(folder, &settings.limits, &shape)?,
        };
        let (documents, hashes) = (settings.cached_documents, settings.cached_hashes);
        Ok(Self {
            limits: settings.limits.clone(),
            shape,
            trust: settings.trust,
            trusted,
            prepared: Cache::with_weighter(documents, documents as u64 * ORDINARY.0, ByText),
            hashes: Cache::with_weighter(hashes, hashes as u64 * ORDINARY.1, ByLength),
        })
    }

    /// The document a call asks for.
    pub(super) fn prepare(&self, call: &Call) -> Result<Arc<Prepared>, Refusal> {
        if let Some(id) = &call.document_id {
            return self.by_id(id);
        }
        if let Some(hash) = &call.hash {
            return self.by_hash(hash, call.query.as_deref());
        }
        let text = call.query.as_deref().unwrap_or_default();
        if self.trust == Trust::Require {
            return self.trusted_text(text);
        }
        self.by_text(text)
    }

    /// Keeps a document that the schema accepted.
    pub(super) fn keep(&self, prepared: &Arc<Prepared>) {
        if self.prepared.peek(prepared.text()).is_none() && !self.trusted.contains_key(&id_of(prepared.text())) {
            self.prepared.insert(prepared.text().into(), Arc::clone(prepared));
        }
    }

    fn by_text(&self, text: &str) -> Result<Arc<Prepared>, Refusal> {
        match self.prepared.get(text) {
            Some(known) => Ok(known),
            None => Prepared::new(text, &self.limits, &self.shape).map(Arc::new),
        }
    }

    fn by_id(&self, id: &str) -> Result<Arc<Prepared>, Refusal> {
        match (self.trust, self.trusted.get(id)) {
            (Trust::Off, _) => Err(refused(Code::PersistedQueryNotSupported, "this server runs no documents by id")),
            (_, Some(known)) => Ok(Arc::clone(known)),
            (_, None) => Err(refused(Code::PersistedQueryNotFound, "PersistedQueryNotFound")),
        }
    }

    fn by_hash(&self, hash: &str, text: Option<&str>) -> Result<Arc<Prepared>, Refusal> {
        let key =
            unhex(hash).ok_or_else(|| refused(Code::BadUserInput, "a hash of a document has 64 hexadecimal digits"))?;
        // Whoever sends both must mean one document, trusted or not.
        if text.is_some_and(|text| <[u8; 32]>::from(Sha256::digest(text)) != key) {
            return Err(refused(Code::BadUserInput, "the hash is not the SHA-256 of the document"));
        }
        if self.trust != Trust::Off
            && let Some(known) = self.trusted.get(&format!("sha256:{hash}")).or_else(|| self.trusted.get(hash))
        {
            return Ok(Arc::clone(known));
        }
        if self.trust == Trust::Require {
            return Err(refused(Code::PersistedQueryRequired, "only trusted documents run here"));
        }
        match text {
            None => match self.hashes.get(&key) {
                Some(text) => self.by_text(&text),
                None => Err(refused(Code::PersistedQueryNotFound, "PersistedQueryNotFound")),
            },
            Some(text) => {
                let prepared = self.by_text(text)?;
                self.hashes.insert(key, text.into());
                Ok(prepared)
            }
        }
    }

    fn trusted_text(&self, text: &str) -> Result<Arc<Prepared>, Refusal> {
        // Hashing what is too long for any document would be work for nothing.
        let known = (text.len() <= self.limits.text_bytes).then(|| self.trusted.get(&id_of(text))).flatten();
        known.map(Arc::clone).ok_or_else(|| refused(Code::PersistedQueryRequired, "only trusted documents run here"))
    }
}

fn refused(code: Code, message: &str) -> Refusal {
    Refusal { limit: "document", code, message: message.to_owned(), position: None }
}

/// The id by which every trusted document is known besides the one its manifest gives.
fn id_of(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().fold("sha256:".to_owned(), |id, byte| format!("{id}{byte:02x}"))
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    (digits.len() == 64).then(|| bytes.try_into().ok())?
}

fn load(folder: &Path, limits: &Limits, shape: &Shape) -> Result<HashMap<String, Arc<Prepared>>, TrustError> {
    let unreadable = |file: &Path, source| TrustError::Unreadable { file: file.display().to_string(), source };
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut files: Vec<_> = entries.map_err(|error| unreadable(folder, error))?.iter().map(DirEntry::path).collect();
    files.sort();
    let mut trusted = HashMap::new();
    for file in files {
        let name = file.display().to_string();
        let read = || fs::read_to_string(&file).map_err(|error| unreadable(&file, error));
        let documents = match file.extension().and_then(|extension| extension.to_str()) {
            Some("json") => manifest(&read()?).map_err(|reason| TrustError::Malformed(name.clone(), reason))?,
            Some("graphql") => read().map(|text| vec![(id_of(&text), text)])?,
            _ => continue,
        };
        for (id, text) in documents {
            let refused = |refusal: Refusal| TrustError::Refused(name.clone(), id.clone(), refusal.message);
            let prepared = Arc::new(Prepared::new(&text, limits, shape).map_err(refused)?);
            trusted.insert(id_of(&text), Arc::clone(&prepared));
            trusted.insert(id, prepared);
        }
    }
    Ok(trusted)
}

fn manifest(text: &str) -> Result<Vec<(String, String)>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let members = value.as_object().ok_or("it is not a JSON object")?;
    let pair = |id: &Value, body: &Value| Some((id.as_str()?.to_owned(), body.as_str()?.to_owned()));
    match members.get("operations") {
        Some(Value::Array(operations)) => operations
            .iter()
            .map(|operation| {
                pair(&operation["id"], &operation["body"])
                    .ok_or_else(|| "an operation lacks its id or its body".to_owned())
            })
            .collect(),
        _ => members
            .iter()
            .map(|(id, body)| {
                body.as_str()
                    .map(|body| (id.clone(), body.to_owned()))
                    .ok_or_else(|| format!("the document {id} is not a text"))
            })
            .collect(),
    }
}
