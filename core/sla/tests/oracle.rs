//! Clocks against an oracle that steps minutes and event instants and asks what the case and the wall clock were doing,
//! and against shuffled news.

use super::*;
use crate::calendar::tests::oracle::Plan;
use crate::figure::measured;
use crate::sla::dice::Dice;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

/// A random history within two weeks.
struct History {
    opened: i64,
    /// Seconds of the epoch, and what happened; in order, no two at once.
    acts: Vec<(i64, Act)>,
    now: i64,
}

#[derive(Clone, Copy, PartialEq)]
enum Act {
    Status(Status),
    Priority(u8),
    Customer,
    Agent,
}

/// A stretch in which nothing happens and no minute ends.
struct Piece {
    from: i64,
    seconds: i64,
    works: bool,
    status: Status,
}

const SPAN: u64 = 14 * 86_400;

impl History {
    /// With `around` within it. Half of the acts are on whole minutes, where windows begin and end.
    fn draw(dice: &mut Dice, around: i64) -> Self {
        let span = 60 + dice.below(SPAN - 60) as i64;
        let opened = around - dice.below(span as u64) as i64;
        let opened = if dice.one_in(2) { opened - opened.rem_euclid(60) } else { opened };
        let mut instants: Vec<i64> = (0..dice.below(12))
            .map(|_| {
                let at = opened + 1 + dice.below(span as u64 - 1) as i64;
                if dice.one_in(2) { at - at.rem_euclid(60) } else { at }
            })
            .filter(|at| *at > opened)
            .collect();
        instants.sort_unstable();
        instants.dedup();
        let mut status = Status::New;
        let acts = instants
            .into_iter()
            .map(|at| {
                let act = match dice.below(6) {
                    0 => Act::Customer,
                    1 => Act::Agent,
                    2 => Act::Priority(1 + dice.below(4) as u8),
                    _ => {
                        status = Status::ALL[(dice.below(5) as usize + 1 + status as usize) % 6];
                        Act::Status(status)
                    }
                };
                (at, act)
            })
            .collect();
        Self { opened, acts, now: opened + span }
    }

    fn state(&self) -> CaseState {
        let mut state = case_of(&["09:00 created"]);
        let when = |second: i64| Timestamp::from_second(second).unwrap();
        state.events[0].at = when(self.opened);
        state.events[0].seen_at = when(self.opened);
        state.case.opened_at = when(self.opened);
        state.case.updated_at = when(self.opened);
        for (nth, (second, act)) in self.acts.iter().enumerate() {
            let (actor, kind) = match act {
                Act::Customer => (Actor::Customer, EventKind::Replied { public: true, signals: Vec::new() }),
                Act::Agent => (Actor::Agent, EventKind::Replied { public: true, signals: Vec::new() }),
                Act::Priority(to) => {
                    let from = state.case.priority.replace(Priority(*to));
                    (Actor::Agent, EventKind::PriorityChanged { from, to: Some(Priority(*to)) })
                }
                Act::Status(to) => {
                    let from = std::mem::replace(&mut state.case.status, *to);
                    (Actor::Agent, EventKind::StatusChanged { from, to: *to })
                }
            };
            let at = when(*second);
            state.events.push(TimelineEvent {
                id: format!("a{nth}"),
                at,
                seen_at: at,
                actor,
                by: None,
                kind,
            });
            state.case.updated_at = at;
        }
        state
    }

    /// The status just after an instant.
    fn status(&self, second: i64) -> Status {
        let past = self.acts.iter().take_while(|(at, _)| *at <= second);
        let changes =
            past.filter_map(|(_, act)| if let Act::Status(status) = act { Some(*status) } else { None });
        changes.last().unwrap_or(Status::New)
    }

    fn priority(&self, second: i64) -> u8 {
        let past = self.acts.iter().take_while(|(at, _)| *at <= second);
        let changes = past.filter_map(|(_, act)| if let Act::Priority(to) = act { Some(*to) } else { None });
        changes.last().unwrap_or(3)
    }

