//! Seeded decisions by hashing what is decided about, never by a running generator: the same question
//! has the same answer, in whatever order requests come.

/// A 64-bit hash of `parts` under `seed` (FNV-1a, then a splitmix64 finish).
pub fn hash(seed: u64, parts: &[&[u8]]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for part in parts {
        for byte in *part {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        state = (state ^ 0xff).wrapping_mul(0x0000_0100_0000_01b3);
    }
    finish(state)
}

fn finish(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A number in `[0, 1)` made of a hash.
pub fn fraction(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

/// Thirty-two lower-case hex characters naming `parts`: the shape of an immutable record id.
pub fn hex_id(seed: u64, parts: &[&[u8]]) -> String {
    let high = hash(seed, parts);
    let low = hash(seed ^ 0x5851_f42d_4c95_7f2d, parts);
    format!("{high:016x}{low:016x}")
}
