//! Whom the end of a flag, a case on its way between teams, and a message that nobody takes concern.

use super::{Duty, Receiver, channel, flags, urgent, webhook};
use crate::fixture::{change, minutes};
use dutyd::notify::{Channel, Kind, Threshold};
use dutyd::store::{Store, open_state};
use dutyd_core::case::{CaseChange, Party, SeenMarks, Status};
use secrecy::SecretString;

fn of_team(mut change: CaseChange, team: &str) -> CaseChange {
    change.case.team = Some(Party { id: team.to_owned(), name: team.to_owned() });
    change
}

#[tokio::test]
async fn what_was_told_is_told_as_over_wherever_its_case_is_and_however_mild_by_then() {
    let receiver = Receiver::new().await;
    let url = receiver.address("/v2/enqueue").parse().expect("an address");
    let pager = channel(Kind::PagerDuty { url, routing_key: SecretString::from("R0") });
    let duty =
        Duty::new(Channel { severity: Threshold::Critical, teams: vec!["ours".to_owned()], ..pager }).await;
    duty.settle().await;
    duty.changes(vec![of_team(urgent("a", 61, 1), "ours")]).await;
    assert_eq!(receiver.heard().len(), 1);
    let mut done = of_team(urgent("a", 62, 2), "theirs");
    done.case.status = Status::Resolved;
    duty.changes(vec![done]).await;
    let heard = receiver.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0].json()["event_action"], "resolve");
}

#[tokio::test]
async fn a_case_that_comes_to_a_team_brings_its_flags() {
    let receiver = Receiver::new().await;
    let duty = Duty::new(Channel { teams: vec!["ours".to_owned()], ..webhook(&receiver) }).await;
    duty.settle().await;
    duty.changes(vec![urgent("a", 61, 1)]).await;
    assert!(receiver.heard().is_empty(), "it has no team yet");
    let mut routed = of_team(urgent("a", 62, 1), "ours");
    routed.marks = standing(&duty).await;
    duty.changes(vec![routed.clone()]).await;
    let heard = receiver.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(flags(&heard[0].json()), [("INCa".to_owned(), "critical".to_owned())]);
    routed.case.revision = change("a", 63).case.revision;
    duty.changes(vec![routed]).await;
    assert!(receiver.heard().is_empty(), "once");
}

/// The marks on the vendor's record as dutyd wants them.
async fn standing(duty: &Duty) -> SeenMarks {
    let found = duty.store.find_cases("INCa").await.expect("read").remove(0);
    let state = open_state(&found.state).expect("a state");
    SeenMarks { marker: state.mark.expected().cloned(), ..state.marks }
}

#[tokio::test]
async fn a_message_that_nobody_takes_holds_up_no_other() {
    let receiver = Receiver::new().await;
    let duty = Duty::new(webhook(&receiver)).await;
    duty.settle().await;
    receiver.answers(&[503, 200, 503]);
    duty.changes(vec![urgent("a", 61, 1)]).await;
    duty.changes(vec![urgent("b", 61, 2)]).await;
    duty.pass(minutes(20)).await;
    duty.pass(minutes(20)).await;
    let told: Vec<String> =
        receiver.heard().iter().flat_map(|one| flags(&one.json())).map(|(number, _)| number).collect();
    assert_eq!(told, ["INCa", "INCb", "INCa", "INCa"]);
}