    /// Steps of a minute or less from the opening to now.
    fn pieces(&self, plan: &Plan, zone: &TimeZone) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut from = self.opened;
        while from < self.now {
            let act = self.acts.iter().map(|(at, _)| *at).find(|at| *at > from);
            let minute = from - from.rem_euclid(60) + 60;
            let to = minute.min(self.now).min(act.unwrap_or(self.now));
            let shown = zone.to_datetime(Timestamp::from_second(from).unwrap());
            let works = plan.works(shown.date(), i32::from(shown.hour()) * 60 + i32::from(shown.minute()));
            pieces.push(Piece { from, seconds: to - from, works, status: self.status(from) });
            from = to;
        }
        pieces
    }

    /// Seconds since `from` in which a clock that stops with the case counts, is paused, is outside the hours.
    fn sums(&self, pieces: &[Piece], from: i64, paused_in: &[Status]) -> (i64, i64, i64) {
        let (mut counted, mut paused, mut off) = (0, 0, 0);
        let end = self.end();
        for piece in pieces.iter().filter(|piece| (from..end).contains(&piece.from)) {
            let is_paused = !piece.status.is_open() || paused_in.contains(&piece.status);
            match (is_paused, piece.works) {
                (true, _) => paused += piece.seconds,
                (false, true) => counted += piece.seconds,
                (false, false) => off += piece.seconds,
            }
        }
        (counted, paused, off)
    }

    /// The end of what counts for a clock that stops with the case: its last resolution if it is resolved, else now.
    fn end(&self) -> i64 {
        let mut end = self.now;
        let mut was_open = true;
        for (at, act) in &self.acts {
            if let Act::Status(status) = act {
                if was_open && !status.is_open() {
                    end = *at;
                } else if status.is_open() {
                    end = self.now;
                }
                was_open = status.is_open();
            }
        }
        end
    }

    fn last_reopening(&self) -> Option<i64> {
        let mut last = None;
        let mut was_open = true;
        for (at, act) in &self.acts {
            if let Act::Status(status) = act {
                if !was_open && status.is_open() {
                    last = Some(*at);
                }
                was_open = status.is_open();
            }
        }
        last
    }
}

/// A random calendar in a random zone, a policy after one vendor's with it, and a history about a change of its clocks.
struct Drawn {
    zone_name: &'static str,
    zone: TimeZone,
    plan: Plan,
    set: PolicySet,
    /// Seconds of the target of all priorities but the first.
    any: i64,
    history: History,
}

impl Drawn {
    fn new(dice: &mut Dice, reopen: &str) -> Self {
        let (name, zone) = dice.zone();
        let moment = dice.moment(&zone);
        let day = zone.to_datetime(Timestamp::from_second(moment).unwrap()).date();
        let plan = Plan::draw(dice, name, day);
        let calendar = plan
            .toml()
            .replace("[week]", "[calendars.c.week]")
            .replace("[exceptions]", "[calendars.c.exceptions]");
        let hours = 1 + dice.below(30) as i64;
        let set = policies(&format!(
            "[calendars.c]\n{calendar}\n\
             [[sla]]\nname = \"a\"\nlike = \"zendesk\"\ncalendar = \"c\"\non_reopen = \"{reopen}\"\n\
             [sla.resolution]\nany = \"{hours}h\"\np1 = \"1h\"\n[sla.agent_work]\nany = \"{hours}h\"\n[sla.requester_wait]\n[sla.next_reply]\nany = \"2h\""
        ));
        let history = History::draw(dice, moment);
        Self { zone_name: name, zone, plan, set, any: hours * HOUR, history }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.history.now).unwrap()
    }
}

/// G21
#[test]
fn clocks_agree_with_stepping_minutes_and_events() {
    let (mut clocks, mut zones) = (0, BTreeSet::new());
    for case in 0..Dice::cases(400) {
        let mut dice = Dice::new(case);
        let reopen = if dice.one_in(2) { "resume" } else { "new_cycle" };
        let drawn = Drawn::new(&mut dice, reopen);
        let history = &drawn.history;
        let from = match reopen {
            "new_cycle" => history.last_reopening().unwrap_or(history.opened),
            _ => history.opened,
        };
        let all = lives(&drawn.set, &history.state(), drawn.now());
        let pieces = history.pieces(&drawn.plan, &drawn.zone);
        let waits: [(&str, &[Status]); 3] = [
            ("resolution", &[]),
            ("agent_work", &[Status::Pending, Status::OnHold]),
            ("requester_wait", &[Status::Pending]),
        ];
        for (clock, paused_in) in waits {
            let life = all.iter().rfind(|life| life.reading.clock == clock).unwrap();
            let seen = (life.reading.elapsed_seconds, life.paused_seconds, life.off_hours_seconds);
            assert_eq!(seen, history.sums(&pieces, from, paused_in), "case {case} {clock} {reopen}");
            assert_eq!(seen.0 + seen.1 + seen.2, life.wall_seconds, "case {case} {clock}");
            assert_eq!(life.reading.started_at.as_second(), from, "case {case} {clock}");
            verdict(case, history, &life.reading);
            if clock == "resolution" && history.status(history.now).is_open() {
                let expected = if history.priority(history.now) == 1 { HOUR } else { drawn.any };
                assert_eq!(life.reading.target_seconds, Some(expected), "case {case}");
            }
        }
        clocks += waits.len();
        zones.insert(drawn.zone_name);
    }
    measured(
        "G21.clocks",
        &format!("{clocks} clocks of {} cases in {} zones: 0 mismatches", Dice::cases(400), zones.len()),
    );
}

