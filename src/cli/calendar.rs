//! `dutyd calendar`: what a calendar counts, for people who write one and for scripts that check it.

use super::{Exit, Failure, Format, print_bytes, print_json};
use crate::config::{Place, ics_files_of, policy_files, policy_files_in};
use clap::Subcommand;
use dutyd_core::calendar::{Calendar, compile_one, format_seconds, parse_duration};
use dutyd_core::policy::{Policy, PolicyFile};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What to ask a calendar.
#[derive(Debug, Subcommand)]
pub enum Question {
    /// Print the business seconds between two instants.
    Between {
        /// Name of a calendar in the policy, or path of a calendar file.
        calendar: String,
        /// RFC 3339 with offset: 2026-03-27T16:00:00+01:00.
        #[arg(value_parser = instant)]
        from: Timestamp,
        /// RFC 3339 with offset. Not after FROM: 0.
        #[arg(value_parser = instant)]
        to: Timestamp,
        #[command(flatten)]
        policy: PolicyAt,
    },
    /// Print the earliest instant at which that much business time has passed.
    Add {
        /// Name of a calendar in the policy, or path of a calendar file.
        calendar: String,
        /// RFC 3339 with offset.
        #[arg(value_parser = instant)]
        from: Timestamp,
        /// 90m, 8h, 1h30m, 2d (of 24 hours).
        duration: String,
        #[command(flatten)]
        policy: PolicyAt,
    },
    /// Draw a month.
    Show {
        /// Name of a calendar in the policy, or path of a calendar file.
        calendar: String,
        /// As 2026-03.
        #[arg(long)]
        month: String,
        #[command(flatten)]
        policy: PolicyAt,
    },
}

/// Where the policy is.
#[derive(Debug, clap::Args)]
pub struct PolicyAt {
    /// Directory with the policy's files, instead of the configured one.
    #[arg(long = "policy", value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

impl PolicyAt {
    pub fn load(&self, place: &Place) -> Result<Policy, Failure> {
        Policy::load(&self.files(place)?).map_err(|problems| Failure::config(&problems))
    }

    pub fn files(&self, place: &Place) -> Result<Vec<PolicyFile>, Failure> {
        let files = match &self.dir {
            Some(dir) => policy_files_in(dir),
            None => policy_files(&place.dir),
        };
        files.map_err(|problems| Failure::config(&problems))
    }
}

pub fn run(place: &Place, question: &Question, format: Format) -> Result<Exit, Failure> {
    match question {
        Question::Between { calendar, from, to, policy } => {
            between(&*find(place, calendar, policy)?, *from, *to, format)
        }
        Question::Add { calendar, from, duration, policy } => {
            add(&*find(place, calendar, policy)?, *from, duration, format)
        }
        Question::Show { calendar, month, policy } => show(&*find(place, calendar, policy)?, month, format),
    }
}

/// A calendar by its path, if there is such a file, else by its name in the policy.
fn find(place: &Place, name: &str, policy: &PolicyAt) -> Result<Arc<Calendar>, Failure> {
    let path = Path::new(name);
    if path.is_file() || name.ends_with(".toml") {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::io(format!("cannot read {name}: {error}")))?;
        let file = PolicyFile { name: name.to_owned(), text };
        return compile_one(&file, &ics_files_of(&file)).map_err(|problems| Failure::config(&problems));
    }
    let policy = policy.load(place)?;
    policy.calendars.get(name).cloned().ok_or_else(|| {
        let known: Vec<&str> = policy.calendars.names().collect();
        let message = match dutyd_core::problem::nearest(name, known.iter().copied()) {
            Some(near) => format!("there is no calendar `{name}`; did you mean `{near}`?"),
            None => format!("there is no calendar `{name}`; the policy has {}", known.join(", ")),
        };
        Failure::new(Exit::Problems, message)
    })
}

fn between(calendar: &Calendar, from: Timestamp, to: Timestamp, format: Format) -> Result<Exit, Failure> {
    let seconds = calendar.seconds_between(from, to);
    match format {
        Format::Json => print_json(&json!({ "business_seconds": seconds })),
        Format::Text => {
            print_bytes(format!("{seconds} business seconds ({})\n", format_seconds(seconds)).as_bytes())
        }
    }
}

