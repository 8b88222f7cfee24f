//! Decides what is due: leases a batch, decides on plain threads, commits the batch.

use super::source::Source;
use super::{EngineError, Shared, Tick, Unit};
use crate::config::Mode;
use crate::notify::{Channel, Seen, notices};
use crate::store::{
    DueBatch, DueCase, FactsRead, NewFlag, OutcomeCommit, StoreError, Watched, open_news, open_state,
    seal_state,
};
use async_trait::async_trait;
use dutyd_core::around::GroupKind;
use dutyd_core::decide::{Outcome, decide, groups, moved_at};
use dutyd_core::policy::{Policy, PolicySet};
use dutyd_core::rule::GroupWord;
use dutyd_core::state::{CaseState, FlagState, News, Presence};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// Cases of one batch.
const BATCH_MAX: usize = 256;
/// Fewer cases than this are not worth another thread.
const PER_THREAD_MIN: usize = 16;
/// Batches of one step: the next is leased while the last is judged and the one before is stored.
const BATCHES_MAX: usize = 16;
/// As long as cases come in bulk, those that only their neighbours make due wait so long at most: each of the others
/// would make them due again.
const REST_MAX: SignedDuration = SignedDuration::from_secs(60);
/// After a start or a jump of our clock nothing is judged before the vendors have told the time; those that have not
/// within this are left out.
const HEARD_WITHIN: SignedDuration = SignedDuration::from_secs(20);
/// The vendors' clocks are looked at again when they have moved by so many seconds against ours.
const CLOCKS_APART: i64 = 5;
/// A case whose stored state cannot be read is looked at again after this.
const UNREADABLE: SignedDuration = SignedDuration::from_mins(5);

/// See the module.
pub struct Evaluate {
    shared: Arc<Shared>,
    /// The policy that the open cases were last made due for.
    woken_for: Mutex<Option<String>>,
    /// The vendors' clocks by which what is due was derived: seconds ahead of ours, where not together.
    clocks: Mutex<Option<BTreeMap<String, i64>>>,
    threads: usize,
    /// Since when those that only neighbours make due wait.
    resting_since: Mutex<Option<Timestamp>>,
}

impl Evaluate {
    pub fn new(shared: &Arc<Shared>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            shared: shared.clone(),
            woken_for: Mutex::default(),
            clocks: Mutex::default(),
            threads,
            resting_since: Mutex::default(),
        }
    }

    /// A changed policy makes every open case due, and so does sight regained after cases were judged blind.
    async fn wake_if_changed(&self, policies: &PolicySet, now: Timestamp) -> Result<(), EngineError> {
        let id = &policies.current.id;
        if super::lock(&self.woken_for).as_ref() != Some(id) {
            self.shared.store.wake_all(id, now).await?;
            *super::lock(&self.woken_for) = Some(id.clone());
        }
        if self.shared.rejudge.swap(false, Ordering::Relaxed) {
            self.shared.store.wake_all(&format!("{id}+seen again"), now).await?;
        }
        let clocks = self.clocks();
        if super::lock(&self.clocks).as_ref() != Some(&clocks) {
            self.shared.store.note_clocks(&format!("{clocks:?}"), now).await?;
            *super::lock(&self.clocks) = Some(clocks);
        }
        Ok(())
    }

    fn clocks(&self) -> BTreeMap<String, i64> {
        let known = super::lock(&self.clocks).clone().unwrap_or_default();
        let ahead = |(name, source): (&String, &Arc<Source>)| {
            let (told, before) = (source.offset().as_secs(), known.get(name).copied().unwrap_or(0));
            let counted = if (told - before).abs() < CLOCKS_APART { before } else { told };
            (counted != 0).then(|| (name.clone(), counted))
        };
        self.shared.sources.iter().filter_map(ahead).collect()
    }

    fn is_unheard(&self, case: &DueCase) -> bool {
        let source = self.shared.sources.get(&case.key.source);
        source.is_some_and(|source| source.unheard_since().is_some())
    }

    /// Until when the vendors are given time to tell the time.
    fn listens_until(&self, now: Timestamp) -> Option<Timestamp> {
        let unheard = self.shared.sources.values().filter_map(|source| source.unheard_since());
        let until = unheard.map(|since| super::retry::after(since, HEARD_WITHIN)).max();
        until.filter(|until| *until > now)
    }
}

