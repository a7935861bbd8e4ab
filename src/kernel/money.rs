//! Money: exact, in the smallest unit of its currency.
//!
//! People and programs write amounts as decimals (`"129.50"`); kept and added are whole numbers of the smallest unit,
//! so that nothing is ever rounded. How many decimals a currency has is said by ISO 4217: two for most, none for the
//! yen, three for the dinar of Kuwait.

use iso_currency::Currency;

/// The most decimals that a currency has.
const MOST_DECIMALS: u32 = 4;

/// How many decimals amounts in a currency have.
fn decimals(currency: &str) -> u32 {
    let exponent = Currency::from_code(currency).and_then(Currency::exponent).unwrap_or(2);
    u32::from(exponent).min(MOST_DECIMALS)
}

/// An amount as it is kept, or why it is none.
pub fn minor(text: &str, currency: &str) -> Result<i64, String> {
    let refused = || format!("{text:?} is no amount; one looks like \"129.50\"");
    let text = text.trim();
    if text.is_empty() || text.len() > 20 {
        return Err("an amount has between 1 and 20 characters, such as \"129.50\"".to_owned());
    }
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(part) || digits.ends_with('.') {
        return Err(refused());
    }
    let places = decimals(currency);
    if part.len() > places as usize {
        return Err(format!("amounts in {currency} have at most {places} decimals"));
    }
    let padded = format!("{whole}{part:0<width$}", width = places as usize);
    let amount: i64 = padded.parse().map_err(|_| format!("{text} is too large"))?;
    Ok(if negative { -amount } else { amount })
}

/// An amount as people write it.
#[must_use]
pub fn written(minor: i64, currency: &str) -> String {
    let places = decimals(currency) as usize;
    let sign = if minor < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = places + 1);
    let (whole, part) = digits.split_at(digits.len() - places);
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_kept_exactly_and_written_as_they_were() {
        for (text, currency, kept) in [
            ("129.50", "EUR", 12_950),
            ("0.05", "AED", 5),
            ("-3.00", "EUR", -300),
            ("7.125", "KWD", 7_125),
            ("90", "JPY", 90),
        ] {
            assert_eq!(minor(text, currency), Ok(kept), "{text} {currency}");
            assert_eq!(written(kept, currency), text);
        }
        assert_eq!(minor("12", "EUR"), Ok(1_200));
    }

    #[test]
    fn what_is_no_amount_of_the_currency_is_refused() {
        for (text, currency) in [
            ("", "EUR"),
            ("1.234", "EUR"),
            ("1.5", "JPY"),
            ("1e3", "EUR"),
            (".5", "EUR"),
            ("5.", "EUR"),
            ("1,5", "EUR"),
            ("99999999999999999999", "EUR"),
            ("--1", "EUR"),
        ] {
            assert!(minor(text, currency).is_err(), "{text} {currency}");
        }
    }
}
