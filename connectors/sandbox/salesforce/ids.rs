//! Record ids: fifteen characters that tell case apart, eighteen that do not need to.
//! Knows the grammar; not what a record is.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECK: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// The id of eighteen characters of the `serial`-th record of a kind; later ones sort behind earlier ones.
pub fn make(prefix: &str, serial: u64) -> String {
    let mut tail = [b'0'; 10];
    let mut rest = serial;
    for place in tail.iter_mut().rev() {
        *place = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    let short = format!("{prefix}dz{}", String::from_utf8_lossy(&tail));
    long(&short).unwrap_or(short)
}

/// An id of fifteen or eighteen characters as eighteen; `None` for anything else.
// Vendor: the last three characters say, five characters at a time, which of the first fifteen are upper case.
pub fn long(id: &str) -> Option<String> {
    if !matches!(id.len(), 15 | 18) || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let short = &id[..15];
    let check = short.as_bytes().chunks(5).map(|chunk| {
        let bits =
            chunk.iter().enumerate().map(|(place, byte)| usize::from(byte.is_ascii_uppercase()) << place);
        char::from(CHECK[bits.sum::<usize>()])
    });
    Some(short.chars().chain(check).collect())
}
