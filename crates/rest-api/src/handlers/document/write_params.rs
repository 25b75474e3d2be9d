//! The parameters of writes: refresh, versions, routing.

use es_exception::{Exception, ExceptionKind};
use indices::RefreshPolicy;
use oplog::{DocumentVersion, PrimaryTerm, SeqNo};
use shard::WritePrecondition;

use crate::params::Params;

/// Parameters that every write of one document takes.
pub(crate) const WRITE: &[&str] = &[
    "refresh",
    "routing",
    "timeout",
    "wait_for_active_shards",
    "version",
    "version_type",
    "if_seq_no",
    "if_primary_term",
    "require_alias",
    "require_data_stream",
    "include_source_on_error",
];

/// When the write becomes visible to searches.
pub(super) fn refresh_policy(params: &Params) -> Result<RefreshPolicy, Exception> {
    match params.get("refresh") {
        None | Some("false") => Ok(RefreshPolicy::None),
        Some("" | "true") => Ok(RefreshPolicy::Immediate),
        Some("wait_for") => Ok(RefreshPolicy::WaitFor),
        Some(other) => Err(Exception::illegal_argument(format!(
            "unknown value for refresh: [{other}]; use true, false or wait_for"
        ))),
    }
}

/// How many copies must be active. There is one copy of every shard here, so more can only fail.
pub(crate) fn check_active_shards(params: &Params) -> Result<(), Exception> {
    match params.text("wait_for_active_shards") {
        None | Some("0" | "1" | "all" | "index-setting") => Ok(()),
        Some(_) => {
            let wanted: u32 = params.number("wait_for_active_shards")?.unwrap_or(0);
            let reason = format!("not enough active copies to meet shard count of [{wanted}] (have 1)");
            Err(Exception::new(ExceptionKind::UnavailableShards, reason))
        }
    }
}

/// The refusal of a create that expects a version of the document that it is to create.
pub(super) fn versioned_create() -> Exception {
    invalid("create operations only support internal versioning, and no if_seq_no")
}

/// What a write expects of the current document, as four values that must fit together.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Expectation<'a> {
    pub(super) if_seq_no: Option<u64>,
    pub(super) if_primary_term: Option<u64>,
    pub(super) version: Option<u64>,
    pub(super) version_type: Option<&'a str>,
}

impl<'a> Expectation<'a> {
    pub(super) fn of(params: &'a Params) -> Result<Self, Exception> {
        Ok(Self {
            if_seq_no: params.number("if_seq_no")?,
            if_primary_term: params.number("if_primary_term")?,
            version: params.number("version")?,
            version_type: params.text("version_type"),
        })
    }

    /// # Errors
    /// `action_request_validation_exception` when the values contradict each other; `illegal_argument_exception` for unknown ones.
    pub(super) fn precondition(self) -> Result<WritePrecondition, Exception> {
        let by_seq_no = self.seq_no_and_term()?;
        let version = self.version.map(DocumentVersion::new);
        match (self.version_type.unwrap_or("internal"), version, by_seq_no) {
            ("internal", None, None) => Ok(WritePrecondition::None),
            ("internal", None, Some((seq_no, primary_term))) => {
                Ok(WritePrecondition::SeqNo { seq_no, primary_term })
            }
            ("internal", Some(_), _) => Err(invalid(
                "internal versioning cannot be used for optimistic concurrency control, use if_seq_no and if_primary_term",
            )),
            ("external" | "external_gt" | "external_gte", _, Some(_)) => Err(invalid(
                "compare and write operations cannot use versioning, use if_seq_no and if_primary_term alone",
            )),
            ("external" | "external_gt", Some(version), None) => Ok(WritePrecondition::External { version }),
            ("external_gte", Some(version), None) => Ok(WritePrecondition::ExternalGte { version }),
            ("external" | "external_gt" | "external_gte", None, None) => {
                Err(invalid("external versioning needs a version"))
            }
            (other, _, _) => Err(Exception::illegal_argument(format!(
                "no version type match [{other}]"
            ))),
        }
    }

    pub(super) fn seq_no_and_term(&self) -> Result<Option<(SeqNo, PrimaryTerm)>, Exception> {
        match (self.if_seq_no, self.if_primary_term) {
            (None, None | Some(0)) => Ok(None),
            (Some(seq_no), Some(term)) if term > 0 => {
                Ok(PrimaryTerm::new(term).map(|term| (SeqNo::new(seq_no), term)))
            }
            (Some(_), _) => Err(invalid("ifSeqNo is set, but primary term is [0]")),
            (None, Some(term)) => Err(invalid(&format!(
                "ifSeqNo is unassigned, but primary term is [{term}]"
            ))),
        }
    }
}

/// The refusal of a request that contradicts itself.
pub(super) fn invalid(problem: &str) -> Exception {
    Exception::new(
        ExceptionKind::ActionRequestValidation,
        format!("Validation Failed: 1: {problem};"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn precondition(query: &str) -> Result<WritePrecondition, Exception> {
        let params = Params::parse(query).expect("valid");
        Expectation::of(&params)?.precondition()
    }

    #[test]
    fn expectations_must_fit_together() {
        let accepted = [
            ("", WritePrecondition::None),
            (
                "version=3&version_type=external",
                WritePrecondition::External {
                    version: DocumentVersion::new(3),
                },
            ),
            (
                "version=3&version_type=external_gte",
                WritePrecondition::ExternalGte {
                    version: DocumentVersion::new(3),
                },
            ),
        ];
        for (query, expected) in accepted {
            assert_eq!(precondition(query).expect(query), expected);
        }
        assert!(matches!(
            precondition("if_seq_no=4&if_primary_term=1"),
            Ok(WritePrecondition::SeqNo { .. })
        ));
        let refused = [
            "if_seq_no=4",
            "if_primary_term=1",
            "version=3",
            "version_type=external",
            "version_type=x&version=1",
            "if_seq_no=1&if_primary_term=1&version=2&version_type=external",
            "if_seq_no=-1&if_primary_term=1",
            "version=a",
        ];
        for query in refused {
            assert_eq!(precondition(query).expect_err(query).status(), 400);
        }
    }

    #[test]
    fn refresh_is_a_flag_with_a_third_value() {
        let policy = |query: &str| refresh_policy(&Params::parse(query).expect("valid")).ok();
        assert_eq!(policy(""), Some(RefreshPolicy::None));
        assert_eq!(policy("refresh"), Some(RefreshPolicy::Immediate));
        assert_eq!(policy("refresh=wait_for"), Some(RefreshPolicy::WaitFor));
        assert_eq!(policy("refresh=false"), Some(RefreshPolicy::None));
        assert_eq!(policy("refresh=soon"), None);
    }
}
