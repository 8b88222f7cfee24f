//! The machine's zone database: its zones by name, and whether it knows the newest rules known when this was written.

use crate::problem::nearest;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The zone of that name; else what is wrong, and what to do.
pub fn zone_named(name: &str) -> Result<TimeZone, (String, String)> {
    TimeZone::get(name).map_err(|_| {
        let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let remedy = match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if known.is_empty() => "this machine has no time zone database: install tzdata".to_owned(),
            None => "use an IANA name such as \"Europe/Berlin\"".to_owned(),
        };
        (format!("there is no time zone `{name}`"), remedy)
    })
}

/// A zone whose rules on this machine are older than they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneFinding {
    pub zone: String,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    pub remedy: String,
}

/// Compares the system's database with changes of law that releases of it brought. Empty if it is recent enough.
pub fn zone_database_findings() -> Vec<ZoneFinding> {
    NEWEST.iter().filter_map(|probe| probe.finding(TimeZone::get(probe.zone).ok())).collect()
}

/// An instant at which an older release gives another offset.
struct Probe {
    release: &'static str,
    zone: &'static str,
    /// Seconds since the epoch.
    at: i64,
    /// Offset from UTC in seconds.
    offset: i32,
}

impl Probe {
    fn finding(&self, zone: Option<TimeZone>) -> Option<ZoneFinding> {
        let message = match zone {
            None => format!("the system's time zone database has no zone {}", self.zone),
            Some(zone) if zone.to_offset(Timestamp::from_second(self.at).ok()?).seconds() == self.offset => {
                return None;
            }
            Some(_) => format!(
                "the system's time zone database is older than {} and wrong for {}",
                self.release, self.zone
            ),
        };
        let remedy = "update the package tzdata and restart".to_owned();
        Some(ZoneFinding { zone: self.zone.to_owned(), message, remedy })
    }
}

/// Changes of law with the release by which a database must know them, newest first.
const NEWEST: [Probe; 9] = [
    Probe { release: "2026e", zone: "America/Vancouver", at: 1_793_534_400, offset: -25_200 },
    Probe { release: "2026e", zone: "America/Edmonton", at: 1_793_534_400, offset: -21_600 },
    Probe { release: "2026e", zone: "America/Winnipeg", at: 1_793_534_400, offset: -18_000 },
    Probe { release: "2026e", zone: "America/Inuvik", at: 1_793_534_400, offset: -21_600 },
    Probe { release: "2026e", zone: "Africa/Casablanca", at: 1_789_884_000, offset: 0 },
    Probe { release: "2026e", zone: "Europe/Chisinau", at: 1_648_339_200, offset: 7_200 },
    Probe { release: "2025b", zone: "America/Coyhaique", at: 1_751_328_000, offset: -10_800 },
    Probe { release: "2025a", zone: "America/Asuncion", at: 1_751_328_000, offset: -10_800 },
    Probe { release: "2024b", zone: "Asia/Almaty", at: 1_719_792_000, offset: 18_000 },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_offset_is_a_finding_and_the_new_one_is_not() {
        for probe in &NEWEST {
            let fixed = |offset| TimeZone::fixed(jiff::tz::Offset::from_seconds(offset).unwrap());
            assert_eq!(probe.finding(Some(fixed(probe.offset))), None);
            let finding = probe.finding(Some(fixed(probe.offset + 3_600))).unwrap();
            assert!(finding.message.contains(probe.release) && finding.message.contains(probe.zone));
            assert!(probe.finding(None).unwrap().message.contains("has no zone"));
        }
    }

    #[test]
    fn the_system_database_is_asked() {
        for finding in zone_database_findings() {
            assert!(NEWEST.iter().any(|probe| probe.zone == finding.zone), "{finding:?}");
        }
    }
}
