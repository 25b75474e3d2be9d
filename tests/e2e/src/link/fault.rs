//! What can be wrong with a line for a while.

use super::{Line, Link};
use rand::RngExt;
use rand::rngs::StdRng;
use std::time::Duration;

/// Something wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// See [`Line::Cut`].
    Cut,
    /// See [`Line::BlackHole`].
    BlackHole,
    /// It is that much longer in each direction.
    Delay(Duration),
    /// So many bytes a second pass in each direction.
    Throttle(u64),
    /// Living connections are reset once.
    Reset,
}

impl Fault {
    /// Any fault, from hardly noticed to hopeless.
    pub(crate) fn random(random: &mut StdRng) -> Fault {
        match random.random_range(0..5) {
            0 => Fault::Cut,
            1 => Fault::BlackHole,
            2 => Fault::Delay(Duration::from_millis(random.random_range(1..400))),
            // Each octave is as likely as any other.
            3 => Fault::Throttle(random.random_range(1..4) << random.random_range(13..22)),
            _ => Fault::Reset,
        }
    }
}

impl Link {
    /// Lets a fault begin. It adds to those that are there.
    pub(crate) fn strike(&self, fault: Fault) {
        match fault {
            Fault::Cut => self.set(Line::Cut),
            Fault::BlackHole => self.set(Line::BlackHole),
            Fault::Delay(one_way) => self.set_delay(one_way),
            Fault::Throttle(bytes_per_second) => self.set_rate(Some(bytes_per_second)),
            Fault::Reset => self.reset_connections(),
        }
    }

    /// Ends all faults.
    pub(crate) fn heal(&self) {
        self.set(Line::Open);
        self.set_delay(Duration::ZERO);
        self.set_rate(None);
    }
}
