//! What people may type: names, slugs, addresses, zones, currencies.
//!
//! A [`Check`] looks at a whole input before anything is refused, so that a form shows every mistake at
//! once. Each rule says what is expected, not only that something is wrong.

use super::error::{Error, Issue, Result};

/// Collects what is wrong with an input.
#[derive(Debug, Default)]
pub struct Check {
    issues: Vec<Issue>,
}

impl Check {
    /// Nothing looked at yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies a rule to a value; keeps the reason when it is refused.
    pub fn take<T: Default>(&mut self, path: &str, outcome: Result<T, String>) -> T {
        outcome.unwrap_or_else(|reason| {
            self.issues.push(Issue::at(path, reason));
            T::default()
        })
    }

    /// Applies a rule to a value that may be left out.
    pub fn take_some<I, T>(
        &mut self,
        path: &str,
        value: Option<I>,
        rule: impl FnOnce(I) -> Result<T, String>,
    ) -> Option<T> {
        match value.map(rule) {
            Some(Ok(value)) => Some(value),
            Some(Err(reason)) => {
                self.issues.push(Issue::at(path, reason));
                None
            }
            None => None,
        }
    }

    /// Notes a fault unless the condition holds.
    pub fn that(&mut self, holds: bool, path: &str, reason: impl Into<String>) {
        if !holds {
            self.issues.push(Issue::at(path, reason));
        }
    }

    /// The verdict on the whole input.
    pub fn done(self) -> Result<()> {
        if self.issues.is_empty() { Ok(()) } else { Err(Error::Refused(self.issues)) }
    }
}

/// Characters that reorder or hide the text around them.
fn deceives(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// A name that people read: any script, one line, at most 120 characters.
pub fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("a name must not be empty".to_owned()),
        1..=120 if text.chars().any(deceives) => {
            Err("a name must not contain control characters or direction overrides".to_owned())
        }
        1..=120 => Ok(text.to_owned()),
        count => Err(format!("a name has at most 120 characters; this one has {count}")),
    }
}

/// A short name for URLs and headers.
pub fn slug(text: &str) -> Result<String, String> {
    let allowed = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    let edges = text.starts_with('-') || text.ends_with('-');
    if (1..=63).contains(&text.len()) && text.as_bytes().iter().all(allowed) && !edges {
        Ok(text.to_owned())
    } else {
        Err("a slug has 1 to 63 lower-case letters, digits and dashes, and no dash at either end".to_owned())
    }
}

/// An email address, in the one spelling under which it is stored.
pub fn email(text: &str) -> Result<String, String> {
    let text = text.trim().to_lowercase();
    let refused = || Err("this is not an email address; one looks like name@example.com".to_owned());
    let Some((local, domain)) = text.rsplit_once('@') else {
        return refused();
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    let domain_ok = domain.len() <= 253 && domain.split('.').all(label);
    let local_ok = (1..=64).contains(&local.len())
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c));
    if domain_ok && local_ok { Ok(text) } else { refused() }
}

/// A time zone of the IANA database.
pub fn time_zone(text: &str) -> Result<String, String> {
    let zone = jiff::tz::TimeZone::get(text)
        .map_err(|_| "this is not a time zone of the IANA database; one looks like \"Asia/Dubai\"".to_owned())?;
    Ok(zone.iana_name().unwrap_or(text).to_owned())
}

/// A language tag: language, optional script, optional region.
pub fn locale(text: &str) -> Result<String, String> {
    let parts: Vec<_> = text.split('-').collect();
    let letters = |part: &str, lengths: &[usize]| {
        lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic())
    };
    let region =
        |part: &str| letters(part, &[2]) || (part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit()));
    let fits = match parts.as_slice() {
        [language] => letters(language, &[2, 3]),
        [language, second] => letters(language, &[2, 3]) && (letters(second, &[4]) || region(second)),
        [language, script, third] => letters(language, &[2, 3]) && letters(script, &[4]) && region(third),
        _ => false,
    };
    if fits {
        Ok(text.to_owned())
    } else {
        Err("this is not a language tag; one looks like \"en\" or \"ar-AE\"".to_owned())
    }
}

/// A currency of ISO 4217.
pub fn currency(text: &str) -> Result<String, String> {
    let code = iso_currency::Currency::from_code(text)
        .ok_or_else(|| "this is not a currency of ISO 4217; one looks like \"AED\"".to_owned())?;
    Ok(code.code().to_owned())
}

/// How dates are written: day, month and year once each, in any order.
pub fn date_format(text: &str) -> Result<String, String> {
    let rest = ["DD", "MM", "YYYY"].iter().try_fold(text.to_owned(), |rest, part| {
        let once = rest.matches(part).count() == 1;
        once.then(|| rest.replacen(part, "", 1))
    });
    match rest {
        Some(rest) if rest.len() <= 4 && rest.chars().all(|c| "/-. ".contains(c)) => Ok(text.to_owned()),
        _ => Err("a date format holds DD, MM and YYYY once each, with / - . or spaces between".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_script_pass_and_deceptive_ones_do_not() {
        for good in ["Acme", "شركة", "株式会社", "O'Neill & Søn 🚢", "<b>bold</b>"] {
            assert!(name(good).is_ok(), "{good}");
        }
        for bad in ["", "   ", "a\nb", "a\u{202e}b", &"x".repeat(121)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_email_has_one_spelling() {
        assert_eq!(email(" Ann@Example.COM ").unwrap(), "ann@example.com");
        for bad in ["", "a", "@b", "a@", "a@b..c", ".a@b.c", "a b@c.d", "a@-b.c", "a@b@"] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn zones_currencies_locales_and_formats_are_real_ones() {
        assert_eq!(time_zone("Asia/Dubai").unwrap(), "Asia/Dubai");
        assert!(time_zone("Mars/Base").is_err() && time_zone("").is_err());
        assert!(currency("AED").is_ok() && currency("XQX").is_err());
        assert!(
            locale("ar-AE").is_ok() && locale("zh-Hant-TW").is_ok() && locale("e").is_err() && locale("en_US").is_err()
        );
        assert!(
            date_format("DD/MM/YYYY").is_ok() && date_format("DD/MM/YY").is_err() && date_format("DDMMYYYYDD").is_err()
        );
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let mut check = Check::new();
        let _: String = check.take("name", name(""));
        let _: String = check.take("slug", slug("A b"));
        let Err(Error::Refused(issues)) = check.done() else { panic!("it passed") };
        assert_eq!(issues.len(), 2);
    }
}
