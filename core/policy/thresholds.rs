//! Thresholds that can never be reached: on clocks without a target, further ahead than any target is long, or hidden by a
//! higher rung of the same ladder.

use super::document::RuleDoc;
use super::read::Reader;
use super::rules::sources;
use crate::action::Severity;
use crate::calendar::format_seconds;
use crate::rule::{ClockWord, Comparison, Condition, Rule, Threshold};
use crate::sla::{Reach, SlaSet};
use toml::Spanned;

/// Reports what can never be reached in a rule.
pub(super) fn check(reader: &mut Reader<'_>, doc: &RuleDoc, rule: &Rule, sla: &SlaSet) {
    let rungs: Vec<(&Spanned<String>, &(Severity, Condition))> =
        sources(doc).into_iter().zip(&rule.ladder).collect();
    let exit = doc.exit.iter().zip(&rule.exit);
    for (source, condition) in rungs.iter().map(|(source, rung)| (*source, &rung.1)).chain(exit) {
        for threshold in condition.thresholds() {
            if let Some((message, remedy)) = unreachable(&threshold, sla) {
                reader.problem(source.span().start, message, remedy);
            }
        }
    }
    for (nth, (source, (severity, condition))) in rungs.iter().enumerate() {
        let hiding = rungs[..nth].iter().find(|(_, (_, higher))| condition.implies(higher));
        if let Some((_, (higher, _))) = hiding {
            let (severity, higher) = (severity.word(), higher.word());
            let message = format!(
                "`{severity}` of rule `{}` is never shown: whenever it holds, so does `{higher}`",
                rule.name
            );
            let remedy = format!("let `{severity}` hold earlier than `{higher}`, or take it out");
            reader.problem(source.span().start, message, remedy);
        }
    }
}

/// Why a threshold is never reached, and what to do.
fn unreachable(threshold: &Threshold<'_>, sla: &SlaSet) -> Option<(String, String)> {
    use ClockWord::{DueIn, Percent, Remaining};
    let Threshold { clock, word, text, .. } = threshold;
    if !matches!(word, Percent | Remaining | DueIn(_)) {
        return None;
    }
    let longest = match sla.reach(clock) {
        Reach::Endless => return None,
        Reach::NoTarget => {
            let message = format!("`{text}` can never be reached: the clock `{clock}` has no target");
            let remedy = format!("give `{clock}` a target in an [[sla]] entry, or take the threshold out");
            return Some((message, remedy));
        }
        Reach::Seconds(longest) => longest,
    };
    use Comparison::{AtLeast, AtMost, Equal, Greater, Less};
    let limit = longest as f64;
    let is_never = match threshold.comparison {
        Greater => threshold.bound >= limit,
        AtLeast | Equal => threshold.bound > limit,
        _ => false,
    };
    let is_before_the_start = match threshold.comparison {
        AtMost => threshold.bound >= limit,
        Less => threshold.bound > limit,
        _ => false,
    };
    let because = match word {
        Remaining if is_never => "can never be reached",
        Remaining if is_before_the_start => {
            "lies before the clock's start, so it is never reached on the way"
        }
        _ => return None,
    };
    let message =
        format!("`{text}` {because}: the longest target of `{clock}` is {}", format_seconds(longest));
    Some((message, "choose less time than the target has, or compare `percent`".to_owned()))
}

#[cfg(test)]
mod tests {
    use crate::policy::{Policy, PolicyFile};

    /// The messages about a rule with these conditions, beside targets of an hour and of four.
    fn told(conditions: &str) -> Vec<(u32, String)> {
        let text = format!(
            "[[sla]]\nname = \"a\"\n[sla.resolution]\np1 = \"1h calendar time\"\nany = \"4h calendar time\"\n\
             [sla.agent_work]\n[sla.next_reply]\nany = \"due date\"\n\
             [[rules]]\nname = \"r\"\ntext = \"t\"\n{conditions}"
        );
        let file = PolicyFile { name: "p.toml".to_owned(), text };
        let problems = Policy::load(&[file]).err().unwrap_or_default();
        problems.into_iter().map(|problem| (problem.line, problem.message)).collect()
    }

    #[test]
    fn a_threshold_that_is_never_reached_is_refused_in_its_line() {
        let table = [
            (
                "clock.resolution.remaining >= hours(5)",
                "can never be reached: the longest target of `resolution` is 4 h",
            ),
            ("case.open && clock.resolution.remaining <= hours(4)", "lies before the clock's start"),
            ("clock.agent_work.percent >= 80", "the clock `agent_work` has no target"),
            ("clock.periodic_update.remaining <= minutes(5)", "the clock `periodic_update` has no target"),
            ("clock.agent_work.due_in.wall <= hours(1)", "the clock `agent_work` has no target"),
        ];
        for (condition, message) in table {
            let told = told(&format!("severity = \"watch\"\nwhen = '{condition}'"));
            assert!(matches!(&told[..], [(13, said)] if said.contains(message)), "{condition}: {told:?}");
        }
    }

    #[test]
    fn a_threshold_that_is_reached_is_not() {
        let conditions = [
            "clock.resolution.remaining <= minutes(239)",
            "clock.resolution.remaining <= -hours(100)",
            "clock.resolution.percent >= 1000",
            "clock.resolution.elapsed >= hours(500)",
            "clock.next_reply.remaining <= days(30)",
            "clock.resolution.due_in.wall <= days(2)",
            "!(clock.resolution.remaining <= hours(4))",
            "clock.agent_work.elapsed >= hours(1)",
        ];
        for condition in conditions {
            let told = told(&format!("severity = \"watch\"\nwhen = '{condition}'"));
            assert_eq!(told, [], "{condition}");
        }
    }

    #[test]
    fn a_rung_hidden_by_a_higher_one_is_refused() {
        let table = [
            ("clock.resolution.percent >= 90", "clock.resolution.percent >= 75", true),
            (
                "case.open && clock.resolution.percent >= 75",
                "clock.resolution.percent >= 75 || case.urgent",
                true,
            ),
            ("idle.wall >= hours(8)", "idle.wall > hours(7)", true),
            ("clock.resolution.remaining <= minutes(30)", "clock.resolution.remaining < hours(1)", true),
            ("clock.resolution.percent >= 75", "clock.resolution.percent >= 90", false),
            ("clock.resolution.percent >= 75", "case.urgent && clock.resolution.percent >= 50", false),
            ("idle.wall >= hours(8)", "idle.business > hours(7)", false),
        ];
        for (watch, warning, is_hidden) in table {
            let told = told(&format!("[rules.ladder]\nwatch = '{watch}'\nwarning = '{warning}'"));
            let hidden =
                matches!(&told[..], [(13, said)] if said.contains("`watch` of rule `r` is never shown"));
            assert_eq!(
                (hidden, told.len()),
                (is_hidden, usize::from(is_hidden)),
                "{watch} / {warning}: {told:?}"
            );
        }
    }
}
