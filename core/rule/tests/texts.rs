//! Requirements of texts: numbers with their nouns, in every language, and what is refused.

use super::*;

/// What the only rule of a policy says after so many messages of the customer, in a language.
fn said(text: &str, language: &str, messages: i64) -> String {
    let source = format!(
        "[defaults]\nlanguage = {language:?}\n[[rules]]\nname = \"a\"\nwhen = \"case.open\"\nseverity = \"watch\"\ntext = {text:?}\n"
    );
    let file = crate::policy::PolicyFile { name: "policy.toml".to_owned(), text: source };
    let policy = Policy::load(&[file]).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let events = (0..messages).map(|nth| reply(10 + nth, Actor::Customer)).collect();
    let (state, around) = (state(Case { status: Status::OnHold, ..case() }, events), Around::default());
    policy.rules[0].why(&Facts::new(&policy, &state, &around, &[], at(100)))
}

#[test]
fn a_number_is_said_in_the_form_that_belongs_to_it() {
    let text = "{replies.customer.since_reply|one message|second message|# messages} unanswered.";
    let table = [
        (0, "0 messages unanswered."),
        (1, "one message unanswered."),
        (2, "second message unanswered."),
        (3, "3 messages unanswered."),
        (21, "21 messages unanswered."),
    ];
    for (messages, expected) in table {
        assert_eq!(said(text, "en", messages), expected);
    }
    assert_eq!(said("{replies.customer|einmal|#-mal} gefragt.", "de", 3), "3-mal gefragt.");
    assert_eq!(said("Asked[ {reopenings|once|# times}].", "en", 0), "Asked 0 times.");
}

#[test]
fn a_status_is_said_in_words_and_compared_in_the_vocabularys() {
    for (language, expected) in
        [("en", "on hold"), ("de", "zurückgestellt"), ("fr", "suspendu"), ("es", "en pausa")]
    {
        assert_eq!(said("{case.status}", language, 0), expected);
    }
}

#[test]
fn forms_that_say_nothing_or_belong_to_no_count_are_refused_at_their_place() {
    let table = [
        ("{case.title|one|# times}", "`case.title` is not a count"),
        ("{case.age.wall|one|# times}", "`case.age.wall` is not a count"),
        ("{clock.resolution.percent|one|# times}", "`clock.resolution.percent` is not a count"),
        ("{reopenings|once}", "a number has 2 to 6 forms, this one has 1"),
        ("{reopenings|a|b|c|d|e|f|#}", "a number has 2 to 6 forms, this one has 7"),
        ("{reopenings|once|several times}", "does not say the number"),
        ("{reopenings||# times}", "a form is empty"),
        ("{reopening|once|# times}", "unknown name `reopening`"),
    ];
    for (text, message) in table {
        let faults = Template::parse(&format!("é {text}"), &names()).expect_err(text);
        assert!(faults.len() == 1 && faults[0].message.contains(message), "{text}: {faults:?}");
        assert_eq!(faults[0].offset, 4, "{text}");
        assert!(!faults[0].remedy.is_empty(), "{text}");
    }
}

#[test]
fn what_a_clock_counts_says_by_which_time_unless_that_is_the_one_on_the_wall() {
    const CALENDARS: &str = "[calendars.office]\nzone = \"UTC\"\n[calendars.office.week]\nmon = [\"08:00-18:00\"]\n\
                             tue = [\"08:00-18:00\"]\n";
    let said = |target: &str, language: &str, hours: i64| {
        let source = format!(
            "{CALENDARS}[defaults]\nlanguage = {language:?}\n[[sla]]\nname = \"a\"\ncalendar = \"office\"\nresolution = {{ any = {target:?} }}\n\
             [[rules]]\nname = \"a\"\nwhen = \"case.open\"\nseverity = \"watch\"\n\
             text = \"{{clock.resolution.remaining}}, {{clock.resolution.elapsed}}\"\n"
        );
        let file = crate::policy::PolicyFile { name: "policy.toml".to_owned(), text: source };
        let policy = Policy::load(&[file]).unwrap_or_else(|problems| panic!("{problems:#?}"));
        let policies = crate::policy::PolicySet { current: policy.into(), ..Default::default() };
        let created = event(0, Actor::Customer, EventKind::Created { signals: Vec::new() });
        let (state, around, now) = (state(case(), vec![created]), Around::default(), at(hours * 3_600));
        let clocks = crate::sla::read_clocks(&policies, &state, now);
        policies.current.rules[0].why(&Facts::new(&policies.current, &state, &around, &clocks, now))
    };
    let table = [
        ("4h", "en", 1, "3 h of business time left, 1 h of business time"),
        ("4h", "en", 24, "overdue by 6 h of business time, 10 h of business time"),
        ("4h", "de", 1, "noch 3 h Geschäftszeit, 1 h Geschäftszeit"),
        ("4h", "fr", 24, "en retard de 6 h de temps ouvré, 10 h de temps ouvré"),
        ("4h", "es", 1, "quedan 3 h de horario laboral, 1 h de horario laboral"),
        ("4h calendar time", "en", 1, "3 h left, 1 h"),
        ("4h calendar time", "en", 76, "overdue by 3 d, 3 d 4 h"),
    ];
    for (target, language, hours, expected) in table {
        assert_eq!(said(target, language, hours), expected, "{target} {language} after {hours} h");
    }
}
