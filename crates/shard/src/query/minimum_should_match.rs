//! `minimum_should_match`.

use es_exception::Exception;
use serde_json::Value;

use super::parse::malformed;

/// How many optional clauses must match.
///
/// Source: an integer, a negative integer (may be missing), a percentage, a negative percentage, or `N<X` (X applies above N clauses).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MinimumShouldMatch {
    rules: Vec<(usize, Amount)>,
    plain: Option<Amount>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Amount {
    Count(i64),
    Percent(i64),
}

impl MinimumShouldMatch {
    pub(super) fn from_json(value: &Value) -> Result<Self, Exception> {
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            other => {
                return Err(malformed(format!(
                    "[minimum_should_match] must be a number or a string, got [{other}]"
                )));
            }
        };
        let mut parsed = Self {
            rules: Vec::new(),
            plain: None,
        };
        for part in text.split_whitespace() {
            match part.split_once('<') {
                Some((above, amount)) => {
                    let above = above.parse().map_err(|_| bad(&text))?;
                    parsed
                        .rules
                        .push((above, parse_amount(amount).ok_or_else(|| bad(&text))?));
                }
                None => parsed.plain = Some(parse_amount(part).ok_or_else(|| bad(&text))?),
            }
        }
        if parsed.rules.is_empty() && parsed.plain.is_none() {
            return Err(bad(&text));
        }
        Ok(parsed)
    }

    /// How many of `clauses` must match.
    pub(super) fn of(&self, clauses: usize) -> usize {
        let rule = self
            .rules
            .iter()
            .rev()
            .find(|(above, _)| clauses > *above)
            .map(|(_, amount)| *amount);
        let total = i64::try_from(clauses).unwrap_or(i64::MAX);
        let required = match rule.or(self.plain) {
            None => total,
            Some(Amount::Count(count)) if count >= 0 => count,
            Some(Amount::Count(missing)) => total + missing,
            Some(Amount::Percent(percent)) if percent >= 0 => total * percent / 100,
            Some(Amount::Percent(missing)) => total + total * missing / 100,
        };
        usize::try_from(required.max(0)).unwrap_or(usize::MAX)
    }
}

fn parse_amount(text: &str) -> Option<Amount> {
    match text.strip_suffix('%') {
        Some(percent) => percent
            .parse()
            .ok()
            .filter(|percent: &i64| percent.abs() <= 100)
            .map(Amount::Percent),
        None => text.parse().ok().map(Amount::Count),
    }
}

fn bad(text: &str) -> Exception {
    malformed(format!("[minimum_should_match] cannot be read: [{text}]"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_is_read() {
        for (value, clauses, expected) in [
            (json!(2), 5, 2),
            (json!("-1"), 5, 4),
            (json!("75%"), 4, 3),
            (json!("75%"), 5, 3),
            (json!("-25%"), 5, 4),
            (json!("2<75%"), 2, 2),
            (json!("2<75%"), 4, 3),
            (json!("2<-25% 9<-3"), 10, 7),
            (json!(7), 3, 7),
            (json!(-9), 3, 0),
        ] {
            assert_eq!(
                MinimumShouldMatch::from_json(&value).unwrap().of(clauses),
                expected,
                "{value} of {clauses}"
            );
        }
        assert!(MinimumShouldMatch::from_json(&json!("many")).is_err());
    }
}
