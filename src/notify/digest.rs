//! The daily digest: which cases are flagged and what will be late within a day, team by team, worst first.
//!
//! Knows: which cases belong in it. Must not know: where cases are read from, or when it is sent.

use super::channel::Channel;
use super::choose::{notice, visible};
use super::computed_id;
use super::letter::{Digest, FlagNotice, Risk, TeamPart};
use super::sentence::sentence_now;
use super::unseen::Unseen;
use super::wording::{WHEN_RAISED, web_link};
use dutyd_core::action::Severity;
use dutyd_core::around::Around;
use dutyd_core::case::Party;
use dutyd_core::policy::PolicySet;
use dutyd_core::sla::{ClockState, read_clocks};
use dutyd_core::state::{CaseState, Presence};
use jiff::{SignedDuration, Timestamp};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Flagged cases, and targets at risk, shown of one team.
const LISTED_MAX: usize = 12;
/// Teams shown; the rest goes without.
const TEAMS_MAX: usize = 40;
/// How far ahead targets are looked at.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// The same for one channel and day, whoever computes it.
pub fn digest_key(channel: &str, day: &str) -> String {
    format!("msg_{}", computed_id(&["digest", channel, day]))
}

/// Takes cases in, one at a time, and keeps what is worth showing.
pub struct DigestBuilder<'a> {
    channel: &'a Channel,
    now: Timestamp,
    unseen: Vec<Unseen>,
    teams: BTreeMap<Option<String>, TeamPart>,
}

impl<'a> DigestBuilder<'a> {
    /// `unseen`: all sources that are not seen; the channel is told of its own.
    pub fn new(channel: &'a Channel, mut unseen: Vec<Unseen>, now: Timestamp) -> Self {
        unseen.retain(|unseen| channel.hears_of(&unseen.source));
        Self { channel, now, unseen, teams: BTreeMap::new() }
    }

    /// `around`: of a case with an open flag.
    pub fn take(&mut self, policies: &PolicySet, state: &CaseState, around: &Around) {
        let case = &state.case;
        let open = state.presence == Presence::Present && case.status.is_open();
        if !open || !self.channel.covers(case) {
            return;
        }
        let flag = worst(policies, state, around, self.now);
        let risks = risks(policies, state, self.now);
        if flag.is_none() && risks.is_empty() {
            return;
        }
        let team = case.team.as_ref().map(|team| team.name.clone());
        let part = self.teams.entry(team.clone()).or_default();
        part.team = team;
        part.flags_count += usize::from(flag.is_some());
        part.risks_count += risks.len();
        part.flags.extend(flag);
        part.risks.extend(risks);
        part.flags.sort_by_key(worst_first);
        part.risks.sort_by_key(|risk| risk.due_at);
        part.flags.truncate(LISTED_MAX);
        part.risks.truncate(LISTED_MAX);
    }

    /// `partial`: not all cases were taken in.
    pub fn finish(self, day: String, partial: bool) -> Digest {
        let mut teams: Vec<TeamPart> = self.teams.into_values().collect();
        teams.sort_by_key(|team| {
            let worst = team.flags.first().map(|flag| flag.severity);
            (Reverse(worst), Reverse(team.flags_count), team.team.clone())
        });
        let partial = partial || teams.len() > TEAMS_MAX;
        teams.truncate(TEAMS_MAX);
        Digest { day, unseen: self.unseen, teams, partial }
    }
}

fn worst_first(flag: &FlagNotice) -> (Reverse<Severity>, bool, Option<Timestamp>, Timestamp) {
    (Reverse(flag.severity), flag.due_at.is_none(), flag.due_at, flag.raised_at)
}

fn name(party: &Option<Party>) -> Option<String> {
    party.as_ref().map(|party| party.name.clone())
}

/// The worst flag that people see, if a manager should look; the others of the case are counted behind its reason.
fn worst(policies: &PolicySet, state: &CaseState, around: &Around, now: Timestamp) -> Option<FlagNotice> {
    let mut flags = visible(policies, state);
    flags.sort_by_key(|flag| (Reverse(flag.severity), flag.raised_at));
    let (flag, rest) = flags.split_first()?;
    let more = if rest.is_empty() { String::new() } else { format!(" (+{} more)", rest.len()) };
    let notice = notice(policies, state, flag, now);
    let why = sentence_now(policies, state, around, &flag.rule, now);
    let why = why.unwrap_or_else(|| format!("{WHEN_RAISED}{}", notice.why));
    Some(FlagNotice { why: format!("{why}{more}"), ..notice })
}

/// Targets that end within a day and are not missed yet.
fn risks(policies: &PolicySet, state: &CaseState, now: Timestamp) -> Vec<Risk> {
    let case = &state.case;
    let clocks = read_clocks(policies, state, now);
    let running = clocks.into_iter().filter(|clock| clock.state == ClockState::Running);
    let ending = running.filter_map(|clock| {
        let due_at = clock.due_at.filter(|at| *at > now && at.duration_since(now) <= AHEAD)?;
        Some((clock.clock, due_at))
    });
    ending
        .map(|(clock, due_at)| Risk {
            source: case.key.source.clone(),
            number: case.number.clone(),
            title: case.title.clone(),
            link: web_link(&case.link),
            customer: name(&case.customer),
            owner: name(&case.owner),
            clock,
            due_at,
        })
        .collect()
}
