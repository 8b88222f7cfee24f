//! Writing marks: one PATCH per record, and a verdict per action that says what really happened.

use super::{Script, answer, connector, instant};
use crate::{Connector, ConnectorError, Ctx, Method, Response, TransportError};
use dutyd_core::action::{Action, MarkedFlag, Marker, Severity, Slot, Want};
use dutyd_core::case::CaseKey;
use serde_json::{Value, json};

const LINE: &str = "v1 waiting@0123456789ab:critical:1767600000";

fn case(number: u8) -> CaseKey {
    CaseKey::new("here", format!("0a0000000000000000000000000000{number:02x}"))
}

fn mark(case: &CaseKey) -> Action {
    let flag = MarkedFlag {
        rule: "waiting".to_owned(),
        episode: "0123456789ab".to_owned(),
        severity: Severity::Critical,
        raised_at: instant("2026-01-05T08:00:00Z"),
        dismissed: false,
    };
    let marker = Marker { severity: Some(Severity::Critical), flags: vec![flag] };
    Action::new(case, Slot::Mark, Want::Mark(Some(marker)), 3)
}

fn note(case: &CaseKey, rule: &str, marker: &str) -> Action {
    let slot = Slot::Note { rule: rule.to_owned(), episode: "0123456789ab".to_owned() };
    let body = format!("Look at \"this\" ^ case.\n[dutyd:{marker}]");
    Action::new(case, slot, Want::Note { marker: marker.to_owned(), body }, 1)
}

/// The answer to a PATCH, with these columns besides the version.
fn patched(columns: Value) -> Result<Response, TransportError> {
    let mut row = json!({ "sys_id": "0a", "sys_updated_on": "2026-01-05 08:00:07", "sys_mod_count": "4" });
    row.as_object_mut().unwrap().extend(columns.as_object().unwrap().clone());
    Ok(answer(200, &[("content-type", "application/json")], json!({ "result": row }).to_string()))
}

async fn apply(script: &Script, actions: &[Action]) -> Vec<Result<(), String>> {
    let cx = Ctx { http: script, now: instant("2026-01-05T08:00:00Z") };
    let applied = connector(json!({})).apply(&cx, actions).await.unwrap();
    assert_eq!(
        applied.iter().map(|one| &one.action_id).collect::<Vec<_>>(),
        actions.iter().map(|one| &one.id).collect::<Vec<_>>()
    );
    let word = |error: ConnectorError| match error {
        ConnectorError::Throttled { .. } => "throttled".to_owned(),
        ConnectorError::Unavailable { .. } => "unavailable".to_owned(),
        ConnectorError::Unknown { .. } => "unknown".to_owned(),
        ConnectorError::SignedOut { .. } => "signed out".to_owned(),
        ConnectorError::Refused { status, .. } => format!("refused {status}"),
        ConnectorError::Sealed { .. } => "sealed".to_owned(),
        ConnectorError::Malformed { .. } => "malformed".to_owned(),
    };
    applied.into_iter().map(|one| one.result.map(|_| ()).map_err(word)).collect()
}

#[tokio::test]
async fn all_that_is_wanted_of_a_record_goes_into_one_patch() {
    let why = Action::new(&case(1), Slot::Why, Want::Why(None), 2);
    let actions =
        [mark(&case(1)), why, note(&case(1), "a", "00112233aabb"), note(&case(1), "b", "ccddeeff0011")];
    let script = Script::of([patched(
        json!({ "u_dutyd_severity": "critical", "u_dutyd_marks": LINE, "u_dutyd_why": "" }),
    )]);
    assert_eq!(apply(&script, &actions).await, [Ok(()), Ok(()), Ok(()), Ok(())]);
    let [request] = &script.asked()[..] else { panic!("one request") };
    assert_eq!(request.method, Method::Patch);
    assert!(request.path.starts_with(&format!("/api/now/table/incident/{}?", case(1).id)));
    let body: Value = serde_json::from_slice(&request.body.as_ref().unwrap().1).unwrap();
    let notes =
        "Look at \"this\" ^ case.\n[dutyd:00112233aabb]\n\nLook at \"this\" ^ case.\n[dutyd:ccddeeff0011]";
    assert_eq!(
        body,
        json!({ "u_dutyd_severity": "critical", "u_dutyd_marks": LINE, "u_dutyd_why": "", "work_notes": notes })
    );
}

#[tokio::test]
async fn a_column_that_does_not_keep_its_value_is_refused_and_the_note_still_counts() {
    let actions = [mark(&case(1)), note(&case(1), "a", "00112233aabb")];
    for columns in [
        json!({}),
        json!({ "u_dutyd_severity": "critical" }),
        json!({ "u_dutyd_severity": "critical", "u_dutyd_marks": &LINE[..20] }),
        json!({ "u_dutyd_severity": "", "u_dutyd_marks": LINE }),
    ] {
        let script = Script::of([patched(columns.clone())]);
        let verdicts = apply(&script, &actions).await;
        assert_eq!(verdicts, [Err("refused 200".to_owned()), Ok(())], "{columns}");
    }
}

