//! What clocks and calendars cost: business time over a year, a clock over 50 events with 200 holidays, all clocks of the
//! shipped policy over 20 events.
#![allow(clippy::disallowed_methods, reason = "a benchmark measures wall time")]
#![allow(clippy::unwrap_used, reason = "a benchmark may stop")]

use dutyd_core::Timestamp;
use dutyd_core::policy::{Policy, PolicyFile, PolicySet};
use dutyd_core::sla::history::HistoryDoc;
use dutyd_core::sla::{adoptions, read_clocks};
use dutyd_core::state::CaseState;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

fn main() {
    let office = policy(&[(
        "policy/a.toml",
        &format!(
            "{}\n[[sla]]\nname = \"a\"\ncalendar = \"office\"\n[sla.resolution]\nany = \"400h\"\n\
             pauses = [{{ status = [\"pending\"], reason = \"waiting\" }}]",
            with_holidays(200)
        ),
    )]);
    let calendar = office.current.calendars.get("office").unwrap();
    let from: Timestamp = "2026-01-05T09:00:00Z".parse().unwrap();
    let to: Timestamp = "2027-01-05T09:00:00Z".parse().unwrap();
    let year = calendar.seconds_between(from, to);
    println!("business time over a year, 200 holidays (limit 1 µs each)");
    print("  measured", 1_000_000, || calendar.seconds_between(black_box(from), black_box(to)));
    print("  added", 1_000_000, || calendar.add_seconds(black_box(from), black_box(year)));

    let fifty = case(50);
    let now = fifty.events.last().unwrap().at;
    println!("one clock over 50 events with 200 holidays (limit 20 µs)");
    print("  read", 100_000, || read_clocks(&office, black_box(&fifty), now));

    let shipped = policy(&[
        ("policy/calendars.toml", include_str!("../config/policy/calendars.toml")),
        ("policy/targets.toml", include_str!("../config/policy/targets.toml")),
    ]);
    let twenty = case(20);
    let now = twenty.events.last().unwrap().at;
    println!("all clocks of the shipped policy over 20 events");
    print("  read", 100_000, || read_clocks(&shipped, black_box(&twenty), now));
    print("  adopted", 100_000, || adoptions(&shipped, black_box(&twenty), now));
}

fn policy(files: &[(&str, &str)]) -> PolicySet {
    let files: Vec<PolicyFile> = files
        .iter()
        .map(|(name, text)| PolicyFile { name: (*name).to_owned(), text: (*text).to_owned() })
        .collect();
    let policy = Policy::load(&files).unwrap_or_else(|problems| panic!("{problems:?}"));
    PolicySet { current: Arc::new(policy), older: BTreeMap::new() }
}

fn with_holidays(count: i64) -> String {
    let day = |nth: i64| {
        let at = Timestamp::from_second(1_767_225_600 + nth * 9 * 86_400).unwrap();
        at.to_string()[..10].to_owned()
    };
    let days: Vec<String> = (0..count).map(day).collect();
    format!(
        "[calendars.office]\nzone = \"Europe/Berlin\"\nholidays = [{}]\n[calendars.office.week]\n\
         mon = [\"09:00-12:00\", \"13:00-17:00\"]\ntue = [\"09:00-12:00\", \"13:00-17:00\"]\nwed = [\"09:00-17:00\"]\n\
         thu = [\"09:00-17:00\"]\nfri = [\"09:00-15:00\"]",
        days.join(", ")
    )
}

/// A case that goes to and fro for some weeks.
fn case(events: usize) -> CaseState {
    let start = 1_772_442_000;
    let acts = ["open", "pending", "open", "on_hold"];
    let told: Vec<String> = (0..events)
        .map(|nth| {
            let at = Timestamp::from_second(start + nth as i64 * 14_400).unwrap();
            match nth {
                0 => format!("{{\"at\":\"{at}\",\"what\":\"created\"}}"),
                _ if nth % 3 == 0 => format!("{{\"at\":\"{at}\",\"what\":\"reply\",\"by\":\"customer\"}}"),
                _ if nth % 5 == 0 => format!("{{\"at\":\"{at}\",\"what\":\"reply\"}}"),
                _ => format!("{{\"at\":\"{at}\",\"what\":\"status\",\"to\":\"{}\"}}", acts[nth % 4]),
            }
        })
        .collect();
    let text = format!("{{\"case\":{{\"priority\":3,\"team\":\"desk\"}},\"events\":[{}]}}", told.join(","));
    serde_json::from_str::<HistoryDoc>(&text).unwrap().state().unwrap()
}

fn print<T>(name: &str, times: u32, mut act: impl FnMut() -> T) {
    black_box(act());
    let started = Instant::now();
    for _ in 0..times {
        black_box(act());
    }
    println!("{name}: {:.3} µs", started.elapsed().as_secs_f64() * 1e6 / f64::from(times));
}
