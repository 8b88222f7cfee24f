//! The mark, the sentence and the note of one flag, as `decide` would want them on a record.

use dutyd_core::action::{Action, MarkedFlag, Marker, Severity, Slot, Want, action_id, note_marker_line};
use dutyd_core::case::CaseKey;

const RULE: &str = "waiting";
pub const EPISODE: &str = "0123456789ab";

pub fn mark(case: &CaseKey, severity: Severity, episode: &str) -> Action {
    let flag = MarkedFlag {
        rule: RULE.to_owned(),
        episode: episode.to_owned(),
        severity,
        raised_at: "2026-03-02T09:00:00Z".parse().expect("a valid instant"),
        dismissed: false,
    };
    let marker = Marker { severity: Some(severity), flags: vec![flag] };
    Action::new(case, Slot::Mark, Want::Mark(Some(marker)), 1)
}

pub fn critical(case: &CaseKey) -> Action {
    mark(case, Severity::Critical, EPISODE)
}

/// `text` with our marker behind it.
pub fn note(case: &CaseKey, episode: &str, text: &str) -> Action {
    let slot = Slot::Note { rule: RULE.to_owned(), episode: episode.to_owned() };
    let marker = action_id(case, &slot);
    let body = format!("{text}\n{}", note_marker_line(&marker));
    Action::new(case, slot, Want::Note { marker, body }, 1)
}

/// All three.
pub fn wants(case: &CaseKey, severity: Severity, episode: &str, why: &str, text: &str) -> Vec<Action> {
    let sentence = Action::new(case, Slot::Why, Want::Why(Some(why.to_owned())), 1);
    vec![mark(case, severity, episode), sentence, note(case, episode, text)]
}
