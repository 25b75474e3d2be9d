//! The lines between nodes, each direction apart.

use crate::copies::NodeId;
use crate::random::Random;

/// One direction between two nodes.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// Shortest and longest way of a message, in microseconds.
    pub(crate) delay: (u64, u64),
    pub(crate) loss: f64,
    pub(crate) duplication: f64,
    /// Bytes per second; `None` for as many as one likes.
    pub(crate) bandwidth: Option<u64>,
    /// Nothing passes before this time.
    pub(crate) cut_until: u64,
    /// When a slow line has passed on what was sent so far.
    pub(crate) free_at: u64,
}

impl Link {
    /// A line without faults.
    pub(crate) fn sound() -> Self {
        Self {
            delay: (500, 5_000),
            loss: 0.0,
            duplication: 0.0,
            bandwidth: None,
            cut_until: 0,
            free_at: 0,
        }
    }
}

/// All lines.
#[derive(Debug)]
pub(crate) struct Network {
    nodes: usize,
    links: Vec<Link>,
}

impl Network {
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            nodes,
            links: vec![Link::sound(); nodes * nodes],
        }
    }

    pub(crate) fn link(&mut self, from: NodeId, to: NodeId) -> &mut Link {
        &mut self.links[from.0 * self.nodes + to.0]
    }

    pub(crate) fn heal(&mut self) {
        self.links.fill(Link::sound());
    }

    /// When the copies of a message of `bytes` bytes arrive: none when it is lost, two when it is sent twice. Messages overtake each other.
    pub(crate) fn send(
        &mut self,
        now: u64,
        (from, to): (NodeId, NodeId),
        bytes: u64,
        random: &mut Random,
    ) -> [Option<u64>; 2] {
        let link = self.link(from, to);
        if link.cut_until > now || random.chance(link.loss) {
            return [None, None];
        }
        let mut leaves = now;
        if let Some(bandwidth) = link.bandwidth {
            leaves = link.free_at.max(now) + bytes.saturating_mul(1_000_000) / bandwidth.max(1);
            link.free_at = leaves;
        }
        let (shortest, longest) = link.delay;
        let twice = random.chance(link.duplication);
        let mut way = || leaves + random.between(shortest..longest.max(shortest + 1));
        let first = way();
        [Some(first), twice.then(way)]
    }
}
