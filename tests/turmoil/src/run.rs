//! A run of one seed: first faults, then none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use follow_task::RawFollowParameters;
use serde_json::json;
use transport::TransportConfig;

use crate::World;
use crate::checks::Following;
use crate::faults::{Fault, Faults};
use crate::random::Random;
use crate::workload::{Shape, Users};

/// In which every follower must have caught up once nothing goes wrong any more, in simulated time.
const RECOVERY: Duration = Duration::from_secs(240);

/// Who follows whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// One leader, one follower.
    Pair,
    /// One leader, two followers.
    FanOut,
    /// A leader, its follower, and the follower of that one.
    Chain,
}

/// Everything that is fixed before a run begins.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where all chance comes from.
    pub seed: u64,
    /// Who follows whom.
    pub topology: Topology,
    faults: BTreeSet<Fault>,
    chaos: Duration,
    fault_pause: u64,
    shards: u32,
    parameters: RawFollowParameters,
    config: TransportConfig,
    shape: Shape,
    /// Whether faults begin before the followers have been copied.
    bootstrap_in_chaos: bool,
}

impl Plan {
    /// The same with users who change metadata before a bulk request, and bring new fields, this likely.
    #[must_use]
    pub fn with_metadata(mut self, changes: f64, new_fields: f64) -> Self {
        (self.shape.metadata, self.shape.new_fields) = (changes, new_fields);
        self
    }

    /// The plan of a seed. Neighbouring seeds have different topologies.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x7ea1_57ac);
        let topology =
            [Topology::Pair, Topology::FanOut, Topology::Chain][usize::try_from(seed % 3).unwrap_or(0)];
        // Each run has some kinds of fault only: what one kind does is not hidden behind another.
        let faults = Fault::ALL.into_iter().filter(|_| random.chance(0.4)).collect();
        Self {
            seed,
            topology,
            faults,
            chaos: Duration::from_secs(random.between(8..25)),
            fault_pause: random.spread(200..2000),
            shards: u32::try_from(random.between(1..3)).unwrap_or(1),
            parameters: parameters(&mut random),
            config: if random.chance(0.3) {
                TransportConfig::DEFAULTS
            } else {
                impatient()
            },
            shape: Shape {
                documents: random.spread(5..300),
                largest_text: random.spread(100..20_000),
                largest_bulk: random.spread(2..30),
                pause: Duration::from_millis(random.spread(5..100)),
                new_fields: 0.02,
                metadata: if random.chance(0.5) { 0.02 } else { 0.0 },
            },
            bootstrap_in_chaos: random.chance(0.4),
        }
    }

    /// The kinds of fault that it has.
    #[must_use]
    pub fn faults(&self) -> &BTreeSet<Fault> {
        &self.faults
    }

    fn followings(&self) -> Vec<Following> {
        let following = |leader, leader_index, follower, follower_index| Following {
            leader,
            leader_index,
            follower,
            follower_index,
        };
        let first = following("lisbon", "orders", "paris", "copy");
        match self.topology {
            Topology::Pair => vec![first],
            Topology::FanOut => vec![first, following("lisbon", "orders", "tokyo", "copy")],
            Topology::Chain => vec![first, following("paris", "copy", "tokyo", "second-copy")],
        }
    }
}

/// Quick to notice that a connection is dead, so that a run sees more of what comes after.
#[must_use]
pub fn impatient() -> TransportConfig {
    TransportConfig {
        connect_timeout: Duration::from_secs(2),
        call_margin: Duration::from_secs(5),
        keepalive_interval: Duration::from_secs(1),
        keepalive_timeout: Duration::from_secs(1),
        serving_keepalive_timeout: Duration::from_secs(10),
        backoff_max: Duration::from_secs(1),
        ..TransportConfig::DEFAULTS
    }
}

fn parameters(random: &mut Random) -> RawFollowParameters {
    let mut count = |most: u64| Some(i64::try_from(random.spread(1..most)).unwrap_or(1));
    let (read_count, write_count, reads, writes) = (count(500), count(500), count(13), count(10));
    RawFollowParameters {
        max_read_request_operation_count: read_count,
        max_write_request_operation_count: write_count,
        max_outstanding_read_requests: reads,
        max_outstanding_write_requests: writes,
        max_read_request_size: Some(format!("{}b", random.spread(1_000..4_000_000))),
        max_retry_delay: Some(format!("{}ms", random.spread(50..1000))),
        read_poll_timeout: Some(format!("{}ms", random.spread(500..6000))),
        ..RawFollowParameters::default()
    }
}

/// What runs went through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Runs that ended well.
    pub runs: u64,
    /// Faults, by kind.
    pub faults: BTreeMap<Fault, u64>,
    /// Operations that users got acknowledged.
    pub acknowledged: u64,
    /// Operations of followers that were compared with their leaders'.
    pub compared: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Connections that were cut at a byte.
    pub cuts: u64,
    /// Reads of follow tasks that failed, of those tasks that lived to the end.
    pub failed_reads: u64,
    /// Delta heals, as far.
    pub heals: u64,
    /// Simulated time.
    pub simulated: Duration,
}

impl Tally {
    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        for (fault, times) in &other.faults {
            *self.faults.entry(*fault).or_default() += times;
        }
        self.acknowledged += other.acknowledged;
        self.compared += other.compared;
        self.connections += other.connections;
        self.cuts += other.cuts;
        self.failed_reads += other.failed_reads;
        self.heals += other.heals;
        self.simulated += other.simulated;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} runs, {:.0} simulated seconds, {:?}, {} connections, {} cut, {} failed reads, {} heals; \
             {} operations acknowledged, {} compared",
            self.runs,
            self.simulated.as_secs_f64(),
            self.faults,
            self.connections,
            self.cuts,
            self.failed_reads,
            self.heals,
            self.acknowledged,
            self.compared
        )
    }
}

