//! Every file of a copy damaged in every way, one at a time: the copy answers as if nothing was, or refuses and names the file. Never anything else.

use std::collections::BTreeMap;
use std::fs;

use oplog::{Frame, ReadLimits};
use serde_json::json;

use super::*;
use crate::ShardError;

const DOCUMENTS: u64 = 60;

/// The queries whose answers are compared: postings, positions, columns, norms.
fn queries() -> Vec<Value> {
    let sorted = |query: Value| json!({"query": query, "sort": ["n"], "size": 100});
    vec![
        json!({"sort": ["n"], "size": 100}),
        sorted(json!({"term": {"tag": "t3"}})),
        sorted(json!({"match_phrase": {"title": "number five of"}})),
        sorted(json!({"range": {"n": {"gte": 20, "lt": 1030}}})),
        sorted(json!({"match": {"title": "seven"}})),
        sorted(json!({"prefix": {"title.raw": "document number n"}})),
    ]
}

const WORDS: [&str; 10] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
];

fn document(number: u64) -> Value {
    let word = WORDS[usize::try_from(number % 10).unwrap()];
    let title = format!("document number {word} of {DOCUMENTS} {}", "filler ".repeat(40));
    json!({"title": title, "tag": format!("t{}", number % 7), "n": number})
}

/// Several sealed segments of the log, two of the view, updates and deletes in both; not so many that the view's are merged.
fn fill(shard: &Shard) {
    let writes = |numbers: std::ops::Range<u64>, add: u64| {
        numbers
            .map(|number| index(&number.to_string(), &document(number + add)))
            .collect::<Vec<_>>()
    };
    write(shard, writes(0..40, 0));
    shard.refresh().wait().unwrap();
    write(shard, writes(38..DOCUMENTS, 0));
    write(shard, vec![delete("3"), delete("41")]);
    write(shard, writes(10..14, 1_000));
    let lease = "follower".parse().unwrap();
    shard.log().add_retention_lease(lease, None, "ccr").unwrap();
    shard.flush().unwrap();
}

/// All that a copy answers.
#[derive(Debug, PartialEq)]
struct Content {
    gets: BTreeMap<String, Option<String>>,
    searches: Vec<Vec<String>>,
    frames: Vec<Vec<u8>>,
    live: Vec<u64>,
    leases: Vec<String>,
}

/// Reads everything; the first refusal ends it, as it ends the copy's service.
fn read_all(shard: &Shard) -> Result<Content, String> {
    let text = |error: ShardError| crate::error::describe(&error);
    shard.refresh().wait().map_err(text)?;
    let mut gets = BTreeMap::new();
    for number in 0..DOCUMENTS {
        let id = number.to_string();
        let found = shard.get(&id).map_err(text)?;
        gets.insert(id, found.map(|found| format!("{found:?}")));
    }
    let searches = queries().into_iter().map(|body| {
        let request = SearchRequest::from_json(&body).unwrap();
        let hits = shard.search(&request).map_err(|error| error.to_string())?.hits;
        let fetched = shard.fetch(&hits, &request).map_err(|error| error.to_string())?;
        // Not the scores: they depend on dead documents that a rebuilt view does not have.
        Ok(fetched.iter().map(|document| format!("{document:?}")).collect())
    });
    let searches = searches.collect::<Result<Vec<Vec<String>>, String>>()?;
    let Some(last) = shard.log().max_seq_no() else {
        return Err("the log is empty".to_owned());
    };
    let frames = shard
        .read_changes(SeqNo::ZERO, last, ReadLimits::NONE)
        .map_err(text)?;
    Ok(Content {
        gets,
        searches,
        frames: frames
            .iter()
            .map(|frame: &Frame| frame.bytes().to_vec())
            .collect(),
        live: shard.log().live_set().iter().map(SeqNo::get).collect(),
        leases: shard
            .log()
            .retention_leases()
            .leases
            .iter()
            .map(|lease| format!("{lease:?}"))
            .collect(),
    })
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Files below the copy's directory, as `oplog/x` or `index/x`.
fn files(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for folder in ["oplog", "index"] {
        for entry in fs::read_dir(dir.join(folder)).unwrap().flatten() {
            names.push(format!("{folder}/{}", entry.file_name().into_string().unwrap()));
        }
    }
    names.sort();
    names
}

#[derive(Debug, Clone)]
enum Damage {
    Flip(usize),
    Truncate(usize),
    Zero { from: usize, length: usize },
    Remove,
    Swap(String),
    Overwrite(String),
}

impl Damage {
    /// Those that make sense for a file of this length, beside `others` of its kind.
    fn of(length: usize, others: &[&String]) -> Vec<Self> {
        let mut all = vec![Self::Remove];
        if length > 0 {
            let places = [
                0,
                1,
                9,
                17,
                length / 3,
                length / 2,
                length - length / 4,
                length - 30,
                length - 12,
                length - 1,
            ];
            let mut places: Vec<usize> = places.into_iter().filter(|place| *place < length).collect();
            places.sort_unstable();
            places.dedup();
            all.extend(places.into_iter().map(Self::Flip));
            all.extend([0, length / 2, length - 1].map(Self::Truncate));
            let page = length.min(4096);
            all.push(Self::Zero {
                from: 0,
                length: page,
            });
            all.push(Self::Zero {
                from: (length / 2).min(length - page / 4 - 1),
                length: page / 4,
            });
        }
        for other in others {
            all.push(Self::Swap((*other).clone()));
            all.push(Self::Overwrite((*other).clone()));
        }
        all
    }

    fn apply(&self, dir: &Path, name: &str) {
        let path = dir.join(name);
        let bytes = || fs::read(&path).unwrap();
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut changed = bytes();
            change(&mut changed);
            fs::write(&path, changed).unwrap();
        };
        match self {
            Self::Flip(place) => with(&|bytes| bytes[*place] ^= 0x04),
            Self::Truncate(length) => with(&|bytes| bytes.truncate(*length)),
            Self::Zero { from, length } => with(&|bytes| bytes[*from..*from + *length].fill(0)),
            Self::Remove => fs::remove_file(&path).unwrap(),
            Self::Swap(other) => {
                let (mine, theirs) = (bytes(), fs::read(dir.join(other)).unwrap());
                fs::write(&path, theirs).unwrap();
                fs::write(dir.join(other), mine).unwrap();
            }
            Self::Overwrite(other) => {
                fs::copy(dir.join(other), &path).unwrap();
            }
        }
    }

    fn touches(&self, name: &str) -> Vec<String> {
        match self {
            Self::Swap(other) => vec![name.to_owned(), other.clone()],
            _ => vec![name.to_owned()],
        }
    }
}