#[async_trait]
impl Unit for Evaluate {
    fn name(&self) -> &str {
        "evaluate"
    }

    async fn tick(&self) -> Result<Tick, EngineError> {
        let (now, store) = (self.shared.now(), &self.shared.store);
        if let Some(until) = self.listens_until(now) {
            return Ok(Tick::Idle { until: Some(until) });
        }
        let policies = self.shared.policy.borrow().clone();
        self.wake_if_changed(&policies, now).await?;
        let resting_until = self.resting_until(now);
        let due = match resting_until {
            Some(_) => store.lease_news(self.shared.dice.token(), BATCH_MAX, now).await?,
            None => store.lease_due(self.shared.dice.token(), BATCH_MAX, now).await?,
        };
        if due.cases.is_empty() {
            return Ok(match due.next_at {
                Some(at) if at <= now => Tick::Worked,
                until => Tick::Idle { until: [until, resting_until].into_iter().flatten().min() },
            });
        }
        let bench = Arc::new(Bench::new(&self.shared, policies, now));
        let (judged, to_commit) = mpsc::channel(1);
        let (leased, committed) = tokio::join!(
            self.lease_and_judge(&bench, due, resting_until.is_some(), judged),
            self.commit(&bench, to_commit)
        );
        committed?;
        leased?;
        Ok(Tick::Worked)
    }
}

impl Evaluate {
    /// Until when those that only neighbours make due wait, if they do.
    fn resting_until(&self, now: Timestamp) -> Option<Timestamp> {
        let mut since = super::lock(&self.resting_since);
        if !self.shared.sources.values().any(|source| source.is_read_in_bulk()) {
            *since = None;
            return None;
        }
        let until = super::retry::after(*since.get_or_insert(now), REST_MAX);
        if until <= now {
            *since = None;
            return None;
        }
        Some(until)
    }

    /// What is leased before its neighbours are stored is made due again if they change what it read.
    async fn lease_and_judge(
        &self,
        bench: &Arc<Bench>,
        first: DueBatch,
        resting: bool,
        judged: mpsc::Sender<Vec<Judged>>,
    ) -> Result<(), EngineError> {
        let store = &self.shared.store;
        let mut due = first;
        for nth in 1..=BATCHES_MAX {
            let more = due.cases.len() == BATCH_MAX && nth < BATCHES_MAX && !self.shared.clock.is_lockstep();
            let lease = async {
                let token = self.shared.dice.token();
                match (more, resting) {
                    (false, _) => Ok(DueBatch::default()),
                    (true, true) => store.lease_news(token, BATCH_MAX, bench.now).await,
                    (true, false) => store.lease_due(token, BATCH_MAX, bench.now).await,
                }
            };
            let (done, next) = tokio::join!(self.judge(bench, due), lease);
            // The one who commits ends only with an error of its own.
            if judged.send(done?).await.is_err() {
                return Ok(());
            }
            due = next?;
            if due.cases.is_empty() {
                break;
            }
        }
        Ok(())
    }

    async fn judge(&self, bench: &Arc<Bench>, mut due: DueBatch) -> Result<Vec<Judged>, EngineError> {
        // Their leases lapse, and they are offered again.
        due.cases.retain(|case| !self.is_unheard(case));
        let threads = self.threads.min(due.cases.len().div_ceil(PER_THREAD_MIN));
        let bench = bench.clone();
        tokio::task::spawn_blocking(move || judge_all(&bench, &due.cases, threads))
            .await
            .map_err(|error| EngineError::Ended(error.to_string()))
    }

