//! Which names an index and an alias may have.

use es_exception::{Exception, ExceptionKind};
use index_meta::BACKING_INDEX_PREFIX;

const MAX_NAME_BYTES: usize = 255;
const FORBIDDEN: [char; 12] = ['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':'];

/// Checks the name of an index to be created.
///
/// # Errors
/// `invalid_index_name_exception` that says what is wrong with the name.
///
/// Source: Elasticsearch's `MetadataCreateIndexService.validateIndexName`.
pub fn validate_index_name(name: &str) -> Result<(), Exception> {
    let invalid = |why: &str| {
        Exception::new(
            ExceptionKind::InvalidIndexName,
            format!("Invalid index name [{name}], {why}"),
        )
        .with_index(name)
    };
    check(name).map_err(|why| invalid(&why))?;
    if name.chars().any(char::is_uppercase) {
        return Err(invalid("must be lowercase"));
    }
    Ok(())
}

/// Checks the name of an alias to be added to `index`.
///
/// # Errors
/// `invalid_alias_name_exception` that says what is wrong with the name.
pub fn validate_alias_name(alias: &str, index: &str) -> Result<(), Exception> {
    validate_template_alias(alias).map_err(|refused| refused.with_index(index))
}

/// Checks the name of a data stream to be created.
///
/// # Errors
/// `illegal_argument_exception` that says what is wrong with the name.
///
/// Source: Elasticsearch's `MetadataCreateDataStreamService`.
pub fn validate_data_stream_name(name: &str) -> Result<(), Exception> {
    let invalid = |why: &str| Exception::illegal_argument(format!("data_stream [{name}] {why}"));
    check(name).map_err(|why| invalid(&why))?;
    if name.chars().any(char::is_uppercase) {
        return Err(invalid("must be lowercase"));
    }
    if name.starts_with(BACKING_INDEX_PREFIX) {
        return Err(invalid("must not start with '.ds-'"));
    }
    Ok(())
}

/// Checks the name of an alias in a template, for indices that nobody knows yet.
pub(crate) fn validate_template_alias(alias: &str) -> Result<(), Exception> {
    check(alias).map_err(|why| {
        Exception::new(
            ExceptionKind::InvalidAliasName,
            format!("Invalid alias name [{alias}]: {why}"),
        )
    })
}

fn check(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("must not be empty".into());
    }
    if name.chars().any(|c| FORBIDDEN.contains(&c) || c.is_control()) {
        return Err(match FORBIDDEN.iter().find(|c| name.contains(**c)) {
            Some('#') => "must not contain '#'".into(),
            Some(':') => "must not contain ':'".into(),
            _ => "must not contain the following characters [ , \", *, \\, <, |, ,, >, /, ?] or control characters".into(),
        });
    }
    if name.starts_with(['_', '-', '+']) {
        return Err("must not start with '_', '-', or '+'".into());
    }
    if name == "." || name == ".." {
        return Err("must not be '.' or '..'".into());
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(format!(
            "index name is too long, ({} > {MAX_NAME_BYTES})",
            name.len()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_elasticsearch_does() {
        for good in ["orders", "orders-2026.11.21", ".hidden", "a", "été", "1", "a_b+c"] {
            assert!(validate_index_name(good).is_ok(), "{good}");
        }
        let long = "a".repeat(256);
        for bad in [
            "",
            "Orders",
            "a b",
            "a,b",
            "a#b",
            "a:b",
            "a/b",
            "a\\b",
            "a*b",
            "a?b",
            "a\"b",
            "a<b",
            "a>b",
            "a|b",
            "_a",
            "-a",
            "+a",
            ".",
            "..",
            long.as_str(),
            "a\nb",
        ] {
            let refused = validate_index_name(bad).unwrap_err();
            assert_eq!(refused.kind(), ExceptionKind::InvalidIndexName, "{bad}");
        }
        assert!(validate_index_name(&"a".repeat(255)).is_ok());
    }

    #[test]
    fn a_data_stream_is_no_backing_index() {
        assert!(validate_data_stream_name("logs-app").is_ok());
        for (bad, why) in [
            (".ds-logs", "must not start with '.ds-'"),
            ("Logs", "must be lowercase"),
            ("_logs", "must not start with '_'"),
            ("a b", "must not contain the following characters"),
        ] {
            let refused = validate_data_stream_name(bad).unwrap_err();
            assert_eq!(refused.kind(), ExceptionKind::IllegalArgument, "{bad}");
            assert!(
                refused
                    .reason()
                    .starts_with(&format!("data_stream [{bad}] {why}")),
                "{refused}"
            );
        }
    }

    #[test]
    fn an_alias_may_have_upper_case_letters() {
        assert!(validate_alias_name("Orders", "orders-1").is_ok());
        let refused = validate_alias_name("a b", "orders-1").unwrap_err();
        assert_eq!(refused.kind(), ExceptionKind::InvalidAliasName);
    }
}
