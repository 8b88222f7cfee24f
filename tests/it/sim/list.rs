//! Lists of operations: what one simulation does, made from a seed, printable as code, and shrinkable.
//!
//! Must not know: how an operation is carried out. Cases and sources are named by small numbers that are taken modulo
//! what there is, so that a list stays meaningful when parts of it are left out.

use dutyd_sandbox::dice;
use std::fmt::Write as _;

/// The systems that can take part, by number.
pub const VENDORS: [&str; 5] = ["servicenow", "zendesk", "jira", "jira_dc", "salesforce"];

/// How a person touches our mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// Empties the severity that people see.
    TakesOff,
    /// The same under our own account.
    TakesOffAsUs,
    /// Writes another severity.
    Scribbles,
    /// Empties the list that people do not read.
    EmptiesList,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Throttled,
    ThrottledBare,
    Unavailable,
    UnavailableAfter,
    Hibernating,
    Truncated,
    Expired,
    /// The connection breaks before the vendor acts.
    Reset,
    /// The vendor acts and the answer is lost.
    AnswerLost,
}

/// Which requests of a source an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Any,
    Writes,
}

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// A customer opens a case.
    Open {
        source: u8,
        urgent: bool,
    },
    CustomerReplies {
        case: u8,
        alarmed: bool,
    },
    AgentReplies {
        case: u8,
        public: bool,
    },
    /// A person answers under our account.
    ReplyAsUs {
        case: u8,
    },
    Rename {
        case: u8,
    },
    /// 0 to 3: urgent to low.
    Priority {
        case: u8,
        level: u8,
    },
    /// 0 to 3: open, pending, on hold, resolved.
    Status {
        case: u8,
        to: u8,
    },
    /// An agent of the cast takes it.
    Own {
        case: u8,
        agent: u8,
    },
    Team {
        case: u8,
        team: u8,
    },
    Delete {
        case: u8,
    },
    Merge {
        case: u8,
        into: u8,
    },
    Touch {
        case: u8,
        hand: Hand,
    },
    /// Time passes with the daemon at work.
    Pass {
        seconds: u32,
    },
    /// Time passes with the daemon's machine suspended.
    Freeze {
        seconds: u32,
    },
    /// The daemon's clock is set, by seconds.
    StepClock {
        by: i32,
    },
    /// One step of one unit, whatever the order.
    Tick {
        unit: u8,
    },
    /// Webhooks suffer from now on: shares in percent, delay in seconds.
    Bells {
        lost: u8,
        doubled: u8,
        late: u16,
    },
    /// Somebody rings who does not know the secret, or says again what was said long ago.
    Forge {
        source: u8,
        replay: bool,
    },
    /// The next matching request, after `skip` others.
    Strike {
        source: u8,
        which: Which,
        trouble: Trouble,
        skip: u8,
        times: u8,
    },
    /// The next write gets no answer and lands so many seconds later.
    LandLate {
        source: u8,
        seconds: u8,
    },
    /// Each request takes so long, until the end of healing or another such order.
    Slow {
        source: u8,
        seconds: u8,
    },
    /// All tokens end.
    ExpireTokens {
        source: u8,
    },
    /// The process dies between two steps.
    Crash,
    /// The process dies at a request: before the vendor acts, or after.
    CrashAt {
        source: u8,
        which: Which,
        after: bool,
        skip: u8,
    },
    /// The process dies before or after the step of this number: a transaction or a request.
    DieAt {
        step: u16,
        after: bool,
    },
    /// Shares of writes in percent: carried out without an answer, landing late.
    Unsure {
        source: u8,
        lost: u8,
        late: u8,
    },
    /// Each webhook is delivered up to so many times.
    RingAgain {
        times: u8,
    },
    /// The vendor's automation takes back what our writes say, each time.
    Fight {
        on: bool,
    },
    LoseDatabase,
    /// A copy of the database is taken.
    Copy,
    /// The process dies and the copy is put in the database's place.
    Restore,
    /// Another policy is put in force.
    Reload {
        policy: u8,
    },
}

/// One simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Of the world, the dice and the misfortune of webhooks.
    pub seed: u64,
    /// Numbers of [`VENDORS`].
    pub sources: Vec<u8>,
    /// Cases in the past of each source.
    pub cases: u8,
    /// Whether the daemon runs as on a followed clock, one request after the other, or with its requests interleaved.
    pub lockstep: bool,
    pub ops: Vec<Op>,
}

/// The operations of one list, at most and at least.
const OPS_MAX: u64 = 22;
const OPS_MIN: u64 = 8;

/// Draws in the order asked: a list is a function of its seed.
pub struct Draws {
    seed: u64,
    drawn: u64,
}

