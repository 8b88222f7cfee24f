//! Judging the replay of a real log: who was flagged before the end, and was it right.

use dutyd_core::Timestamp;
use serde::Serialize;
use std::collections::HashMap;

/// What the log says of one incident in the end.
#[derive(Debug, Clone)]
pub struct Ending {
    pub number: String,
    pub missed_sla: bool,
    pub resolved_at: Option<Timestamp>,
}

/// The figures. Flagged: severity `candidate` or above, first open before the row that resolves the case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    pub incidents: usize,
    pub flagged: usize,
    /// Of the flagged, how many missed their SLA in the end.
    pub precision: f64,
    /// Of those that missed their SLA, how many were flagged.
    pub recall: f64,
    /// From the first flag to the resolving row, over the flagged that missed their SLA.
    pub lead_hours_median: f64,
    pub states_equal: bool,
}

impl Judgement {
    /// The figures for people.
    pub fn page(&self) -> String {
        let states = if self.states_equal { "equal, all of them" } else { "DIFFERENT" };
        format!(
            "\nJudged against the log's own verdict (SLA made or missed), {} incidents:\n\n  \
             flagged before the end  {:>7}\n  precision               {:>7.3}   of the flagged, how many missed their SLA\n  \
             recall                  {:>7.3}   of those that missed their SLA, how many were flagged\n  \
             median lead             {:>7.1}   hours from the first flag to the end\n  \
             case states             {states}\n",
            self.incidents, self.flagged, self.precision, self.recall, self.lead_hours_median
        )
    }
}

/// Judges first flags by incident number against the endings.
pub fn judge(endings: &[Ending], first_flags: &HashMap<String, Timestamp>, states_equal: bool) -> Judgement {
    let missed = endings.iter().filter(|ending| ending.missed_sla).count();
    let flagged: Vec<_> = endings
        .iter()
        .filter_map(|ending| {
            let flagged_at = *first_flags.get(&ending.number)?;
            let in_time = ending.resolved_at.is_none_or(|resolved_at| flagged_at < resolved_at);
            in_time.then_some((ending, flagged_at))
        })
        .collect();
    let right: Vec<_> = flagged.iter().filter(|(ending, _)| ending.missed_sla).collect();
    let mut leads: Vec<f64> = right
        .iter()
        .filter_map(|(ending, flagged_at)| {
            Some(ending.resolved_at?.duration_since(*flagged_at).as_secs_f64() / 3600.0)
        })
        .collect();
    leads.sort_by(f64::total_cmp);
    Judgement {
        incidents: endings.len(),
        flagged: flagged.len(),
        precision: ratio(right.len(), flagged.len()),
        recall: ratio(right.len(), missed),
        lead_hours_median: leads.get(leads.len() / 2).copied().map_or(0.0, rounded),
        states_equal,
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { rounded(part as f64 / whole as f64) }
}

/// Four decimals: what is printed is what is compared.
fn rounded(figure: f64) -> f64 {
    (figure * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_flags_before_the_resolving_row_count_and_lead_is_from_the_first() {
        let at = |hour: i64| Timestamp::from_second(hour * 3600).unwrap();
        let ending = |number: &str, missed_sla, resolved: Option<i64>| Ending {
            number: number.to_owned(),
            missed_sla,
            resolved_at: resolved.map(at),
        };
        let endings = [
            ending("right", true, Some(10)),
            ending("late", true, Some(10)),
            ending("wrong", false, Some(10)),
            ending("silent", true, Some(10)),
            ending("unresolved", true, None),
            ending("fine", false, Some(10)),
        ];
        let flags = [("right", 4), ("late", 10), ("wrong", 1), ("unresolved", 2)];
        let flags = flags.into_iter().map(|(number, hour)| (number.to_owned(), at(hour))).collect();
        let judged = judge(&endings, &flags, true);
        assert_eq!((judged.incidents, judged.flagged), (6, 3));
        assert_eq!((judged.precision, judged.recall), (0.6667, 0.5));
        assert_eq!(judged.lead_hours_median, 6.0);
    }
}
