//! Every provider this program knows: those in the binary, and those of the operator's folder.
//!
//! The files in the binary are right, which a test holds. A file of the folder may be wrong; it is refused by
//! name with every reason, and the rest load, since one slip must not take down what works. A file of the
//! folder may also bring a provider that the binary has, and then counts instead of it: a provider changes
//! when it likes, not when we release.

use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    sync::{Arc, LazyLock},
};

use super::manifest::{
    Manifest,
    problem::{Line, Problem, Refused},
};

/// Largest file that is read.
const MAX_FILE: u64 = 1 << 20;

/// Names the files in the binary.
macro_rules! embed {
    ($($name:literal),+ $(,)?) => {
        &[ $( (concat!($name, ".toml"), include_str!(concat!("catalogue/", $name, ".toml"))), )+ ]
    };
}

/// The files in the binary: name and text.
pub const EMBEDDED: &[(&str, &str)] = embed![
    "aramex",
    "circuly",
    "custom_rest",
    "dhl_express",
    "eneco",
    "facebook",
    "fedex",
    "firmhouse",
    "instagram",
    "installation_partner",
    "linkedin",
    "mailchimp",
    "meta_ads",
    "network_international",
    "pancake_pos",
    "paypal",
    "pxc",
    "sendgrid",
    "shopify",
    "smsa_express",
    "stripe",
    "telr",
    "tiktok",
    "twilio",
    "volvo_dealer",
    "whatsapp",
];

/// The providers by key.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    providers: BTreeMap<String, Arc<Manifest>>,
    refused: Vec<Refused>,
}

impl Catalogue {
    /// What the binary has. It is read once in a process.
    #[must_use]
    pub fn embedded() -> Arc<Self> {
        static EMBEDDED_ONCE: LazyLock<Arc<Catalogue>> = LazyLock::new(|| {
            let mut catalogue = Catalogue::default();
            for (name, text) in EMBEDDED {
                catalogue.read(name, text);
            }
            Arc::new(catalogue)
        });
        Arc::clone(&EMBEDDED_ONCE)
    }

    /// What the binary has, and the files `*.toml` of a folder.
    pub fn load(folder: &Path) -> io::Result<Self> {
        let mut catalogue = Self::clone(&Self::embedded());
        let mut own = Self::default();
        let mut paths: Vec<_> =
            fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match text(&path) {
                Ok(text) => own.read(&name, &text),
                Err(reason) => own.refuse(name, format!("the file cannot be read: {reason}")),
            }
        }
        catalogue.providers.extend(own.providers);
        catalogue.refused.extend(own.refused);
        Ok(catalogue)
    }

    fn read(&mut self, file: &str, text: &str) {
        match Manifest::parse(file, text) {
            Ok(manifest) if self.providers.contains_key(manifest.key.as_str()) => {
                self.refuse(file.to_owned(), format!("another file has the provider `{}` already", manifest.key));
            }
            Ok(manifest) => drop(self.providers.insert(manifest.key.0.clone(), Arc::new(manifest))),
            Err(refused) => self.refused.push(refused),
        }
    }

    fn refuse(&mut self, file: String, message: String) {
        self.refused.push(Refused { file, problems: vec![Problem { line: Line(1), message }] });
    }

    /// The provider of that key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Arc<Manifest>> {
        self.providers.get(key)
    }

    /// All providers, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Manifest>> {
        self.providers.values()
    }

    /// The files that were refused.
    #[must_use]
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }
}

/// The text of a file, if it is no larger than a file may be.
fn text(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > MAX_FILE {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_in_the_binary_is_right_and_named_after_its_provider() {
        let catalogue = Catalogue::embedded();
        let problems: Vec<String> = catalogue.refused().iter().map(ToString::to_string).collect();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        assert_eq!(catalogue.iter().count(), 26);
        for (file, text) in EMBEDDED {
            let key = file.trim_end_matches(".toml");
            assert_eq!(Manifest::parse(file, text).unwrap().key.as_str(), key);
        }
    }

    #[test]
    fn every_file_of_the_folder_is_in_the_binary() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/catalogue");
        let mut files: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        files.sort();
        let embedded: Vec<&str> = EMBEDDED.iter().map(|(name, _)| *name).collect();
        assert_eq!(files, embedded);
    }

    #[test]
    fn the_provider_of_the_readme_is_right() {
        let readme = include_str!("../../README.md");
        let (_, after) = readme.split_once("**A provider** is one file.").unwrap();
        let (_, after) = after.split_once("```toml\n").unwrap();
        let (text, _) = after.split_once("```").unwrap();
        let manifest = Manifest::parse("README.md", text).unwrap_or_else(|refused| panic!("{refused}"));
        assert_eq!(manifest.key.as_str(), "tea_post");
    }

    #[test]
    fn a_bad_file_is_refused_by_name_and_the_rest_load() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let (_, stripe) = EMBEDDED.iter().find(|(name, _)| *name == "stripe.toml").unwrap();
        write("a_bad.toml", "key = \"bad\"\n");
        write("b_own.toml", &stripe.replace("key = \"stripe\"", "key = \"own\""));
        write("c_twice.toml", &stripe.replace("key = \"stripe\"", "key = \"own\""));
        write("d_stripe.toml", &stripe.replace("name = \"Stripe\"", "name = \"Our Stripe\""));
        write("notes.txt", "not a provider");
        let catalogue = Catalogue::load(folder.path()).unwrap();
        let refused: Vec<&str> = catalogue.refused().iter().map(|refused| refused.file.as_str()).collect();
        assert_eq!(refused, ["a_bad.toml", "c_twice.toml"]);
        assert!(catalogue.refused()[0].to_string().contains("a_bad.toml:1: the file lacks `name`"));
        assert!(catalogue.get("own").is_some() && catalogue.get("paypal").is_some());
        assert_eq!(catalogue.get("stripe").unwrap().name, "Our Stripe");
        assert!(Catalogue::load(&folder.path().join("nowhere")).is_err());
    }
}