    async fn commit(
        &self,
        bench: &Bench,
        mut judged: mpsc::Receiver<Vec<Judged>>,
    ) -> Result<(), EngineError> {
        let watched = watched(&bench.policies.current);
        while let Some(batch) = judged.recv().await {
            let (commits, reports): (Vec<OutcomeCommit>, Vec<_>) = batch.into_iter().unzip();
            let telling: BTreeSet<String> = commits
                .iter()
                .flat_map(|commit| &commit.notices)
                .map(|notice| notice.channel.clone())
                .collect();
            let wanting: BTreeSet<String> = reports.into_iter().flatten().collect();
            self.shared.store.commit_outcomes(commits, watched, bench.now).await?;
            for source in wanting {
                if let Some(wake) = self.shared.bells.deliver.get(&source) {
                    wake.ring();
                }
            }
            for channel in telling {
                if let Some(wake) = self.shared.bells.tell.get(&channel) {
                    wake.ring();
                }
            }
        }
        Ok(())
    }
}

/// What judging needs, apart from the cases.
struct Bench {
    policies: Arc<PolicySet>,
    sources: BTreeMap<String, Arc<Source>>,
    channels: Vec<Arc<Channel>>,
    now: Timestamp,
}

impl Bench {
    fn new(shared: &Shared, policies: Arc<PolicySet>, now: Timestamp) -> Self {
        let channels = shared.channels.iter().map(|setup| setup.channel.clone()).collect();
        Self { policies, sources: shared.sources.clone(), channels, now }
    }
}

/// An outcome, and the source that has something to be sent.
type Judged = (OutcomeCommit, Option<String>);

