//! The first look at a document: its raw text, before any parser.
//!
//! Parsers of nested languages are recursive, and a stack that runs out ends the whole process, not
//! one request. So the text is read once from left to right with three counters and no memory: bytes,
//! tokens, and brackets open at once. What passes here can be parsed, validated and dropped with a
//! stack and a time that are known beforehand. The pass stops at the first limit it meets; a text
//! that is too long is not looked at.
//!
//! Strings, block strings and comments are skipped as the parser skips them, so that what one of the
//! two takes for text is never structure for the other. An ordinary string that is not closed ends
//! with its line, where the parser gives up as well. A block string that is not closed is refused
//! here, because the parser would read its quotes as something else.
//!
//! Not promised: that the text is GraphQL, or that brackets match; the parser says so, with a better
//! message. Tokens are cut as the specification cuts them; where the parser is laxer, digits follow the
//! parser, and words written without a space between them are one token, bounded by the bytes.

use async_graphql::Pos;

use super::limits::{Limits, Refusal};
use crate::kernel::error::Code;

const LARGE: Code = Code::QueryTooLarge;
const DEEP: Code = Code::QueryTooDeep;

/// Letters of the longest name. The engine compares a name that it does not know with every name that it does, to
/// suggest one, and that takes as many steps as both have letters: it must not grow with the text.
const LONGEST_NAME: usize = 256;

/// Refuses a text that is too long, has too many tokens, too long a name or too many brackets open at once.
pub fn scan(text: &str, limits: &Limits) -> Result<(), Refusal> {
    if text.len() > limits.text_bytes {
        let (what, most) = ("the document has {} bytes", limits.text_bytes);
        return Err(Refusal::over("text_bytes", LARGE, what, text.len(), most));
    }
    let bytes = text.as_bytes();
    let (mut at, mut tokens, mut open) = (0, 0_usize, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        let end = match byte {
            // Outside strings only a byte order mark is not ASCII in a valid document.
            b' ' | b',' | b'\t' | b'\n' | b'\r' | 0x80.. => {
                at += 1;
                continue;
            }
            b'#' => {
                at = run(bytes, at, |byte| !matches!(byte, b'\n' | b'\r'));
                continue;
            }
            b'(' | b'[' | b'{' => {
                open += 1;
                at + 1
            }
            b')' | b']' | b'}' => {
                open = open.saturating_sub(1);
                at + 1
            }
            b'"' => string_end(bytes, at).ok_or_else(|| unclosed(text, at))?,
            b'-' | b'0'..=b'9' => number_end(bytes, at),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                let end = run(bytes, at, is_name);
                if end - at > LONGEST_NAME {
                    let what = "the document has a name of more than {} letters";
                    return Err(stop("name", LARGE, what, LONGEST_NAME, text, at));
                }
                end
            }
            b'.' if bytes.get(at..at + 3) == Some(b"...") => at + 3,
            _ => at + 1,
        };
        tokens += 1;
        if tokens > limits.tokens {
            let (what, most) = ("the document has more than {} tokens", limits.tokens);
            return Err(stop("tokens", LARGE, what, most, text, at));
        }
        if open > limits.nesting {
            let what = "the document opens more than {} brackets inside one another";
            return Err(stop("nesting", DEEP, what, limits.nesting, text, at));
        }
        at = end;
    }
    Ok(())
}

fn is_name(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

/// The first index from `from` whose byte is not accepted.
fn run(bytes: &[u8], from: usize, accept: impl Fn(u8) -> bool) -> usize {
    let length = bytes.iter().skip(from).take_while(|byte| accept(**byte)).count();
    from + length
}

/// The end of the string that opens at `at`; `None` if it is a block string without an end.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    if rest.starts_with(br#"""""#) {
        let mut index = 3;
        while let Some(tail) = rest.get(index..).filter(|tail| !tail.is_empty()) {
            if tail.starts_with(br#"""""#) {
                return Some(at + index + 3);
            }
            index += if tail.starts_with(br#"\""""#) { 4 } else { 1 };
        }
        return None;
    }
    let mut index = at + 1;
    loop {
        match bytes.get(index) {
            Some(b'"') => return Some(index + 1),
            Some(b'\\') if !matches!(bytes.get(index + 1), Some(b'\n' | b'\r')) => index += 2,
            Some(b'\n' | b'\r') | None => return Some(index),
            Some(_) => index += 1,
        }
    }
}

/// The end of the number at `at`. Digits after a leading zero are numbers of their own: the parser
/// takes `007` in a list for three values.
fn number_end(bytes: &[u8], at: usize) -> usize {
    let is = |index: usize, wanted: &[u8]| bytes.get(index).is_some_and(|byte| wanted.contains(byte));
    let digits = |from| run(bytes, from, |byte| byte.is_ascii_digit());
    let first = at + usize::from(is(at, b"-"));
    let mut end = if is(first, b"0") { first + 1 } else { digits(first) };
    if is(end, b".") && digits(end + 1) > end + 1 {
        end = digits(end + 1);
    }
    if is(end, b"eE") {
        let exponent = end + 1 + usize::from(is(end + 1, b"+-"));
        if digits(exponent) > exponent {
            end = digits(exponent);
        }
    }
    end.max(at + 1)
}

#[cold]
fn stop(limit: &'static str, code: Code, what: &str, most: usize, text: &str, at: usize) -> Refusal {
    Refusal::over(limit, code, what, most, most).at(position(text, at))
}

#[cold]
fn unclosed(text: &str, at: usize) -> Refusal {
    Refusal {
        limit: "syntax",
        code: Code::ParseFailed,
        message: "the block string that opens here is not closed".into(),
        position: Some(position(text, at)),
    }
}

