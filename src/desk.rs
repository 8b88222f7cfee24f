//! The desk: answers what operators ask, from the store and the policy, for the running daemon and without it alike.
//!
//! Knows: questions and answers. Must not know: how they are asked (socket or command line) or printed.

mod audit;
mod explain;
mod list;
mod orders;
mod plan;
mod recount;
mod status;
mod then;

pub use explain::{CaseLine, ClockLine, Explanation, History, JudgedBy, OutboxLine, RuleLine, Saying, Says};
pub use list::{FlagLine, List};
pub use plan::{Plan, RulePlan, Shifts};
pub use recount::{Recount, recount};
pub use status::{LiveLine, SourceLine, Status};

use crate::audit::Verified;
use crate::clock::Clock;
use crate::config::{Brakes, Source, SourceFile};
use crate::engine::{Engine, EngineError};
use crate::store::{AuditRow, ParkedRow, Store, StoreError};
use dutyd_core::policy::{Policy, PolicyFile, PolicySet};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::watch;

/// What can be asked or ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    Status,
    List {
        max: usize,
    },
    Explain {
        /// `source/number`, `source/id`, or a number if it is unique.
        case: String,
        /// As of then, by what was known then; without it, now.
        #[serde(default)]
        at: Option<Timestamp>,
    },
    /// All that is remembered about a case, for its clocks.
    History {
        case: String,
    },
    Parked,
    RetryParked {
        id: Option<String>,
    },
    DropParked {
        id: Option<String>,
    },
    Pause {
        source: String,
        paused: bool,
    },
    /// Take every mark of ours off the records of a source. Without `sure` only say how many.
    Unmark {
        source: String,
        #[serde(default)]
        sure: bool,
    },
    /// Rows of the audit log.
    Audit {
        case: Option<String>,
        since: Option<Since>,
        max: usize,
    },
    VerifyAudit {
        /// A hash, in hex, that must be in the chain.
        head: Option<String>,
    },
    RetainAudit {
        days: u32,
    },
    /// Forget a customer's cases. Without `sure` only say which.
    Erase {
        who: String,
        sure: bool,
    },
    /// What the policy on disk would change.
    Plan,
    /// Whether the evidence of all decisions still gives the same verdicts.
    Recount,
    /// Read the policy again.
    Reload,
}

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Since {
    At(Timestamp),
    /// So long before the end.
    Back(SignedDuration),
}

impl Since {
    pub fn before(self, end: Timestamp) -> Timestamp {
        match self {
            Since::At(at) => at,
            Since::Back(span) => end.saturating_sub(span).unwrap_or(Timestamp::MIN),
        }
    }
}

/// What comes back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Status(Box<Status>),
    List(List),
    Explanation(Box<Explanation>),
    History(Box<History>),
    Parked(Vec<ParkedRow>),
    Audit(Vec<AuditRow>),
    Verified(Box<Verified>),
    Plan(Box<Plan>),
    Recount(Box<Recount>),
    /// What was done, as a sentence.
    Done {
        said: String,
    },
}

/// Why there is no answer, one variant per exit code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// What was asked for does not exist, or there are several.
    #[error("{0}")]
    NotFound(String),
    /// Only the running daemon can do it.
    #[error("{0}")]
    NeedsDaemon(String),
    #[error("the policy is wrong and the one in force stays:\n{0}")]
    Policy(String),
    #[error("{0}")]
    Io(String),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::Io(error.to_string())
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Refusal::Io(error.to_string())
    }
}

/// A configured source as the desk needs it.
#[derive(Debug, Clone)]
pub struct Desked {
    pub name: String,
    pub vendor: &'static str,
    pub brakes: Brakes,
    /// The connector's stated lag.
    pub lag: SignedDuration,
}

impl Desked {
    pub fn of(source: &Source) -> Self {
        Self {
            name: source.name.clone(),
            vendor: source.config.vendor(),
            brakes: source.brakes.clone(),
            lag: source.connector().profile().lag,
        }
    }

    /// The same of a file alone. One that no connector can be built from is taken to have no lag.
    pub fn of_file(source: &SourceFile) -> Self {
        Self {
            name: source.name.clone(),
            vendor: source.config.vendor(),
            brakes: source.brakes.clone(),
            lag: source.unsigned().map(|connector| connector.profile().lag).unwrap_or_default(),
        }
    }

    /// The bound B: after so long without a finished scan we are blind.
    pub fn bound(&self) -> SignedDuration {
        self.brakes.poll_interval + self.lag + SCAN_MAX
    }
}

/// What a scan may take on top of the poll interval and the vendor's lag.
const SCAN_MAX: SignedDuration = SignedDuration::from_secs(60);

/// The running daemon, as far as orders need it.
#[derive(Clone)]
pub struct Live {
    pub engine: Arc<Engine>,
    pub reload: Reload,
}

/// The policy files as they are now, read and checked.
pub struct Draft {
    pub policy: Arc<Policy>,
    pub files: Vec<PolicyFile>,
}

/// How a changed policy is read, and how it is put in force.
#[derive(Clone)]
pub struct Reload {
    pub read: Arc<dyn Fn() -> Result<Draft, Refusal> + Send + Sync>,
    pub enforce: Arc<dyn Fn(Draft) -> Result<(), Refusal> + Send + Sync>,
}

const NEEDS_DAEMON: &str =
    "this needs the running daemon, and none answers on its socket: systemctl status dutyd says why";

/// Answers questions.
#[derive(Clone)]
pub struct Desk {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub policies: watch::Receiver<Arc<PolicySet>>,
    pub sources: Arc<[Desked]>,
    /// `None`: no daemon runs, questions are answered from the database and nothing can be ordered.
    pub live: Option<Live>,
}

impl Desk {
    pub async fn answer(&self, ask: Ask) -> Result<Answer, Refusal> {
        match ask {
            Ask::Status => Ok(Answer::Status(Box::new(self.status().await?))),
            Ask::List { max } => Ok(Answer::List(self.list(max).await?)),
            Ask::Explain { case, at } => Ok(Answer::Explanation(Box::new(self.explain(&case, at).await?))),
            Ask::History { case } => Ok(Answer::History(Box::new(self.history(&case).await?))),
            Ask::Audit { case, since, max } => {
                Ok(Answer::Audit(self.audit(case.as_deref(), since, max).await?))
            }
            Ask::VerifyAudit { head } => Ok(Answer::Verified(Box::new(self.verify_audit(head).await?))),
            Ask::Parked => Ok(Answer::Parked(self.store.parked().await?)),
            Ask::Plan => Ok(Answer::Plan(Box::new(self.plan().await?))),
            Ask::Recount => Ok(Answer::Recount(Box::new(self.recount().await?))),
            order => match &self.live {
                Some(live) => self.order(live, order).await.map(|said| Answer::Done { said }),
                None => Err(Refusal::NeedsDaemon(NEEDS_DAEMON.to_owned())),
            },
        }
    }

    fn policies(&self) -> Arc<PolicySet> {
        self.policies.borrow().clone()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn source(&self, name: &str) -> Result<&Desked, Refusal> {
        self.sources.iter().find(|source| source.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.sources.iter().map(|source| source.name.as_str()).collect();
            let near = dutyd_core::problem::nearest(name, names.iter().copied());
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Refusal::NotFound(format!("no source is called `{name}`{hint} (known: {})", names.join(", ")))
        })
    }
}
