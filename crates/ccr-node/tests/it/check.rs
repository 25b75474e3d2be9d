//! `ccr-node check`.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::data::{Data, contents};

const BINARY: &str = env!("CARGO_BIN_EXE_ccr-node");
/// The length of a segment's header, where its first frame begins.
const FIRST_FRAME: usize = 40;

struct Answer {
    status: i32,
    out: String,
    error: String,
}

impl Answer {
    /// The line that begins with `begin`.
    fn line(&self, begin: &str) -> &str {
        let line = self.out.lines().find(|line| line.starts_with(begin));
        line.unwrap_or_else(|| panic!("no line begins with {begin}: {}{}", self.out, self.error))
    }
}

/// Runs the verification, and makes sure that nothing was touched unless a node runs there.
fn check(dir: &Path, arguments: &[&str]) -> Answer {
    let before = contents(dir);
    let answer = check_running(dir, arguments);
    assert!(before == contents(dir), "nothing changes");
    answer
}

fn check_running(dir: &Path, arguments: &[&str]) -> Answer {
    let mut command = Command::new(BINARY);
    command.arg("check").arg("--data-dir").arg(dir).args(arguments);
    let output = command.output().unwrap();
    let answer = Answer {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        error: String::from_utf8(output.stderr).unwrap(),
    };
    assert!(!answer.error.contains("panicked"), "{}", answer.error);
    answer
}

fn flip(path: &Path, place: usize) {
    let mut content = fs::read(path).unwrap();
    content[place] ^= 0xff;
    fs::write(path, content).unwrap();
}

#[test]
fn a_good_directory_is_told_as_it_is() {
    let data = Data::new();
    let answer = check(data.path(), &[]);
    assert_eq!(answer.status, 0, "{}{}", answer.out, answer.error);
    let line = answer.line("orders[0]: ");
    let (digest, live, max) = (&data.digest, data.live_count, data.max_seq_no);
    let begin = format!("orders[0]: 210 operations, {live} live, digest {digest}, max_seq_no {max}, ");
    assert!(line.starts_with(&begin) && line.ends_with(" bytes: ok"), "{line}");
    for shard in ["customers[0]: ", "customers[1]: "] {
        assert!(answer.line(shard).ends_with(" bytes: ok"), "{}", answer.out);
    }
    assert_eq!(answer.line("cluster state"), "cluster state: ok");
    assert_eq!(
        answer.line("3 shards"),
        "3 shards, 3 ok; cluster state ok; together: ok"
    );
    assert_eq!(answer.out.lines().count(), 5, "{}", answer.out);
}

#[test]
fn machines_are_told_the_same_and_every_file() {
    let data = Data::new();
    let answer = check(data.path(), &["--json", "--files"]);
    assert_eq!(answer.status, 0, "{}{}", answer.out, answer.error);
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(report["status"], "ok");
    let shards = report["shards"].as_array().unwrap();
    assert_eq!(shards.len(), 3);
    let orders = shards.iter().find(|shard| shard["index"] == "orders").unwrap();
    assert_eq!(orders["digest"], data.digest.as_str());
    assert_eq!(
        (&orders["docs"], &orders["live_count"]),
        (&data.live_count.into(), &data.live_count.into())
    );
    assert_eq!(orders["problems"], Value::Array(Vec::new()));
    let listed = orders["files"].as_array().unwrap().iter();
    let mut listed: Vec<_> = listed
        .map(|file| {
            (
                file["file"].as_str().unwrap().to_owned(),
                file["size_in_bytes"].as_u64().unwrap(),
            )
        })
        .collect();
    listed.sort();
    let files = contents(&data.orders).into_iter();
    let on_disk: Vec<_> = files
        .filter_map(|(path, content)| {
            let name = path
                .strip_prefix(&data.orders)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            content.map(|content| (name, content.len() as u64))
        })
        .collect();
    assert_eq!(listed, on_disk);
}

/// What is done to the shard of `orders`, the status of the process, the end of the shard's line, and what is said about which file.
struct Case {
    damage: fn(&Data),
    status: i32,
    ends: &'static str,
    file: fn(&Data) -> String,
    says: &'static [&'static str],
}

fn named(name: &str) -> String {
    format!("oplog/{name}: ")
}

fn segment_name(data: &Data, number: usize) -> String {
    let path = &data.segments()[number];
    named(path.file_name().unwrap().to_str().unwrap())
}