#[tokio::test]
async fn a_failed_patch_is_told_by_whether_it_may_have_happened() {
    let html = [("content-type", "text/html")];
    for (given, expected) in [
        (Err(TransportError::NoAnswer { reason: String::new() }), "unknown"),
        (Err(TransportError::NotSent { reason: String::new() }), "unavailable"),
        (Ok(answer(500, &[], "")), "unknown"),
        (Ok(answer(504, &[], "")), "unknown"),
        (Ok(answer(503, &html, "<html>")), "unavailable"),
        (Ok(answer(200, &html, "<html>Your instance is hibernating")), "unavailable"),
        (Ok(answer(200, &html, "<html>who knows")), "unknown"),
        (Ok(answer(200, &[], r#"{"result":{"sys_id""#)), "unknown"),
        (
            Ok(answer(200, &[], r#"{"error":{"message":"Transaction cancelled"},"status":"failure"}"#)),
            "unknown",
        ),
        (Ok(answer(200, &[], r#"{"result":{}}"#)), "refused 200"),
        (Ok(answer(204, &[], "")), "unknown"),
        (Ok(answer(202, &[], "")), "unavailable"),
        (Ok(answer(429, &[], "")), "throttled"),
        (Ok(answer(401, &[], "")), "signed out"),
        (Ok(answer(403, &[], "")), "refused 403"),
        (Ok(answer(404, &[], "")), "refused 404"),
    ] {
        let script = Script::of([given.clone()]);
        assert_eq!(apply(&script, &[mark(&case(1))]).await, [Err(expected.to_owned())], "{given:?}");
    }
}

#[tokio::test]
async fn one_refusal_leaves_the_batch_alone_and_a_throttle_ends_it() {
    let kept = || patched(json!({ "u_dutyd_severity": "critical", "u_dutyd_marks": LINE }));
    let actions = [mark(&case(1)), mark(&case(2)), mark(&case(3)), mark(&case(4))];
    let forbidden = Ok(answer(403, &[], ""));
    let open = Ok(answer(200, &[], r#"{"result":{"active":"true"}}"#));
    let script = Script::of([kept(), forbidden, open, Ok(answer(429, &[], "")), kept()]);
    let verdicts = apply(&script, &actions).await;
    let told: Vec<&str> =
        verdicts.iter().map(|one| one.as_ref().map_or_else(String::as_str, |()| "ok")).collect();
    assert_eq!(told, ["ok", "refused 403", "throttled", "throttled"]);
    assert_eq!(
        script.asked().len(),
        4,
        "nothing is sent behind a throttle, and one look at the refused record"
    );
    let lost = Script::of([Err(TransportError::NoAnswer { reason: String::new() }), kept()]);
    let verdicts = apply(&lost, &actions[..2]).await;
    assert_eq!(verdicts, [Err("unknown".to_owned()), Ok(())], "one lost answer does not hold up the others");
}

#[tokio::test]
async fn an_id_that_is_none_never_reaches_a_path() {
    for id in ["../sys_user/1", "", "0a^NQ", "0a000000000000000000000000000001/x"] {
        let script = Script::default();
        let verdicts = apply(&script, &[mark(&CaseKey::new("here", id))]).await;
        assert_eq!(verdicts, [Err("refused 404".to_owned())], "{id:?}");
        assert!(script.asked().is_empty(), "{id:?}");
    }
}

#[tokio::test]
async fn a_note_stands_only_where_its_own_marker_does() {
    let wanted = note(&case(1), "a", "00112233aabb");
    let held = |rows: Value| {
        let body = json!({ "result": rows }).to_string();
        let script = Script::of([Ok(answer(200, &[], body))]);
        let wanted = wanted.clone();
        async move {
            let cx = Ctx { http: &script, now: instant("2026-01-05T08:00:00Z") };
            connector(json!({})).holds(&cx, &wanted).await
        }
    };
    let row = |id: &CaseKey, value: &str| json!({ "element_id": id.id, "value": value, "sys_created_on": "2026-01-05 08:00:07" });
    let found = held(json!([row(&case(1), "x\n[dutyd:00112233aabb]")])).await.unwrap().unwrap();
    assert_eq!(found.at, instant("2026-01-05T08:00:07Z"));
    assert!(held(json!([])).await.unwrap().is_none());
    for strange in [json!([row(&case(2), "[dutyd:00112233aabb]")]), json!([row(&case(1), "nothing of ours")])]
    {
        let told = held(strange).await;
        assert!(
            matches!(told, Err(ConnectorError::Unavailable { .. })),
            "an ignored condition is no answer: {told:?}"
        );
    }
}
