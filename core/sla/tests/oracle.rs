//! Clocks against an oracle that asks minute by minute what the case was doing, and against shuffled news.

use super::*;
use crate::sla::dice::Dice;

/// A random history on whole minutes, within two weeks.
struct History {
    opened: i64,
    /// Minute after the opening, and what happened.
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

impl History {
    fn draw(dice: &mut Dice) -> Self {
        // From early March 2026 on: the clocks of Europe change within reach.
        let opened = at("00:00").as_second() + 60 * dice.below(30 * 1_440) as i64;
        let span = 1 + dice.below(14 * 1_440 - 1);
        let mut minutes: Vec<i64> = (0..dice.below(12)).map(|_| 1 + dice.below(span) as i64).collect();
        minutes.sort_unstable();
        minutes.dedup();
        let mut status = Status::New;
        let acts = minutes
            .into_iter()
            .map(|minute| {
                let act = match dice.below(6) {
                    0 => Act::Customer,
                    1 => Act::Agent,
                    2 => Act::Priority(1 + dice.below(4) as u8),
                    _ => {
                        status = Status::ALL[(dice.below(5) as usize + 1 + status as usize) % 6];
                        Act::Status(status)
                    }
                };
                (minute, act)
            })
            .collect();
        Self { opened, acts, now: opened + 60 * span as i64 }
    }

