//! The leases file: all retention leases as JSON under a checksum.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use twox_hash::XxHash3_64;

use crate::atomic_file::{self, NameSync};
use crate::{LogError, RetentionLeases, Storage};

pub(crate) const LEASES_NAME: &str = "leases";
const FORMAT_VERSION: u16 = 1;

#[derive(Serialize, Deserialize)]
struct Envelope {
    format_version: u16,
    /// xxh3_64 of the text of `retention_leases`, in hex.
    checksum: String,
    retention_leases: Box<RawValue>,
}

fn checksum(text: &str) -> String {
    format!("{:016x}", XxHash3_64::oneshot(text.as_bytes()))
}

pub(crate) fn encode(leases: &RetentionLeases) -> Vec<u8> {
    let retention_leases = serde_json::value::to_raw_value(leases).expect("leases are texts and numbers");
    let envelope = Envelope {
        format_version: FORMAT_VERSION,
        checksum: checksum(retention_leases.get()),
        retention_leases,
    };
    let mut bytes = serde_json::to_vec(&envelope).expect("leases are texts and numbers");
    bytes.push(b'\n');
    bytes
}

pub(crate) fn decode(bytes: &[u8], path: &Path) -> Result<RetentionLeases, LogError> {
    let corrupt = |reason: String| LogError::corrupt(path, 0, None, reason);
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(|error| corrupt(error.to_string()))?;
    if envelope.format_version != FORMAT_VERSION {
        let (file, version) = (path.to_owned(), envelope.format_version);
        return Err(LogError::UnsupportedFormat {
            file,
            version,
            supported: FORMAT_VERSION,
        });
    }
    if checksum(envelope.retention_leases.get()) != envelope.checksum {
        return Err(corrupt("checksum mismatch".to_owned()));
    }
    serde_json::from_str(envelope.retention_leases.get()).map_err(|error| corrupt(error.to_string()))
}

pub(crate) fn save(storage: &dyn Storage, dir: &Path, leases: &RetentionLeases) -> Result<(), LogError> {
    atomic_file::replace(storage, dir, LEASES_NAME, &encode(leases), NameSync::Now)
}

pub(crate) fn load(storage: &dyn Storage, dir: &Path) -> Result<Option<RetentionLeases>, LogError> {
    let path = dir.join(LEASES_NAME);
    atomic_file::read(storage, &path)?
        .map(|bytes| decode(&bytes, &path))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PrimaryTerm, RetentionLease, SeqNo, UnixMillis};

    #[test]
    fn leases_survive_and_damage_of_their_values_is_found() {
        let lease = RetentionLease {
            id: "f/i/u-following-r/l/v".parse().unwrap(),
            retaining_seq_no: SeqNo::new(12),
            timestamp: UnixMillis::new(1_700_000_000_000),
            source: "ccr".to_owned(),
        };
        let leases = RetentionLeases {
            primary_term: PrimaryTerm::FIRST,
            version: 5,
            leases: vec![lease],
        };
        let bytes = encode(&leases);
        let path = Path::new("leases");
        assert_eq!(decode(&bytes, path).unwrap(), leases);
        for byte in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[byte] ^= 1;
            if let Ok(decoded) = decode(&damaged, path) {
                assert_eq!(decoded, leases, "byte {byte}");
            }
        }
    }
}
