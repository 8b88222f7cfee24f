//! What Zendesk says against what we make of it: records, errors, rate headers, webhooks, updates. Data tables.

use super::config::{Config, SignInConfig};
use super::normalize::{Directory, FieldIds, Lens, Person, is_merged, revision_of, status_of};
use super::refusals::{account_budget, buckets, error_of, retry_at, said};
use super::wire::{self, Audit, Ticket, ticket_of_payload};
use super::{hook, write};
use crate::{ConnectorError, Delivery, Response, SecretRef};
use dutyd_core::action::{Action, MarkedFlag, Marker, Severity, Slot, Want};
use dutyd_core::case::{CaseKey, FieldValue, Priority, Status};
use dutyd_core::timeline::{Actor, EventKind};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

const TICKET: &str = include_str!("fixtures/ticket.json");
const AUDITS: &str = include_str!("fixtures/audits.json");
const EVENT: &str = include_str!("fixtures/event.json");

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-03-02T11:00:00Z")
}

fn config() -> Config {
    let config = json!({
        "origin": "https://acme.zendesk.com",
        "sign_in": { "oauth": { "client_id": "dutyd", "client_secret": "client" } },
        "columns": { "tier": "tier" },
    });
    serde_json::from_value(config).unwrap()
}

fn fields() -> FieldIds {
    let mapped =
        vec![("region".to_owned(), Some(64)), ("seats".to_owned(), Some(65)), ("plan".to_owned(), Some(66))];
    FieldIds { severity: Some(61), why: Some(62), flags: Some(63), mapped, ..FieldIds::default() }
}

fn directory() -> Directory {
    let people = [(21, "Ada", "end-user"), (31, "Bruno", "agent"), (99, "Dutyd", "admin")];
    let person = |name: &str, role: &str| Person { name: name.to_owned(), role: role.to_owned() };
    let organization = json!({ "id": 41, "name": "Northwind", "organization_fields": { "tier": "gold" } });
    Directory {
        people: people.into_iter().map(|(id, name, role)| (id, person(name, role))).collect(),
        groups: HashMap::from([(51, "Platform".to_owned())]),
        organizations: HashMap::from([(41, serde_json::from_value(organization).unwrap())]),
    }
}

fn with_lens<T>(look: impl FnOnce(&Lens<'_>) -> T) -> T {
    let (config, fields, directory) = (config(), fields(), directory());
    look(&Lens {
        source: "here",
        origin: "https://acme.zendesk.com",
        config: &config,
        fields: &fields,
        directory: &directory,
        own_id: 99,
        seen_at: now(),
        read_at: now(),
    })
}

fn ticket_with(changes: &[(&str, Value)]) -> Ticket {
    let mut value: Value = serde_json::from_str(TICKET).unwrap();
    for (key, change) in changes {
        value[*key] = change.clone();
    }
    serde_json::from_value(value).unwrap()
}

fn audits() -> Vec<Audit> {
    serde_json::from_str::<wire::AuditPage>(AUDITS).unwrap().audits
}

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Response { status, headers, body: body.as_bytes().to_vec().into() }
}

#[test]
fn a_ticket_becomes_a_case_in_our_words() {
    let case = with_lens(|lens| lens.change(&ticket_with(&[]), &audits(), true)).unwrap().case;
    assert_eq!((case.number.as_str(), case.title.as_str()), ("#4711", "Export stops"));
    assert_eq!((case.status, case.status_raw.as_str()), (Status::Open, "open"));
    assert_eq!((case.priority, case.priority_raw.as_str()), (Some(Priority(2)), "high"));
    assert_eq!(case.customer.map(|one| one.name), Some("Northwind".to_owned()));
    assert_eq!(case.tier.as_deref(), Some("gold"));
    assert_eq!(case.owner.map(|one| (one.id, one.name)), Some(("31".to_owned(), "Bruno".to_owned())));
    assert_eq!(case.team.map(|one| one.name), Some("Platform".to_owned()));
    assert_eq!(case.link.as_deref(), Some("https://acme.zendesk.com/agent/tickets/4711"));
    assert_eq!(case.tags, ["vip"], "our own tags are no facts of the case");
    assert_eq!(case.fields, BTreeMap::from([("region".to_owned(), FieldValue::Text("emea".to_owned()))]));
    assert_eq!(case.unread, ["plan"], "an absent field is not an empty one");
    assert_eq!(case.links, [CaseKey::new("here", "4700")]);
    assert_eq!(case.revision.at_ms, 1_772_447_400_000);
}