    fn state(&self) -> CaseState {
        let mut state = case_of(&["09:00 created"]);
        let when = |minute: i64| Timestamp::from_second(self.opened + 60 * minute).unwrap();
        state.events[0].at = when(0);
        state.case.opened_at = when(0);
        state.case.updated_at = when(0);
        for (nth, (minute, act)) in self.acts.iter().enumerate() {
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
            let at = when(*minute);
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

    /// The status in the minute that begins at an instant.
    fn status(&self, second: i64) -> Status {
        let past = self.acts.iter().take_while(|(minute, _)| self.opened + 60 * minute <= second);
        let changes =
            past.filter_map(|(_, act)| if let Act::Status(status) = act { Some(*status) } else { None });
        changes.last().unwrap_or(Status::New)
    }

    fn priority(&self, second: i64) -> u8 {
        let past = self.acts.iter().take_while(|(minute, _)| self.opened + 60 * minute <= second);
        let changes = past.filter_map(|(_, act)| if let Act::Priority(to) = act { Some(*to) } else { None });
        changes.last().unwrap_or(3)
    }

    /// Minutes since `from` in which the clock counts, and those in which it is paused: from, counted, paused, off hours.
    fn minutes(&self, calendar: &Calendar, from: i64, paused_in: &[Status]) -> (i64, i64, i64) {
        let (mut counted, mut paused, mut off) = (0, 0, 0);
        let end = self.end();
        for second in (from..end).step_by(60) {
            let status = self.status(second);
            if !status.is_open() || paused_in.contains(&status) {
                paused += 1;
            } else if calendar.is_open(Timestamp::from_second(second).unwrap()) {
                counted += 1;
            } else {
                off += 1;
            }
        }
        (counted, paused, off)
    }

    /// The end of what counts for a clock that stops with the case: its last resolution if it is resolved, else now.
    fn end(&self) -> i64 {
        let mut end = self.now;
        let mut was_open = true;
        for (minute, act) in &self.acts {
            if let Act::Status(status) = act {
                if was_open && !status.is_open() {
                    end = self.opened + 60 * minute;
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
        for (minute, act) in &self.acts {
            if let Act::Status(status) = act {
                if !was_open && status.is_open() {
                    last = Some(self.opened + 60 * minute);
                }
                was_open = status.is_open();
            }
        }
        last
    }
}

/// A policy after Zendesk's, its calendar, and the target in seconds of all priorities but the first.
fn policy_of(dice: &mut Dice, reopen: &str) -> (PolicySet, Arc<Calendar>, i64) {
    let zones = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"];
    let zone = zones[dice.below(5) as usize];
    let windows = ["\"09:00-17:00\"", "\"22:00-06:00\"", "\"00:00-24:00\"", "\"01:30-02:30\"", ""];
    let days: String = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        .iter()
        .map(|day| {
            format!("{day} = [{}]\n", windows[dice.below(5) as usize % if *day == "tue" { 1 } else { 5 }])
        })
        .collect();
    let days = if days.contains("22:00") {
        days.replace("\"00:00-24:00\"", "\"07:00-22:00\"").replace("\"01:30-02:30\"", "\"06:30-07:30\"")
    } else {
        days
    };
    let hours = 1 + dice.below(30);
    let set = policies(&format!(
        "[calendars.c]\nzone = \"{zone}\"\n[calendars.c.week]\n{days}\n\
         [[sla]]\nname = \"a\"\nlike = \"zendesk\"\ncalendar = \"c\"\non_reopen = \"{reopen}\"\n\
         [sla.resolution]\nany = \"{hours}h\"\np1 = \"1h\"\n[sla.agent_work]\nany = \"{hours}h\"\n[sla.requester_wait]\n[sla.next_reply]\nany = \"2h\""
    ));
    let calendar = set.current.calendars.get("c").unwrap().clone();
    (set, calendar, hours as i64 * HOUR)
}

#[test]
fn clocks_agree_with_stepping_minutes() {
    for case in 0..Dice::cases(400) {
        let mut dice = Dice::new(case);
        let reopen = if dice.one_in(2) { "resume" } else { "new_cycle" };
        let (set, calendar, any) = policy_of(&mut dice, reopen);
        let history = History::draw(&mut dice);
        let now = Timestamp::from_second(history.now).unwrap();
        let state = history.state();
        let from = match reopen {
            "new_cycle" => history.last_reopening().unwrap_or(history.opened),
            _ => history.opened,
        };
        let all = lives(&set, &state, now);
        let waits: [(&str, &[Status]); 3] = [
            ("resolution", &[]),
            ("agent_work", &[Status::Pending, Status::OnHold]),
            ("requester_wait", &[Status::Pending]),
        ];
        for (clock, paused_in) in waits {
            let life = all.iter().rfind(|life| life.reading.clock == clock).unwrap();
            let expected = history.minutes(&calendar, from, paused_in);
            let seen = (life.reading.elapsed_seconds, life.paused_seconds, life.off_hours_seconds);
            assert_eq!((seen.0 / 60, seen.1 / 60, seen.2 / 60), expected, "case {case} {clock} {reopen}");
            assert_eq!(seen.0 + seen.1 + seen.2, life.wall_seconds, "case {case} {clock}");
            assert_eq!(life.reading.started_at.as_second(), from, "case {case} {clock}");
            verdict(case, &history, &life.reading);
            if clock == "resolution" && history.status(history.now).is_open() {
                let expected = if history.priority(history.now) == 1 { 3_600 } else { any };
                assert_eq!(life.reading.target_seconds, Some(expected), "case {case}");
            }
        }
    }
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
        let (set, calendar, _) = policy_of(&mut dice, "resume");
        let history = History::draw(&mut dice);
        let now = Timestamp::from_second(history.now).unwrap();
        let mut expected: Vec<(i64, i64)> = Vec::new();
        let mut open: Option<i64> = None;
        for (minute, act) in &history.acts {
            let second = history.opened + 60 * minute;
            let was_open = history.status(second - 60).is_open();
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
                let counts = |second: &i64| {
                    history.status(*second).is_open()
                        && calendar.is_open(Timestamp::from_second(*second).unwrap())
                };
                (*from, (*from..*to).step_by(60).filter(counts).count() as i64 * 60)
            })
            .collect();
        let seen: Vec<(i64, i64)> = lives(&set, &history.state(), now)
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
        let (set, _, _) = policy_of(&mut dice, reopen);
        let history = History::draw(&mut dice);
        let now = Timestamp::from_second(history.now).unwrap();
        let ordered = history.state();
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
        assert_eq!(read_clocks(&set, &shuffled, now), read_clocks(&set, &ordered, now), "case {case}");
    }
}

#[test]
fn a_clock_is_due_when_it_says_and_not_a_second_earlier() {
    for case in 0..Dice::cases(200) {
        let mut dice = Dice::new(case ^ 0xd0e);
        let (set, _, _) = policy_of(&mut dice, "resume");
        let history = History::draw(&mut dice);
        let now = Timestamp::from_second(history.now).unwrap();
        let state = history.state();
        for reading in read_clocks(&set, &state, now) {
            let (Some(due), ClockState::Running) = (reading.due_at, &reading.state) else { continue };
            if due <= now {
                continue;
            }
            let before = due.checked_sub(jiff::SignedDuration::from_secs(1)).unwrap();
            let at = |instant| {
                let all = read_clocks(&set, &state, instant);
                all.into_iter().find(|other| other.clock == reading.clock).unwrap().breached_at
            };
            assert_eq!((at(before), at(due)), (None, Some(due)), "case {case} {}", reading.clock);
        }
    }
}
