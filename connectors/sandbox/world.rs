//! The happenings of the world in no vendor's words: what each vendor's sandbox applies to its own tables.
//! Knows the cast by number; knows no vendor's fields.

use jiff::Timestamp;

/// One thing that happens to one case in one vendor's system.
#[derive(Clone, Debug)]
pub struct Happening {
    pub at: Timestamp,
    /// The vendor's name (`servicenow`, `zendesk`, …) in which the case lives.
    pub vendor: &'static str,
    /// The case's number in the world: unique over all vendors. A vendor maps it to its own id.
    pub case: u64,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    Opened(NewCase),
    CustomerReplied {
        contact: usize,
        text: String,
    },
    AgentReplied {
        agent: usize,
        public: bool,
        text: String,
    },
    StatusChanged {
        to: Status,
        by: Who,
    },
    PriorityChanged {
        to: Priority,
        by: Who,
    },
    /// To another team, with the agent there who takes it, if one does at once.
    TeamChanged {
        team: usize,
        agent: Option<usize>,
        by: Who,
    },
    OwnerChanged {
        agent: usize,
        by: Who,
    },
    /// A resolved or closed case is open again.
    Reopened {
        by: Who,
    },
    /// A row of a vendor's real log: columns as the vendor names them. Others ignore it.
    Logged(LoggedRow),
}

#[derive(Clone, Debug)]
pub struct NewCase {
    /// Indices into the cast.
    pub customer: usize,
    pub contact: usize,
    pub product: usize,
    pub team: usize,
    pub agent: Option<usize>,
    pub priority: Priority,
    pub title: String,
    pub text: String,
}

/// A state of a record as its vendor's log gave it.
#[derive(Clone, Debug)]
pub struct LoggedRow {
    pub number: String,
    /// Column and raw value: on the first row all of them, later what changed.
    pub fields: Vec<(&'static str, String)>,
    pub by: String,
    pub revision: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    Contact(usize),
    Agent(usize),
    System,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    New,
    Open,
    /// Waits for the customer.
    Pending,
    /// Waits for somebody else: a vendor, another team, a change.
    OnHold,
    Resolved,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    Urgent,
    High,
    Normal,
    Low,
}

impl Priority {
    /// Reads the common word used on the control port.
    pub fn parse(word: &str) -> Option<Priority> {
        match word {
            "urgent" | "critical" => Some(Priority::Urgent),
            "high" => Some(Priority::High),
            "normal" | "medium" | "moderate" => Some(Priority::Normal),
            "low" => Some(Priority::Low),
            _ => None,
        }
    }
}

/// Where happenings come from, in order of time.
pub trait Script: Send {
    /// The instant of the next happening; `None` when there is nothing more.
    fn next_at(&mut self) -> Option<Timestamp>;
    fn pop(&mut self) -> Option<Happening>;
}

/// A script known beforehand, such as a log.
pub struct Recorded(std::collections::VecDeque<Happening>);

impl Recorded {
    /// `happenings` must be in order of time.
    pub fn new(happenings: Vec<Happening>) -> Recorded {
        Recorded(happenings.into())
    }
}

impl Script for Recorded {
    fn next_at(&mut self) -> Option<Timestamp> {
        self.0.front().map(|happening| happening.at)
    }

    fn pop(&mut self) -> Option<Happening> {
        self.0.pop_front()
    }
}
