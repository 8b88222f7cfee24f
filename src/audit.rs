//! The audit chain: how its rows are hashed, and what is wrong with a chain that does not hold.
//!
//! Each row's hash covers the row before and the hash of its own content. Content can be erased later: its hash stays, and
//! a later row says whose it was. Must not know: where rows are stored, or what their content means.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

pub type Hash = [u8; 32];

/// Faults reported at most; one flipped byte is enough to know.
const FAULTS_MAX: usize = 50;

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A flag was raised, changed, cleared or taken over.
    Decision,
    /// A person said otherwise on the record.
    Override,
    /// A mark or note was written, refused, or sent without an answer.
    Write,
    /// A policy came into force.
    Policy,
    /// Somebody was told, or could not be.
    Notice,
    /// An operator ordered something.
    Order,
    /// The content of rows was erased.
    Erasure,
    /// Old rows were removed; carries the hash they ended with.
    Checkpoint,
}

impl Kind {
    pub const ALL: [Kind; 8] = [
        Kind::Decision,
        Kind::Override,
        Kind::Write,
        Kind::Policy,
        Kind::Notice,
        Kind::Order,
        Kind::Erasure,
        Kind::Checkpoint,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Kind::Decision => "decision",
            Kind::Override => "override",
            Kind::Write => "write",
            Kind::Policy => "policy",
            Kind::Notice => "notice",
            Kind::Order => "order",
            Kind::Erasure => "erasure",
            Kind::Checkpoint => "checkpoint",
        }
    }

    /// As stored and hashed, from 1.
    pub fn number(self) -> u8 {
        self as u8 + 1
    }

    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| i64::from(kind.number()) == number)
    }
}

/// What of a row is hashed into the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub seq: i64,
    pub at_ms: i64,
    /// [`Kind::number`].
    pub kind: i64,
    /// The store's number of the case; 0: about none.
    pub case: i64,
    pub digest: Hash,
}

/// The salt keeps a short content from being guessed by its hash once it is erased.
pub fn digest(salt: &[u8], body: &str) -> Hash {
    let mut hash = Sha256::new();
    hash.update((salt.len() as u64).to_be_bytes());
    hash.update(salt);
    hash.update(body.as_bytes());
    hash.finalize().into()
}

/// The hash of a row, given the one before it; the first row follows zeros.
pub fn chain(before: &Hash, link: &Link) -> Hash {
    let mut hash = Sha256::new();
    hash.update(before);
    for number in [link.seq, link.at_ms, link.kind, link.case] {
        hash.update(number.to_be_bytes());
    }
    hash.update(link.digest);
    hash.finalize().into()
}

/// A row as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub link: Link,
    /// Salt and body; `None`: erased.
    pub content: Option<(Vec<u8>, String)>,
    pub hash: Hash,
}

/// Content of a [`Kind::Erasure`]: whose content was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    pub why: String,
    pub cases: Vec<i64>,
}

/// Content of a [`Kind::Checkpoint`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The last row that was removed.
    pub removed_to: i64,
    /// Its hash, in hex.
    pub hash: String,
}

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The row it was found at.
    pub row: i64,
    pub message: String,
}

/// What came of looking at a whole chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    pub rows: u64,
    pub first: i64,
    pub last: i64,
    /// Hash of the last row, in hex.
    pub head: String,
    /// Rows whose content was erased in order.
    pub erased: u64,
    pub faults: Vec<Fault>,
    /// Whether the hash that was asked for is in the chain.
    pub holds_head: Option<bool>,
}

impl Verified {
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty() && self.holds_head != Some(false)
    }
}

/// Looks at rows in their order, one at a time.
#[derive(Debug, Default)]
pub struct Verifier {
    rows: u64,
    first: i64,
    /// The first row, where older ones were removed: its hash is checked against a checkpoint.
    cut: Option<(Link, Hash)>,
    last: Option<(i64, Hash)>,
    /// Rows without content that no erasure has explained yet: how many by case, and the first of them.
    bare: BTreeMap<i64, (u64, i64)>,
    erased: u64,
    checkpoint: Option<Checkpoint>,
    wanted: Option<String>,
    seen_wanted: bool,
    faults: Vec<Fault>,
}

impl Verifier {
    /// `head`: a hash noted earlier, in hex, that must be in the chain.
    pub fn new(head: Option<&str>) -> Self {
        Self { wanted: head.map(str::to_ascii_lowercase), ..Self::default() }
    }

    pub fn look(&mut self, row: &Found) {
        if self.rows == 0 {
            self.first = row.link.seq;
        }
        self.rows += 1;
        self.follow(row);
        match &row.content {
            Some((salt, body)) if digest(salt, body) == row.link.digest => self.take_in(row.link.kind, body),
            Some(_) => self.fault(row.link.seq, "its content was changed"),
            None => {
                self.bare.entry(row.link.case).or_insert((0, row.link.seq)).0 += 1;
            }
        }
        if self.wanted.as_ref().is_some_and(|wanted| *wanted == hex::encode(row.hash)) {
            self.seen_wanted = true;
        }
        self.last = Some((row.link.seq, row.hash));
    }

    fn follow(&mut self, row: &Found) {
        let seq = row.link.seq;
        let before = match self.last {
            None if seq == 1 => [0; 32],
            None => {
                self.cut = Some((row.link.clone(), row.hash));
                return;
            }
            Some((last, hash)) if last + 1 == seq => hash,
            Some((last, _)) => {
                self.fault(seq, &format!("rows {} to {} before it are missing", last + 1, seq - 1));
                return;
            }
        };
        if chain(&before, &row.link) != row.hash {
            self.fault(seq, "it was changed, or the one before it was");
        }
    }

    fn take_in(&mut self, kind: i64, body: &str) {
        match Kind::from_number(kind) {
            Some(Kind::Erasure) => {
                let Ok(erasure) = serde_json::from_str::<Erasure>(body) else { return };
                for case in erasure.cases {
                    self.erased += self.bare.remove(&case).map_or(0, |(rows, _)| rows);
                }
            }
            Some(Kind::Checkpoint) => self.checkpoint = serde_json::from_str(body).ok(),
            _ => {}
        }
    }

    fn fault(&mut self, row: i64, message: &str) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { row, message: message.to_owned() });
        }
    }

    pub fn finish(mut self) -> Verified {
        let bare: Vec<(u64, i64)> = self.bare.values().copied().collect();
        for (rows, first) in bare {
            let message = format!("its content is gone ({rows} rows of its case) and no erasure says so");
            self.fault(first, &message);
        }
        if let Some((link, hash)) = self.cut.take() {
            let removed = link.seq - 1;
            let known = self.checkpoint.take().filter(|checkpoint| checkpoint.removed_to == removed);
            let before = known.and_then(|checkpoint| hex::decode(checkpoint.hash).ok()?.try_into().ok());
            match before {
                None => {
                    self.fault(
                        link.seq,
                        &format!("rows 1 to {removed} are missing and no checkpoint says so"),
                    );
                }
                Some(before) if chain(&before, &link) != hash => {
                    self.fault(link.seq, "it was changed, or the checkpoint before it was");
                }
                Some(_) => {}
            }
        }
        self.faults.sort_by_key(|fault| fault.row);
        let (last, head) = self.last.unwrap_or((0, [0; 32]));
        Verified {
            rows: self.rows,
            first: self.first,
            last,
            head: hex::encode(head),
            erased: self.erased,
            faults: self.faults,
            holds_head: self.wanted.map(|_| self.seen_wanted),
        }
    }
}
