//! `dutyd backtest` as text.

use super::backtest::Standing;
use super::words::{count, instant, line, number, span};
use crate::backtest::{Against, Backtest, Cases, Figures, RuleFigures};
use jiff::SignedDuration;
use jiff::tz::TimeZone;

const HEAD: &str = "  rule                    flags  per day    most     cases   open  precision  recall      lead  dismissed  cannot tell\n";

pub fn page(found: &Backtest, standing: Standing, zone: &TimeZone) -> String {
    let mut text = format!(
        "policy {}{}, {} to {} ({}), flags from {} up\n{}, {} judged in {}; {} came to a bad end: {}\n",
        line(&found.policy, 12),
        stands(found, standing),
        instant(found.since, zone),
        instant(found.until, zone),
        count(u64::from(found.days), "day"),
        found.severity.word(),
        count(found.seen.cases, "case"),
        number(found.seen.judged),
        count(found.seen.judgements, "judgement"),
        number(found.seen.bad),
        against(&found.against),
    );
    text.push_str(&unknown(found));
    text.push('\n');
    text.push_str(HEAD);
    text.push_str(&rows("all rules", &found.all));
    for (rule, figures) in &found.rules {
        text.push_str(&rows(rule, figures));
    }
    text.push_str(LEGEND);
    if found.beside.is_some() {
        text.push_str(&differences(found, zone));
    }
    text
}

const LEGEND: &str = "
  per day: median over all days; most: on one day. open: cases whose flag was open at the end. precision: of the flagged
  cases whose end is known, how many came to a bad one at or after the first flag. recall: of all that came to a bad end, how
  many were flagged before or with it. lead: median from the first flag to the bad end. dismissed: cases on which staff
  dismissed the flag. cannot tell: cases on which the rule could not tell at some instant (at every instant).
";

fn stands(found: &Backtest, standing: Standing) -> String {
    match (standing, &found.beside) {
        (Standing::Beside, Some(beside)) => format!(" beside policy {} in force", line(beside, 12)),
        (Standing::InForce, _) => " (in force)".to_owned(),
        _ => " (the one in force is not kept, so nothing stands beside it)".to_owned(),
    }
}

fn against(against: &Against) -> String {
    match against {
        Against::Missed { clock: None } => {
            "an SLA target missed, by the clocks of the policy in force".to_owned()
        }
        Against::Missed { clock: Some(clock) } => {
            format!("the target of {} missed, by the policy in force", line(clock, 40))
        }
        Against::Confirmed => "a person answered that it is an escalation".to_owned(),
        Against::Escalated { field } => format!("the vendor's field `{}` says so", line(field, 40)),
    }
}

/// What the figures cannot know, only where there is something.
fn unknown(found: &Backtest) -> String {
    let seen = &found.seen;
    let told = [
        (seen.forgotten, "were known once and are pruned or erased: not counted, not even as neighbours"),
        (seen.unreadable, "cannot be read"),
        (seen.truncated, "are so long that their oldest events are not kept"),
        (seen.gone, "are deleted or hidden by now: judged up to their last change"),
        (seen.cut, "were given up after very many judgements"),
    ];
    let mut text: String = told
        .iter()
        .filter(|(cases, _)| *cases > 0)
        .map(|(cases, what)| format!("{} {what}\n", count(*cases, "case")))
        .collect();
    if seen.alone {
        text.push_str("the facts of neighbours changed too often to be kept: rules that read them were judged without\n");
    }
    text
}

fn rows(name: &str, figures: &RuleFigures) -> String {
    let row = |name: &str, figures: &Figures| {
        format!(
            "  {:<22} {:>6} {:>8} {:>7} {:>9} {:>6} {:>10} {:>7} {:>9} {:>10} {:>12}\n",
            line(name, 22),
            number(figures.raised),
            rate(figures.per_day_median),
            number(figures.per_day_max),
            number(figures.cases),
            number(figures.open),
            share(figures.precision),
            share(figures.recall),
            lead(figures.lead_seconds_median),
            number(figures.dismissed),
            untold(figures),
        )
    };
    match (&figures.tried, &figures.beside) {
        (Some(tried), None) => row(name, tried),
        (None, Some(beside)) => row(&format!("{name} (gone)"), beside),
        (Some(tried), Some(beside)) if tried == beside => row(name, tried),
        (Some(tried), Some(beside)) => row(name, tried) + &row("  in force", beside),
        (None, None) => String::new(),
    }
}

fn rate(per_day: f64) -> String {
    if per_day.fract() == 0.0 { format!("{per_day:.0}") } else { format!("{per_day:.1}") }
}

fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{share:.2}"))
}

fn lead(seconds: Option<i64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), |seconds| span(SignedDuration::from_secs(seconds)))
}

fn untold(figures: &Figures) -> String {
    match (figures.untold, figures.never_told) {
        (0, _) => "-".to_owned(),
        (cases, never) => format!("{} ({})", number(cases), number(never)),
    }
}

fn differences(found: &Backtest, zone: &TimeZone) -> String {
    let mut text = "\nagainst the policy in force\n".to_owned();
    let before = text.len();
    text.push_str(&difference("all rules", &found.all, zone));
    for (rule, figures) in &found.rules {
        text.push_str(&difference(rule, figures, zone));
    }
    if text.len() == before {
        text.push_str("  no flag differs\n");
    }
    text
}

fn difference(name: &str, figures: &RuleFigures, zone: &TimeZone) -> String {
    if figures.tried == figures.beside && figures.gained.count + figures.lost.count == 0 {
        return String::new();
    }
    let of = |figures: &Option<Figures>, what: fn(&Figures) -> String| {
        figures.as_ref().map_or_else(|| "-".to_owned(), what)
    };
    let change = |what: fn(&Figures) -> String| {
        format!("{} -> {}", of(&figures.beside, what), of(&figures.tried, what))
    };
    let mut text = format!(
        "\n  {}: flags {}, per day {}, most on a day {}; {} gained, {} lost\n",
        line(name, 40),
        change(|figures| number(figures.raised)),
        change(|figures| rate(figures.per_day_median)),
        change(|figures| number(figures.per_day_max)),
        count(figures.gained.count, "case"),
        number(figures.lost.count),
    );
    text.push_str(&examples('+', &figures.gained, zone));
    text.push_str(&examples('-', &figures.lost, zone));
    text
}

fn examples(sign: char, cases: &Cases, zone: &TimeZone) -> String {
    let one = |example: &crate::backtest::Example| {
        format!(
            "    {sign} {} {} {}: {}\n",
            line(&example.case, 40),
            instant(example.at, zone),
            example.severity.word(),
            line(&example.why, 160)
        )
    };
    let more = cases.count.saturating_sub(cases.examples.len() as u64);
    let rest = if more > 0 { format!("    {sign} {} more\n", number(more)) } else { String::new() };
    cases.examples.iter().map(one).collect::<String>() + &rest
}
