//! "Did you mean …?"
//!
//! Two slips are common: a letter too many, too few or swapped, and a key under the wrong topic. So
//! a name is compared as a whole, by the number of edits, and by its last part alone.

/// The question to add to "unknown …", or nothing if no name is near.
pub fn did_you_mean<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let allowed = 1 + name.chars().count() / 5;
    names
        .into_iter()
        .map(|other| (if last(other) == last(name) { 1 } else { distance(name, other) }, other))
        .filter(|(edits, _)| *edits <= allowed)
        .min()
        .map(|(_, other)| format!(" (did you mean {other:?}?)"))
        .unwrap_or_default()
}

/// The part after the topic.
fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// How many letters must be added, dropped, replaced or swapped with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    // Three rows of the usual matrix: swaps look back two.
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (row, letter) in from.chars().enumerate() {
        let mut line = vec![row + 1];
        for (column, &other) in to.iter().enumerate() {
            let replaced = above[column] + usize::from(letter != other);
            let mut best = replaced.min(above[column + 1] + 1).min(line[column] + 1);
            if column > 0 && previous == Some(other) && to[column - 1] == letter {
                best = best.min(before[column - 1] + 1);
            }
            line.push(best);
        }
        previous = Some(letter);
        before = std::mem::replace(&mut above, line);
    }
    above[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted_and_a_swap_is_one() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("depth", "depth"), 0);
        assert_eq!(distance("dephts", "depths"), 1);
        assert_eq!(distance("listn", "listen"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn a_key_under_the_wrong_topic_is_found() {
        let keys = ["listen", "graphql.max_depth"];
        let hint = did_you_mean("http.max_depth", keys);
        assert_eq!(hint, " (did you mean \"graphql.max_depth\"?)");
    }

    #[test]
    fn a_name_like_no_other_gets_no_suggestion() {
        assert_eq!(did_you_mean("colour", ["listen", "env"]), "");
    }
}