const NOT_A_FOLLOWER: &str = "restore the shard's directory from a copy; clusters that follow";
const MENDED: &str = "nothing to do: the node mends it when it starts";

const CASES: &[(&str, Case)] = &[
    (
        "a sealed segment",
        Case {
            damage: |data| flip(&data.segments()[1], FIRST_FRAME + 30),
            status: 1,
            ends: ": DAMAGED",
            file: |data| segment_name(data, 1),
            says: &["DAMAGED at offset 40, seq_no ", NOT_A_FOLLOWER],
        },
    ),
    (
        "the open segment",
        Case {
            damage: |data| flip(data.segments().last().unwrap(), FIRST_FRAME + 30),
            status: 1,
            ends: ": DAMAGED",
            file: |data| segment_name(data, data.segments().len() - 1),
            says: &["DAMAGED at offset 40, seq_no ", NOT_A_FOLLOWER],
        },
    ),
    (
        "the checkpoint",
        Case {
            damage: |data| flip(&data.orders.join("oplog/checkpoint"), 20),
            status: 1,
            ends: ": DAMAGED",
            file: |_| named("checkpoint"),
            says: &["DAMAGED at offset ", NOT_A_FOLLOWER],
        },
    ),
    (
        "the leases",
        Case {
            damage: |data| flip(&data.orders.join("oplog/leases"), 60),
            status: 1,
            ends: ": DAMAGED",
            file: |_| named("leases"),
            says: &["DAMAGED at offset ", "restore the file from a copy, or remove it"],
        },
    ),
    (
        "the live set",
        Case {
            damage: |data| flip(&data.orders.join("oplog/live"), 40),
            status: 0,
            ends: " bytes: ok",
            file: |_| named("live"),
            says: &["will be built again", MENDED],
        },
    ),
    (
        "a file of the view",
        Case {
            damage: |data| flip(&data.orders_files("index", "fast")[0], 20),
            status: 0,
            ends: " bytes: ok",
            file: |data| {
                let file = &data.orders_files("index", "fast")[0];
                format!("index/{}: ", file.file_name().unwrap().to_str().unwrap())
            },
            says: &["is damaged", "nothing is lost: the search view is built again"],
        },
    ),
    (
        "the end of the open segment, which was never synced",
        Case {
            damage: |data| {
                let path = data.segments().pop().unwrap();
                let mut content = fs::read(&path).unwrap();
                content.extend([1; 30]);
                fs::write(path, content).unwrap();
            },
            status: 0,
            ends: " bytes: ok",
            file: |data| segment_name(data, data.segments().len() - 1),
            says: &["30 bytes from offset ", MENDED],
        },
    ),
];

#[test]
fn damage_is_told_with_its_file_and_what_to_do() {
    let data = Data::new();
    let good = contents(&data.orders);
    for (what, case) in CASES {
        (case.damage)(&data);
        let answer = check(data.path(), &[]);
        assert_eq!(
            answer.status, case.status,
            "{what}: {}{}",
            answer.out, answer.error
        );
        let line = answer.line("orders[0]: ");
        assert!(line.ends_with(case.ends), "{what}: {line}");
        let file = (case.file)(&data);
        let mut lines = answer.out.lines().skip_while(|line| !line.contains(&file));
        let told = [lines.next(), lines.next()]
            .map(Option::unwrap_or_default)
            .join("\n");
        for words in case.says {
            assert!(
                told.contains(words),
                "{what}: {words} is not in: {told}\n{}",
                answer.out
            );
        }
        for shard in ["customers[0]: ", "customers[1]: "] {
            assert!(
                answer.line(shard).ends_with(" bytes: ok"),
                "{what}: {}",
                answer.out
            );
        }
        for (path, content) in &good {
            if let Some(content) = content {
                fs::write(path, content).unwrap();
            }
        }
    }
    assert_eq!(check(data.path(), &[]).status, 0, "everything was put back");
}

