//! Conditions free of time mean what they mean in CEL: our evaluation agrees with the interpreter of the `cel` crate
//! wherever nothing is missing.

use super::*;
use cel::{Context, Program};
use proptest::prelude::*;
use std::collections::HashMap;

/// The same case for the interpreter.
fn interpreted(source: &str) -> Option<bool> {
    let program = Program::compile(source).unwrap_or_else(|errors| panic!("{source}: {errors}"));
    let mut context = Context::default();
    let seats: HashMap<String, cel::Value> =
        [("region".to_owned(), "north".into()), ("seats".to_owned(), 40.0.into())].into();
    let case: HashMap<String, cel::Value> = [
        ("priority".to_owned(), 2.into()),
        ("title".to_owned(), "Orders fail".into()),
        ("tier".to_owned(), "gold".into()),
        ("status".to_owned(), "open".into()),
        ("open".to_owned(), true.into()),
        ("tags".to_owned(), vec!["vip", "eu"].into()),
        ("fields".to_owned(), seats.into()),
    ]
    .into();
    context.add_variable_from_value("case", cel::Value::from(case));
    match program.execute(&context) {
        Ok(cel::Value::Bool(value)) => Some(value),
        other => panic!("{source}: {other:?}"),
    }
}

fn number() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("case.priority".to_owned()),
        Just("size(case.tags)".to_owned()),
        Just("size(case.title)".to_owned()),
        (-3i64..6).prop_map(|number| format!("({number})")),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        (inner.clone(), proptest::sample::select(vec!["+", "-", "*"]), inner)
            .prop_map(|(a, sign, b)| format!("({a} {sign} {b})"))
    })
}

fn test() -> impl Strategy<Value = String> {
    let fixed = [
        "case.title.contains(\"fail\")",
        "case.title.startsWith(\"Or\")",
        "case.tier.endsWith(\"d\")",
        "case.tier == \"gold\"",
        "case.tier + \"!\" != \"gold!\"",
        "\"vip\" in case.tags",
        "case.status in [\"new\", \"open\"]",
        "case.tier in case.tags",
        "case.tags.exists(t, t == \"eu\")",
        "case.tags.all(t, size(t) > 2)",
        "case.tags.exists_one(t, t.contains(\"i\"))",
        "case.tags.filter(t, t != \"eu\") == [\"vip\"]",
        "case.tags.map(t, size(t)) == [3, 2]",
        "case.open",
        "case.fields.seats > 39.5",
        "case.fields.region < \"o\"",
        "case.title.matches(\"^Ord.*l$\")",
        "case.tier < \"h\"",
        "case.tags.exists(t, case.tags.exists(u, t < u))",
        "case.fields[\"region\"] == \"north\"",
    ];
    let leaf = prop_oneof![
        proptest::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        (number(), proptest::sample::select(vec!["<", "<=", "==", "!=", ">=", ">"]), number())
            .prop_map(|(a, sign, b)| format!("case.priority + {a} {sign} {b}")),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

/// Two nested loops of the longest lists are one step short of the bound; more of them are refused.
fn is_within_bounds(source: &str) -> bool {
    match compile(source, Scope::Rule, &names()) {
        Ok(_) => true,
        Err(faults) => !faults.iter().all(|fault| fault.message.contains("steps")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn our_evaluation_agrees_with_the_interpreter_of_the_crate(source in test()) {
        prop_assume!(is_within_bounds(&source));
        prop_assert_eq!(holds(&source, &state(case(), Vec::new()), 60), interpreted(&source), "{}", source);
    }
}
