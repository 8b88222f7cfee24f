//! How values of the core are kept: a version, a checksum, JSON.
//!
//! The checksum turns a flipped byte into an error instead of a wrong flag. It is no protection against people.

use super::error::StoreError;
use super::types::Incoming;
use dutyd_core::case::CaseChange;
use dutyd_core::state::{CaseState, News, STATE_VERSION};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

/// Version of stored news. Every version ever written has a fixture in the tests.
pub const NEWS_VERSION: u16 = 1;

/// A value as stored: two bytes of version, eight of checksum, JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sealed(Vec<u8>);

const HEADER: usize = 10;

impl Sealed {
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

pub fn seal_state(state: &CaseState) -> Result<Sealed, StoreError> {
    seal("case state", STATE_VERSION, state)
}

pub fn seal_news(news: &News) -> Result<Sealed, StoreError> {
    seal("news", NEWS_VERSION, news)
}

pub fn open_state(sealed: &Sealed) -> Result<CaseState, StoreError> {
    open("case state", STATE_VERSION, sealed)
}

pub fn open_news(sealed: &Sealed) -> Result<News, StoreError> {
    open("news", NEWS_VERSION, sealed)
}

/// A change as it goes into the inbox. The texts of its messages are not part of it.
pub fn seal_change(change: CaseChange) -> Result<Incoming, StoreError> {
    let mut digest = Sha256::new();
    let mut note = |part: Vec<u8>| {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    };
    note(json("case", &change.case)?);
    note(json("marks", &change.marks)?);
    for event in &change.events {
        note(json("event", &(&event.id, event.at, &event.actor, &event.by, &event.kind))?);
    }
    let mut first = [0; 8];
    first.copy_from_slice(&digest.finalize()[..8]);
    Ok(Incoming {
        key: change.case.key.clone(),
        number: change.case.number.clone(),
        revision: change.case.revision,
        digest: i64::from_be_bytes(first),
        complete: change.events_complete,
        news: seal_news(&News::Change(Box::new(change)))?,
    })
}

fn json(what: &'static str, value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Corrupt { what, because: error.to_string() })
}

fn seal(what: &'static str, version: u16, value: &impl Serialize) -> Result<Sealed, StoreError> {
    let mut bytes = vec![0; HEADER];
    serde_json::to_writer(&mut bytes, value)
        .map_err(|error| StoreError::Corrupt { what, because: error.to_string() })?;
    let sum = checksum(&bytes[HEADER..]);
    bytes[..2].copy_from_slice(&version.to_be_bytes());
    bytes[2..HEADER].copy_from_slice(&sum.to_be_bytes());
    Ok(Sealed(bytes))
}

fn open<T: DeserializeOwned>(what: &'static str, newest: u16, sealed: &Sealed) -> Result<T, StoreError> {
    let corrupt = |because: String| StoreError::Corrupt { what, because };
    let Some((header, body)) = sealed.0.split_at_checked(HEADER) else {
        return Err(corrupt("too short".to_owned()));
    };
    let version = u16::from_be_bytes([header[0], header[1]]);
    if version == 0 || version > newest {
        return Err(corrupt(format!("version {version}, this dutyd knows up to {newest}")));
    }
    let mut sum = [0; 8];
    sum.copy_from_slice(&header[2..]);
    if checksum(body) != u64::from_be_bytes(sum) {
        return Err(corrupt("checksum does not match".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| corrupt(error.to_string()))
}

/// FNV-1a over words of eight bytes, the rest byte by byte.
pub fn checksum(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut sum: u64 = 0xcbf2_9ce4_8422_2325;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        sum = (sum ^ u64::from_le_bytes(*word)).wrapping_mul(PRIME);
        sum ^= sum >> 29;
    }
    for byte in rest {
        sum = (sum ^ u64::from(*byte)).wrapping_mul(PRIME);
    }
    sum
}
