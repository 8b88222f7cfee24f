//! The figures of a backtest: sums over cases, by rule, of the policy tried and of the one beside it.

use super::outcome::Outcome;
use super::{Backtest, Contest, JudgedCase, Question, SeenCases};
use dutyd_core::action::Severity;
use dutyd_core::decide::Decision;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::BTreeMap;

/// Cases named for each rule and kind of difference.
const EXAMPLES_MAX: usize = 3;

/// One rule's flags on one case.
#[derive(Debug, Clone, Default)]
pub struct Appearance {
    pub at: Vec<Timestamp>,
    pub first: Option<(Severity, String)>,
    /// At the end of the time asked about.
    pub open: bool,
    pub dismissed: bool,
    /// At some judgement the rule could not tell; at none it could.
    pub untold: bool,
    pub never_told: bool,
}

impl Appearance {
    pub fn appear(&mut self, decision: Decision) {
        self.at.push(decision.at);
        self.first.get_or_insert((decision.severity, decision.why));
    }

    fn join(&mut self, other: &Self) {
        let earlier = match (self.at.first(), other.at.first()) {
            (Some(own), Some(theirs)) => theirs < own,
            (None, Some(_)) => true,
            _ => false,
        };
        if earlier {
            self.first.clone_from(&other.first);
        }
        self.at.extend(&other.at);
        self.at.sort_unstable();
        self.open |= other.open;
        self.dismissed |= other.dismissed;
        self.untold |= other.untold;
        self.never_told |= other.never_told;
    }
}

/// One rule, or all of them together.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RuleFigures {
    /// `None`: the policy tried has no such rule.
    pub tried: Option<Figures>,
    /// `None`: the policy beside it has no such rule, or there is none.
    pub beside: Option<Figures>,
    /// Cases flagged by the policy tried alone.
    pub gained: Cases,
    /// Cases flagged by the one beside it alone.
    pub lost: Cases,
}