fn add(calendar: &Calendar, from: Timestamp, duration: &str, format: Format) -> Result<Exit, Failure> {
    let seconds = parse_duration(duration).map_err(|error| {
        Failure::new(Exit::Problems, format!("{error}; write 90m, 8h or 2d (of 24 hours)"))
    })?;
    let Some(reached) = calendar.add_seconds(from, seconds) else {
        let message =
            format!("calendar {} has no {} left after {from}", calendar.name, format_seconds(seconds));
        return Err(Failure::new(Exit::Problems, message));
    };
    let instant = local(reached, &calendar.zone());
    match format {
        Format::Json => print_json(&json!({ "instant": instant })),
        Format::Text => print_bytes(format!("{instant}\n").as_bytes()),
    }
}

/// An instant as written on the command line.
pub fn instant(text: &str) -> Result<Timestamp, String> {
    let how = "no instant; write date, time and offset: 2026-03-27T16:00:00+01:00, or 2026-03-27T15:00:00Z";
    text.parse().map_err(|_| how.to_owned())
}

/// RFC 3339 with the offset of the zone.
pub fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// One day of a month.
#[derive(Debug, Serialize)]
struct Day {
    date: Date,
    open: Vec<Stretch>,
    business_seconds: i64,
    /// Length of the day on the wall clock; 82,800 and 90,000 when the clock is changed by an hour.
    #[serde(skip)]
    seconds: i64,
}

#[derive(Debug, Serialize)]
struct Stretch {
    from: String,
    to: String,
    #[serde(skip)]
    instants: (Timestamp, Timestamp),
}

fn show(calendar: &Calendar, month: &str, format: Format) -> Result<Exit, Failure> {
    let first: Date = format!("{month}-01")
        .parse()
        .map_err(|_| Failure::new(Exit::Problems, format!("`{month}` is not a month; write 2026-03")))?;
    let zone = calendar.zone();
    let days: Vec<Day> = (0..i64::from(first.days_in_month()))
        .filter_map(|nth| first.checked_add(nth.days()).ok())
        .map(|date| day(calendar, &zone, date))
        .collect();
    let total: i64 = days.iter().map(|day| day.business_seconds).sum();
    match format {
        Format::Json => print_json(&json!({
            "calendar": calendar.name,
            "zone": calendar.zone_name(),
            "month": month,
            "business_seconds": total,
            "days": days,
        })),
        Format::Text => {
            let mut text = format!("{}, {}, {month}\n\n", calendar.name, calendar.zone_name());
            text.push_str("        0     3     6     9     12    15    18    21    24\n");
            for day in &days {
                text.push_str(&day.drawn(&zone));
            }
            text.push_str(&format!("\n{} of business time\n", format_seconds(total)));
            print_bytes(text.as_bytes())
        }
    }
}

fn day(calendar: &Calendar, zone: &TimeZone, date: Date) -> Day {
    let stretch = |(from, to): (Timestamp, Timestamp)| Stretch {
        from: local(from, zone),
        to: local(to, zone),
        instants: (from, to),
    };
    let midnight = |date: Date| date.to_zoned(zone.clone()).map(|zoned| zoned.timestamp().as_second()).ok();
    let seconds =
        date.tomorrow().ok().and_then(midnight).zip(midnight(date)).map_or(0, |(end, start)| end - start);
    let open: Vec<Stretch> = calendar.open_on(date).into_iter().map(stretch).collect();
    let length = |stretch: &Stretch| stretch.instants.1.as_second() - stretch.instants.0.as_second();
    Day { date, business_seconds: open.iter().map(length).sum(), open, seconds }
}

impl Day {
    /// A line with half an hour of the wall clock per character.
    fn drawn(&self, zone: &TimeZone) -> String {
        let shown = |second: i64| Timestamp::from_second(second).ok().map(|at| zone.to_datetime(at));
        let mut bar = ['·'; 48];
        for stretch in &self.open {
            for second in (stretch.instants.0.as_second()..stretch.instants.1.as_second()).step_by(300) {
                if let Some(time) = shown(second) {
                    bar[usize::from(time.hour() as u8) * 2 + usize::from(time.minute() >= 30)] = '█';
                }
            }
        }
        let hours = match self.business_seconds {
            0 => "closed".to_owned(),
            seconds => format_seconds(seconds),
        };
        let note = match self.seconds {
            86_400 => String::new(),
            0 => "  (a day that this zone skipped)".to_owned(),
            seconds => format!("  (a day of {})", format_seconds(seconds)),
        };
        format!("{}  {}  {hours}{note}\n", self.date.strftime("%a %d"), bar.iter().collect::<String>())
    }
}
