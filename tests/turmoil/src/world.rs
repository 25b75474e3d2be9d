//! Hosts, the network between them, and the pace of simulated time.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak, mpsc};
use std::time::{Duration, Instant};

use turmoil::Sim;

use crate::Node;
use crate::host::{Host, bury};
use crate::line::Line;
use crate::panics;
use transport::TransportConfig;

/// Simulated time between two looks of the network at its messages.
const TICK: Duration = Duration::from_millis(1);
/// Simulated time goes by at most so many times as fast as real time. Logs and search views work on threads of their own, in real time: if simulated time ran
/// as fast as it can, their every fsync would seem to take minutes.
const SPEED: u32 = 20;
/// Simulated time for a piece of work on a host that is up.
const PATIENCE: Duration = Duration::from_secs(300);

/// Simulated time for a host to stop: answers that have begun may go on for a while.
const STOP: Duration = Duration::from_secs(60);

type Remains = Weak<dyn Any + Send + Sync>;

/// A simulated world.
pub struct World {
    sim: Sim<'static>,
    hosts: BTreeMap<&'static str, Arc<Host>>,
    down: Vec<&'static str>,
    /// When those that were told to stop must have ended, and what must be gone then.
    stopping: BTreeMap<&'static str, (Duration, Vec<Remains>)>,
    next_tick: Instant,
    seed: u64,
    test: &'static str,
    history: Vec<String>,
    panics_before: usize,
}