/// Line and column of a byte, counted as the parser counts them: in characters, from one.
fn position(text: &str, at: usize) -> Pos {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    Pos { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn refused(text: &str) -> Option<&'static str> {
        scan(text, &Limits::default()).err().map(|refusal| refusal.limit)
    }

    /// How many tokens the text has, found by lowering the limit.
    fn tokens(text: &str) -> usize {
        let fits = |tokens| {
            let limits = Limits { tokens, ..Limits::default() };
            scan(text, &limits).is_ok()
        };
        (0..100).find(|tokens| fits(*tokens)).unwrap()
    }

    #[test]
    fn tokens_are_counted_as_the_specification_cuts_them() {
        assert_eq!(tokens(""), 0);
        assert_eq!(tokens(" ,\t\r\n\u{feff}# all this is nothing ( [ {"), 0);
        assert_eq!(tokens("{ a }"), 3);
        assert_eq!(tokens("query($a:[Int!]=[1.5e-3,-2]){...F@skip(if:$a)}"), 27);
        assert_eq!(tokens(r#"{a(x:"b \" c",y:"",z:"""d"e\"""f""")}"#), 14);
        assert_eq!(tokens("[007]"), 5);
        assert_eq!(tokens("[-1-2]"), 4);
    }

    #[test]
    fn deep_brackets_of_every_kind_are_refused() {
        let deep = |open: &str, limit: usize| format!("{{a(x:{}", open.repeat(limit));
        assert_eq!(refused(&deep("[", 62)), None);
        assert_eq!(refused(&deep("[", 63)), Some("nesting"));
        assert_eq!(refused(&deep("{", 63)), Some("nesting"));
        assert_eq!(refused(&deep("(", 63)), Some("nesting"));
        assert_eq!(refused(&deep("[", 2_000)), Some("nesting"));
        assert_eq!(refused(&deep("[", 100_000)), Some("text_bytes"));
        let variable = format!("query($a: Int = {}) {{ a }}", "[".repeat(2_000));
        assert_eq!(refused(&variable), Some("nesting"));
        let directive = format!("{{ a @b(c: {}) }}", "[".repeat(2_000));
        assert_eq!(refused(&directive), Some("nesting"));
        let ty = format!("query($a: {}Int{}) {{ a }}", "[".repeat(99), "]".repeat(99));
        assert_eq!(refused(&ty), Some("nesting"));
    }

    #[test]
    fn a_refusal_says_where() {
        let text = format!("# é\n{{ é a(x: {}", "[".repeat(70));
        let refusal = scan(&text, &Limits::default()).unwrap_err();
        assert_eq!(refusal.position, Some(Pos::from((2, 10 + 62))));
        assert_eq!(refusal.code, Code::QueryTooDeep);
    }

    #[test]
    fn brackets_in_strings_and_comments_are_text() {
        let many = "{[(".repeat(100);
        assert_eq!(refused(&format!("{{ a(x: \"{many}\") }}")), None);
        assert_eq!(refused(&format!("{{ a(x: \"\"\"{many}\n{many}\"\"\") }}")), None);
        assert_eq!(refused(&format!("{{ a # {many}\n }}")), None);
        assert_eq!(refused(&format!("{{ a(x: \"\\\\\") {many} }}")), Some("nesting"));
        assert_eq!(refused(&format!("{{ a # c\r{many} }}")), Some("nesting"));
    }

    #[test]
    fn an_unclosed_string_ends_with_its_line() {
        assert_eq!(refused("{ a(x: \"open"), None);
        assert_eq!(refused("{ a(x: \"open\\"), None);
        let after = format!("{{ a(x: \"open\n{}", "[".repeat(100));
        assert_eq!(refused(&after), Some("nesting"));
        let escaped = format!("{{ a(x: \"open\\\n{}", "[".repeat(100));
        assert_eq!(refused(&escaped), Some("nesting"));
    }

    #[test]
    fn an_unclosed_block_string_never_hides_what_follows() {
        let text = format!("{{ a(x: [\"\"\" \" {}", "[".repeat(1_000));
        let refusal = scan(&text, &Limits::default()).unwrap_err();
        assert_eq!(refusal.code, Code::ParseFailed);
        assert_eq!(refusal.position, Some(Pos::from((1, 9))));
    }

    #[test]
    fn ten_thousand_aliases_are_too_many_tokens() {
        let limits = Limits { text_bytes: usize::MAX, ..Limits::default() };
        let aliases = "a:b ".repeat(10_000);
        let refusal = scan(&format!("{{{aliases}}}"), &limits).unwrap_err();
        assert_eq!(refusal.limit, "tokens");
        let message = "the document has more than 2,000 tokens; at most 2,000 are taken";
        assert_eq!(refusal.message, message);
    }

    #[test]
    fn a_name_has_a_longest_and_a_string_has_not() {
        let name = |letters: usize| refused(&format!("{{ {} }}", "a".repeat(letters)));
        assert_eq!(name(LONGEST_NAME), None);
        assert_eq!(name(LONGEST_NAME + 1), Some("name"));
        assert_eq!(refused(&format!("{{ a(x: \"{}\") }}", "a".repeat(20_000))), None);
    }

    #[test]
    fn large_texts_are_refused_at_once() {
        let bomb = "{a".repeat(100_000);
        let started = Instant::now();
        for _ in 0..1_000 {
            assert_eq!(refused(&bomb), Some("text_bytes"));
        }
        assert!(started.elapsed() < Duration::from_millis(100));
    }
}