/// Runs a plan to its end. `test` is the name of the test that does.
///
/// # Panics
/// When something does not hold, with what happened before it and the command that repeats it.
pub fn run(plan: &Plan, test: &'static str) -> Tally {
    let mut world = World::new(plan.seed, test);
    world.note(format!("{plan:?}"));
    let mut random = Random::new(plan.seed);
    let followings = plan.followings();
    let users = set_up(&mut world, plan, &followings);
    let mut tally = Tally::default();
    chaos(&mut world, plan, &mut random, &followings, &users, &mut tally);
    settle(&mut world, &followings);

    // Following goes on, each operation is written once.
    let before: Vec<_> = followings
        .iter()
        .map(|following| following.written(&world))
        .collect();
    let last_words = Arc::clone(&users);
    world.call("lisbon", |node| async move {
        for _ in 0..5 {
            last_words.write_once(&node).await;
        }
    });
    settle(&mut world, &followings);
    for (following, before) in followings.iter().zip(before) {
        let grown = before
            .iter()
            .zip(following.written(&world))
            .map(|(before, now)| (now.0 - before.0, now.1 - before.1));
        for (written, new) in grown {
            assert_eq!(
                written, new,
                "FT-1: {following:?} wrote {written} operations where {new} are new"
            );
        }
        tally.compared += u64::try_from(following.compare(&world)).unwrap_or(0);
        for task in following.tasks(&world) {
            tally.failed_reads += task.failed_read_requests;
            tally.heals += task.successful_heals;
        }
    }
    for host in world.host_names() {
        tally.connections += world.line(host).connections();
        tally.cuts += world.line(host).cuts();
    }
    for host in world.host_names() {
        world.begin_stop(host);
        world.end_stop(host);
    }
    tally.runs = 1;
    tally.acknowledged = users.acknowledged();
    tally.simulated = world.elapsed();
    tally
}

/// Hosts, an index with some documents, and followers.
fn set_up(world: &mut World, plan: &Plan, followings: &[Following]) -> Arc<Users> {
    let shards = plan.shards;
    world.add_host("lisbon", plan.config.clone());
    let users = Users::new("orders", plan.shape.clone(), plan.seed);
    let first = Arc::clone(&users);
    world.call("lisbon", move |node| async move {
        node.create_index("orders", shards, json!({})).await;
        for _ in 0..10 {
            first.write_once(&node).await;
        }
    });
    for following in followings {
        let Following {
            leader,
            leader_index,
            follower,
            follower_index,
        } = following.clone();
        world.add_host(follower, plan.config.clone());
        let parameters = plan.parameters.clone();
        world.call(follower, move |node| async move {
            node.connect(leader).await;
            node.follow(leader, leader_index, follower_index, &parameters)
                .await;
        });
        // Who follows a follower needs one that is there.
        if !plan.bootstrap_in_chaos || plan.topology == Topology::Chain {
            settle(world, std::slice::from_ref(following));
        }
    }
    users
}

fn chaos(
    world: &mut World,
    plan: &Plan,
    random: &mut Random,
    followings: &[Following],
    users: &Arc<Users>,
    tally: &mut Tally,
) {
    let kinds: Vec<_> = plan.faults.iter().copied().collect();
    let mut faults = Faults::default();
    let end = world.elapsed() + plan.chaos;
    let mut next_fault = world.elapsed();
    let mut next_look = world.elapsed();
    let mut writes_on = None;
    while world.elapsed() < end {
        // After a crash users come back to the new node.
        let leader = world.node("lisbon");
        if let Some(leader) = leader.filter(|leader| writes_on != Some(Arc::as_ptr(leader))) {
            writes_on = Some(Arc::as_ptr(&leader));
            let users = Arc::clone(users);
            world.start("lisbon", move |node| users.write(node));
        }
        if world.elapsed() >= next_fault {
            let pause = random.spread(plan.fault_pause / 4..plan.fault_pause * 4);
            next_fault = world.elapsed() + Duration::from_millis(pause);
            if let (Some(fault), Some(on)) = (random.pick(&kinds), random.pick(followings))
                && faults.inflict(world, random, *fault, on)
            {
                *tally.faults.entry(*fault).or_default() += 1;
            }
        }
        for host in world
            .host_names()
            .into_iter()
            .filter(|host| world.has_died(host))
            .collect::<Vec<_>>()
        {
            world.crash(host);
        }
        faults.repair_due(world);
        if world.elapsed() >= next_look {
            next_look = world.elapsed() + Duration::from_millis(20);
            followings
                .iter()
                .for_each(|following| following.check_always(world));
        }
        world.step();
    }
    users.stop();
    faults.repair_all(world);
    world.until("the leader is back", RECOVERY, |world| {
        world.node("lisbon").map(drop).ok_or_else(|| "not yet".to_owned())
    });
    let users = Arc::clone(users);
    world.call("lisbon", |node| async move { users.open(&node).await });
}

/// Waits until all have caught up (FT-4).
fn settle(world: &mut World, followings: &[Following]) {
    world.until("FT-4: a follower catches up", RECOVERY, |world| {
        for following in followings {
            following.check_always(world);
            following
                .settled(world)
                .map_err(|why| format!("{following:?}: {why}"))?;
        }
        Ok(())
    });
    world.note("all have caught up");
}
