//! Mistakes in SLA policies: each is refused with its place and a remedy.

use super::*;

#[test]
fn each_mistake_has_a_place_and_a_remedy() {
    let week = "[calendars.office]\nzone = \"UTC\"\n[calendars.office.week]\nmon = \"09:00-17:00\"\n";
    let table: [(&str, u32, &str, &str); 9] = [
        ("[[sla]]\nname = \"a\"\n[sla.resolution]\np1 = \"4h\"", 4, "has no calendar", "[[sla]]"),
        (
            "[[sla]]\nname = \"a\"\ncalendar = \"ofice\"\n[sla.resolution]\np1 = \"4h\"",
            3,
            "no calendar `ofice`",
            "`office`",
        ),
        (
            "[[sla]]\nname = \"a\"\ncalendar = \"office\"\n[sla.resolution]\np1 = \"soon\"",
            5,
            "`soon` is not a duration",
            "\"4h\"",
        ),
        (
            "[[sla]]\nname = \"a\"\ncalendar = \"office\"\n[sla.resolution]\np1 = \"0m\"",
            5,
            "shorter than a second",
            "\"4h\"",
        ),
        ("[[sla]]\nname = \"a\"\ncalendar = \"office\"", 2, "has no clock", "[sla.first_response]"),
        (
            "[[sla]]\nname = \"a\"\nwhen = \"case.tear == 1\"\ncalendar = \"office\"\n[sla.resolution]\np1 = \"4h\"",
            3,
            "case.tear",
            "",
        ),
        ("[[sla]]\nname = \"a\"\nignore_within = \"x\"\n[sla.resolution]", 3, "`x` is not a duration", "30m"),
        (
            "[[sla]]\nname = \"a\"\n[sla.resolution]\npauses = [{ reason = \"r\" }]",
            3,
            "has no condition",
            "`status`",
        ),
        ("[clocks.resolution]\nstart = \"true\"", 1, "already a clock", "another name"),
    ];
    for (text, line, message, remedy) in table {
        let text = format!("{text}\n{week}");
        let found = load(&text).expect_err(&text);
        let hit =
            found.iter().find(|problem| problem.message.contains(message) && problem.remedy.contains(remedy));
        let hit = hit.unwrap_or_else(|| panic!("{text}\n{found:#?}"));
        assert_eq!((hit.file.as_str(), hit.line), ("policy/targets.toml", line), "{text}\n{hit}");
    }
}

#[test]
fn each_remedy_for_a_target_without_calendar_is_one() {
    let week = "[calendars.office]\nzone = \"UTC\"\n[calendars.office.week]\nmon = \"09:00-17:00\"\n";
    let sla = "[[sla]]\nname = \"a\"\n[sla.resolution]\np1 = \"4h\"\n";
    let clock = "[clocks.x]\nstart = \"case.open\"\n[clocks.x.target]\np1 = \"4h\"\n";
    for (text, place) in [(sla, "`[[sla]]` entry"), (clock, "target's table")] {
        let found = load(&format!("{text}{week}")).expect_err(text);
        let remedy = format!(
            "add calendar = \"NAME\" to the {place}, or write \"4h calendar time\" to count around the clock"
        );
        assert_eq!(found.iter().map(|one| one.remedy.as_str()).collect::<Vec<_>>(), [remedy], "{found:#?}");
    }
    let mended = [
        sla.replace("name = \"a\"", "name = \"a\"\ncalendar = \"office\""),
        sla.replace("4h", "4h calendar time"),
        clock.replace("[clocks.x.target]", "[clocks.x.target]\ncalendar = \"office\""),
        clock.replace("4h", "4h calendar time"),
    ];
    for text in mended {
        load(&format!("{text}{week}")).unwrap_or_else(|problems| panic!("{text}\n{problems:#?}"));
    }
}

#[test]
fn the_shipped_files_compile() {
    let calendars = include_str!("../../../config/policy/calendars.toml");
    let targets = include_str!("../../../config/policy/targets.toml");
    let set = load(&format!("{calendars}\n{targets}")).unwrap();
    let names: Vec<&str> = set.sla.clock_names().collect();
    assert_eq!(names, ["first_response", "next_reply", "resolution", "time_to_own"]);
}

#[test]
fn a_policy_is_told_by_its_content() {
    let id = |text: &str| load(text).unwrap().sla.id;
    let a = "[[sla]]\nname = \"a\"\n[sla.resolution]\nany = \"4h calendar time\"";
    assert_eq!(id(a), id(&format!("# a comment\n{a}")));
    assert_ne!(id(a), id(&a.replace("4h", "5h")));
    assert_ne!(id(a), id(&a.replace("[sla.resolution]", "on_reopen = \"new_cycle\"\n[sla.resolution]")));
}
