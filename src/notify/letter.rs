//! A letter: what people are told, before it has the form of any channel; and a parcel, ready to be carried.

use super::unseen::Unseen;
use dutyd_core::action::Severity;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// A flag as somebody is told of it, whatever becomes of it until the message leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlagNotice {
    /// The flag is gone.
    pub clears: bool,
    /// The same for all that is told of one episode of one flag.
    pub episode: String,
    pub severity: Severity,
    pub source: String,
    pub number: String,
    pub title: String,
    /// Opens the case; only http and https.
    pub link: Option<String>,
    pub customer: Option<String>,
    pub owner: Option<String>,
    pub team: Option<String>,
    pub rule: String,
    pub rule_title: String,
    /// The reason in words.
    pub why: String,
    pub raised_at: Timestamp,
    /// Name of the clock that ends next, and when it ends.
    pub clock: Option<String>,
    pub due_at: Option<Timestamp>,
}

/// A target that is missed within a day if nothing happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Risk {
    pub source: String,
    pub number: String,
    pub title: String,
    pub link: Option<String>,
    pub customer: Option<String>,
    pub owner: Option<String>,
    pub clock: String,
    pub due_at: Timestamp,
}

/// A team's part of the digest.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TeamPart {
    /// `None`: cases without a team.
    pub team: Option<String>,
    /// Of each case its worst flag, worst first; `flags_count` counts all flagged cases.
    pub flags: Vec<FlagNotice>,
    pub flags_count: usize,
    /// The nearest ones, nearest first; `risks_count` counts them all.
    pub risks: Vec<Risk>,
    pub risks_count: usize,
}

/// What a duty manager reads in the morning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// The local day, `2026-03-02`.
    pub day: String,
    /// Sources of which this digest does not know all.
    #[serde(default)]
    pub unseen: Vec<Unseen>,
    /// The team with the worst flag first.
    pub teams: Vec<TeamPart>,
    /// There were more cases than one digest looks at.
    pub partial: bool,
}

/// As it is kept until it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    Flag(Box<FlagNotice>),
    Digest(Digest),
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// The same at each attempt, so that receivers can tell a repetition.
    pub id: String,
    pub now: Timestamp,
    /// Flags, worst first; or one digest.
    pub content: Vec<Content>,
    /// A test of the channel: says so, and must not be acted upon.
    pub test: bool,
}

impl Letter {
    pub fn flags(&self) -> Vec<&FlagNotice> {
        let mut flags: Vec<&FlagNotice> = Vec::new();
        for content in &self.content {
            if let Content::Flag(flag) = content {
                flags.push(flag);
            }
        }
        flags.sort_by_key(|flag| {
            (flag.clears, std::cmp::Reverse(flag.severity), flag.due_at.is_none(), flag.due_at)
        });
        flags
    }

    pub fn digest(&self) -> Option<&Digest> {
        self.content.iter().find_map(|content| match content {
            Content::Digest(digest) => Some(digest),
            Content::Flag(_) => None,
        })
    }
}

/// A message in its channel's form.
#[derive(Debug, Clone)]
pub enum Parcel {
    Post(Post),
    Mail(Mail),
}

/// To be posted to an address.
#[derive(Debug, Clone)]
pub struct Post {
    pub url: SecretString,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// To be mailed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub id: String,
    pub subject: String,
    pub text: String,
    pub html: String,
}