#[test]
fn audits_become_events_with_who_did_what() {
    let change = with_lens(|lens| lens.change(&ticket_with(&[]), &audits(), true)).unwrap();
    let told: Vec<(&str, Actor, String)> = change
        .events
        .iter()
        .map(|event| {
            let what = match &event.kind {
                EventKind::Created { .. } => "created".to_owned(),
                EventKind::Replied { public, .. } => format!("replied public={public}"),
                EventKind::StatusChanged { from, to } => format!("{} → {}", from.word(), to.word()),
                EventKind::PriorityChanged { from, to } => format!("{from:?} → {to:?}"),
                EventKind::OwnerChanged { to, .. } => format!("owner {}", to.as_ref().unwrap().name),
                EventKind::FieldChanged { field, to, .. } => format!("{field} {to:?}"),
                EventKind::MarkChanged { from, to } => format!("mark {from:?} → {to:?}"),
                EventKind::Linked { case } => format!("linked {case}"),
                other => format!("{other:?}"),
            };
            (event.id.as_str(), event.actor, what)
        })
        .collect();
    let expected = [
        ("t4711", Actor::Customer, "created"),
        ("e111", Actor::Vendor, "None → Some(Priority(2))"),
        ("e121", Actor::Agent, "replied public=false"),
        ("e122", Actor::Agent, "new → pending"),
        ("e123", Actor::Agent, "owner Bruno"),
        ("e124", Actor::Agent, "region Some(\"emea\")"),
        ("e131", Actor::Customer, "replied public=true"),
        ("e132", Actor::Customer, "pending → open"),
        ("e133", Actor::Customer, "linked 4700"),
        ("e141", Actor::Dutyd, "replied public=false"),
        ("e143", Actor::Dutyd, "mark None → Some(\"candidate\")"),
        ("e144", Actor::Vendor, "open → on_hold"),
        ("e151", Actor::Agent, "replied public=false"),
        ("e152", Actor::Agent, "mark Some(\"candidate\") → None"),
        ("e153", Actor::Agent, "on_hold → open"),
    ];
    let expected: Vec<_> = expected.map(|(id, actor, what)| (id, actor, what.to_owned())).into();
    assert_eq!(told, expected);
    assert_eq!(change.texts[0], ("t4711".to_owned(), "Export stops\nIt stops at 10,000 rows.".to_owned()));
}

#[test]
fn what_a_person_does_under_our_account_is_not_ours() {
    let change = with_lens(|lens| lens.change(&ticket_with(&[]), &audits(), true)).unwrap();
    let actor = |id: &str| change.events.iter().find(|event| event.id == id).unwrap().actor;
    assert_eq!([actor("e151"), actor("e152"), actor("e153")], [Actor::Agent; 3]);
    assert_eq!([actor("e141"), actor("e143")], [Actor::Dutyd; 2]);
}

#[test]
fn marks_are_read_as_they_stand() {
    let line = "v1 waiting@0123456789ab:candidate:1772442000";
    let value = |id: u64, value: Value| json!({ "id": id, "value": value });
    let none = Value::Null;
    // Drop-down, marks; severity seen, cleared by a person, flags.
    let table = [
        (json!("dutyd_candidate"), json!(line), Some(Some(Severity::Candidate)), false, 1),
        (json!("dutyd_watch"), json!(line), Some(Some(Severity::Watch)), false, 1),
        (none.clone(), json!(line), Some(Some(Severity::Candidate)), true, 1),
        (none.clone(), json!(format!("{line}:dismissed")), Some(None), false, 1),
        (json!("dutyd_critical"), none.clone(), Some(Some(Severity::Critical)), false, 0),
        (json!("somebody_elses"), json!("not ours"), None, false, 0),
        (none.clone(), none.clone(), None, false, 0),
    ];
    for (severity, marks, shown, cleared, flags) in table {
        let custom = json!([value(61, severity.clone()), value(63, marks.clone())]);
        let ticket = ticket_with(&[("custom_fields", custom)]);
        let seen = with_lens(|lens| lens.change(&ticket, &audits(), true)).unwrap().marks;
        assert_eq!(seen.marker.as_ref().map(|marker| marker.severity), shown, "{severity} {marks}");
        assert_eq!(seen.severity_cleared, cleared, "{severity} {marks}");
        assert_eq!(seen.marker.map_or(0, |marker| marker.flags.len()), flags);
        assert_eq!(seen.notes, ["0123456789ab"]);
    }
}