impl World {
    /// A world without hosts. `test` is the name of the test, for the command that repeats it.
    #[must_use]
    pub fn new(seed: u64, test: &'static str) -> Self {
        panics::watch();
        let sim = turmoil::Builder::new()
            .rng_seed(seed)
            .tick_duration(TICK)
            .simulation_duration(Duration::from_secs(1_000_000))
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(5))
            .repair_rate(0.05)
            .tcp_capacity(4096)
            .enable_random_order()
            .build();
        Self {
            sim,
            hosts: BTreeMap::new(),
            down: Vec::new(),
            stopping: BTreeMap::new(),
            next_tick: now(),
            seed,
            test,
            history: Vec::new(),
            panics_before: panics::count(),
        }
    }

    /// Adds a host and waits until its node is up. Its cluster has the host's name.
    pub fn add_host(&mut self, name: &'static str, config: TransportConfig) {
        let host = Host::new(name, config);
        self.hosts.insert(name, Arc::clone(&host));
        self.sim.host(name, move || Arc::clone(&host).run());
        self.until("a node starts", PATIENCE, |world| world.is_up(name));
    }

    fn is_up(&self, name: &str) -> Result<(), String> {
        self.hosts[name]
            .node()
            .map(drop)
            .ok_or_else(|| format!("{name} is not up"))
    }

    /// The network itself, for faults.
    pub fn network(&mut self) -> &mut Sim<'static> {
        &mut self.sim
    }

    /// Simulated time since the start.
    pub fn elapsed(&self) -> Duration {
        self.sim.elapsed()
    }

    /// The node on a host that is up.
    pub fn node(&self, name: &str) -> Option<Arc<Node>> {
        self.hosts[name].node()
    }

    /// The connections that a host makes.
    pub fn line(&self, name: &str) -> &Arc<Line> {
        &self.hosts[name].line
    }

    /// Remembers what happened, for the report of a failure.
    pub fn note(&mut self, what: impl Into<String>) {
        let entry = format!("{:10.3} s  {}", self.elapsed().as_secs_f64(), what.into());
        self.history.push(entry);
    }

    /// Lets one tick of simulated time go by, and no faster than 20 times as fast as real time.
    pub fn step(&mut self) {
        if let Err(error) = self.sim.step() {
            panic!("a host failed: {error}");
        }
        let elapsed = self.sim.elapsed();
        for host in self.hosts.values() {
            host.clock.reach(elapsed);
        }
        let now = now();
        self.next_tick = (self.next_tick + TICK / SPEED).max(now);
        // A pause is inexact: better a longer one now and then.
        if let Some(ahead) = self
            .next_tick
            .checked_duration_since(now)
            .filter(|ahead| *ahead > TICK)
        {
            std::thread::sleep(ahead);
        }
        assert_eq!(
            panics::count(),
            self.panics_before,
            "something panicked, see above"
        );
    }

    /// Lets simulated time go by.
    pub fn pass(&mut self, time: Duration) {
        let until = self.elapsed() + time;
        while self.elapsed() < until {
            self.step();
        }
    }

    /// Lets simulated time go by until `condition` holds, which says why it does not.
    ///
    /// # Panics
    /// When it does not hold within `limit`.
    pub fn until(
        &mut self,
        what: &str,
        limit: Duration,
        mut condition: impl FnMut(&Self) -> Result<(), String>,
    ) {
        let end = self.elapsed() + limit;
        let mut last_look = Duration::ZERO;
        loop {
            // A look may read a lot.
            if self.elapsed() - last_look >= TICK * 10 {
                last_look = self.elapsed();
                match condition(self) {
                    Ok(()) => return,
                    Err(why) => assert!(self.elapsed() < end, "{what}: not within {limit:?}: {why}"),
                }
            }
            self.step();
        }
    }

    /// Has a host do something in the background. Nothing happens when it is down.
    pub fn start<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(Arc<Node>) -> F + Send + 'static,
    ) {
        self.hosts[name].give(Box::new(move |node| Box::pin(work(node))));
    }

    /// Has a host that is up do something, and waits for it.
    ///
    /// # Panics
    /// When it takes too long.
    pub fn call<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &mut self,
        name: &str,
        work: impl FnOnce(Arc<Node>) -> F + Send + 'static,
    ) -> T {
        let (sender, answers) = mpsc::channel();
        self.start(name, move |node| {
            let work = work(node);
            async move {
                // Whoever waited may have given up.
                let _ = sender.send(work.await);
            }
        });
        let end = self.elapsed() + PATIENCE;
        loop {
            match answers.try_recv() {
                Ok(answer) => return answer,
                Err(error) => assert!(self.elapsed() < end, "no answer of {name}: {error}"),
            }
            self.step();
        }
    }

    /// Kills a host: its connections end without a word, and only its disk stays. True if it was up.
    pub fn crash(&mut self, name: &'static str) -> bool {
        if self.down.contains(&name) {
            return false;
        }
        self.note(format!("{name} crashes"));
        self.down.push(name);
        let remains = self.hosts[name].die();
        self.sim.crash(name);
        bury(&remains);
        true
    }

    /// Lets the disk of a host refuse everything once its cluster state has changed so many more times: there it is killed, as soon as somebody
    /// sees that it [has died](Self::has_died) and [crashes](Self::crash) it.
    pub fn die_after_changes(&mut self, name: &str, changes: u64) {
        self.note(format!(
            "{name} is to die after {changes} changes of its cluster state"
        ));
        self.hosts[name].breath().die_after(changes);
    }

    /// Whether nothing that a host does reaches its disk any more.
    pub fn has_died(&self, name: &str) -> bool {
        self.hosts[name].breath().is_dead()
    }

    /// Has a host begin to stop in order. True if it was up.
    pub fn begin_stop(&mut self, name: &'static str) -> bool {
        if self.down.contains(&name) {
            return false;
        }
        self.note(format!("{name} is told to stop"));
        self.down.push(name);
        let remains = self.hosts[name].stop();
        self.stopping.insert(name, (self.elapsed() + STOP, remains));
        true
    }

    /// Waits until a host that was told to stop has ended.
    ///
    /// # Panics
    /// When it takes longer than anything that it may wait for.
    pub fn end_stop(&mut self, name: &'static str) {
        let Some((until, remains)) = self.stopping.remove(name) else {
            return;
        };
        while self.sim.is_host_running(name) {
            assert!(self.elapsed() < until, "{name} does not stop");
            self.step();
        }
        bury(&remains);
        self.note(format!("{name} has stopped"));
    }

    /// Starts a host that was killed or stopped.
    pub fn bounce(&mut self, name: &'static str) {
        self.end_stop(name);
        self.note(format!("{name} starts again"));
        self.down.retain(|down| *down != name);
        self.hosts[name].revive();
        self.sim.bounce(name);
    }

    /// The hosts that are down.
    pub fn down(&self) -> Vec<&'static str> {
        self.down.clone()
    }

    /// Names of all hosts.
    pub fn host_names(&self) -> Vec<&'static str> {
        self.hosts.keys().copied().collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.history.join("\n"));
            eprintln!(
                "{:10.3} s  failed; to repeat it: REAL_STACK_FIRST_SEED={} REAL_STACK_SEEDS=1 cargo test --package real-stack --test it {}",
                self.elapsed().as_secs_f64(),
                self.seed,
                self.test
            );
        }
        for name in self.host_names() {
            if !self.down.contains(&name) {
                // Threads of this world must not go on beside the next.
                self.hosts[name].die();
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pace of simulated time goes by real time"
)]
fn now() -> Instant {
    Instant::now()
}
