//! Made-up letters for tests of a channel and for looking at its form.

use super::letter::{Content, Digest, FlagNotice, Risk, TeamPart};
use dutyd_core::action::Severity;
use jiff::{SignedDuration, Timestamp};

fn flag(nth: usize, now: Timestamp) -> FlagNotice {
    let minutes = |count: i64| SignedDuration::from_mins(count);
    FlagNotice {
        clears: false,
        episode: super::computed_id(&["test", &nth.to_string(), &now.to_string()]),
        severity: if nth == 0 { Severity::Critical } else { Severity::Candidate },
        source: "test".to_owned(),
        number: format!("TEST-{}", nth + 1),
        title: ["Checkout fails for all users", "Export is slow", "Cannot reset a password"][nth % 3]
            .to_owned(),
        link: Some("https://dutyd.example.com/test".to_owned()),
        customer: Some(["Acme Corp", "Globex", "Initech"][nth % 3].to_owned()),
        owner: (nth != 0).then(|| "Kim Berg".to_owned()),
        team: Some("Payments".to_owned()),
        rule: "next-reply".to_owned(),
        rule_title: "Customer waits for a reply".to_owned(),
        why: "Customer has waited 5 h 12 min of business time for a reply; 3 messages unanswered.".to_owned(),
        raised_at: now - minutes(3),
        clock: Some("resolution".to_owned()),
        due_at: Some(now + minutes(48 + 60 * nth as i64)),
    }
}

/// So many flags of cases that do not exist.
pub fn sample_flags(count: usize, now: Timestamp) -> Vec<Content> {
    (0..count).map(|nth| Content::Flag(Box::new(flag(nth, now)))).collect()
}

/// A morning with one team.
pub fn sample_digest(now: Timestamp) -> Vec<Content> {
    let flags: Vec<FlagNotice> = (0..2).map(|nth| flag(nth, now)).collect();
    let at_risk = flag(2, now);
    let risk = Risk {
        source: at_risk.source,
        number: at_risk.number,
        title: at_risk.title,
        link: at_risk.link,
        customer: at_risk.customer,
        owner: at_risk.owner,
        clock: "first_response".to_owned(),
        due_at: now + SignedDuration::from_hours(3),
    };
    let team = TeamPart {
        team: Some("Payments".to_owned()),
        flags_count: flags.len(),
        flags,
        risks: vec![risk],
        risks_count: 1,
    };
    let day = now.to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
    vec![Content::Digest(Digest { day, unseen: Vec::new(), teams: vec![team], partial: false })]
}
