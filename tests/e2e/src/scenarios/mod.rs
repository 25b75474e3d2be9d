//! The scenarios, one file each, and the list of them.

mod aliases;
mod auto_follow;
mod bad_input;
mod bootstrap;
mod chain_link_faults;
mod damaged_follower;
mod data_streams;
mod fallen_behind;
mod follower_killed;
mod leader_killed;
mod link_faults;
mod metadata;
mod official_clients;
mod pause_resume;
mod random_faults;
mod recovery_link_faults;
mod schemathesis;
mod startup_refusals;
mod tools;
mod unfollow;
mod updates_and_deletes;
mod yaml_tests;

use crate::context::Context;
use anyhow::Result;
use std::future::Future;
use std::pin::Pin;

type Run = for<'a> fn(&'a Context<'a>) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// What must be installed for a scenario, beside the program under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// No more.
    Nothing,
    /// The official clients.
    Clients,
    /// The third-party tools.
    Tools,
}

/// One scenario.
pub(crate) struct Scenario {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What it shows.
    pub(crate) about: &'static str,
    /// What must be installed for it.
    pub(crate) needs: Needs,
    /// Runs it.
    pub(crate) run: Run,
}

macro_rules! scenario {
    ($module:ident, $name:literal, $about:literal) => {
        scenario!($module::run, Nothing, $name, $about)
    };
    ($run:path, $needs:ident, $name:literal, $about:literal) => {
        Scenario {
            name: $name,
            about: $about,
            needs: Needs::$needs,
            run: |context| Box::pin($run(context)),
        }
    };
}

/// All scenarios in the order in which they run.
pub(crate) const ALL: &[Scenario] = &[
    scenario!(
        startup_refusals,
        "startup-refusals",
        "a node that cannot start says why in one sentence and ends with a failure"
    ),
    scenario!(
        bad_input,
        "bad-input",
        "wrong requests get the documented status and type and change nothing"
    ),
    scenario!(
        bootstrap,
        "bootstrap",
        "50,000 real documents in three shards arrive at a follower, bit by bit the same"
    ),
    scenario!(
        metadata,
        "metadata",
        "a follower's mapping and settings keep up with its leader's, and cannot be changed by hand"
    ),
    scenario!(
        aliases,
        "aliases",
        "a follower has its leader's aliases, whatever becomes of them, and no write index"
    ),
    scenario!(
        auto_follow,
        "auto-follow",
        "new indices are followed by themselves, whatever is paused, cut or killed meanwhile"
    ),
    scenario!(
        data_streams,
        "data-streams",
        "a data stream is followed backing index by backing index, whatever is cut or killed meanwhile, and taken over by promotion"
    ),
    scenario!(
        updates_and_deletes,
        "updates-and-deletes",
        "a follower keeps up with inserts, updates and deletes under load"
    ),
    scenario!(
        pause_resume,
        "pause-resume",
        "a paused follower stands still and, resumed, catches up"
    ),
    scenario!(
        unfollow,
        "unfollow",
        "an unfollowed index is an ordinary index that takes writes"
    ),
    scenario!(
        leader_killed,
        "leader-killed",
        "kill -9 of the leader under load loses nothing that it acknowledged"
    ),
    scenario!(
        follower_killed,
        "follower-killed",
        "kill -9 of the follower under load: it comes back and catches up by itself"
    ),
    scenario!(
        fallen_behind,
        "fallen-behind",
        "a follower whose operations are gone on the leader heals by delta, or fails as documented when it may not"
    ),
    scenario!(
        damaged_follower,
        "damaged-follower",
        "a follower whose files were damaged while it was down serves nothing wrong and rebuilds itself from its leader"
    ),
    scenario!(
        link_faults,
        "link-faults",
        "a line that is cut, swallows everything, resets connections, is long or narrow, and heals: the follower catches up by itself"
    ),
    scenario!(
        recovery_link_faults,
        "recovery-link-faults",
        "a new follower whose line is cut and reset while it is copied goes on with what it lacks"
    ),
    scenario!(
        chain_link_faults,
        "chain-link-faults",
        "both lines of a chain of three clusters suffer from random faults under load: afterwards all are equal"
    ),
    scenario!(
        random_faults,
        "random-faults",
        "kills, restarts, cuts and pauses in a random order under load: afterwards both sides are equal"
    ),
    scenario!(
        official_clients::run,
        Clients,
        "official-clients",
        "the samples of the documentation run on the official Python and JavaScript clients"
    ),
    scenario!(
        tools::elasticdump,
        Tools,
        "tool-elasticdump",
        "elasticdump copies an index to files and into other indices, by scroll and by search_after"
    ),
    scenario!(
        tools::curator,
        Tools,
        "tool-curator",
        "the actions of Curator do what they say"
    ),
    scenario!(
        tools::rsyslog,
        Tools,
        "tool-rsyslog",
        "messages and lines of files arrive through rsyslog, also while the node is away"
    ),
    scenario!(
        tools::rally,
        Tools,
        "tool-rally",
        "Rally races against a leader and records the statistics of its follower"
    ),
    scenario!(
        schemathesis::run,
        Tools,
        "tool-schemathesis",
        "requests made up from the description of the API meet no failure of the server"
    ),
    scenario!(
        yaml_tests::run,
        Clients,
        "yaml-tests",
        "of Elasticsearch's public YAML tests pass those that docs/yaml-tests.md says do"
    ),
];
