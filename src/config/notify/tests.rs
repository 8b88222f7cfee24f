//! Channel files: the shipped ones are read, and each mistake is placed and explained.

use super::read;
use crate::config::{Place, shipped, shipped_settings};
use crate::notify::Channel;
use dutyd_core::problem::Problem;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const SIGNING: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A directory whose credentials hold what the shipped files expect.
fn dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("cred")).expect("a folder");
    let secrets = [
        ("notify-signing", SIGNING),
        ("short", "whsec_c2hvcnQ="),
        ("slack-url", "https://hooks.slack.com/services/T/B/x"),
        ("plain-url", "http://hooks.example.com/x"),
        ("teams-url", "https://x.logic.azure.com/workflows/1?sig=a%2Fb"),
        ("pagerduty-key", "R0"),
        ("smtp-password", "p"),
    ];
    for (name, text) in secrets {
        let path = dir.path().join("cred").join(name);
        std::fs::write(&path, text).expect("a secret");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    }
    dir
}

fn channel(text: &str, dir: &Path) -> Result<Channel, Vec<Problem>> {
    let place = Place { dir: dir.to_owned(), dev: false };
    read("notify/duty.toml", text, &shipped_settings(), Some(&place))
}

#[test]
fn every_kind_of_channel_has_a_shipped_file_that_is_read() {
    let dir = dir();
    let mut kinds: Vec<&str> = Vec::new();
    for (name, text) in shipped::CHANNELS {
        let channel = channel(text, dir.path()).unwrap_or_else(|problems| panic!("{name}: {problems:#?}"));
        assert_eq!(channel.kind.word(), *name);
        assert_eq!((channel.name.as_str(), channel.group_above, channel.observe), ("duty", 5, false));
        let unsigned = read("notify/duty.toml", text, &shipped_settings(), None);
        assert!(unsigned.is_ok(), "{name}: shown without its secrets: {unsigned:?}");
        kinds.push(channel.kind.word());
    }
    assert_eq!(kinds.len(), super::tables_of::<super::KindDoc>().len());
}

#[test]
fn each_mistake_in_a_channel_file_is_placed_and_explained() {
    let of = |kind: &str| shipped::channel(kind).expect("a shipped file").to_owned();
    let table = [
        (of("webhook").replace("[webhook]", "[webhok]"), "unknown key `webhok`", "`webhook`"),
        (of("webhook").replace("url = \"https", "url = \"http"), "`url`: the address must be https", ""),
        (
            of("webhook").replace("severity = \"candidate\"", "severity = \"warning\""),
            "`warning`",
            "candidate",
        ),
        (of("webhook").replace("group_above = 5", "group_above = 500"), "at most 100", "5"),
        (
            of("webhook").replace("{ credential = \"notify-signing\" }", "{ credential = \"short\" }"),
            "24 to 64",
            "",
        ),
        (
            of("webhook").replace("signing_secret = \"notify-signing\"", "signing_secret = \"nope\""),
            "no secret of this name",
            "",
        ),
        (
            of("slack").replace("{ credential = \"slack-url\" }", "{ credential = \"plain-url\" }"),
            "must be https",
            "",
        ),
        (
            of("slack").replace("teams = []", "teams = []\nzone = \"Europe/Berln\""),
            "no time zone `Europe/Berln`",
            "did you mean",
        ),
        (
            of("pagerduty").replace("group_above = 5", "digest = \"08:30\""),
            "takes alerts, not digests",
            "people read",
        ),
        (of("pagerduty").replace("group_above = 5", "digest = \"8h\""), "digest", ""),
        (of("email").replace("tls = \"implicit\"", "tls = \"none\""), "on this machine only", ""),
        (of("email").replace("user = \"dutyd\"\n", ""), "belong together", ""),
        (
            of("email").replace("to = [\"duty-manager@example.com\"]", "to = [\"duty manager\"]"),
            "no mail address",
            "",
        ),
        (of("email").replace("to = [\"duty-manager@example.com\"]", "to = []"), "between 1 and 50", ""),
        ("severity = \"critical\"\n".to_owned(), "names no kind of channel", "[webhook]"),
        (
            of("slack").replace("# name = \"slack\"", "name = \"Duty Slack\""),
            "cannot be the name of a channel",
            "duty-slack",
        ),
    ];
    let dir = dir();
    for (text, message, remedy) in table {
        let problems = channel(&text, dir.path()).map(|_| ()).expect_err(&text);
        let found = problems.iter().any(|problem| {
            // Of a value of the wrong form, its line says which.
            let line = text.lines().nth(problem.line.max(1) as usize - 1).unwrap_or("");
            let shown = format!("{} {line}", problem.message);
            shown.contains(message) && problem.remedy.contains(remedy)
        });
        assert!(found, "{message}: {problems:#?}");
    }
}
