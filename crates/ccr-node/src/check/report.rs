//! What a verification tells, to people and to machines.

use std::io::{self, Write};
use std::path::Path;

use oplog::{Digest, IndexUuid, Problem, SeqNo};
use serde::Serialize;
use shard::{ShardCheck, ViewCheck};

use super::advice;
use super::plan::Task;

/// What a node leaves in the directory of a shard in which it found damage.
const MARKER_FILE: &str = "corrupted.json";

/// What something is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// Nothing is lost.
    Ok,
    /// Nothing in it counts.
    Skipped,
    /// It could not be read, or not by this version.
    NotChecked,
    /// Something that was durable is lost.
    Damaged,
}

impl Status {
    const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::NotChecked => "NOT CHECKED",
            Self::Damaged => "DAMAGED",
        }
    }
}

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    data_dir: String,
    /// The worst of the parts.
    pub(super) status: Status,
    pub(super) cluster_state: ClusterStateReport,
    pub(super) shards: Vec<ShardReport>,
}

#[derive(Debug, Serialize)]
pub(super) struct ClusterStateReport {
    file: String,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct ShardReport {
    index: String,
    index_uuid: IndexUuid,
    shard: u32,
    dir: String,
    status: Status,
    /// Why it is skipped or was not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(flatten)]
    figures: Option<Figures>,
    problems: Vec<ProblemReport>,
    /// With `--files` only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<FileReport>,
    #[serde(skip)]
    is_follower: bool,
}

#[derive(Debug, Clone, Serialize)]
struct Figures {
    operations: u64,
    live_count: u64,
    /// Not known when operations are damaged.
    digest: Option<Digest>,
    max_seq_no: Option<SeqNo>,
    size_in_bytes: u64,
    /// Documents in the search view, which may be behind the log.
    docs: Option<u64>,
}

#[derive(Debug, Serialize)]
struct ProblemReport {
    /// Below the shard's directory; empty for the directory itself.
    file: String,
    /// Whether something is lost.
    is_damage: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq_no: Option<SeqNo>,
    reason: String,
    advice: String,
}

#[derive(Debug, Serialize)]
struct FileReport {
    file: String,
    size_in_bytes: u64,
}

impl Report {
    pub(super) fn new(data_dir: &Path, cluster_state: ClusterStateReport) -> Self {
        Self {
            data_dir: data_dir.display().to_string(),
            status: Status::Ok,
            cluster_state,
            shards: Vec::new(),
        }
    }

    /// Draws the conclusion from the parts.
    pub(super) fn conclude(&mut self) {
        let parts = self.shards.iter().map(|shard| shard.status);
        let parts: Vec<_> = parts.chain([self.cluster_state.status]).collect();
        let worst = [Status::Damaged, Status::NotChecked];
        self.status = worst
            .into_iter()
            .find(|status| parts.contains(status))
            .unwrap_or(Status::Ok);
    }

    pub(super) fn print_summary(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{} shards", self.shards.len())?;
        for status in [Status::Ok, Status::Damaged, Status::NotChecked, Status::Skipped] {
            let count = self.shards.iter().filter(|shard| shard.status == status).count();
            if count > 0 {
                write!(out, ", {count} {}", status.label())?;
            }
        }
        writeln!(
            out,
            "; cluster state {}; together: {}",
            self.cluster_state.status.label(),
            self.status.label()
        )
    }
}

impl ClusterStateReport {
    pub(super) fn new(file: &Path, status: Status, reason: Option<String>) -> Self {
        Self {
            file: file.display().to_string(),
            status,
            reason,
        }
    }

    pub(super) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "cluster state: {}", self.status.label())?;
        if let Some(reason) = &self.reason {
            writeln!(out, "  {}: {reason}", self.file)?;
            writeln!(
                out,
                "    restore the data directory from a copy; until then the shards below have no names, and none counts as missing"
            )?;
        }
        Ok(())
    }
}

impl ShardReport {
    pub(super) fn new(task: &Task) -> Self {
        Self {
            index: task.index.clone(),
            index_uuid: task.uuid.clone(),
            shard: task.shard,
            dir: task.dir.display().to_string(),
            status: Status::Ok,
            reason: None,
            figures: None,
            problems: Vec::new(),
            files: Vec::new(),
            is_follower: task.is_follower,
        }
    }

    /// Nothing was verified.
    pub(super) fn skip(&mut self, status: Status, reason: String) {
        self.status = status;
        self.reason = Some(reason);
    }

    /// What should be there is not.
    pub(super) fn missing(&mut self, file: &str, reason: &str) {
        self.status = Status::Damaged;
        self.problems.push(ProblemReport {
            file: file.to_owned(),
            is_damage: true,
            offset: None,
            seq_no: None,
            reason: reason.to_owned(),
            advice: advice::for_lost_operations(self.is_follower).to_owned(),
        });
    }