#[test]
fn odd_tickets_are_understood_or_refused_with_a_reason() {
    let nulls = [
        "subject",
        "priority",
        "type",
        "assignee_id",
        "group_id",
        "organization_id",
        "tags",
        "custom_fields",
        "via",
    ];
    let bare: Vec<_> = nulls.iter().map(|key| (*key, Value::Null)).collect();
    let change = with_lens(|lens| lens.change(&ticket_with(&bare), &[], true)).unwrap();
    assert_eq!((change.case.title.as_str(), change.case.priority, change.case.owner), ("", None, None));
    assert_eq!(change.events.len(), 1, "a ticket without audits was still created");
    let unknown = with_lens(|lens| lens.change(&ticket_with(&[("status", json!("limbo"))]), &[], true));
    assert_eq!(unknown.unwrap_err(), "unknown status \"limbo\"");
    let words = ["new", "open", "pending", "hold", "solved", "closed"];
    assert_eq!(words.map(|word| status_of(word).unwrap()), Status::ALL);
    let closed = [("status", json!("closed")), ("tags", json!(["closed_by_merge"]))];
    assert!(is_merged(&ticket_with(&closed)) && !is_merged(&ticket_with(&closed[..1])));
    let via =
        json!({ "channel": "email", "source": { "from": { "ticket_id": 7 }, "to": {}, "rel": "follow_up" } });
    let follow_up = [closed.as_slice(), &[("via", via)]].concat();
    assert!(!is_merged(&ticket_with(&follow_up)), "its tags are those of the ticket it follows");
}

#[test]
fn a_read_within_the_second_of_a_change_is_older_than_one_after_it() {
    let changed = at("2026-03-02T10:30:00Z");
    let generated = Some(changed.as_second());
    let early = revision_of(generated, changed, at("2026-03-02T10:30:00.9Z"));
    let late = revision_of(generated, changed, at("2026-03-02T10:30:01Z"));
    let next = revision_of(generated.map(|second| second + 1), changed, at("2026-03-02T10:30:01Z"));
    assert!(early < late && late < next);
    assert_eq!(
        revision_of(Some(0), changed, changed).at_ms,
        changed.as_millisecond(),
        "answers to writes carry 0"
    );
}

