//! Which shard of an index a document belongs to.

use cluster::IndexMetadata;

/// The shard of `index` for a routing value: the document's custom routing, else its id.
///
/// Source: Elasticsearch's `IndexRouting` and `Murmur3HashFunction`. The number of routing shards, not that of shards, is the modulus, so that a
/// split of an index moves each document to one of its shard's parts.
#[must_use]
pub fn shard_number(index: &IndexMetadata, routing: &str) -> u32 {
    let routing_shards = i64::from(index.number_of_routing_shards.max(1));
    let factor = (index.number_of_routing_shards / index.number_of_shards.max(1)).max(1);
    let slot = i64::from(routing_hash(routing)).rem_euclid(routing_shards);
    u32::try_from(slot).expect("a remainder of a 32-bit modulus fits 32 bits") / factor
}

/// Murmur3 (x86, 32 bits, seed 0) over the UTF-16 little-endian code units of `routing`.
#[must_use]
pub fn routing_hash(routing: &str) -> i32 {
    let mut bytes = Vec::with_capacity(routing.len() * 2);
    for unit in routing.encode_utf16() {
        bytes.extend_from_slice(&unit.to_le_bytes());
    }
    murmur3_x86_32(&bytes, 0).cast_signed()
}

fn murmur3_x86_32(data: &[u8], seed: u32) -> u32 {
    const C1: u32 = 0xcc9e_2d51;
    const C2: u32 = 0x1b87_3593;
    let mix = |block: u32| block.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
    let mut hash = seed;
    let (blocks, tail) = data.as_chunks::<4>();
    for block in blocks {
        hash ^= mix(u32::from_le_bytes(*block));
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let mut last = 0_u32;
    for (position, byte) in tail.iter().enumerate() {
        last |= u32::from(*byte) << (8 * position);
    }
    hash ^= mix(last);
    // The length enters modulo 2^32, as in the reference implementation.
    hash ^= data.len() as u32;
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: Elasticsearch's `Murmur3HashFunctionTests.testKnownValues`.
    #[test]
    fn hashes_equal_elasticsearch_s() {
        let known = [
            ("hell", 0x5a0c_b7c3_u32),
            ("hello", 0xd7c3_1989),
            ("hello w", 0x22ab_2984),
            ("hello wo", 0xdf0c_a123),
            ("hello wor", 0xe774_4d61),
            ("The quick brown fox jumps over the lazy dog", 0xe07d_b09c),
            ("The quick brown fox jumps over the lazy cog", 0x4e63_d2ad),
        ];
        for (text, hash) in known {
            assert_eq!(routing_hash(text).cast_unsigned(), hash, "{text}");
        }
    }

    /// Source: the published vectors of MurmurHash3_x86_32.
    #[test]
    fn the_hash_is_the_reference_one() {
        let known = [
            ("", 0, 0),
            ("", 1, 0x514e_28b7),
            ("test", 0, 0xba6b_d213),
            ("Hello, world!", 0, 0xc036_3e43_u32),
        ];
        for (text, seed, hash) in known {
            assert_eq!(murmur3_x86_32(text.as_bytes(), seed), hash, "{text}");
        }
    }
}
