//! Ways to count that are tried: a calendar and what pauses the clock, written as a policy.

use dutyd_core::policy::{Policy, PolicyFile, PolicySet};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One way to count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// `None`: around the clock.
    week: Option<Week>,
    pauses: Pauses,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Week {
    /// From Monday on.
    days: usize,
    /// Hours of the day.
    opens: u32,
    closes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Pauses {
    None,
    Customer,
    CustomerAndHold,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Plan {
    /// Every second counts until the resolution.
    pub const CALENDAR_TIME: Plan = Plan { week: None, pauses: Pauses::None };

    /// All that are tried, the simple ones first.
    pub fn all() -> Vec<Plan> {
        let mut weeks = Vec::new();
        for days in [5, 6, 7] {
            for opens in [6, 7, 8, 9] {
                for closes in [17, 18, 19, 20, 22] {
                    weeks.push(Week { days, opens, closes });
                }
            }
        }
        weeks.push(Week { days: 5, opens: 0, closes: 24 });
        let pauses = [Pauses::None, Pauses::Customer, Pauses::CustomerAndHold];
        let business = pauses
            .iter()
            .flat_map(|pauses| weeks.iter().map(|week| Plan { week: Some(*week), pauses: *pauses }));
        std::iter::once(Plan::CALENDAR_TIME).chain(business).collect()
    }

    /// Whether hours are left out.
    pub fn is_business(&self) -> bool {
        self.week.is_some()
    }

    /// For people: `mon to fri 08:00-18:00, paused while waiting for the customer`.
    pub fn words(&self) -> String {
        let hours = match self.week {
            None => "around the clock".to_owned(),
            Some(week) => format!("mon to {} {}", DAYS[week.days - 1], week.window()),
        };
        format!("{hours}, {}", self.pauses.words())
    }

    /// The policy: a resolution clock that counts so, with these targets in seconds by priority.
    pub fn policy_text(&self, targets: &BTreeMap<u8, i64>) -> String {
        let mut text = String::new();
        if let Some(week) = self.week {
            text += "[calendars.fitted]\nzone = \"UTC\"\n\n[calendars.fitted.week]\n";
            for day in &DAYS[..week.days] {
                text += &format!("{day} = [\"{}\"]\n", week.window());
            }
            text += "\n";
        }
        text += "[[sla]]\nname = \"fitted\"\n";
        text += if self.week.is_some() { "calendar = \"fitted\"\n" } else { "" };
        text += "\n[sla.resolution]\n";
        text += if self.week.is_some() { "" } else { "time = \"calendar\"\n" };
        for (priority, seconds) in targets {
            text += &format!("p{priority} = \"{seconds}s\"\n");
        }
        text + &self.pauses.text()
    }

    /// The policy, loaded.
    pub fn policies(&self, targets: &BTreeMap<u8, i64>) -> Result<PolicySet, String> {
        let file = PolicyFile { name: "fitted.toml".to_owned(), text: self.policy_text(targets) };
        let policy = Policy::load(&[file]).map_err(|problems| {
            problems.first().map_or_else(|| "the fitted policy is refused".to_owned(), ToString::to_string)
        })?;
        Ok(PolicySet { current: Arc::new(policy), ..PolicySet::default() })
    }
}

impl Week {
    fn window(&self) -> String {
        format!("{:02}:00-{:02}:00", self.opens, self.closes)
    }
}

impl Pauses {
    fn words(self) -> &'static str {
        match self {
            Pauses::None => "no pauses",
            Pauses::Customer => "paused while waiting for the customer",
            Pauses::CustomerAndHold => "paused while waiting for the customer or on hold",
        }
    }

    fn text(self) -> String {
        let customer = "    { status = [\"pending\"], reason = \"waiting for the customer\" },\n";
        let hold = "    { status = [\"on_hold\"], reason = \"on hold\" },\n";
        match self {
            Pauses::None => "pauses = []\n".to_owned(),
            Pauses::Customer => format!("pauses = [\n{customer}]\n"),
            Pauses::CustomerAndHold => format!("pauses = [\n{customer}{hold}]\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_count_is_a_policy_of_its_own() {
        let all = Plan::all();
        let targets = BTreeMap::from([(3, 3_600)]);
        let mut ids: Vec<String> =
            all.iter().map(|plan| plan.policies(&targets).unwrap().current.sla.id.clone()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!((all[0], ids.len()), (Plan::CALENDAR_TIME, all.len()));
    }
}
