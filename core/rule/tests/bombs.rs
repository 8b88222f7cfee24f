//! Conditions from many hands: whatever is written, it is refused or its evaluation ends soon.

use super::super::expr::{Atom, Expr, Test};
use super::written::{BOMBS, expression, heavy};
use super::*;
use crate::figure::measured;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::cell::Cell;

/// A case with more than may be read.
fn large() -> CaseState {
    let tags: Vec<String> = (0..400).map(|index| format!("tag-{index}-{}", "x".repeat(200))).collect();
    let fields = [("list".to_owned(), FieldValue::List(tags.clone()))].into();
    state(Case { tags, fields, title: "a".repeat(10_000), ..case() }, Vec::new())
}

/// Steps are counted, not seconds: the bound on a condition's steps is what keeps it short on any machine. Counted here on
/// what was compiled, each loop going round as often as it may, and not as the compiler counts.
fn steps_if_taken(source: &str) -> Result<usize, TestCaseError> {
    match compile(source, Scope::Rule, &names()) {
        Err(faults) if faults.is_empty() => Err(TestCaseError::fail("refused without a reason")),
        Err(_) => Ok(0),
        Ok(condition) => {
            let (policy, around, state) = (Policy::default(), Around::default(), large());
            condition.judge(&Facts::new(&policy, &state, &around, &[], at(60)));
            Ok(condition.atoms.iter().map(steps_of).sum())
        }
    }
}

/// What docs/POLICY.md states.
const STEPS_MAX: usize = 50_000;

fn steps_of(atom: &Atom) -> usize {
    match &atom.test {
        Test::Free(expr) => steps(expr),
        Test::Line { bound, .. } | Test::Window { bound, .. } => steps(bound),
    }
}

fn steps(expr: &Expr) -> usize {
    let all = |parts: &[Expr]| parts.iter().map(steps).sum::<usize>();
    match expr {
        Expr::Const(_) | Expr::Read(_) | Expr::Variable(_) => 1,
        Expr::List(parts) | Expr::And(parts) | Expr::Or(parts) | Expr::Call(_, parts) => all(parts),
        Expr::If(parts) => steps(&parts[0]) + steps(&parts[1]).max(steps(&parts[2])),
        Expr::Compare(_, parts) | Expr::In(parts) => all(parts.as_slice()),
        Expr::Matches(part, _) => steps(part),
        Expr::Each(_, parts) => {
            let rounds = match &parts[0] {
                Expr::List(members) => members.len(),
                _ => 100,
            };
            steps(&parts[0]) + rounds * steps(&parts[1])
        }
    }
}

#[test]
fn the_known_cost_bombs_are_refused() {
    for bomb in BOMBS {
        assert!(compile(bomb, Scope::Rule, &names()).is_err(), "{bomb}");
    }
    let one = "case.tags.exists(a, case.tags.exists(b, a == b))";
    assert!(
        steps_if_taken(one).is_ok_and(|steps| steps <= STEPS_MAX)
            && compile(one, Scope::Rule, &names()).is_ok(),
        "one such loop is allowed"
    );
    let many = vec![one; 40].join(" || ");
    assert!(compile(&many, Scope::Rule, &names()).is_err(), "forty of them are not");
}

#[test]
fn deep_and_long_texts_are_refused_before_they_are_parsed() {
    let texts = [
        format!("{}case.open{}", "(".repeat(2_000), ")".repeat(2_000)),
        format!("{}case.open", "!".repeat(4_000)),
        format!("{}1", "-".repeat(4_000)),
        format!("case.priority == {}", vec!["1"; 1_900].join("+")),
        format!("case.open{}", " && case.open".repeat(330)),
        format!("{}1{}", "[".repeat(100), "]".repeat(100)),
        format!("case.open ? {} case.open", "case.open ? case.open : ".repeat(100)),
        "case.title == \"".to_owned() + &"x".repeat(5_000) + "\"",
        format!("case{}", ".a".repeat(2_000)),
        format!("case.title{}", ".lowerAscii()".repeat(300)),
    ];
    for text in texts {
        assert!(compile(&text, Scope::Rule, &names()).is_err(), "{:.40}…", text);
    }
}

/// G33. Conditions and texts by the thousand; `PROPTEST_CASES=10000` for the goal's own number.
#[test]
fn generated_conditions_and_any_text_are_refused_or_cheap() {
    let config = ProptestConfig { cases: super::time::cases(1_000), ..ProptestConfig::default() };
    let (tried, most) = (Cell::new(0), Cell::new(0));
    let judge = |source: &str| {
        let steps = steps_if_taken(source)?;
        tried.set(tried.get() + 1);
        most.set(most.get().max(steps));
        (steps <= STEPS_MAX).then_some(()).ok_or_else(|| TestCaseError::fail(format!("{steps} steps")))
    };
    proptest!(config.clone(), |(source in expression())| judge(&source)?);
    // Fewer of them: each takes long in a build for tests.
    let few = ProptestConfig { cases: config.cases / 20, ..ProptestConfig::default() };
    proptest!(few, |(source in heavy())| judge(&source)?);
    let any = "[a-z.()\\[\\]{}!&|<>=+*/?:\"' 0-9\\\\é-]{0,120}";
    proptest!(config, |(source in any)| judge(&source)?);
    measured(
        "G33.steps",
        &format!(
            "{} generated conditions: each refused, or at most {} steps (bound {STEPS_MAX})",
            tried.get(),
            most.get()
        ),
    );
}
