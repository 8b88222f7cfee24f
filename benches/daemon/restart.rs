//! A start over a database with very many open cases, and what the daemon uses while nothing happens.
//!
//! The database is made through the store's own methods, under the shipped policy, each case judged by `decide`; none is
//! due before a month has passed, so that what is measured is the start and the idling.

use crate::figure::measured;
use crate::place::{Place, Sandbox, Wishes};
use crate::process::Owned;
use anyhow::{Context, bail};
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
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PAGE: usize = 1_000;
const LEASE: usize = 256;
/// Cases with news when the daemon starts.
const PENDING: usize = 10_000;
const EVENTS: i64 = 8;
const IDLE: Duration = Duration::from_secs(10);
/// Until the first poll is over, and the look at all pages of the database.
const CALM_DOWN: Duration = Duration::from_secs(20);
const READY_MAX: Duration = Duration::from_secs(120);

pub async fn measure(open: usize) -> anyhow::Result<()> {
    let sandbox = Sandbox::start(1)?;
    let wishes = Wishes { mode: "observe", requests_per_minute: 120, connections: 2, page_size: 1_000 };
    let place = Place::new(&sandbox, &wishes)?;
    let database = place.state().join(DATABASE);
    let began = Instant::now();
    let month = Timestamp::now() + SignedDuration::from_hours(24 * 30);
    fill(&place, &Crowd { open, opened_at: None, due_at: month, pending: PENDING.min(open) }).await?;
    let megabytes = std::fs::metadata(&database)?.len() / 1_000_000;
    let made = began.elapsed().as_secs_f64();
    println!(
        "restart: {open} open cases with {EVENTS} events each, {megabytes} MB (made in {made:.0} s), {} of them with news",
        PENDING.min(open)
    );
    // The same for a store that is only opened, in the same run: the bare limit of a start.
    let began = Instant::now();
    let store = SqliteStore::open(&database, 1, Timestamp::now()).await?;
    let bare = began.elapsed().as_secs_f64();
    store.close().await;
    drop(store);

    let (daemon, ready, page) = start(&place).await?;
    println!(
        "  after an orderly stop       ready in {:.2} s, /readyz says so after {page:.2} s   (goal at most 5; the database alone opens in {bare:.2} s)",
        ready.as_secs_f64()
    );
    // SIGKILL.
    drop(daemon);
    let (daemon, after_kill, page) = start(&place).await?;
    let waiting = place.status().await?.counts.due;
    println!(
        "  after SIGKILL               ready in {:.2} s, /readyz says so after {page:.2} s, {waiting} cases due",
        after_kill.as_secs_f64()
    );
    let began = Instant::now();
    daemon.stop()?;
    let stop = began.elapsed().as_secs_f64();
    println!("  an orderly stop at work     {stop:8.2} s   (goal at most 10)");
    let (daemon, _, _) = start(&place).await?;
    place.worked_off(READY_MAX).await?;
    tokio::time::sleep(CALM_DOWN).await;
    idle(&daemon).await?;
    println!("  peak memory                 {:8.1} MB", daemon.peak_mb()?);
    measured(
        "G27",
        &format!(
            "{open} open cases, {megabytes} MB, {waiting} due: ready {:.2} s after SIGKILL ({:.2} s after an orderly \
             stop), stopped in order in {stop:.2} s",
            after_kill.as_secs_f64(),
            ready.as_secs_f64()
        ),
    );
    Ok(())
}

async fn idle(daemon: &Owned) -> anyhow::Result<()> {
    let (before, began) = (daemon.cpu_seconds()?, Instant::now());
    tokio::time::sleep(IDLE).await;
    let used = daemon.cpu_seconds()? - before;
    let share = 100.0 * used / began.elapsed().as_secs_f64();
    println!("  idle over {} s              {share:8.2} % of one core   (goal below 1)", IDLE.as_secs());
    Ok(())
}

/// The daemon, when it called itself ready, and when its page did: seconds since the start.
async fn start(place: &Place) -> anyhow::Result<(Owned, Duration, f64)> {
    let began = Instant::now();
    let (daemon, ready) = place.daemon()?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("http://{}/readyz", place.pages);
    loop {
        let answer = client.get(&url).send().await;
        let text = match answer {
            Ok(answer) if answer.status().is_success() => {
                return Ok((daemon, ready, began.elapsed().as_secs_f64()));
            }
            Ok(answer) => answer.text().await?,
            Err(error) => error.to_string(),
        };
        if began.elapsed() > READY_MAX {
            bail!("not ready after {READY_MAX:?}: {text}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

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
        case: due.case,
        token: due.token,
        rings: due.rings,
        news_to: due.news_to,
        state: Some(seal_state(state)?),
        number: state.case.number.clone(),
        open: true,
        status: state.case.status,
        updated_at: state.case.updated_at,
        moved_at: state.case.updated_at,
        links: Vec::new(),
        groups: groups(&policies.current, state),
        decisions: decided.decisions,
        actions: Vec::new(),
        notices: Vec::new(),
        withdrawn: Vec::new(),
        gone: false,
        held: false,
        rank: 0,
        flags: Vec::new(),
        due_at: Some(due_at),
        refetch: false,
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
        key: CaseKey::new("servicenow", id.clone()),
        number: format!("INC{nth:07}"),
        title: "The printer on the third floor does not answer any more".to_owned(),
        link: Some(format!("https://example.service-now.com/incident.do?sys_id={id}")),
        status: Status::Open,
        status_raw: "2".to_owned(),
        priority: Some(Priority(3)),
        priority_raw: "3".to_owned(),
        customer: party("customer", 5_000),
        tier: None,
        contract: None,
        requester: party("user", 20_000),
        owner: party("agent", 2_000),
        team: party("team", 50),
        product: None,
        category: Some("incident".to_owned()),
        channel: None,
        tags: Vec::new(),
        fields: BTreeMap::new(),
        unread: Vec::new(),
        opened_at: at,
        updated_at: at,
        resolved_at: None,
        due_at: None,
        links: Vec::new(),
        revision: Revision { at_ms: at.as_millisecond(), count: version },
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