#[test]
fn the_four_error_envelopes_are_read() {
    let table = [
        (r#"{"error":"Couldn't authenticate you"}"#, "Couldn't authenticate you", ""),
        (
            r#"{"error":{"title":"Forbidden","message":"You do not have access"}}"#,
            "Forbidden",
            "You do not have access",
        ),
        (r#"{"error":"RecordNotFound","description":"Not found"}"#, "RecordNotFound", "Not found"),
        (
            r#"{"errors":[{"code":"InvalidPaginationDepth","title":"Bad","detail":"Too deep"}]}"#,
            "InvalidPaginationDepth",
            "Bad: Too deep",
        ),
        (
            r#"{"error":"RecordInvalid","description":"Record validation errors","details":{"status":[{"description":"Status: closed prevents ticket update"}]}}"#,
            "RecordInvalid",
            "Record validation errors: status: Status: closed prevents ticket update",
        ),
        ("<html>busy</html>", "", "<html>busy</html>"),
        ("null", "", ""),
    ];
    for (body, code, text) in table {
        assert_eq!(said(body.as_bytes()), (code.to_owned(), text.to_owned()), "{body}");
    }
}

#[test]
fn each_status_has_one_reaction() {
    let word = |error: &ConnectorError| match error {
        ConnectorError::Throttled { .. } => "throttled",
        ConnectorError::Unavailable { .. } => "unavailable",
        ConnectorError::Unknown { .. } => "unknown",
        ConnectorError::SignedOut { .. } => "signed out",
        ConnectorError::Refused { .. } => "refused",
        ConnectorError::Sealed { .. } => "sealed",
        ConnectorError::Malformed { .. } => "malformed",
    };
    let table = [
        (400, "refused", "refused"),
        (401, "signed out", "signed out"),
        (403, "signed out", "refused"),
        (404, "refused", "refused"),
        (408, "unavailable", "unknown"),
        (409, "unavailable", "unavailable"),
        (422, "refused", "refused"),
        (429, "throttled", "throttled"),
        (500, "unavailable", "unknown"),
        (502, "unavailable", "unknown"),
        (503, "unavailable", "unknown"),
        (302, "unavailable", "unavailable"),
    ];
    for (status, reading, writing) in table {
        let answer = response(status, &[], "{}");
        assert_eq!(word(&error_of(&answer, now(), false).unwrap()), reading, "reading {status}");
        assert_eq!(word(&error_of(&answer, now(), true).unwrap()), writing, "writing {status}");
    }
    assert_eq!(error_of(&response(204, &[], ""), now(), true), None);
    let busy = response(503, &[("retry-after", "20")], "");
    assert!(matches!(error_of(&busy, now(), false), Some(ConnectorError::Throttled { .. })));
}

#[test]
fn waits_are_read_in_every_spelling_and_kept_within_bounds() {
    let table: &[(&[(&str, &str)], i64)] = &[
        (&[("retry-after", "40")], 40),
        (&[("retry-after", " 7 ")], 7),
        (&[("retry-after", "0")], 1),
        (&[("retry-after", "1.2")], 2),
        (&[("retry-after", "5000")], 900),
        (&[("retry-after", "1000000000000")], 30),
        (&[("retry-after", "-5")], 30),
        (&[("retry-after", "NaN")], 30),
        (&[("retry-after", "soon")], 30),
        (&[("retry-after", "Mon, 02 Mar 2026 11:01:00 GMT")], 60),
        (&[("retry-after", "Mon, 02 Mar 2026 10:00:00 GMT")], 1),
        (&[], 30),
        (&[("zendesk-ratelimit-incremental-exports-cursor", "total=10; remaining=0; resets=33")], 33),
        (&[("zendesk-rate-limit-incremental-exports", "total=10; remaining=0; resets=33")], 33),
        (&[("zendesk-ratelimit-search-index", "total=10; remaining=3; resets=33")], 30),
    ];
    for (headers, seconds) in table {
        let until = retry_at(&response(429, headers, ""), now());
        assert_eq!(until.duration_since(now()).as_secs(), *seconds, "{headers:?}");
    }
}

#[test]
fn the_account_budget_is_read_in_every_spelling() {
    let date = ("date", "Mon, 02 Mar 2026 11:00:00 GMT");
    let spellings: [&[(&str, &str)]; 4] = [
        &[date, ("x-rate-limit", "700"), ("x-rate-limit-remaining", "698"), ("ratelimit-reset", "49")],
        &[date, ("ratelimit-limit", "700"), ("ratelimit-remaining", "698"), ("ratelimit-reset", "49")],
        &[date, ("rate-limit-limit", "700"), ("rate-limit-remaining", "698"), ("rate-limit-reset", "49")],
        &[date, ("rate-limit", "700"), ("rate-limit-remaining", "698"), ("rate-limit-reset", "49")],
    ];
    for headers in spellings {
        let budget = account_budget(&response(200, headers, "")).unwrap();
        assert_eq!((budget.limit, budget.remaining), (Some(700), Some(698)), "{headers:?}");
        assert_eq!(budget.resets_at, Some(at("2026-03-02T11:00:49Z")));
    }
    assert_eq!(
        account_budget(&response(
            200,
            &[("zendesk-ratelimit-tickets-index", "total=100; remaining=0; resets=1")],
            ""
        )),
        None
    );
}

proptest! {
    #[test]
    fn no_header_makes_us_panic_or_wait_for_ever(name in "(zendesk-)?(x-)?rate-?limit(-[a-z]{0,8}){0,2}|retry-after|date", value in "\\PC{0,40}") {
        let answer = response(429, &[(&name, &value), ("date", "Mon, 02 Mar 2026 11:00:00 GMT")], &value);
        let wait = retry_at(&answer, now()).duration_since(now()).as_secs();
        prop_assert!((1..=900).contains(&wait));
        let _ = (account_budget(&answer), buckets(&answer), said(value.as_bytes()));
    }

    #[test]
    fn no_event_of_an_audit_makes_us_panic(kind in "(Change|Comment|Create|CommentPrivacyChange|X)", field in "(status|priority|assignee_id|group_id|linked_id|61|64|[a-z0-9]{0,5})", value in "(null|\"[a-z0-9]{0,6}\"|[0-9]{1,4}|true|\\[\"a\"\\])") {
        let value: Value = serde_json::from_str(&value).unwrap_or(Value::Null);
        let event = json!({ "id": 7, "type": kind, "field_name": field, "value": value, "previous_value": value, "body": value, "public": value, "author_id": value, "comment_id": value });
        let audit = json!({ "id": 1, "created_at": "2026-03-02T10:00:00Z", "events": [event] });
        let audit: Audit = serde_json::from_value(audit).unwrap();
        let change = with_lens(|lens| lens.change(&ticket_with(&[]), &[audit], true)).unwrap();
        prop_assert!(change.events.len() <= 2);
    }
}

fn delivery(stamp: &str, mac: &str, body: &str) -> Delivery {
    let headers = [
        ("x-zendesk-webhook-signature-timestamp", stamp),
        ("x-zendesk-webhook-signature", mac),
        ("x-zendesk-webhook-invocation-id", "01HANA2B"),
    ];
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Delivery { headers, body: body.as_bytes().to_vec().into() }
}

/// The vendor's fixed secret for test deliveries, and a vector made with it.
const SECRET: &str = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==";
const STAMP: &str = "2026-11-21T10:00:00Z";
const MAC: &str = "ottDDFtYpAKO1e5jdyyzCZc/a1HN488GoNbILov2YHE=";

#[test]
fn a_signature_is_over_the_timestamp_and_the_raw_body() {
    let secrets = ["older".to_owned().into(), SECRET.to_owned().into()];
    let read = |delivery: &Delivery, now: &str| hook::read("here", &secrets, delivery, at(now));
    let genuine = delivery(STAMP, MAC, r#"{"hello":"world"}"#);
    // Verified, and then not about a ticket.
    assert!(matches!(read(&genuine, STAMP), Err(ConnectorError::Malformed { .. })));
    let refused = |delivery: &Delivery, now: &str| {
        matches!(read(delivery, now), Err(ConnectorError::Refused { status: 401, .. }))
    };
    for (forged, now) in [
        (delivery(STAMP, MAC, r#"{"hello":"World"}"#), STAMP),
        (delivery("2026-11-21T10:00:01Z", MAC, r#"{"hello":"world"}"#), STAMP),
        (delivery(STAMP, "AAAA", r#"{"hello":"world"}"#), STAMP),
        (delivery(STAMP, "not base64!", r#"{"hello":"world"}"#), STAMP),
        (genuine.clone(), "2026-11-21T10:05:01Z"),
        (genuine.clone(), "2026-11-21T09:54:59Z"),
    ] {
        assert!(refused(&forged, now), "{forged:?}");
    }
    let mut doubled = genuine.clone();
    doubled.headers.push(doubled.headers[1].clone());
    assert!(refused(&doubled, STAMP));
    assert!(matches!(hook::read("here", &[], &genuine, at(STAMP)), Err(ConnectorError::Refused { .. })));
}

#[test]
fn either_kind_of_payload_names_the_ticket() {
    let table = [
        (EVENT, Ok(Some(5158))),
        (
            r#"{"type":"zen:event-type:ticket.merged","subject":"zen:ticket:77","detail":{"id":""}}"#,
            Ok(Some(77)),
        ),
        (r#"{"type":"zen:event-type:user.created","detail":{"id":"9"}}"#, Ok(None)),
        (r#"{"ticket_id":"123"}"#, Ok(Some(123))),
        (r#"{"ticket_id":123,"status":"open"}"#, Ok(Some(123))),
        (r#"{"ticket":{"id":"123"}}"#, Ok(Some(123))),
        (r#"{"id":123}"#, Ok(Some(123))),
        (r#"{"ticket_id":"0"}"#, Err(())),
        (r#"{"ticket_id":"-4"}"#, Err(())),
        (r#"{"ticket_id":"{{ticket.id}}"}"#, Err(())),
        ("[]", Err(())),
        ("", Err(())),
    ];
    for (body, expected) in table {
        assert_eq!(ticket_of_payload(body.as_bytes()).map_err(drop), expected, "{body}");
    }
}

fn wants() -> Vec<Action> {
    let case = CaseKey::new("here", "4711");
    let raised_at = at("2026-03-02T09:00:00Z");
    let (rule, episode) = ("waiting".to_owned(), "0123456789ab".to_owned());
    let flag = MarkedFlag {
        rule: rule.clone(),
        episode: episode.clone(),
        severity: Severity::Candidate,
        raised_at,
        dismissed: false,
    };
    let marker = Marker { severity: Some(Severity::Candidate), flags: vec![flag] };
    let note = |rule: &str, marker: &str| {
        let slot = Slot::Note { rule: rule.to_owned(), episode: episode.clone() };
        Action::new(
            &case,
            slot,
            Want::Note { marker: marker.to_owned(), body: format!("{rule}\n[dutyd:{marker}]") },
            1,
        )
    };
    vec![
        Action::new(&case, Slot::Mark, Want::Mark(Some(marker)), 1),
        Action::new(&case, Slot::Why, Want::Why(Some("Customer waits since 08:00.".to_owned())), 1),
        note("waiting", "aaaaaaaaaaaa"),
        note("priority", "bbbbbbbbbbbb"),
    ]
}

#[test]
fn all_wants_of_a_ticket_go_in_one_private_safe_update() {
    let actions = wants();
    let update = write::update_of(&actions.iter().collect::<Vec<_>>(), &fields()).unwrap();
    let body: Value = serde_json::from_slice(&write::body_of(&update, at("2026-03-02T10:30:00.5Z"))).unwrap();
    let ticket = &body["ticket"];
    assert_eq!(
        ticket["custom_fields"],
        json!([
            { "id": 61, "value": "dutyd_candidate" },
            { "id": 63, "value": "v1 waiting@0123456789ab:candidate:1772442000" },
            { "id": 62, "value": "Customer waits since 08:00." },
        ])
    );
    let note = "waiting\n[dutyd:aaaaaaaaaaaa]\n\npriority\n[dutyd:bbbbbbbbbbbb]";
    assert_eq!(ticket["comment"], json!({ "body": note, "public": false }));
    assert_eq!(
        (&ticket["safe_update"], &ticket["updated_stamp"]),
        (&json!(true), &json!("2026-03-02T10:30:00Z"))
    );
    assert!(ticket["metadata"]["dutyd"].as_str().unwrap().contains(&actions[0].id));
    for forbidden in ["tags", "status", "priority", "assignee_id", "group_id"] {
        assert_eq!(ticket.get(forbidden), None, "{forbidden} is never sent");
    }
}

#[test]
fn taking_a_mark_off_empties_the_fields() {
    let case = CaseKey::new("here", "4711");
    let actions = [
        Action::new(&case, Slot::Mark, Want::Mark(None), 2),
        Action::new(&case, Slot::Why, Want::Why(None), 2),
    ];
    let update = write::update_of(&actions.iter().collect::<Vec<_>>(), &fields()).unwrap();
    assert_eq!(update.fields, [(61, None), (63, None), (62, None)]);
    assert_eq!(update.note, None);
    let empty = ticket_with(&[(
        "custom_fields",
        json!([{ "id": 61, "value": null }, { "id": 62, "value": "" }, { "id": 63, "value": null }]),
    )]);
    assert!(actions.iter().all(|action| write::shows(&empty, action, &fields())));
    assert!(actions.iter().all(|action| !write::shows(&ticket_with(&[]), action, &fields())));
}

#[test]
fn an_update_that_was_silently_cut_is_refused_aloud() {
    let (actions, fields) = (wants(), fields());
    let shown = ticket_with(&[]);
    assert_eq!(write::refused_silently(&shown, None, &actions[0], &fields), None);
    let cut =
        ticket_with(&[("custom_fields", json!([{ "id": 62, "value": "Customer waits since 08:00." }]))]);
    let refusal = write::refused_silently(&cut, None, &actions[0], &fields);
    assert!(matches!(refusal, Some(ConnectorError::Refused { .. })));
    assert_eq!(write::refused_silently(&cut, None, &actions[1], &fields), None);
    let public = json!({ "created_at": STAMP, "events": [{ "id": 1, "type": "Comment", "public": true, "body": "waiting\n[dutyd:aaaaaaaaaaaa]" }] });
    let public: Audit = serde_json::from_value(public).unwrap();
    assert!(
        write::refused_silently(&shown, Some(&public), &actions[2], &fields).is_some(),
        "a note must be private"
    );
    let unknown = FieldIds { flags: None, ..fields };
    assert!(matches!(write::update_of(&[&actions[0]], &unknown), Err(ConnectorError::Refused { .. })));
}

#[test]
fn a_note_counts_only_where_customers_cannot_see_it() {
    let comment = |public: bool, body: &str| json!({ "public": public, "body": body, "created_at": "2026-03-02T10:00:00Z" });
    let page = |comments: Vec<Value>| {
        serde_json::from_value::<wire::CommentPage>(json!({ "comments": comments })).unwrap().comments
    };
    let line = "x\n[dutyd:aaaaaaaaaaaa]";
    assert!(
        write::note_stands(&page(vec![comment(true, "hello"), comment(false, line)]), "aaaaaaaaaaaa")
            .is_some()
    );
    assert!(write::note_stands(&page(vec![comment(true, line)]), "aaaaaaaaaaaa").is_none());
    assert!(write::note_stands(&page(vec![comment(false, line)]), "bbbbbbbbbbbb").is_none());
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_its_key() {
    type Spoil = fn(&mut Config);
    let table: [(&str, Spoil); 6] = [
        ("origin", |config| config.origin = "https://acme.zendesk.com/api".to_owned()),
        ("origin", |config| config.origin = "acme".to_owned()),
        ("page_size", |config| config.page_size = 1_001),
        ("concurrency", |config| config.concurrency = 0),
        ("marks.why", |config| config.marks.why = " ".to_owned()),
        ("priorities.high", |config| *config.priorities.get_mut("high").unwrap() = 0),
    ];
    for (key, spoil) in table {
        let mut config = config();
        spoil(&mut config);
        let told = config.validated().unwrap_err().to_string();
        assert!(told.starts_with(key), "{told}");
    }
    let mut legacy = config();
    let token = SecretRef("zendesk-api-token".to_owned());
    legacy.sign_in = SignInConfig::ApiToken { email: "dutyd@acme.example".to_owned(), token: token.clone() };
    assert_eq!(legacy.secrets(), [&token]);
    assert!(super::setup(&legacy, "https://dutyd.example/hooks/z").contains("2027-04-30"));
}

#[test]
fn the_setup_text_names_every_field_option_and_address() {
    let text = super::setup(&config(), "https://dutyd.example/hooks/z");
    for part in [
        "dutyd_watch",
        "dutyd_critical",
        "Dutyd severity",
        "Dutyd why",
        "Dutyd marks",
        "https://dutyd.example/hooks/z",
        "read tickets:write",
        "visible_in_portal\":false",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
}
