//! Who is told of what: a registry of what happens and which records it is about.
//!
//! Everything that happens stands in the log of events, for whoever follows it. What has to do with records leaves a
//! hint besides, so that they are read. To let another concern act on webhooks, let it follow the log; to let more of
//! what happens be read at once, add a line here.

use super::Happening;
use crate::provider::manifest::stream::About;

/// What begins so is about these.
const ROUTES: &[(&str, About)] = &[
    ("payment.", About::Payment),
    ("invoice.", About::Invoice),
    ("subscription.", About::Subscription),
    ("shipment.", About::Shipment),
    ("order.", About::Order),
    ("customer.", About::Customer),
    ("product.", About::Product),
    ("contact.", About::Contact),
    ("campaign.", About::Campaign),
    ("message.", About::Message),
    ("social.post", About::Post),
];

/// Which records something that happened is about; none, if it is for those alone who follow the log.
#[must_use]
pub fn about(happening: Happening) -> Option<About> {
    let word = happening.as_str();
    ROUTES.iter().find(|(start, _)| word.starts_with(start)).map(|(_, about)| *about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_taken_by_something() {
        for (start, about) in ROUTES {
            assert!(Happening::ALL.iter().any(|happening| self::about(*happening) == Some(*about)), "{start}");
        }
        assert_eq!(about(Happening::OrderUpdated), Some(About::Order));
        assert_eq!(about(Happening::SocialComment), None);
    }
}
