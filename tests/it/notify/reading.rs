//! What a person reads first, on a lock screen, in 78 columns, in a mail program of ten years ago.

use super::forms::{channels, letter, now, text};
use dutyd::notify::{Channel, Content, FlagNotice, Kind, Parcel, sample_digest, sample_flags};
use serde_json::Value;

fn spoiled(content: Vec<Content>, spoil: impl Fn(&mut FlagNotice)) -> Vec<Content> {
    let spoiled = |content: Content| match content {
        Content::Flag(mut flag) => {
            spoil(&mut flag);
            Content::Flag(flag)
        }
        other => other,
    };
    content.into_iter().map(spoiled).collect()
}

fn of(kind: &str) -> Channel {
    channels().into_iter().find(|channel| channel.kind.word() == kind).expect("a channel")
}

fn mail(content: Vec<Content>) -> (String, String, String) {
    match of("email").parcel(&letter(content)).expect("a parcel") {
        Parcel::Mail(mail) => (mail.subject, mail.text, mail.html),
        Parcel::Post(_) => panic!("no mail"),
    }
}

#[test]
fn a_lock_screen_shows_how_bad_how_long_and_whose_before_it_cuts_off() {
    let first = "CRITICAL · 48 min left · no owner · TEST-1 · Acme Corp · Checkout fails for all users";
    assert_eq!(mail(sample_flags(1, now())).0, first);
    let json = |kind: &str| -> Value {
        serde_json::from_str(&text(&of(kind), &letter(sample_flags(1, now())))).expect("JSON")
    };
    assert_eq!(json("slack")["text"], first);
    let card = &json("teams")["attachments"][0]["content"];
    assert_eq!(card["fallbackText"], first);
    assert_eq!(
        (&card["body"][0]["type"], &card["body"][0]["text"]),
        (&"TextBlock".into(), &"CRITICAL · 48 min left".into())
    );
    let pager = json("pagerduty")["payload"]["summary"].as_str().expect("a summary").to_owned();
    assert!(pager.starts_with(first) && pager.chars().count() <= 1_024, "{pager}");
    let many =
        "7 cases need a look: 1 critical, 6 candidates · first: CRITICAL · 48 min left · no owner · TEST-1";
    assert!(mail(sample_flags(7, now())).0.starts_with(many));
}

#[test]
fn every_case_of_a_message_can_be_opened_from_it() {
    for channel in channels() {
        let count = if matches!(channel.kind, Kind::PagerDuty { .. }) { 1 } else { 7 };
        let told = text(&channel, &letter(sample_flags(count, now())));
        let links = told.matches("https://dutyd.example.com/test").count();
        assert!(links >= count, "{}: {links} links of {count}", channel.kind.word());
    }
    let (_, plain, _) = mail(sample_flags(7, now()));
    assert_eq!(plain.matches("https://dutyd.example.com/test").count(), 7, "in the text part, too");
}

#[test]
fn a_mail_fits_78_columns_and_needs_nothing_but_tables_and_inline_styles() {
    let long = |flag: &mut FlagNotice| {
        flag.title = "A title of many words ".repeat(50);
        flag.why = "A reason that goes on ".repeat(50);
    };
    let contents = [
        sample_flags(1, now()),
        spoiled(sample_flags(1, now()), long),
        spoiled(sample_flags(30, now()), long),
        sample_digest(now()),
    ];
    for content in contents {
        let (subject, plain, html) = mail(content);
        assert!(subject.chars().count() <= 161 && !subject.contains('\n'), "{subject}");
        let wide = plain.lines().find(|line| line.chars().count() > 78 && !line.contains("://"));
        assert_eq!(wide, None);
        for foreign in ["flex", "grid", "position:", "<style", "<script", "<img", "class=", "url("] {
            assert!(!html.contains(foreign), "{foreign} in {html}");
        }
        assert_eq!(html.matches("<table").count(), html.matches("</table>").count());
        assert_eq!(html.matches("<tr").count(), html.matches("</tr>").count());
        assert!(html.lines().all(|line| line.len() < 2_000), "a relay may break longer lines");
    }
}

#[test]
fn the_direction_of_a_name_does_not_turn_what_stands_around_it() {
    let foreign = |flag: &mut FlagNotice| flag.customer = Some("\u{202e}شركة النور".to_owned());
    let (subject, _, _) = mail(spoiled(sample_flags(1, now()), foreign));
    assert!(subject.contains(" · \u{2068} شركة النور\u{2069} · Checkout"), "{subject:?}");
    assert!(!subject.contains('\u{202e}'));
}

#[test]
fn an_address_that_no_message_has_room_for_becomes_no_link() {
    let long = |flag: &mut FlagNotice| flag.link = Some(format!("https://x.example/{}", "y".repeat(3_000)));
    for channel in channels().into_iter().skip(1) {
        let told = text(&channel, &letter(spoiled(sample_flags(1, now()), long)));
        assert!(!told.contains("yyyy"), "{}", channel.kind.word());
    }
}
