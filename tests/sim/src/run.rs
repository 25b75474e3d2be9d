//! One run of one plan.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::checkers::Violation;
use crate::plan::Plan;
use crate::tally::Tally;
use crate::trace::Trace;
use crate::world::World;

/// More events than any run needs: one that has not ended by then goes in circles.
const MOST_EVENTS: u64 = 3_000_000;

/// A run in which everything held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What happened; equal for equal plans.
    pub trace: Trace,
    /// What the run went through.
    pub tally: Tally,
}

/// A run in which something did not hold.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What was run.
    pub plan: Plan,
    /// What does not hold.
    pub violation: Violation,
    /// What happened before.
    pub trace: Trace,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in self.trace.last() {
            writeln!(formatter, "{entry}")?;
        }
        writeln!(
            formatter,
            "{:?}, faults {:?}",
            self.plan.topology, self.plan.faults
        )?;
        writeln!(formatter, "{}", self.violation)?;
        write!(
            formatter,
            "seed {} failed; to repeat it: cargo xtask sim --seed {0} --seeds 1",
            self.plan.seed
        )
    }
}

/// Runs a plan to its end.
///
/// # Errors
/// [`Failure`] with the first invariant that does not hold. A panic of the code under test is one too.
pub fn run(plan: &Plan) -> Result<Report, Box<Failure>> {
    let mut world = World::new(plan.clone());
    let failure = |violation: Violation, trace: &Trace| {
        Box::new(Failure {
            plan: plan.clone(),
            violation,
            trace: trace.clone(),
        })
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        while !world.is_done() && world.tally.events < MOST_EVENTS {
            world.advance();
        }
    }));
    if let Err(panic) = outcome {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let what = text.unwrap_or_else(|| "a panic".to_owned());
        let invariant = "panic";
        return Err(failure(Violation { invariant, what }, &world.trace));
    }
    if let Some(violation) = world.violation.take() {
        return Err(failure(violation, &world.trace));
    }
    if !world.is_done() {
        let violation = Violation {
            invariant: "FT-4",
            what: format!("no end after {MOST_EVENTS} events"),
        };
        return Err(failure(violation, &world.trace));
    }
    world.tally.runs = 1;
    world.tally.simulated_micros = world.now;
    Ok(Report {
        trace: world.trace,
        tally: world.tally,
    })
}