impl Draws {
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.drawn += 1;
        dice::hash(self.seed, &[b"list", &self.drawn.to_le_bytes()]) % bound
    }

    pub fn byte(&mut self, bound: u64) -> u8 {
        u8::try_from(self.below(bound)).unwrap_or(u8::MAX)
    }

    pub fn yes(&mut self) -> bool {
        self.below(2) == 1
    }

    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// Seconds from a spread of scales: instants close together matter as much as days.
    pub fn seconds(&mut self) -> u32 {
        let bound = self.one(&[5, 70, 400, 4_000, 20_000]);
        self.below(bound) as u32 + 1
    }
}

impl List {
    pub fn drawn(seed: u64) -> Self {
        let mut draws = Draws::new(seed);
        let count = draws.one(&[1, 1, 1, 2, 2, 3]);
        let first = draws.below(5);
        let sources: Vec<u8> = (0..count).map(|nth| ((first + nth * 2) % 5) as u8).collect();
        let cases = draws.byte(3) + 1;
        let length = OPS_MIN + draws.below(OPS_MAX - OPS_MIN);
        let ops = (0..length).map(|_| op(&mut draws)).collect();
        Self { seed, sources, cases, lockstep: true, ops }
    }

    /// The list as code, to be pasted into `reproductions.rs`.
    pub fn code(&self) -> String {
        let Self { seed, sources, cases, lockstep, .. } = self;
        let mut code = format!(
            "List {{ seed: {seed}, sources: vec!{sources:?}, cases: {cases}, lockstep: {lockstep}, ops: vec![\n"
        );
        for op in &self.ops {
            let text = format!("{op:?}");
            let text = ["Writes", "Any"].iter().fold(text, |text, word| {
                text.replace(&format!("which: {word}"), &format!("which: Which::{word}"))
            });
            let text = text.replace("trouble: ", "trouble: Trouble::").replace("hand: ", "hand: Hand::");
            let _ = writeln!(code, "    Op::{text},");
        }
        code.push_str("] }");
        code
    }
}

fn op(draws: &mut Draws) -> Op {
    let (case, source) = (draws.byte(8), draws.byte(3));
    match draws.below(100) {
        0..6 => Op::Open { source, urgent: draws.yes() },
        6..14 => Op::CustomerReplies { case, alarmed: draws.below(4) == 0 },
        14..19 => Op::AgentReplies { case, public: draws.yes() },
        19..20 => Op::ReplyAsUs { case },
        20..22 => Op::Rename { case },
        22..28 => Op::Priority { case, level: draws.byte(4) },
        28..32 => Op::Status { case, to: draws.byte(4) },
        32..34 => Op::Own { case, agent: draws.byte(6) },
        34..35 => Op::Team { case, team: draws.byte(3) },
        35..36 => Op::Delete { case },
        36..37 => Op::Merge { case, into: draws.byte(8) },
        37..41 => {
            let hands = [Hand::TakesOff, Hand::TakesOffAsUs, Hand::Scribbles, Hand::EmptiesList];
            Op::Touch { case, hand: draws.one(&hands) }
        }
        41..60 => Op::Pass { seconds: draws.seconds() },
        60..62 => Op::Freeze { seconds: draws.one(&[30, 600, 20_000, 400_000, 3_000_000]) },
        62..65 => Op::StepClock { by: draws.one(&[-10_800, -600, -3, 3, 90, 600, 10_800]) },
        65..68 => Op::Tick { unit: draws.byte(8) },
        68..71 => Op::Bells {
            lost: draws.one(&[0, 20, 100]),
            doubled: draws.one(&[0, 30]),
            late: draws.one(&[0, 40, 1_800]),
        },
        71..72 => Op::Forge { source, replay: draws.yes() },
        72..82 => strike(draws, source),
        82..86 => Op::LandLate { source, seconds: draws.byte(118) + 1 },
        86..87 => Op::Slow { source, seconds: draws.one(&[0, 2, 9, 40]) },
        87..88 => Op::ExpireTokens { source },
        88..90 => Op::Crash,
        90..94 => Op::CrashAt {
            source,
            which: draws.one(&[Which::Any, Which::Writes]),
            after: draws.yes(),
            skip: draws.byte(4),
        },
        94..96 => Op::LoseDatabase,
        96..97 => Op::Copy,
        97..98 => Op::Restore,
        _ => Op::Reload { policy: draws.byte(3) },
    }
}

fn strike(draws: &mut Draws, source: u8) -> Op {
    use Trouble::{
        AnswerLost, Expired, Hibernating, Reset, Throttled, ThrottledBare, Truncated, Unavailable,
        UnavailableAfter,
    };
    let troubles = [
        Throttled,
        ThrottledBare,
        Unavailable,
        UnavailableAfter,
        Hibernating,
        Truncated,
        Expired,
        Reset,
        AnswerLost,
    ];
    let which = draws.one(&[Which::Any, Which::Writes]);
    let (skip, times) = (draws.byte(4), draws.one(&[1, 1, 2, 6]));
    Op::Strike { source, which, trouble: draws.one(&troubles), skip, times }
}
