//! Staff argue in their own tool: an answer in the field or label meant for it, and a mark taken off, in every system.

use crate::play::{Play, all_systems};
use dutyd_core::action::Severity;
use dutyd_core::state::{CaseState, FlagState, Override, OverrideKind};
use dutyd_sandbox::Options;
use dutyd_sandbox::vendor::Command;
use jiff::SignedDuration;
use serde_json::{Value, json};

const SYSTEMS: [&str; 5] = ["jira", "jira_dc", "salesforce", "servicenow", "zendesk"];

/// All systems, in which nothing happens but what a test does.
async fn still() -> Play {
    let options = Options { live: false, ends_at: None, ..all_systems(0) };
    let mut play = Play::polling(options, SignedDuration::from_secs(5)).await;
    play.run().await;
    play
}

/// The case of each system with the most severe flag.
async fn worst(play: &Play) -> Vec<CaseState> {
    let memory = play.memory().await;
    let severity = |state: &CaseState| {
        let open = state.flags.iter().filter(|flag| flag.state == FlagState::Open);
        open.map(|flag| (flag.severity, state.case.key.id.clone())).max()
    };
    let of = |system: &str| {
        let cases = memory.iter().map(|(state, _)| state).filter(|state| state.case.key.source == system);
        cases.max_by_key(|state| severity(state)).expect("the system has cases").clone()
    };
    SYSTEMS.map(of).to_vec()
}

async fn again(play: &Play, cases: &[CaseState]) -> Vec<CaseState> {
    let memory = play.memory().await;
    let find = |case: &CaseState| memory.iter().find(|(state, _)| state.case.key == case.case.key);
    cases.iter().map(|case| find(case).expect("the case is known").0.clone()).collect()
}

fn shown(state: &CaseState) -> Option<Severity> {
    state.marks.marker.as_ref().and_then(|marker| marker.severity).filter(|_| !state.marks.severity_cleared)
}

/// Writes `answer` where people answer in that system.
fn answer(play: &Play, state: &CaseState, answer: &str) {
    let field = match state.case.key.source.as_str() {
        "servicenow" => json!({ "u_dutyd_answer": answer }),
        "salesforce" => json!({ "Dutyd_Answer__c": answer }),
        "zendesk" => json!({ "Dutyd answer": answer }),
        _ => {
            let label = if answer == "4h" { "dutyd-snooze-4h".to_owned() } else { format!("dutyd-{answer}") };
            labels(state, shown(state), Some(label))
        }
    };
    change(play, state, field);
}

fn take_off(play: &Play, state: &CaseState) {
    let field = match state.case.key.source.as_str() {
        "servicenow" => json!({ "u_dutyd_severity": "" }),
        "salesforce" => json!({ "Dutyd_Severity__c": null }),
        "zendesk" => json!({ "Dutyd severity": null }),
        _ => labels(state, None, None),
    };
    change(play, state, field);
}

/// All labels of an issue, with or without the mark and an answer.
fn labels(state: &CaseState, mark: Option<Severity>, answer: Option<String>) -> Value {
    let mut labels = state.case.tags.clone();
    labels.extend(
        mark.into_iter().flat_map(|severity| ["dutyd".to_owned(), format!("dutyd-{}", severity.word())]),
    );
    labels.extend(answer);
    json!({ "labels": labels })
}

fn change(play: &Play, state: &CaseState, field: Value) {
    let Value::Object(fields) = field else { panic!("fields are an object") };
    let id = state.case.key.id.clone();
    play.act_at(&state.case.key.source, &Command::Change { id, fields, by: None });
}

/// What was said, which has who and when.
fn said(state: &CaseState, kind: fn(&OverrideKind) -> bool) -> &Override {
    let system = &state.case.key.source;
    let found = state.overrides.iter().rfind(|said| kind(&said.kind));
    let found = found.unwrap_or_else(|| panic!("{system}: {:?}", state.overrides));
    assert!(found.by.is_some() && found.at > state.case.opened_at, "{system}: {found:?}");
    found
}

