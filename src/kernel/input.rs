//! What people may type: names, slugs, addresses, zones, currencies.
//!
//! A [`Check`] looks at a whole input before anything is refused, so that a form shows every mistake at
//! once. Each rule says what is expected, not only that something is wrong.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

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

/// What to do with a value that need not be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It goes.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T> Patch<T> {
    /// Applies a rule to the new value, if there is one; keeps the reason when it is refused.
    pub fn check<U>(self, check: &mut Check, path: &str, rule: impl FnOnce(T) -> Result<U, String>) -> Patch<U> {
        match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(value) => check.take_some(path, Some(value), rule).map_or(Patch::Keep, Patch::Set),
        }
    }

    /// The value with another form.
    pub fn map<U>(self, form: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(value) => Patch::Set(form(value)),
        }
    }

    /// What becomes of the value that is there.
    pub fn over(self, present: Option<T>) -> Option<T> {
        match self {
            Self::Keep => present,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
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

/// A note that people read: any script, at most 1000 characters, on as many lines as they like.
pub fn note(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("a note must not be empty; leave it out instead".to_owned()),
        1..=1000 if text.chars().any(|letter| deceives(letter) && letter != '\n') => {
            Err("a note must not contain control characters or direction overrides".to_owned())
        }
        1..=1000 => Ok(text.to_owned()),
        count => Err(format!("a note has at most 1000 characters; this one has {count}")),
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
///
/// What stands before the `@` is ASCII: of letters that look alike, only one kind gets in, and nothing is
/// turned into a letter it merely resembles (a Kelvin sign would become a `k`). A domain may be written in
/// any script and is kept as the network spells it, so that a look-alike in Cyrillic is a domain of its own
/// and shows itself as `xn--…`.
pub fn email(text: &str) -> Result<String, String> {
    let refused = || "this is not an email address; one looks like name@example.com".to_owned();
    let (local, domain) = text.trim().rsplit_once('@').ok_or_else(refused)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    let local_ok = (1..=64).contains(&local.len())
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.bytes().all(allowed);
    // Longer than any domain in any script; a text without end is not worth looking at.
    if !local_ok || domain.len() > 1024 {
        return Err(refused());
    }
    let domain = Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify);
    let domain = domain.map_err(|_| refused())?;
    Ok(format!("{}@{domain}", local.to_ascii_lowercase()))
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
    fn a_note_has_lines_and_an_end() {
        assert_eq!(note(" One.\nTwo. ").unwrap(), "One.\nTwo.");
        for bad in ["", " \n ", "a\u{0}b", "a\u{202e}b", &"x".repeat(1001)] {
            assert!(note(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_email_has_one_spelling() {
        assert_eq!(email(" Ann@Example.COM ").unwrap(), "ann@example.com");
        assert_eq!(email("admin@localhost").unwrap(), "admin@localhost");
        for bad in ["", "a", "@b", "a@", "a@b..c", ".a@b.c", "a b@c.d", "a@-b.c", "a@b@", "a@b.", "a@b_c.d", "a@[::1]"]
        {
            assert!(email(bad).is_err(), "{bad:?}");
        }
        assert!(email(&format!("a@{}", "b.".repeat(200_000))).is_err());
    }

    /// Cyrillic а, fullwidth a, the Kelvin sign, a long s, a ligature, a dotted capital I, a combining accent,
    /// a character without width.
    #[test]
    fn no_letter_that_looks_alike_stands_before_the_at() {
        for alike in [
            "\u{430}nn",
            "\u{ff41}nn",
            "\u{212a}ate",
            "je\u{17f}se",
            "\u{fb01}n",
            "\u{130}da",
            "ann\u{301}",
            "an\u{200b}n",
        ] {
            assert!(email(&format!("{alike}@example.com")).is_err(), "{alike:?}");
        }
    }

    #[test]
    fn a_domain_in_another_script_is_kept_as_the_network_spells_it() {
        assert_eq!(email("ann@Bücher.example").unwrap(), "ann@xn--bcher-kva.example");
        assert_eq!(email("ann@bu\u{308}cher.example").unwrap(), "ann@xn--bcher-kva.example", "composed or not");
        let cyrillic = email("ann@ex\u{430}mple.com").unwrap();
        assert!(cyrillic.starts_with("ann@xn--"), "{cyrillic}");
        assert_eq!(email("ann@\u{ff45}xample\u{3002}com").unwrap(), "ann@example.com", "the same host to a browser");
        for bad in ["ann@ex\u{200b}.com\u{202e}", "ann@\u{ff0f}.com", "ann@xn--a.com"] {
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
