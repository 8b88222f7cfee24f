//! Fitting on a small log made up here: targets are found again, and verdicts are those of clocks.

use super::*;

/// A log in which P3 has 10 hours and P4 has 40, around the clock; waiting for the caller counts. `missed` turns with them.
fn log() -> String {
    let mut text = "number,incident_state,sys_mod_count,opened_at,sys_created_at,sys_updated_at,sys_updated_by,priority,made_sla\n"
        .to_owned();
    let mut case = 0;
    for month in [3, 5] {
        for (priority, target) in [("3 - Moderate", 10), ("4 - Low", 40)] {
            for hours in [1, 4, 9, 10, 11, 20, 39, 40, 41, 50] {
                case += 1;
                let opened = format!("{}/{month}/2016 08:00", 1 + case % 20);
                let at = |hour: i64| {
                    let (day, hour) = (1 + case % 20 + (8 + hour) / 24, (8 + hour) % 24);
                    format!("{day}/{month}/2016 {hour:02}:00")
                };
                let made = hours <= target;
                for (count, state, hour, made) in [
                    (0, "New", 0, true),
                    (1, "Awaiting User Info", 1, true),
                    (2, "Resolved", hours, true),
                    (3, "Closed", 96, made),
                ] {
                    text += &format!(
                        "INC{case},{state},{count},{opened},{opened},{},\"Updated by 1\",{priority},{made}\n",
                        at(hour)
                    );
                }
            }
        }
    }
    text
}

fn fitted(text: &str, split: &str) -> Result<Fit, String> {
    let (cases, unresolved) = log::ended(dutyd_incident_log::parse(text.as_bytes()).unwrap())?;
    fit(&cases, unresolved, split.parse().unwrap())
}

#[test]
fn the_targets_behind_a_log_are_found_again_and_agree_on_later_cases() {
    let fit = fitted(&log(), "2016-05-01T00:00:00Z").unwrap();
    assert_eq!((fit.fitted_on, fit.judged, fit.unresolved), (20, 20, 0));
    let found: Vec<(u8, i64, f64, f64, f64)> = fit
        .calendar_time
        .priorities
        .iter()
        .map(|of| (of.priority, of.target_seconds / 3_600, of.agrees_fitted, of.agrees, of.agrees_blind))
        .collect();
    assert_eq!(found, [(3, 10, 1.0, 1.0, 0.6), (4, 40, 1.0, 1.0, 0.8)]);
    assert!(fit.calendar_time.policy.contains("p3 = \"36000s\""), "{}", fit.calendar_time.policy);
    assert!(fit.business_time.counting.contains("mon to"), "{}", fit.business_time.counting);
}

#[test]
fn later_cases_have_no_say_in_the_targets() {
    let honest = fitted(&log(), "2016-05-01T00:00:00Z").unwrap();
    let turned = log().replace(
        "5/2016 08:00,\"Updated by 1\",3 - Moderate,true",
        "5/2016 08:00,\"Updated by 1\",3 - Moderate,false",
    );
    assert_ne!(turned, log());
    let turned = fitted(&turned, "2016-05-01T00:00:00Z").unwrap();
    let targets =
        |fit: &Fit| -> Vec<i64> { fit.calendar_time.priorities.iter().map(|of| of.target_seconds).collect() };
    assert_eq!(targets(&turned), targets(&honest));
    assert!(turned.calendar_time.agrees < honest.calendar_time.agrees);
}

#[test]
fn a_case_that_is_not_resolved_is_counted_and_not_judged() {
    let open = log()
        .lines()
        .filter(|line| !line.starts_with("INC40,") || line.contains("New"))
        .fold(String::new(), |text, line| text + line + "\n");
    let fit = fitted(&open, "2016-05-01T00:00:00Z").unwrap();
    assert_eq!((fit.judged, fit.unresolved), (19, 1));
}

#[test]
fn a_split_outside_the_log_is_refused() {
    let refused = fitted(&log(), "2017-01-01T00:00:00Z").unwrap_err();
    assert!(refused.contains("choose a split inside the log"), "{refused}");
}

#[test]
fn the_cut_agrees_most_often_and_is_at_least_a_second() {
    let table = [
        (&[(10, false), (20, true)][..], (10, 2)),
        (&[(10, true), (20, true)], (1, 2)),
        (&[(0, false), (1, true), (5, true)], (1, 2)),
        (&[(10, false), (10, true), (10, false), (30, true)], (10, 3)),
        (&[(10, false), (20, false)], (20, 2)),
    ];
    for (measured, expected) in table {
        assert_eq!(cut(&mut measured.to_vec()), expected, "{measured:?}");
    }
}