/// How a rule did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figures {
    pub raised: u64,
    pub per_day_median: f64,
    pub per_day_max: u64,
    /// The first day with so many.
    pub busiest: Option<Date>,
    /// Cases flagged at least once.
    pub cases: u64,
    /// Of these, cases whose flag was open at the end.
    pub open: u64,
    /// Flagged cases that came to a bad end at or after the first flag.
    pub right: u64,
    /// Flagged cases that came to a good one.
    pub wrong: u64,
    /// Flagged only after the bad end.
    pub late: u64,
    /// Flagged cases whose end is not known, or that had come to a bad one before the time asked about.
    pub undecided: u64,
    /// right / (right + wrong), 0 to 1.
    pub precision: Option<f64>,
    /// right / all cases that came to a bad end.
    pub recall: Option<f64>,
    /// From the first flag to the bad end.
    pub lead_seconds_median: Option<i64>,
    /// Flagged cases on which staff dismissed this rule's flag, or all flags.
    pub dismissed: u64,
    /// Cases on which the rule could not tell at some instant, and at every instant.
    pub untold: u64,
    pub never_told: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Cases {
    pub count: u64,
    /// The first ones.
    pub examples: Vec<Example>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Example {
    /// `source/number`.
    pub case: String,
    pub at: Timestamp,
    pub severity: Severity,
    pub why: String,
}

impl Cases {
    fn take(&mut self, name: &str, flag: &Appearance) {
        self.count += 1;
        let (Some(at), Some((severity, why))) = (flag.at.first(), &flag.first) else { return };
        if self.examples.len() < EXAMPLES_MAX {
            let (case, why) = (name.to_owned(), why.clone());
            self.examples.push(Example { case, at: *at, severity: *severity, why });
        }
    }
}

/// One rule under one policy, while cases come in.
#[derive(Debug, Clone, Default)]
struct Sum {
    figures: Figures,
    by_day: BTreeMap<Date, u64>,
    leads: Vec<i64>,
}

impl Sum {
    fn take(&mut self, flag: &Appearance, outcome: Outcome, zone: &TimeZone) {
        let figures = &mut self.figures;
        figures.untold += u64::from(flag.untold);
        figures.never_told += u64::from(flag.never_told);
        let Some(first) = flag.at.first() else { return };
        for at in &flag.at {
            *self.by_day.entry(at.to_zoned(zone.clone()).date()).or_default() += 1;
        }
        figures.raised += flag.at.len() as u64;
        figures.cases += 1;
        figures.open += u64::from(flag.open);
        figures.dismissed += u64::from(flag.dismissed);
        match outcome {
            Outcome::Bad(at) if *first <= at => {
                figures.right += 1;
                self.leads.push(at.duration_since(*first).as_secs());
            }
            Outcome::Bad(_) => figures.late += 1,
            Outcome::Good => figures.wrong += 1,
            Outcome::Undecided => figures.undecided += 1,
        }
    }

    fn finish(mut self, days: u32, bad: u64) -> Figures {
        let mut counts: Vec<u64> = self.by_day.values().copied().collect();
        counts.resize(counts.len().max(days as usize), 0);
        counts.sort_unstable();
        self.leads.sort_unstable();
        let most = counts.last().copied().unwrap_or(0);
        let share = |whole: u64| (whole > 0).then(|| rounded(self.figures.right as f64 / whole as f64));
        Figures {
            per_day_median: median(&counts),
            per_day_max: most,
            busiest: self.by_day.iter().find(|(_, count)| **count == most).map(|(day, _)| *day),
            precision: share(self.figures.right + self.figures.wrong),
            recall: share(bad),
            lead_seconds_median: self.leads.get(self.leads.len() / 2).copied(),
            ..self.figures
        }
    }
}

fn median(sorted: &[u64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => sorted[middle] as f64,
        _ => (sorted[middle - 1] + sorted[middle]) as f64 / 2.0,
    }
}

/// Four decimals: what is printed is what is compared.
fn rounded(figure: f64) -> f64 {
    (figure * 10_000.0).round() / 10_000.0
}

/// One rule, or all: by policy, and the cases in which they differ.
#[derive(Debug, Clone, Default)]
struct Pair {
    sums: Vec<Option<Sum>>,
    gained: Cases,
    lost: Cases,
}

impl Pair {
    fn take(&mut self, case: &JudgedCase, flags: &[Option<&Appearance>], zone: &TimeZone) {
        for (sum, flag) in self.sums.iter_mut().zip(flags) {
            if let (Some(sum), Some(flag)) = (sum, flag) {
                sum.take(flag, case.outcome, zone);
            }
        }
        let [tried, beside] = flags else { return };
        let shown = |flag: &Option<&Appearance>| flag.filter(|flag| !flag.at.is_empty()).cloned();
        match (shown(tried), shown(beside)) {
            (Some(flag), None) => self.gained.take(&case.name, &flag),
            (None, Some(flag)) => self.lost.take(&case.name, &flag),
            _ => {}
        }
    }

    fn finish(self, days: u32, bad: u64) -> RuleFigures {
        let mut sums = self.sums.into_iter().map(|sum| sum.map(|sum| sum.finish(days, bad)));
        let (tried, beside) = (sums.next().flatten(), sums.next().flatten());
        RuleFigures { tried, beside, gained: self.gained, lost: self.lost }
    }
}

/// Everything, while cases come in.
pub struct Sums {
    zone: TimeZone,
    all: Pair,
    rules: BTreeMap<String, Pair>,
}

impl Sums {
    pub fn new(question: &Question, contest: &Contest) -> Self {
        let policies: Vec<_> = contest.policies().collect();
        let names = policies.iter().flat_map(|set| &set.current.rules).map(|rule| rule.name.clone());
        let pair = |name: String| {
            let has = |rules: &[dutyd_core::rule::Rule]| rules.iter().any(|rule| rule.name == name);
            let sums = policies.iter().map(|set| has(&set.current.rules).then(Sum::default)).collect();
            (name.clone(), Pair { sums, ..Pair::default() })
        };
        let all = Pair { sums: vec![Some(Sum::default()); policies.len()], ..Pair::default() };
        Self { zone: question.zone.clone(), all, rules: names.map(pair).collect() }
    }

    pub fn take(&mut self, case: JudgedCase) {
        let joined: Vec<Appearance> = case
            .traces
            .iter()
            .map(|rules| {
                let mut all = Appearance::default();
                rules.values().for_each(|flag| all.join(flag));
                all
            })
            .collect();
        self.all.take(&case, &joined.iter().map(Some).collect::<Vec<_>>(), &self.zone);
        for (rule, pair) in &mut self.rules {
            let flags: Vec<Option<&Appearance>> = case.traces.iter().map(|rules| rules.get(rule)).collect();
            if flags.iter().any(Option::is_some) {
                pair.take(&case, &flags, &self.zone);
            }
        }
    }

    pub fn finish(self, question: &Question, contest: &Contest, seen: SeenCases) -> Backtest {
        let day = |at: Timestamp| at.to_zoned(self.zone.clone()).date();
        let apart = day(question.since).until(day(question.until)).map_or(0, |span| span.get_days());
        let days = u32::try_from(apart).unwrap_or(0) + 1;
        let rules = self.rules.into_iter().map(|(rule, pair)| (rule, pair.finish(days, seen.bad)));
        Backtest {
            policy: contest.tried.current.id.clone(),
            beside: contest.beside.as_ref().map(|set| set.current.id.clone()),
            since: question.since,
            until: question.until,
            days,
            severity: question.severity,
            against: question.against.clone(),
            seen,
            all: self.all.finish(days, seen.bad),
            rules: rules.collect(),
        }
    }
}
