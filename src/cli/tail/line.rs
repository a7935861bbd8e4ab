//! An event as a line for people.

use serde_json::Value;

/// Time, place in the log, what happened to what, through whom, and the facts.
pub(super) fn of(event: &Value) -> String {
    let text = |name: &str| plain(event[name].as_str().unwrap_or("-"));
    let at = event["at"].as_str().unwrap_or("-");
    // Down to the second; JSON has the rest.
    let at = at.get(..19).map_or_else(|| plain(at), |second| format!("{}Z", plain(second)));
    let (number, kind, subject, actor) = (text("number"), text("kind"), text("subject"), text("actor"));
    format!("{at}  {number:>6}  {kind:<22}  {subject}  by {actor}  {}", plain(&event["data"].to_string()))
}

/// What a partner is told: time, its own name for the order, from what to what, its word for it.
pub(super) fn told(event: &Value) -> String {
    let text = |value: &Value| plain(value.as_str().unwrap_or("-"));
    let at = event["at"].as_str().unwrap_or("-");
    let at = at.get(..19).map_or_else(|| plain(at), |second| format!("{}Z", plain(second)));
    let (own, order) = (text(&event["references"]["partner_order_id"]), text(&event["orderId"]));
    let (from, to, word) = (text(&event["from"]), text(&event["to"]), text(&event["partnerStatus"]));
    let by = if event["byPartner"] == true { "said by the partner" } else { "told to the partner" };
    format!("{at}  {own:<22}  {order}  {from} -> {to}  {word}  {by}")
}

/// A text that does nothing to a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_is_one_line_and_says_nothing_to_the_terminal() {
        let event = json!({
            "number": "7", "kind": "user.created", "subject": "usr_1", "actor": "a\u{1b}[2J\nb",
            "at": "2026-11-21T07:11:58.648754Z", "data": { "name": "new\nline\u{9b}" },
        });
        let line = of(&event);
        assert!(line.starts_with("2026-11-21T07:11:58Z       7  user.created            usr_1  by a"), "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }

    #[test]
    fn what_a_partner_is_told_is_one_line_too() {
        let event = json!({
            "at": "2026-11-21T07:11:58Z", "orderId": "ord_1", "references": { "partner_order_id": "V\n1" },
            "from": "new", "to": "approved", "partnerStatus": "CONFIRMED", "byPartner": false,
        });
        let line = told(&event);
        assert!(line.ends_with("ord_1  new -> approved  CONFIRMED  told to the partner"), "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }

    #[test]
    fn what_is_missing_is_a_dash() {
        assert_eq!(of(&json!({})).matches('-').count(), 5);
    }
}
