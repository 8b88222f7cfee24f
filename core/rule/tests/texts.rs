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
