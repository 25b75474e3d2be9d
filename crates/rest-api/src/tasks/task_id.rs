//! The id of a task: its node and a number.

use std::fmt;
use std::str::FromStr;

use es_exception::Exception;

/// `NODE:NUMBER`, as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TaskId {
    pub(crate) node: String,
    pub(crate) number: u64,
}

impl fmt::Display for TaskId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.node, self.number)
    }
}

impl FromStr for TaskId {
    type Err = Exception;

    fn from_str(text: &str) -> Result<Self, Exception> {
        let malformed = || Exception::illegal_argument(format!("malformed task id {text}"));
        let (node, number) = text.rsplit_once(':').ok_or_else(malformed)?;
        if node.is_empty() {
            return Err(malformed());
        }
        Ok(Self {
            node: node.to_owned(),
            number: number.parse().map_err(|_| malformed())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_node_and_a_number() {
        let id: TaskId = "oTUltX4I:12".parse().expect("well-formed");
        assert_eq!((id.node.as_str(), id.number), ("oTUltX4I", 12));
        assert_eq!(id.to_string(), "oTUltX4I:12");
        for text in ["", "12", ":1", "node:", "node:-1", "node:x"] {
            let refused = text.parse::<TaskId>().expect_err(text);
            assert_eq!(refused.reason(), format!("malformed task id {text}"));
        }
    }
}
