//! Policies edited while clocks run, and custom clocks.

use super::*;

/// The present policy with an older one, and a case whose clock adopted the older one.
fn edited(mode: &str) -> (PolicySet, CaseState) {
    let text = |hours: u32| {
        format!(
            "[[sla]]\nname = \"a\"\npolicy_edit = \"{mode}\"\n[sla.resolution]\nany = \"{hours}h calendar time\""
        )
    };
    let older = policies(&text(8)).current;
    let mut set = policies(&text(2));
    set.older.insert(older.id.clone(), Arc::clone(&older));
    let mut state = case_of(&["09:00 created"]);
    let before = PolicySet { current: older, older: BTreeMap::new() };
    let adopted = adoptions(&before, &state, at("09:01"));
    assert_eq!(adopted.len(), 1);
    merge(&mut state.events, &adopted);
    (set, state)
}

#[test]
fn an_open_clock_keeps_its_policy_or_migrates() {
    for (mode, due) in [("keep", "17:00"), ("migrate", "11:00")] {
        let (set, state) = edited(mode);
        assert_eq!(read(&set, &state, "resolution", "10:00").due_at, Some(at(due)), "{mode}");
    }
}

#[test]
fn a_clock_taken_out_of_the_policy_stays_on_the_cases_that_keep_it() {
    for (mode, names) in [("keep", &["agent_work", "resolution"][..]), ("migrate", &["agent_work"])] {
        let (mut set, state) = edited(mode);
        let without = "[[sla]]\nname = \"a\"\n[sla.agent_work]\nany = \"2h calendar time\"";
        set.current = policies(without).current;
        let seen: Vec<String> =
            read_clocks(&set, &state, at("10:00")).into_iter().map(|reading| reading.clock).collect();
        assert_eq!(seen, names, "{mode}");
        assert!(adoptions(&set, &state, at("10:00")).iter().all(|event| event.id.contains("agent_work")));
        let fresh = case_of(&["09:00 created"]);
        assert_eq!(read_clocks(&set, &fresh, at("10:00")).len(), 1, "a new case does not get it");
    }
    let (mut set, mut state) = edited("keep");
    set.current = policies("[[sla]]\nname = \"a\"\n[sla.agent_work]").current;
    assert_eq!(read(&set, &state, "resolution", "10:00").due_at, Some(at("17:00")));
    let again = case_of(&["09:00 created", "10:00 status resolved", "11:00 status open"]);
    merge(&mut state.events, &again.events);
    let kept = lives(&set, &state, at("12:00"));
    assert_eq!(kept.iter().filter(|life| life.reading.clock == "resolution").count(), 1);
}

#[test]
fn a_target_is_adopted_once_per_life_of_a_clock() {
    let set = policies(
        "[[sla]]\nname = \"a\"\non_reopen = \"new_cycle\"\n[sla.resolution]\nany = \"4h calendar time\"\n[sla.agent_work]",
    );
    let mut state = case_of(&["09:00 created"]);
    let first = adoptions(&set, &state, at("09:01"));
    assert_eq!(first.len(), 1, "a clock without a target adopts nothing");
    merge(&mut state.events, &first);
    assert_eq!(adoptions(&set, &state, at("09:02")), []);
    let mut reopened = case_of(&["09:00 created", "10:00 status resolved", "11:00 status open"]);
    merge(&mut reopened.events, &first);
    assert_eq!(adoptions(&set, &reopened, at("11:01")).len(), 1);
    let closed = case_of(&["09:00 created", "10:00 status resolved"]);
    assert_eq!(adoptions(&set, &closed, at("11:01")), []);
}

#[test]
fn a_clock_that_begins_later_takes_the_policy_in_force() {
    let text = |hours: u32| {
        format!(
            "[[sla]]\nname = \"a\"\nlike = \"servicenow\"\n[sla.resolution]\np1 = \"1h calendar time\"\np3 = \"{hours}h calendar time\""
        )
    };
    let older = policies(&text(8)).current;
    let mut set = policies(&text(2));
    set.older.insert(older.id.clone(), Arc::clone(&older));
    let mut state = case_of(&["09:00 created", "09:30 priority 1", "10:00 priority 3"]);
    let before = PolicySet { current: older, older: BTreeMap::new() };
    let adopted = adoptions(&before, &case_of(&["09:00 created"]), at("09:01"));
    merge(&mut state.events, &adopted);
    assert_eq!(read(&set, &state, "resolution", "09:15").due_at, Some(at("17:00")));
    assert_eq!(read(&set, &state, "resolution", "10:15").due_at, Some(at("12:00")));
}

#[test]
fn news_without_history_still_ends_a_clock() {
    let set = like("zendesk", "[sla.resolution]\nany = \"2h calendar time\"");
    let mut state = case_of(&["09:00 created", "09:30 status open"]);
    state.case.status = Status::Resolved;
    state.case.resolved_at = Some(at("10:00"));
    assert_eq!(read(&set, &state, "resolution", "15:00").stopped_at, Some(at("10:00")));
}

#[test]
fn a_clock_whose_beginning_is_lost_is_left_out() {
    let set = like(
        "zendesk",
        "[sla.resolution]\nany = \"2h calendar time\"\n[sla.next_reply]\nany = \"1h calendar time\"",
    );
    let mut state = case_of(&["09:00 created", "10:00 customer"]);
    state.truncated = true;
    let names: Vec<String> =
        read_clocks(&set, &state, at("11:00")).into_iter().map(|reading| reading.clock).collect();
    assert_eq!(names, ["next_reply"]);
}

#[test]
fn what_was_learned_later_was_not_known_then() {
    let set = like("zendesk", "[sla.resolution]\np1 = \"1h calendar time\"\np3 = \"8h calendar time\"");
    let mut state = case_of(&["09:00 created", "10:00 priority 1", "11:00 status resolved"]);
    state.events[1].seen_at = at("14:00");
    let then = state.as_known_at(at("13:00"));
    let reading = read(&set, &then, "resolution", "13:00");
    assert_eq!((reading.state, reading.target_seconds), (ClockState::Met, Some(8 * HOUR)));
    let earlier = state.as_known_at(at("10:30"));
    assert_eq!((earlier.case.status, earlier.case.priority), (Status::New, Some(Priority(3))));
    assert_eq!(read(&set, &state.as_known_at(at("15:00")), "resolution", "15:00").state, ClockState::Missed);
}

#[test]
fn what_happened_within_the_second_of_reading_counts() {
    let set = policies(
        "[calendars.office]\nzone = \"UTC\"\n[calendars.office.week]\nmon = \"08:00-18:00\"\n\
         [[sla]]\nname = \"a\"\ncalendar = \"office\"\n[sla.resolution]\np1 = \"4h\"\nany = \"8h\"\n\
         pauses = [{ status = [\"on_hold\"], reason = \"waiting\" }]",
    );
    let raised = case_of(&["09:00 created", "11:00:00.001 priority 1"]);
    assert_eq!(read(&set, &raised, "resolution", "11:00").target_seconds, Some(4 * HOUR));
    let done = case_of(&["09:00 created", "11:00:00.999 status resolved"]);
    assert_eq!(read(&set, &done, "resolution", "11:00").state, ClockState::Met);
    // Used up to the second when it goes on: breached in this second, not in one that nobody looks at.
    let goes_on = ["09:00 created", "17:00:00.4 status on_hold", "17:30:00.6 status open"];
    let breached = read(&set, &case_of(&goes_on), "resolution", "17:30").breached_at;
    assert_eq!(breached, Some(at("17:30")));
}
