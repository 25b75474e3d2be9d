//! What a run is made of, all drawn from its seed.

use std::collections::BTreeSet;
use std::time::Duration;

use follow_task::{FollowParameters, RawFollowParameters};
use oplog::{ByteCount, LogOptions};

use crate::mutant::Mutant;
use crate::random::Random;
use crate::tally::FaultKind;

/// Who follows whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// One leader, one follower.
    Pair,
    /// One leader, two followers in two clusters.
    FanOut,
    /// A leader, its follower, and the follower of that one.
    Chain,
    /// Two clusters, an index in each direction.
    TwoWay,
}

impl Topology {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pair, Self::FanOut, Self::Chain, Self::TwoWay];
}

/// Everything that is fixed before a run begins.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where all chance comes from.
    pub seed: u64,
    /// Who follows whom.
    pub topology: Topology,
    /// The rule that is broken on purpose, if any.
    pub mutant: Option<Mutant>,
    /// Length of the phase with faults.
    pub(crate) chaos: Duration,
    /// Mean pause between two faults.
    pub(crate) fault_pause: Duration,
    pub(crate) faults: BTreeSet<FaultKind>,
    pub(crate) parameters: RawFollowParameters,
    /// The same, checked.
    pub(crate) limits: FollowParameters,
    /// Bytes that all tasks of a node share.
    pub(crate) budget: ByteCount,
    pub(crate) lease_period: Duration,
    pub(crate) renew_interval: Duration,
    pub(crate) log_options: LogOptions,
    /// Operations below the checkpoint that are kept whatever the leases say.
    pub(crate) retention_operations: u64,
    pub(crate) documents: u64,
    pub(crate) write_pause: Duration,
    pub(crate) largest_write: u64,
    pub(crate) largest_source: u64,
    pub(crate) chunk: u64,
    /// How likely an operation brings a field that the mapping lacks.
    pub(crate) new_fields: f64,
    /// How often leases expire and logs are compacted.
    pub(crate) maintenance: Duration,
    /// Whether followers get over operations that their leader has removed.
    pub(crate) auto_heal: bool,
}

impl Plan {
    /// The plan of a seed. Neighbouring seeds have different topologies.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5eed_0f91);
        let topology = Topology::ALL[(seed % 4) as usize];
        // Each run has some kinds of fault only: what one kind does is not hidden behind another.
        let share = [0.0, 0.15, 0.3, 0.6][random.below(4) as usize];
        let faults = FaultKind::ALL.iter().copied();
        let faults = faults.filter(|_| random.chance(share)).collect();
        let renew_interval = Duration::from_millis(random.spread(500..4000));
        let chaos = Duration::from_millis(random.spread(8_000..60_000));
        let (operations, largest_write) = (random.spread(50..800), random.spread(2..40));
        let batches = u32::try_from(operations / largest_write.div_ceil(2)).unwrap_or(1);
        let parameters = parameters(&mut random);
        Self {
            seed,
            topology,
            mutant: None,
            chaos,
            fault_pause: Duration::from_millis(random.spread(500..6000)),
            faults,
            limits: parsed(parameters.clone()),
            parameters,
            budget: ByteCount::new(random.spread(2_000..10_000_000)),
            lease_period: renew_interval * random.between(4..10) as u32,
            renew_interval,
            log_options: log_options(&mut random),
            retention_operations: if random.chance(0.3) { random.below(50) } else { 0 },
            documents: random.spread(3..300),
            write_pause: chaos / batches.max(1),
            largest_write,
            largest_source: random.spread(40..2000),
            chunk: random.spread(500..50_000),
            new_fields: 0.02,
            maintenance: Duration::from_millis(random.spread(500..3000)),
            auto_heal: random.chance(0.9),
        }
    }

    /// This plan with a rule broken, and made such that it matters soon.
    #[must_use]
    pub fn with_mutant(mut self, mutant: Mutant) -> Self {
        self.mutant = Some(mutant);
        match mutant {
            Mutant::OverrunsTheBuffer => {
                self.parameters.max_write_buffer_size = Some("200b".to_owned());
                self.parameters.max_read_request_size = Some("2000b".to_owned());
                self.parameters.max_outstanding_read_requests = Some(2);
                self.parameters.max_write_request_operation_count = Some(1);
                self.parameters.max_outstanding_write_requests = Some(1);
                self.limits = parsed(self.parameters.clone());
                self.faults.extend([FaultKind::LongPause]);
            }
            Mutant::BatchesByCountOnly => {
                self.parameters.max_read_request_size = Some("500b".to_owned());
                self.parameters.max_outstanding_read_requests = Some(1);
                self.parameters.max_read_request_operation_count = Some(500);
                self.parameters.max_write_buffer_size = Some("500b".to_owned());
                self.parameters.max_outstanding_write_requests = Some(1);
                self.limits = parsed(self.parameters.clone());
                self.largest_source = 2_000;
            }
            Mutant::TakesVersionsBeforeOperations => {
                self.new_fields = 0.3;
                self.write_fast();
            }
            Mutant::CopiesWithoutALease => {
                self.chunk = 300;
                self.documents = 4;
                self.maintenance = Duration::from_millis(50);
                self.write_fast();
                self.retention_operations = 0;
                self.faults
                    .extend([FaultKind::LongPause, FaultKind::FollowedAnew]);
            }
            Mutant::RenewsAtNothingAfterRestart => self.faults.extend([FaultKind::Pause]),
            Mutant::ComparesTheHistoryOnlyWithOperations => {
                self.faults.extend([FaultKind::LeaderRestored]);
            }
            Mutant::FindsTheLeaderByName => self.faults.extend([FaultKind::LeaderRecreated]),
            Mutant::LeavesTheCycleHalfDone => self.faults.extend([FaultKind::Kill]),
            _ => {}
        }
        self
    }

    fn write_fast(&mut self) {
        self.chaos = Duration::from_secs(6);
        self.write_pause = Duration::from_millis(15);
        self.largest_write = 3;
    }

    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}

/// Plans draw valid parameters only.
pub(crate) fn parsed(raw: RawFollowParameters) -> FollowParameters {
    FollowParameters::try_from(raw).expect("plans draw valid parameters")
}

fn parameters(random: &mut Random) -> RawFollowParameters {
    let mut count = |most: u64| Some(random.spread(1..most) as i64);
    let (read_count, write_count) = (count(500), count(500));
    let (reads, writes, buffer_count) = (count(13), count(10), count(5000));
    let size = |bytes: u64| Some(format!("{bytes}b"));
    RawFollowParameters {
        max_read_request_operation_count: read_count,
        max_write_request_operation_count: write_count,
        max_outstanding_read_requests: reads,
        max_outstanding_write_requests: writes,
        max_read_request_size: size(random.spread(100..1_000_000)),
        max_write_request_size: size(random.spread(100..1_000_000)),
        max_write_buffer_count: buffer_count,
        max_write_buffer_size: size(random.spread(200..1_000_000)),
        max_retry_delay: Some(format!("{}ms", random.spread(50..1000))),
        read_poll_timeout: Some(format!("{}ms", random.spread(500..6000))),
    }
}

fn log_options(random: &mut Random) -> LogOptions {
    LogOptions {
        segment_bytes: ByteCount::new(random.spread(2_000..100_000)),
        max_pending_bytes: ByteCount::new(random.spread(5_000..1_000_000)),
        sync_interval: Duration::from_millis(random.spread(100..3000)),
        async_sync_bytes: ByteCount::new(random.spread(1_000..200_000)),
        checkpoint_interval: Duration::from_millis(random.spread(100..2000)),
        ..LogOptions::default()
    }
}