/// Met or missed, or breached while running, as the elapsed time says.
fn verdict(case: u64, history: &History, reading: &ClockReading) {
    let is_stopped = !history.status(history.now).is_open();
    let target = reading.target_seconds;
    let is_over = target.is_some_and(|target| match reading.state {
        ClockState::Running => reading.elapsed_seconds >= target,
        _ => reading.elapsed_seconds > target,
    });
    assert_eq!(reading.breached_at.is_some(), is_over, "case {case} {} {:?}", reading.clock, reading.state);
    let expected = match (is_stopped, is_over) {
        (true, true) => ClockState::Missed,
        (true, false) => ClockState::Met,
        (false, _) => return,
    };
    assert_eq!(reading.state, expected, "case {case} {}", reading.clock);
}

#[test]
fn next_reply_agrees_with_reading_the_messages() {
    for case in 0..Dice::cases(400) {
        let mut dice = Dice::new(case ^ 0xa5a5);
        let drawn = Drawn::new(&mut dice, "resume");
        let history = &drawn.history;
        let pieces = history.pieces(&drawn.plan, &drawn.zone);
        let mut expected: Vec<(i64, i64)> = Vec::new();
        let mut open: Option<i64> = None;
        for (second, act) in &history.acts {
            let second = *second;
            let was_open = history.status(second - 1).is_open();
            match act {
                Act::Customer => {
                    open.get_or_insert(second);
                }
                Act::Agent => expected.extend(open.take().map(|since| (since, second))),
                Act::Status(status) if was_open && !status.is_open() => {
                    expected.extend(open.take().map(|since| (since, second)));
                }
                _ => {}
            }
        }
        expected.extend(open.map(|since| (since, history.now)));
        let counted: Vec<(i64, i64)> = expected
            .iter()
            .map(|(from, to)| {
                let within = pieces.iter().filter(|piece| (*from..*to).contains(&piece.from));
                let counting = within.filter(|piece| piece.works && piece.status.is_open());
                (*from, counting.map(|piece| piece.seconds).sum())
            })
            .collect();
        let seen: Vec<(i64, i64)> = lives(&drawn.set, &history.state(), drawn.now())
            .into_iter()
            .filter(|life| life.reading.clock == "next_reply")
            .map(|life| (life.reading.started_at.as_second(), life.reading.elapsed_seconds))
            .collect();
        assert_eq!(seen, counted, "case {case}");
    }
}

#[test]
fn the_order_of_news_does_not_matter() {
    for case in 0..Dice::cases(200) {
        let mut dice = Dice::new(case ^ 0x0dd5);
        let reopen = if dice.one_in(2) { "resume" } else { "new_cycle" };
        let drawn = Drawn::new(&mut dice, reopen);
        let (set, now) = (&drawn.set, drawn.now());
        let ordered = drawn.history.state();
        let mut shuffled = ordered.clone();
        shuffled.events.clear();
        let mut news = ordered.events.clone();
        let echo = TimelineEvent {
            id: "echo".to_owned(),
            actor: Actor::Dutyd,
            kind: EventKind::Replied { public: true, signals: Vec::new() },
            ..news[0].clone()
        };
        news.push(echo);
        while !news.is_empty() {
            let one = dice.below(news.len() as u64) as usize;
            merge(&mut shuffled.events, std::slice::from_ref(&news[one]));
            if !dice.one_in(3) {
                news.swap_remove(one);
            }
        }
        assert_eq!(read_clocks(set, &shuffled, now), read_clocks(set, &ordered, now), "case {case}");
    }
}

#[test]
fn a_clock_is_due_when_it_says_and_not_a_second_earlier() {
    for case in 0..Dice::cases(200) {
        let mut dice = Dice::new(case ^ 0xd0e);
        let drawn = Drawn::new(&mut dice, "resume");
        let (set, now) = (&drawn.set, drawn.now());
        let state = drawn.history.state();
        for reading in read_clocks(set, &state, now) {
            let (Some(due), ClockState::Running) = (reading.due_at, &reading.state) else { continue };
            if due <= now {
                continue;
            }
            let before = due.checked_sub(jiff::SignedDuration::from_secs(1)).unwrap();
            let at = |instant| {
                let all = read_clocks(set, &state, instant);
                all.into_iter().find(|other| other.clock == reading.clock).unwrap().breached_at
            };
            assert_eq!((at(before), at(due)), (None, Some(due)), "case {case} {}", reading.clock);
        }
    }
}
