//! Which events somebody wants.

use std::collections::BTreeSet;

use super::Entry;

/// Which events of a tenant somebody wants; what is not said does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    topics: Option<BTreeSet<&'static str>>,
    subjects: Option<BTreeSet<String>>,
}

impl Interest {
    /// Events of these topics.
    #[must_use]
    pub fn of_topics(topics: impl IntoIterator<Item = &'static str>) -> Self {
        Self { topics: Some(topics.into_iter().collect()), subjects: None }
    }

    /// Only those about these subjects.
    #[must_use]
    pub fn about(mut self, subjects: impl IntoIterator<Item = String>) -> Self {
        self.subjects = Some(subjects.into_iter().collect());
        self
    }

    /// The topics, if they are named.
    #[must_use]
    pub fn topics(&self) -> Option<&BTreeSet<&'static str>> {
        self.topics.as_ref()
    }

    /// The subjects, if they are named.
    #[must_use]
    pub fn subjects(&self) -> Option<&BTreeSet<String>> {
        self.subjects.as_ref()
    }

    /// Whether the event is wanted.
    #[must_use]
    pub fn wants(&self, entry: &Entry) -> bool {
        self.topics.as_ref().is_none_or(|topics| topics.contains(entry.topic.as_str()))
            && self.subjects.as_ref().is_none_or(|subjects| subjects.contains(&entry.subject))
    }
}