#[test]
fn a_shard_that_a_node_gave_up_is_told_also_when_it_can_be_read_again() {
    let data = Data::new();
    let marker = data.orders.join("corrupted.json");
    fs::write(&marker, br#"{"format": 1, "reason": "block 7 is bad"}"#).unwrap();
    let answer = check(data.path(), &[]);
    assert_eq!(answer.status, 1, "{}{}", answer.out, answer.error);
    assert!(answer.line("orders[0]").ends_with(": DAMAGED"), "{}", answer.out);
    for words in ["block 7 is bad", "everything can be read now"] {
        assert!(answer.out.contains(words), "{}", answer.out);
    }

    flip(&data.segments()[1], FIRST_FRAME + 30);
    let answer = check(data.path(), &[]);
    assert!(answer.out.contains(NOT_A_FOLLOWER), "{}", answer.out);
    assert!(!answer.out.contains("everything can be read"), "{}", answer.out);
}

#[test]
fn what_is_missing_is_told() {
    let data = Data::new();
    let segment = segment_name(&data, 1);
    fs::remove_file(&data.segments()[1]).unwrap();
    let answer = check(data.path(), &[]);
    assert_eq!(answer.status, 1, "{}{}", answer.out, answer.error);
    let told = answer.out.lines().find(|line| line.contains(&segment)).unwrap();
    assert!(
        told.contains("DAMAGED at offset 0, seq_no ") && told.contains("missing"),
        "{told}"
    );

    fs::remove_dir_all(data.orders.join("oplog")).unwrap();
    let answer = check(data.path(), &[]);
    assert_eq!(
        (answer.status, answer.line("orders[0]")),
        (1, "orders[0]: DAMAGED")
    );
    assert!(answer.out.contains("there is no operation log"), "{}", answer.out);

    fs::remove_dir_all(&data.orders).unwrap();
    let answer = check(data.path(), &[]);
    assert_eq!(
        (answer.status, answer.line("orders[0]")),
        (1, "orders[0]: DAMAGED")
    );
    assert!(
        answer.out.contains("the shard's directory is missing"),
        "{}",
        answer.out
    );
    assert_eq!(
        answer.line("3 shards"),
        "3 shards, 2 ok, 1 DAMAGED; cluster state ok; together: DAMAGED"
    );
}

#[test]
fn without_cluster_state_the_shards_are_verified_all_the_same() {
    let data = Data::new();
    let file = data.path().join("cluster.redb");
    let uuid = data
        .orders
        .parent()
        .unwrap()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap();
    let damage: [&dyn Fn(); 2] = [&|| fs::write(&file, vec![0xee; 1 << 16]).unwrap(), &|| {
        fs::remove_file(&file).unwrap()
    }];
    for damage in damage {
        damage();
        let answer = check(data.path(), &[]);
        assert_eq!(answer.status, 1, "{}{}", answer.out, answer.error);
        assert_eq!(answer.line("cluster state"), "cluster state: DAMAGED");
        assert!(
            answer
                .line(&format!("{uuid}[0]: 210 operations"))
                .ends_with(" bytes: ok"),
            "{}",
            answer.out
        );
    }
}

/// A node that is killed when the test ends, however it ends.
struct Node(Child);

impl Node {
    #[expect(clippy::disallowed_methods, reason = "a deadline in real time")]
    fn start(dir: &Path) -> Self {
        let mut command = Command::new(BINARY);
        command.args([
            "serve",
            "--http",
            "127.0.0.1:0",
            "--transport",
            "127.0.0.1:0",
            "--data-dir",
        ]);
        command.arg(dir).env("RUST_LOG", "error").stdin(Stdio::null());
        let node = Self(command.spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(60);
        while !dir.join("node.addresses.json").exists() {
            assert!(Instant::now() < deadline, "the node did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        node
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Killed already when all went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_running_node_is_left_alone_and_a_killed_one_has_lost_nothing() {
    let data = Data::new();
    let mut node = Node::start(data.path());
    let answer = check_running(data.path(), &[]);
    assert_eq!((answer.status, answer.out.as_str()), (2, ""));
    assert!(
        answer.error.contains("a ccr-node process runs on"),
        "{}",
        answer.error
    );
    node.kill();
    let answer = check(data.path(), &[]);
    assert_eq!(answer.status, 0, "{}{}", answer.out, answer.error);
    assert_eq!(answer.line("cluster state"), "cluster state: ok");
    assert!(
        answer.line("orders[0]: 210 operations").ends_with(" bytes: ok"),
        "{}",
        answer.out
    );
}

#[test]
fn what_is_no_data_directory_cannot_be_checked() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().to_path_buf(), dir.path().join("missing")] {
        let answer = check_running(&path, &["--json"]);
        assert_eq!((answer.status, answer.out.as_str()), (2, ""));
        assert!(answer.error.contains("is no data directory"), "{}", answer.error);
    }
    assert_eq!(contents(dir.path()).len(), 0, "nothing is made");
}
