//! Which flags are news to whom: those that people see now and did not see before.
//!
//! Level-triggered like the marks: a flag that a person dismissed or snoozed, or that a stronger one covers, is not seen. A
//! change of policy and a first import change what is seen and are no news.

use super::channel::{Channel, Threshold};
use super::letter::{Content, FlagNotice};
use super::{computed_id, wording};
use crate::store::NewNotice;
use dutyd_core::action::Severity;
use dutyd_core::case::{Case, Party};
use dutyd_core::decide::{Decision, DecisionKind};
use dutyd_core::policy::PolicySet;
use dutyd_core::sla::{ClockState, read_clocks};
use dutyd_core::state::{CaseState, Flag, FlagState};
use jiff::Timestamp;

/// A case before and after an evaluation, and what must be known of its source.
pub struct Seen<'a> {
    pub policies: &'a PolicySet,
    pub before: Option<&'a CaseState>,
    pub after: &'a CaseState,
    pub decisions: &'a [Decision],
    /// When its source was first read: a case first judged and not touched since is an old story.
    pub watched_from: Option<Timestamp>,
    /// Its source is only observed.
    pub observed: bool,
    /// Its marks are held back: older than `start_from`, or being taken off.
    pub held: bool,
    pub now: Timestamp,
}

/// What each channel is to be told.
pub fn notices(seen: &Seen<'_>, channels: &[std::sync::Arc<Channel>]) -> Vec<NewNotice> {
    if channels.is_empty() {
        return Vec::new();
    }
    let was = seen.before.map(|state| visible(seen.policies, state)).unwrap_or_default();
    let is = visible(seen.policies, seen.after);
    let was_seen = |flag: &Flag| was.iter().any(|old| same(old, flag) && old.severity >= flag.severity);
    let wave = is_wave(seen);
    let tells = !wave && !seen.held && !is_old_story(seen);
    let tellable = |flag: &Flag| tells && !is_adopted(seen, flag) && !is_of_wave(seen, flag);
    // A case that has just become a channel's business brings its flags with it.
    let is_new_to = |channel: &Channel| seen.before.is_some_and(|before| !channel.covers(&before.case));
    let moved = channels.iter().any(|channel| is_new_to(channel));
    let fresh: Vec<(bool, FlagNotice)> = is
        .iter()
        .filter(|flag| tellable(flag) && (moved || !was_seen(flag)))
        .map(|flag| (was_seen(flag), notice(seen.policies, seen.after, flag, seen.now)))
        .collect();
    let cleared = was.iter().filter(|old| !is.iter().any(|flag| same(old, flag)));
    let over: Vec<FlagNotice> = cleared
        .map(|flag| FlagNotice { clears: true, ..notice(seen.policies, seen.after, flag, seen.now) })
        .collect();
    let mut rows = Vec::new();
    for channel in channels {
        let raised = fresh.iter().filter(|(known, _)| !known || is_new_to(channel)).map(|(_, notice)| notice);
        rows.extend(raised.filter(|notice| hears(channel, notice, seen)).map(|one| (one, channel, true)));
        let aloud = if wave { channel.keeps_open() } else { channel.hears_clears() };
        rows.extend(over.iter().map(|notice| (notice, channel, aloud)));
    }
    rows.into_iter().filter_map(|(notice, channel, aloud)| row(notice, channel, seen.after, aloud)).collect()
}

/// Open flags that people see and a manager should, the covered ones left out.
pub fn visible<'a>(policies: &PolicySet, state: &'a CaseState) -> Vec<&'a Flag> {
    let silenced = |flag: &Flag| {
        let marked = state.mark.expected().into_iter().flat_map(|marker| &marker.flags);
        marked.into_iter().any(|marked| marked.rule == flag.rule && marked.dismissed)
    };
    let open: Vec<&Flag> = state
        .flags
        .iter()
        .filter(|flag| flag.state == FlagState::Open && flag.severity >= Severity::Candidate)
        .filter(|flag| !silenced(flag))
        .collect();
    let covers = |by: &Flag, flag: &Flag| {
        by.severity >= flag.severity && policies.current.covers(&by.rule, &flag.rule)
    };
    let covered = |flag: &Flag| open.iter().any(|by| covers(by, flag));
    open.iter().copied().filter(|flag| !covered(flag)).collect()
}

fn same(a: &Flag, b: &Flag) -> bool {
    a.rule == b.rule && a.episode == b.episode
}

/// The policy changed since the case was last judged.
fn is_wave(seen: &Seen<'_>) -> bool {
    seen.before.is_some_and(|before| !before.policy.is_empty() && before.policy != seen.after.policy)
}

