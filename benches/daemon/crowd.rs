//! A database with very many open cases, made through the store's own methods, each case judged by `decide`.
//!
//! Must not know: what is measured with it.

use crate::place::Place;
use anyhow::Context;
use dutyd::config;
use dutyd::daemon::DATABASE;
use dutyd::store::sqlite::SqliteStore;
use dutyd::store::{
    DueCase, OutcomeCommit, PageCommit, Store, Token, Watched, open_news, seal_change, seal_state,
};
use dutyd_core::case::{Case, CaseChange, CaseKey, Party, Priority, Revision, SeenMarks, Status};
use dutyd_core::decide::{decide, groups};
use dutyd_core::policy::{Policy, PolicySet};
use dutyd_core::timeline::{Actor, EventKind, TimelineEvent};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

const PAGE: usize = 1_000;
const LEASE: usize = 256;
pub const EVENTS: i64 = 8;

/// Open cases of a database.
pub struct Crowd {
    pub open: usize,
    /// `None`: within the last fourteen hours.
    pub opened_at: Option<Timestamp>,
    pub due_at: Timestamp,
    /// Of the first so many there are news that nobody has judged.
    pub pending: usize,
}

pub async fn fill(place: &Place, crowd: &Crowd) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let files = config::policy_files(&place.config()).map_err(|wrong| anyhow::anyhow!("{wrong:?}"))?;
    let policy = Policy::load(&files).map_err(|wrong| anyhow::anyhow!("{wrong:?}"))?;
    let policies = Arc::new(PolicySet { current: Arc::new(policy), ..PolicySet::default() });
    let store = SqliteStore::open(&place.state().join(DATABASE), 1, now).await?;
    // As the daemon would have done: so the start finds the policy it had.
    store.wake_all(&policies.current.id, now).await?;
    store.lease_due(Token(9), LEASE, now).await?;
    let lease = store.lease_source("servicenow", Token(3), now).await?.context("no lease")?;
    for (upto, version) in [(crowd.open, 1), (crowd.pending, 2)] {
        for first in (0..upto).step_by(PAGE) {
            let last = (first + PAGE).min(upto);
            let sealed = |nth| seal_change(change(nth, version, crowd.opened_at, now));
            let changes = (first..last).map(sealed).collect::<Result<_, _>>()?;
            let page = PageCommit { changes, more: last < upto, begun: Some(now), ..PageCommit::default() };
            store.commit_page(&lease, page, now).await?;
            if version == 1 {
                judge(&store, &policies, crowd.due_at, now).await?;
            }
        }
    }
    store.close().await;
    Ok(())
}

async fn judge(
    store: &SqliteStore,
    policies: &Arc<PolicySet>,
    due_at: Timestamp,
    now: Timestamp,
) -> anyhow::Result<()> {
    loop {
        let due = store.lease_due(Token(9), LEASE, now).await?.cases;
        if due.is_empty() {
            return Ok(());
        }
        let outcomes =
            due.iter().map(|case| outcome(policies, case, due_at, now)).collect::<Result<_, _>>()?;
        // Facts of groups are kept and nobody is woken for them: it would only make the filling long.
        store.commit_outcomes(outcomes, Watched::default(), now).await?;
    }
}

fn outcome(
    policies: &PolicySet,
    due: &DueCase,
    due_at: Timestamp,
    now: Timestamp,
) -> anyhow::Result<OutcomeCommit> {
    let news = due.news.iter().map(open_news).collect::<Result<Vec<_>, _>>()?;
    let decided = decide(policies, None, &due.around, &news, now).context("a new case comes to a state")?;
    let state = &decided.state;
    Ok(OutcomeCommit {
        state: Some(seal_state(state)?),
        number: state.case.number.clone(),
        status: state.case.status,
        updated_at: state.case.updated_at,
        moved_at: state.case.updated_at,
        groups: groups(&policies.current, state),
        decisions: decided.decisions,
        due_at: Some(due_at),
        ..OutcomeCommit::nothing(due)
    })
}

fn change(nth: usize, version: u64, opened_at: Option<Timestamp>, now: Timestamp) -> CaseChange {
    let ago = SignedDuration::from_secs(3_600 + i64::try_from(nth % 50_000).unwrap_or(0));
    let at = opened_at.unwrap_or(now - ago);
    let id = format!("{:032x}", (nth as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    let party = |kind: &str, among: usize| {
        let one = nth % among;
        Some(Party { id: format!("{kind}{one}"), name: format!("{kind} number {one}") })
    };
    let case = Case {
        number: format!("INC{nth:07}"),
        title: "The printer on the third floor does not answer any more".to_owned(),
        link: Some(format!("https://example.service-now.com/incident.do?sys_id={id}")),
        status: Status::Open,
        status_raw: "2".to_owned(),
        priority: Some(Priority(3)),
        priority_raw: "3".to_owned(),
        customer: party("customer", 5_000),
        requester: party("user", 20_000),
        owner: party("agent", 2_000),
        team: party("team", 50),
        category: Some("incident".to_owned()),
        revision: Revision { at_ms: at.as_millisecond(), count: version },
        ..Case::opened(CaseKey::new("servicenow", id.clone()), at)
    };
    let event = |turn: i64| TimelineEvent {
        id: format!("{id}-{turn}"),
        at: at + SignedDuration::from_secs(turn),
        seen_at: now,
        actor: if turn == 0 { Actor::Customer } else { Actor::Agent },
        by: Some("someone".to_owned()),
        kind: match turn {
            0 => EventKind::Created { signals: Vec::new() },
            _ => EventKind::Replied { public: turn % 2 == 0, signals: Vec::new() },
        },
    };
    CaseChange {
        case,
        events: (0..EVENTS - 1 + version as i64).map(event).collect(),
        marks: SeenMarks { notes_complete: true, ..SeenMarks::default() },
        events_complete: true,
        texts: Vec::new(),
    }
}
