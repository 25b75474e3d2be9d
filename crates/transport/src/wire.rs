//! Rules of the wire that both sides keep.

mod exception;
mod frames;
mod guarded_io;

pub(crate) use exception::{exception_to_status, status_to_exception};
pub(crate) use frames::{FrameOrderError, check_frames, check_held_frames};
pub(crate) use guarded_io::GuardedIo;

use std::ops::RangeInclusive;

/// The versions of the protocol that this release speaks. Raise the end with a change that an older peer would misread.
pub(crate) const PROTOCOL_VERSIONS: RangeInclusive<u32> = 1..=1;

/// Payload streams come in pieces of at most this many bytes. Larger messages need more memory, and over a slow line that many calls share, each would be a long
/// time on the way; much smaller ones are slower, since each costs a header, a checksum and a wake-up.
pub(crate) const PIECE_BYTES: usize = 256 << 10;

/// Largest message of a payload stream that is accepted: leaves room for peers with larger pieces.
pub(crate) const MAX_PIECE_MESSAGE_BYTES: usize = 4 << 20;

/// Largest request: the ids in it are short.
pub(crate) const MAX_REQUEST_BYTES: usize = 64 << 10;

/// Largest live set that is accepted: a bit for each of four milliard operations.
pub(crate) const MAX_LIVE_SET_BYTES: u64 = 512 << 20;

/// Room for an exception in the trailers, in HTTP/2's count of a header list.
pub(crate) const MAX_HEADER_LIST_BYTES: u32 = 256 << 10;

const _: () = assert!(PIECE_BYTES < MAX_PIECE_MESSAGE_BYTES);
const _: () = assert!(exception::MAX_DETAILS_BYTES * 4 / 3 + (16 << 10) < MAX_HEADER_LIST_BYTES as usize);

/// The version of the protocol that two peers use: the highest that both speak.
pub(crate) fn common_protocol_version(peer: RangeInclusive<u32>) -> Option<u32> {
    let highest = *PROTOCOL_VERSIONS.end().min(peer.end());
    (highest >= *PROTOCOL_VERSIONS.start().max(peer.start())).then_some(highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_meet_at_the_highest_version_of_both() {
        assert_eq!(common_protocol_version(1..=1), Some(1));
        assert_eq!(common_protocol_version(1..=9), Some(1));
        assert_eq!(common_protocol_version(2..=9), None);
    }
}
