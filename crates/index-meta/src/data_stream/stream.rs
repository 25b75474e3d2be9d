//! A data stream, and how it changes.

use serde_json::Value;

use super::name::{backing_index_name, order_key};

/// A data stream: one name for indices of which the newest takes the writes.
#[derive(Debug, Clone, PartialEq)]
pub struct DataStream {
    /// Counts its backing indices, those that are gone included. That of a replicated stream is its leader's.
    pub generation: u64,
    /// Its backing indices but the newest, oldest first.
    pub older: Vec<String>,
    /// The newest backing index, which takes the writes. A stream is never without one.
    pub write_index: String,
    /// Whether wildcards pass it over.
    pub hidden: bool,
    /// Whether documents may have a routing of their own.
    pub allow_custom_routing: bool,
    /// Whether it is copied from another cluster: then nothing but replication writes to it, until it is promoted.
    pub replicated: bool,
    /// What the template that it was created by notes (`_meta`), a JSON object.
    pub metadata: Option<Value>,
}

impl DataStream {
    /// The names of its backing indices, oldest first.
    pub fn indices(&self) -> impl Iterator<Item = &String> {
        self.older.iter().chain(std::iter::once(&self.write_index))
    }

    /// Whether the index is one of its backing indices.
    #[must_use]
    pub fn contains(&self, index: &str) -> bool {
        self.indices().any(|held| held == index)
    }

    /// The name and the generation of the next backing index of the stream `name`. Names that are taken are passed over.
    ///
    /// Source: Elasticsearch's next write index, which passes over names that are taken.
    #[must_use]
    pub fn next(&self, name: &str, now_millis: u64, is_taken: impl Fn(&str) -> bool) -> (String, u64) {
        let mut generation = self.generation;
        loop {
            generation = generation.saturating_add(1);
            let index = backing_index_name(name, generation, now_millis);
            if generation == u64::MAX || !is_taken(&index) {
                return (index, generation);
            }
        }
    }

    /// The stream with a new backing index, which takes the writes from now on.
    #[must_use]
    pub fn rolled_over(&self, index: String, generation: u64) -> Self {
        Self {
            generation,
            older: self.indices().cloned().collect(),
            write_index: index,
            ..self.clone()
        }
    }

    /// The replicated stream `name` with one more backing index, which takes its place among them; the newest one takes the writes of the leader. An index that
    /// it has already stays where it is.
    #[must_use]
    pub fn with_replicated(&self, name: &str, index: &str, leader_generation: u64) -> Self {
        if self.contains(index) {
            return self.clone();
        }
        let mut indices: Vec<String> = self.indices().cloned().collect();
        indices.push(index.to_owned());
        indices.sort_by(|left, right| order_key(name, left).cmp(&order_key(name, right)));
        let write_index = indices.pop().unwrap_or_else(|| index.to_owned());
        Self {
            // What is known of the leader may be older than what came with another index.
            generation: self.generation.max(leader_generation),
            older: indices,
            write_index,
            ..self.clone()
        }
    }

    /// The stream without a backing index that takes no writes.
    #[must_use]
    pub fn without(&self, index: &str) -> Self {
        let mut next = self.clone();
        next.older.retain(|held| held != index);
        next
    }

    /// The stream as one of this cluster's own.
    #[must_use]
    pub fn promoted(&self) -> Self {
        Self {
            replicated: false,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(indices: &[&str]) -> DataStream {
        let (last, older) = indices.split_last().expect("an index");
        DataStream {
            generation: indices.len() as u64,
            older: older.iter().map(|name| (*name).to_owned()).collect(),
            write_index: (*last).to_owned(),
            hidden: false,
            allow_custom_routing: false,
            replicated: true,
            metadata: None,
        }
    }

    fn names(stream: &DataStream) -> Vec<&str> {
        stream.indices().map(String::as_str).collect()
    }

    #[test]
    fn a_rollover_adds_the_next_generation_and_passes_over_names_that_are_taken() {
        let first = stream(&[".ds-a-1970.01.01-000001"]);
        let taken = [".ds-a-1970.01.01-000002", ".ds-a-1970.01.01-000003"];
        let (index, generation) = first.next("a", 0, |name| taken.contains(&name));
        assert_eq!((index.as_str(), generation), (".ds-a-1970.01.01-000004", 4));
        let next = first.rolled_over(index, generation);
        assert_eq!(
            names(&next),
            [".ds-a-1970.01.01-000001", ".ds-a-1970.01.01-000004"]
        );
        assert_eq!((next.generation, next.older.len()), (4, 1));
        assert_eq!(next.next("a", 0, |_| false).1, 5);
    }

    #[test]
    fn a_replicated_index_takes_its_place() {
        // (held, added, expected)
        let cases: [(&[&str], &str, &[&str]); 5] = [
            (
                &[".ds-a-2031.04.09-000001"],
                ".ds-a-2031.04.09-000002",
                &["1", "2"],
            ),
            (
                &[".ds-a-2031.04.09-000002"],
                ".ds-a-2031.04.09-000001",
                &["1", "2"],
            ),
            (
                &[".ds-a-2031.04.09-000001", ".ds-a-2031.04.09-000003"],
                "shrink-x-.ds-a-2031.04.09-000002",
                &["1", "2", "3"],
            ),
            (&[".ds-a-2031.04.09-000001"], "by-hand-9", &["9", "1"]),
            (
                &["by-hand-9", ".ds-a-2031.04.09-000001"],
                ".ds-a-2031.04.09-000001",
                &["9", "1"],
            ),
        ];
        for (held, added, expected) in cases {
            let next = stream(held).with_replicated("a", added, 7);
            let last: Vec<&str> = names(&next)
                .into_iter()
                .map(|name| &name[name.len() - 1..])
                .collect();
            assert_eq!(last, expected, "{held:?} and {added}");
            let is_new = !held.contains(&added);
            assert_eq!(next.generation, if is_new { 7 } else { 2 });
        }
        let late = stream(&["1", "3"]).with_replicated("a", "2", 1);
        assert_eq!(late.generation, 2, "generations never go back");
    }

    #[test]
    fn an_older_index_leaves_and_the_newest_stays() {
        let two = stream(&["1", "2"]);
        assert_eq!(names(&two.without("1")), ["2"]);
        assert_eq!(names(&two.without("2")), ["1", "2"]);
        assert!(two.contains("1") && !two.contains("3"));
        assert!(!two.promoted().replicated);
    }
}