/// In order, on as many threads as there is work for.
fn judge_all(bench: &Bench, cases: &[DueCase], threads: usize) -> Vec<Judged> {
    if threads <= 1 {
        return cases.iter().map(|case| judge(bench, case)).collect();
    }
    std::thread::scope(|scope| {
        let parts: Vec<_> = cases
            .chunks(cases.len().div_ceil(threads))
            .map(|part| scope.spawn(move || part.iter().map(|case| judge(bench, case)).collect::<Vec<_>>()))
            .collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

fn judge(bench: &Bench, due: &DueCase) -> Judged {
    match try_judge(bench, due) {
        Ok(judged) => judged,
        Err(error) => {
            tracing::error!(case = %due.key, %error, "stored case cannot be read; fetching it again");
            let again = bench.now.saturating_add(UNREADABLE).unwrap_or(bench.now);
            (OutcomeCommit { refetch: true, due_at: Some(again), ..OutcomeCommit::nothing(due) }, None)
        }
    }
}

fn try_judge(bench: &Bench, due: &DueCase) -> Result<Judged, StoreError> {
    let source = bench.sources.get(&due.key.source);
    let offset = source.map_or(SignedDuration::ZERO, |source| source.offset());
    let news: Vec<News> = due.news.iter().map(open_news).collect::<Result<_, _>>()?;
    let (before, unreadable) = match due.state.as_ref().map(open_state).transpose() {
        Ok(state) => (state, None),
        Err(error) => (None, Some(error)),
    };
    if let Some(error) = &unreadable {
        tracing::error!(case = %due.key, %error, "stored state cannot be read; rebuilding it from the vendor");
    }
    let mut around = due.around.clone();
    around.blind_since = source.and_then(|source| source.unseen_since(around.blind_since, bench.now));
    // A case of a source that is seen is judged again by itself, once it has been read.
    let blind = source.filter(|source| source.blind_since(bench.now).is_some());
    if let Some(source) = blind {
        source.note_judged_blind();
    }
    let vendor_now = bench.now.saturating_add(offset).unwrap_or(bench.now);
    let Some(outcome) = decide(&bench.policies, before.as_ref(), &around, &news, vendor_now) else {
        return Ok((OutcomeCommit { refetch: unreadable.is_some(), ..OutcomeCommit::nothing(due) }, None));
    };
    for trouble in &outcome.trouble {
        tracing::debug!(case = %due.key, rule = %trouble.rule, because = %trouble.because, "cannot tell");
    }
    let sends = !outcome.actions.is_empty();
    let commit = commit_of(bench, due, source, before.as_ref(), outcome, offset, unreadable.is_some())?;
    Ok((OutcomeCommit { blind: blind.is_some(), ..commit }, sends.then(|| due.key.source.clone())))
}

fn commit_of(
    bench: &Bench,
    due: &DueCase,
    source: Option<&Arc<Source>>,
    before: Option<&CaseState>,
    outcome: Outcome,
    offset: SignedDuration,
    refetch: bool,
) -> Result<OutcomeCommit, StoreError> {
    let state = &outcome.state;
    let case = &state.case;
    let start_from = source.and_then(|source| source.setup.start_from);
    let unmarking = source.is_some_and(|source| source.is_unmarking());
    let changed = before != Some(state);
    let held = unmarking || start_from.is_some_and(|from| case.updated_at < from);
    let seen = Seen {
        policies: &bench.policies,
        before,
        after: state,
        decisions: &outcome.decisions,
        watched_from: due.watched_from,
        observed: source.is_none_or(|source| source.setup.mode == Mode::Observe),
        held,
        now: bench.now.saturating_add(offset).unwrap_or(bench.now),
    };
    Ok(OutcomeCommit {
        notices: notices(&seen, &bench.channels),
        state: if changed { Some(seal_state(state)?) } else { None },
        number: case.number.clone(),
        open: state.presence == Presence::Present && case.status.is_open(),
        status: case.status,
        updated_at: case.updated_at,
        moved_at: moved_at(state),
        links: case.links.clone(),
        withdrawn: withdrawn(before, state),
        gone: state.presence == Presence::Gone,
        held,
        rank: rank(state),
        flags: listed(state),
        groups: groups(&bench.policies.current, state),
        due_at: outcome.look_again_at.map(|at| at.saturating_sub(offset).unwrap_or(at)),
        decisions: outcome.decisions,
        actions: outcome.actions,
        refetch,
        ..OutcomeCommit::nothing(due)
    })
}

/// Notes of flags that were open and are not any more: what was not said yet need not be said.
fn withdrawn(before: Option<&CaseState>, state: &CaseState) -> Vec<String> {
    let is_open = |state: &CaseState, rule: &str, episode: &str| {
        let mut open = state.flags.iter().filter(|flag| flag.state == FlagState::Open);
        open.any(|flag| flag.rule == rule && flag.episode == episode)
    };
    let notes = before.map_or(&[][..], |before| &before.notes);
    notes
        .iter()
        .filter(|note| before.is_some_and(|before| is_open(before, &note.rule, &note.episode)))
        .filter(|note| !is_open(state, &note.rule, &note.episode))
        .map(|note| format!("note:{}:{}", note.rule, note.episode))
        .collect()
}

/// The most severe first, then those that have been open longest.
fn rank(state: &CaseState) -> i64 {
    const SPAN: i64 = 1 << 40;
    let open = state.flags.iter().filter(|flag| flag.state == FlagState::Open);
    let worst = open.map(|flag| (flag.severity, std::cmp::Reverse(flag.raised_at))).max();
    match worst {
        Some((severity, std::cmp::Reverse(at))) => {
            (3 - i64::from(severity as u8)) * SPAN + at.as_second().clamp(0, SPAN - 1)
        }
        None => 4 * SPAN,
    }
}

fn listed(state: &CaseState) -> Vec<NewFlag> {
    let marker = state.mark.expected();
    let dismissed = |rule: &str| {
        marker.is_some_and(|marker| marker.flags.iter().any(|flag| flag.rule == rule && flag.dismissed))
    };
    let open = state.flags.iter().filter(|flag| flag.state == FlagState::Open);
    open.map(|flag| NewFlag {
        rule: flag.rule.clone(),
        severity: flag.severity,
        raised_at: flag.raised_at,
        episode: flag.episode.clone(),
        why: flag.why.clone(),
        dismissed: dismissed(&flag.rule),
    })
    .collect()
}

fn watched(policy: &Policy) -> Watched {
    let of = |kind| FactsRead {
        open: policy.reads_fact(kind, GroupWord::Open),
        urgent: policy.reads_fact(kind, GroupWord::Urgent),
        unowned: policy.reads_fact(kind, GroupWord::Unowned),
        unanswered: policy.reads_fact(kind, GroupWord::Unanswered),
        sources: policy.reads_fact(kind, GroupWord::Sources),
    };
    Watched { customer: of(GroupKind::Customer), owner: of(GroupKind::Owner), team: of(GroupKind::Team) }
}
