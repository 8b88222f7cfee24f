//! Telling people: what is worth telling, to whom, and how it reads in each channel.
//!
//! Knows: flags as people see them, and the forms of Slack, Teams, PagerDuty, e-mail and CloudEvents.
//! Must not know: how messages are stored, retried or carried.

mod channel;
mod choose;
mod digest;
mod email;
mod letter;
mod mail_page;
mod pagerduty;
mod sample;
mod sentence;
mod slack;
mod teams;
mod unseen;
mod webhook;
mod wording;

pub use channel::{Channel, DigestAt, Kind, MailSettings, SmtpTls, Threshold};
pub use choose::{Seen, nearest_end, notices};
pub use digest::{DigestBuilder, digest_key};
pub use letter::{Content, Digest, FlagNotice, Letter, Mail, Parcel, Post, Risk, TeamPart};
pub use sample::{sample_digest, sample_flags};
pub use sentence::sentence_now;
pub use unseen::{Because, Unseen, unseen_line};
pub use webhook::signing_key;

/// Hash of parts as 32 hex digits: the same for the same thing, whoever computes it.
fn computed_id(parts: &[&str]) -> String {
    use sha2::{Digest as _, Sha256};
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(&hash.finalize()[..16])
}