    /// Takes what was found.
    pub(super) fn fill(&mut self, check: &ShardCheck, all_files: bool) {
        if check.is_damaged() {
            self.status = Status::Damaged;
        }
        self.figures = Some(Figures {
            operations: check.log.operations,
            live_count: check.log.live_count,
            digest: (!check.log.is_damaged()).then_some(check.log.digest),
            max_seq_no: check.max_seq_no(),
            size_in_bytes: check.size_in_bytes(),
            docs: check.view.docs,
        });
        if let Some(reason) = &check.marker {
            self.problems.push(ProblemReport {
                file: MARKER_FILE.to_owned(),
                is_damage: true,
                offset: None,
                seq_no: None,
                reason: format!("a node found damage here and does not open the shard any more: {reason}"),
                advice: advice::for_marker(check.log.is_damaged() || check.lost.is_some(), self.is_follower)
                    .to_owned(),
            });
        }
        for file in &check.log.files {
            for problem in &file.problems {
                let advice = advice::for_log(&file.name, problem, self.is_follower);
                self.problems.push(problem_of_log(&file.name, problem, advice));
            }
        }
        if let Some(lost) = check.lost {
            self.problems.push(ProblemReport {
                file: "oplog".to_owned(),
                is_damage: true,
                offset: None,
                seq_no: Some(lost.first()),
                reason: format!("operations {lost} are missing, which the search view has documents of"),
                advice: advice::for_lost_operations(self.is_follower).to_owned(),
            });
        }
        self.fill_view(&check.view);
        if all_files {
            let log = check
                .log
                .files
                .iter()
                .map(|file| ("oplog", &file.name, file.length));
            let view = check
                .view
                .files
                .iter()
                .map(|file| ("index", &file.name, file.length));
            let files = log.chain(view).map(|(dir, name, size_in_bytes)| FileReport {
                file: format!("{dir}/{name}"),
                size_in_bytes,
            });
            self.files = files.collect();
        }
    }

    fn fill_view(&mut self, view: &ViewCheck) {
        let advice = advice::VIEW_IS_REBUILT;
        let of_files = view.files.iter().filter_map(|file| {
            let reason = file.problem.clone()?;
            Some((format!("index/{}", file.name), reason))
        });
        let of_view = view
            .problems
            .iter()
            .map(|reason| ("index".to_owned(), reason.clone()));
        let problems = of_files.chain(of_view).map(|(file, reason)| ProblemReport {
            file,
            is_damage: false,
            offset: None,
            seq_no: None,
            reason,
            advice: advice.to_owned(),
        });
        self.problems.extend(problems);
    }

    /// One line, then what is wrong and what to do about it.
    pub(super) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{}[{}]: ", self.index, self.shard)?;
        if let Some(figures) = &self.figures {
            figures.print(out)?;
        }
        writeln!(out, "{}", self.status.label())?;
        if let Some(reason) = &self.reason {
            writeln!(out, "  {}: {reason}", self.dir)?;
        }
        for problem in &self.problems {
            let path = Path::new(&self.dir).join(&problem.file);
            writeln!(out, "  {}: {}", path.display(), problem.text())?;
            writeln!(out, "    {}", problem.advice)?;
        }
        for file in &self.files {
            writeln!(out, "  {} {} bytes", file.file, file.size_in_bytes)?;
        }
        Ok(())
    }
}

impl Figures {
    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
        write!(
            out,
            "{} operations, {} live, digest {}, max_seq_no {}, {} bytes: ",
            self.operations,
            self.live_count,
            or_none(self.digest.map(|digest| digest.to_string())),
            or_none(self.max_seq_no.map(|seq_no| seq_no.to_string())),
            self.size_in_bytes
        )
    }
}

impl ProblemReport {
    fn text(&self) -> String {
        let mut text = String::new();
        if self.is_damage {
            text.push_str("DAMAGED");
            if let Some(offset) = self.offset {
                text.push_str(&format!(" at offset {offset}"));
            }
            if let Some(seq_no) = self.seq_no {
                text.push_str(&format!(", seq_no {seq_no}"));
            }
            text.push_str(": ");
        }
        text.push_str(&self.reason);
        text
    }
}

fn problem_of_log(name: &str, problem: &Problem, advice: &str) -> ProblemReport {
    let (offset, seq_no, reason) = match problem {
        Problem::Damaged {
            offset,
            seq_no,
            reason,
        } => (Some(*offset), *seq_no, reason.clone()),
        Problem::TornTail { offset, .. } => (Some(*offset), None, problem.to_string()),
        Problem::Rebuilt { .. } | Problem::Leftover | Problem::UnfinishedHeal => {
            (None, None, problem.to_string())
        }
    };
    ProblemReport {
        file: format!("oplog/{name}"),
        is_damage: problem.is_damage(),
        offset,
        seq_no,
        reason,
        advice: advice.to_owned(),
    }
}