fn is_old_story(seen: &Seen<'_>) -> bool {
    let watched_from = seen.watched_from.unwrap_or(Timestamp::MIN);
    seen.before.is_none() && seen.after.case.updated_at < watched_from
}

fn is_adopted(seen: &Seen<'_>, flag: &Flag) -> bool {
    seen.decisions.iter().any(|one| one.kind == DecisionKind::Adopt && one.rule == flag.rule)
}

/// Raised now, but since a changed policy came into force it had only waited.
fn is_of_wave(seen: &Seen<'_>, flag: &Flag) -> bool {
    let raised = |one: &Decision| one.kind == DecisionKind::Raise && one.rule == flag.rule;
    flag.of_wave && seen.decisions.iter().any(raised)
}

/// Whether a flag is told on a channel. That it is over is told of whatever was told, wherever the case is by then.
fn hears(channel: &Channel, notice: &FlagNotice, seen: &Seen<'_>) -> bool {
    let loud = channel.severity == Threshold::Candidate || notice.severity == Severity::Critical;
    loud && channel.covers(&seen.after.case) && (channel.observe || !seen.observed)
}

impl Channel {
    /// Whether cases like this are the channel's business.
    pub fn covers(&self, case: &Case) -> bool {
        let named = |team: &Party| {
            self.teams.iter().any(|name| *name == team.id || name.eq_ignore_ascii_case(&team.name))
        };
        let source = self.hears_of(&case.key.source);
        source && (self.teams.is_empty() || case.team.as_ref().is_some_and(named))
    }

    /// Whether the source is.
    pub fn hears_of(&self, source: &str) -> bool {
        self.sources.is_empty() || self.sources.iter().any(|known| known == source)
    }
}

/// A flag as people are told of it.
pub fn notice(policies: &PolicySet, state: &CaseState, flag: &Flag, now: Timestamp) -> FlagNotice {
    let case = &state.case;
    let rule = policies.current.rules.iter().find(|rule| rule.name == flag.rule);
    let end = nearest_end(policies, state, now);
    let name = |party: &Option<Party>| party.as_ref().map(|party| party.name.clone());
    FlagNotice {
        clears: false,
        episode: computed_id(&["episode", &case.key.source, &case.key.id, &flag.rule, &flag.episode]),
        severity: flag.severity,
        source: case.key.source.clone(),
        number: case.number.clone(),
        title: case.title.clone(),
        link: wording::web_link(&case.link),
        customer: name(&case.customer),
        owner: name(&case.owner),
        team: name(&case.team),
        rule: flag.rule.clone(),
        rule_title: rule.map_or_else(|| flag.rule.clone(), |rule| rule.title.clone()),
        why: flag.why.clone(),
        raised_at: flag.raised_at,
        clock: end.as_ref().map(|(clock, _)| clock.clone()),
        due_at: end.map(|(_, due_at)| due_at),
    }
}

/// Which of the running clocks ends first, or ended, and when.
pub fn nearest_end(policies: &PolicySet, state: &CaseState, now: Timestamp) -> Option<(String, Timestamp)> {
    let clocks = read_clocks(policies, state, now);
    let running = clocks.into_iter().filter(|clock| clock.state == ClockState::Running);
    running.filter_map(|clock| Some((clock.clock, clock.due_at?))).min_by_key(|(_, due_at)| *due_at)
}

fn row(notice: &FlagNotice, channel: &Channel, state: &CaseState, aloud: bool) -> Option<NewNotice> {
    let key = match notice.clears {
        true => computed_id(&["cleared", &notice.episode]),
        false => computed_id(&["raised", &notice.episode, notice.severity.word()]),
    };
    let flag = state.flags.iter().find(|flag| flag.rule == notice.rule);
    Some(NewNotice {
        channel: channel.name.clone(),
        key: format!("msg_{key}"),
        subject: notice.episode.clone(),
        clears: notice.clears,
        rank: rank(notice, flag),
        aloud,
        body: serde_json::to_string(&Content::Flag(Box::new(notice.clone()))).ok()?,
    })
}

/// The most severe first, then the first to end.
fn rank(notice: &FlagNotice, flag: Option<&Flag>) -> i64 {
    const SPAN: i64 = 1 << 40;
    let severity = flag.map_or(notice.severity, |flag| flag.severity);
    let end = notice.due_at.map_or(SPAN - 1, |at| at.as_second().clamp(0, SPAN - 1));
    let last = i64::from(notice.clears);
    (last * 4 + 3 - severity as i64) * SPAN + end
}