const SNOOZED: fn(&OverrideKind) -> bool =
    |kind| matches!(kind, OverrideKind::Snoozed { until: Some(_), .. });

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_with_who_and_when_and_outlives_restarts_and_the_database() {
    let mut play = still().await;
    let cases = worst(&play).await;
    cases.iter().for_each(|case| assert!(shown(case).is_some(), "{} is marked", case.case.key));
    cases.iter().for_each(|case| answer(&play, case, "4h"));
    play.run().await;
    let snoozed = again(&play, &cases).await;
    for case in &snoozed {
        said(case, SNOOZED);
        assert_eq!(shown(case), None, "{}", case.case.key);
        let told = play.json(&["explain", &case.case.key.to_string()]);
        assert!(told["overrides"][0]["by"].is_string(), "{told}");
    }

    play.lose_database();
    play.run().await;
    for (case, before) in again(&play, &cases).await.iter().zip(&snoozed) {
        let (now, then) = (said(case, SNOOZED), said(before, SNOOZED));
        assert_eq!((&now.kind, now.at, &now.by), (&then.kind, then.at, &then.by), "{}", case.case.key);
        assert!(!case.overrides.iter().any(|said| said.rule.is_some()), "a snooze is no dismissal");
        assert_eq!(shown(case), None, "{}", case.case.key);
    }

    again(&play, &cases).await.iter().for_each(|case| answer(&play, case, "escalated"));
    play.run().await;
    let list = play.json(&["list", "--max", "1000"]);
    for case in &again(&play, &cases).await {
        said(case, |kind| matches!(kind, OverrideKind::Escalated));
        assert!(shown(case).is_some(), "{}: a new answer ends the snooze", case.case.key);
        let mut lines = list["flags"].as_array().into_iter().flatten();
        let line =
            lines.find(|line| line["number"] == case.case.number && line["source"] == case.case.key.source);
        assert_eq!(line.expect("it is listed")["said"][0]["kind"], "escalated");
    }
}

/// What a copy of a case shows in a system that was marked, answered and dismissed weeks ago.
fn copied(system: &str) -> Value {
    let (severity, answer) = ("critical", "snooze 4h");
    let flags = "v1 idle@aaaaaaaaaaaa:critical:1769904000:dismissed sla@bbbbbbbbbbbb:critical:1769904000";
    match system {
        "zendesk" => json!({
            "Dutyd severity": "dutyd_critical", "Dutyd marks": flags, "Dutyd why": "It waits.", "Dutyd answer": answer,
        }),
        "salesforce" => json!({
            "Dutyd_Severity__c": severity, "Dutyd_Marks__c": flags, "Dutyd_Why__c": "It waits.",
            "Dutyd_Answer__c": answer,
        }),
        "servicenow" => json!({
            "u_dutyd_severity": severity, "u_dutyd_marks": flags, "u_dutyd_why": "It waits.", "u_dutyd_answer": answer,
        }),
        "jira" | "jira_dc" => json!({ "labels": ["printer", "dutyd", "dutyd-critical", "dutyd-snooze-4h"] }),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_came_with_a_copied_case_is_taken_off_and_its_answer_is_none() {
    let mut play = still().await;
    let make = |system: &&str| {
        let mut fields = json!({ "title": "A copy" });
        let object = fields.as_object_mut().expect("an object");
        object.extend(copied(system).as_object().expect("an object").clone());
        let made = play.act_at(system, &Command::Create { fields: object.clone() });
        (system.to_string(), made["id"].as_str().expect("an id").to_owned())
    };
    let copies: Vec<(String, String)> = SYSTEMS.iter().map(make).collect();
    play.run().await;
    let memory = play.memory().await;
    for (system, id) in copies {
        let is_it = |state: &CaseState| state.case.key.source == system && state.case.key.id == id;
        let (state, decisions) = memory.iter().find(|(state, _)| is_it(state)).expect("it was read");
        assert_eq!((&state.marks.marker, &state.marks.why), (&None, &None), "{system}");
        assert!(state.overrides.is_empty() && decisions.is_empty(), "{system}: {decisions:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_taken_off_in_any_system_dismisses_and_says_who() {
    let mut play = still().await;
    let cases = worst(&play).await;
    cases.iter().for_each(|case| take_off(&play, case));
    play.run().await;
    let dismissed: fn(&OverrideKind) -> bool = |kind| matches!(kind, OverrideKind::Dismissed { .. });
    for case in &again(&play, &cases).await {
        said(case, dismissed);
        assert_eq!(shown(case), None, "{}", case.case.key);
    }
    play.lose_database();
    play.run().await;
    for case in &again(&play, &cases).await {
        assert!(case.overrides.iter().any(|said| dismissed(&said.kind)), "{}", case.case.key);
        assert_eq!(shown(case), None, "{}", case.case.key);
    }
}