fn kind(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, kind)| kind)
}

#[test]
fn any_damage_to_any_file_is_healed_or_refused_by_name() {
    let origin = Fixture::primary();
    fill(&origin.shard);
    let expected = read_all(&origin.shard).unwrap();
    origin.shard.close().unwrap();
    let names = files(origin.dir.path());
    let count = |end: &str| names.iter().filter(|name| name.ends_with(end)).count();
    assert!(
        count(".log") >= 3 && count(".term") >= 2 && count(".del") >= 1,
        "{names:?}"
    );

    let (mut healed, mut refused, mut wrong) = (0, 0, Vec::new());
    for name in &names {
        let length = fs::read(origin.dir.path().join(name)).unwrap().len();
        let in_folder = |other: &&String| other.split('/').next() == name.split('/').next();
        let others: Vec<_> = names
            .iter()
            .filter(|other| *other != name && kind(other) == kind(name))
            .filter(in_folder)
            .take(2)
            .collect();
        for damage in Damage::of(length, &others) {
            if name == "oplog/leases" && matches!(damage, Damage::Remove) {
                // A log without leases is a valid one: followers add theirs again when they renew them.
                continue;
            }
            let dir = tempfile::tempdir().unwrap();
            copy_dir(origin.dir.path(), dir.path());
            damage.apply(dir.path(), name);
            let opened = Shard::open(config(dir.path(), ShardRole::Primary), origin.services.clone());
            let answer = match &opened {
                Ok(shard) => read_all(shard),
                Err(error) => Err(crate::error::describe(error)),
            };
            match answer {
                Ok(content) if content == expected => healed += 1,
                Ok(_) => wrong.push(format!("{name} {damage:?}: other content was answered")),
                Err(reason) => {
                    let of_view = name.starts_with("index/");
                    // Without its checkpoint a log is none at all: it is its directory that is named.
                    let named = damage
                        .touches(name)
                        .iter()
                        .any(|name| reason.contains(name.as_str()))
                        || (name == "oplog/checkpoint" && reason.contains("oplog"))
                        || (name.ends_with(".log") && reason.contains("/oplog/"));
                    if of_view || !named {
                        wrong.push(format!("{name} {damage:?}: {reason}"));
                    }
                    refused += 1;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(healed > 200 && refused > 50, "healed {healed}, refused {refused}");
}

#[test]
fn a_view_of_another_log_is_rebuilt() {
    let (mut one, mut other) = (Fixture::primary(), Fixture::primary());
    for (fixture, value) in [(&one, 1), (&other, 2)] {
        load(&fixture.shard, &[json!({"n": value}), json!({"n": value})]);
        fixture.shard.close().unwrap();
    }
    let (left, right) = (one.dir.path().join("index"), other.dir.path().join("index"));
    let aside = one.dir.path().join("aside");
    fs::rename(&left, &aside).unwrap();
    fs::rename(&right, &left).unwrap();
    fs::rename(&aside, &right).unwrap();
    for (fixture, value) in [(&mut one, 1), (&mut other, 2)] {
        fixture.open();
        let total = |n: u64| search(&fixture.shard, &json!({"query": {"term": {"n": n}}})).total;
        assert_eq!((total(value), total(3 - value)), (Some(2), Some(0)));
    }
}
