//! Webhook authenticity: HMAC-SHA256 over raw bytes, compared in constant time, any of several secrets accepted.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// Whether `mac` is the HMAC-SHA256 of the concatenated `parts` under any of the `secrets`. All are tried, so that
/// time does not tell which one matched.
pub fn verify_sha256(secrets: &[SecretString], parts: &[&[u8]], mac: &[u8]) -> bool {
    let mut valid = false;
    for secret in secrets {
        let mut hmac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
            .expect("HMAC takes keys of any length");
        for part in parts {
            hmac.update(part);
        }
        valid |= hmac.verify_slice(mac).is_ok();
    }
    valid
}
