//! Words that stand for others, as somebody who uses the hub wrote them down: `{"FTTP*": "fibre", "*": "other"}`.
//!
//! A pattern is a whole word, or its beginning and `*`. Case does not count. Of several that fit, the longest does, and
//! a whole word before any beginning.

use std::collections::BTreeMap;

/// Most patterns, and longest of either side.
const MOST: usize = 500;
const LONGEST: usize = 200;

/// A mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping(BTreeMap<String, String>);

impl Mapping {
    /// The mapping that a text is; the reason if it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = "it is an object such as {\"FTTP*\": \"fibre\", \"*\": \"other\"}";
        let pairs: BTreeMap<String, String> = serde_json::from_str(text).map_err(|error| format!("{form}: {error}"))?;
        if pairs.len() > MOST {
            return Err(format!("it has at most {MOST} patterns"));
        }
        let mut mapping = BTreeMap::new();
        for (pattern, word) in pairs {
            let shown: String = pattern.chars().take(40).collect();
            for side in [&pattern, &word] {
                if side.trim().is_empty() || side.len() > LONGEST || side.chars().any(char::is_control) {
                    return Err(format!("{shown:?}: both sides have 1 to {LONGEST} characters, and none of control"));
                }
            }
            if pattern.trim_end_matches('*').contains('*') || pattern.ends_with("**") {
                return Err(format!("{shown:?}: only the end of a pattern may be `*`"));
            }
            if mapping.insert(pattern.trim().to_lowercase(), word.trim().to_owned()).is_some() {
                return Err(format!("{shown:?} is there twice, but for its case"));
            }
        }
        Ok(Self(mapping))
    }

    /// What a word stands for.
    #[must_use]
    pub fn of(&self, word: &str) -> Option<&str> {
        let word = word.trim().to_lowercase();
        if let Some(whole) = self.0.get(&word).filter(|_| !word.ends_with('*')) {
            return Some(whole);
        }
        let fits = |pattern: &str| pattern.strip_suffix('*').is_some_and(|beginning| word.starts_with(beginning));
        let longest = self.0.iter().filter(|(pattern, _)| fits(pattern)).max_by_key(|(pattern, _)| pattern.len());
        longest.map(|(_, stands)| stands.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_word_counts_before_a_beginning_and_the_longest_beginning_before_the_others() {
        let mapping = Mapping::parse(r#"{"FTTP*": "fibre", "FTTP 1000*": "gigabit", "fttp": "plain", "*": "other"}"#);
        let mapping = mapping.unwrap();
        for (word, stands) in [
            ("FTTP 550", "fibre"),
            ("fttp 1000/115", "gigabit"),
            ("FTTP", "plain"),
            ("Ethernet", "other"),
            ("", "other"),
        ] {
            assert_eq!(mapping.of(word), Some(stands), "{word}");
        }
        assert_eq!(Mapping::parse(r#"{"FTTP*": "fibre"}"#).unwrap().of("SoGEA"), None);
        assert_eq!(Mapping::parse(r#"{"*": "other"}"#).unwrap().of("*"), Some("other"));
    }

    #[test]
    fn what_is_no_mapping_is_refused_with_the_reason() {
        for (text, reason) in [
            ("fibre", "it is an object"),
            (r#"["FTTP"]"#, "it is an object"),
            (r#"{"FTTP": 1}"#, "it is an object"),
            (r#"{"F*P": "fibre"}"#, "only the end"),
            (r#"{"F**": "fibre"}"#, "only the end"),
            (r#"{"": "fibre"}"#, "both sides"),
            (r#"{"FTTP": " "}"#, "both sides"),
            (r#"{"FTTP": "a", "fttp": "b"}"#, "twice"),
        ] {
            let refused = Mapping::parse(text).unwrap_err();
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }
}
