//! Conditions as somebody could write them who wants to make the daemon slow.
//!
//! Must not know: the crate; a benchmark includes this file by its path.

use proptest::prelude::*;
use proptest::sample::select;

/// Each would run for seconds to hours, if it were allowed to.
pub const BOMBS: [&str; 6] = [
    "case.tags.all(a, case.tags.all(b, case.tags.all(c, size(a + b + c) >= 0)))",
    "size(case.tags.map(a, case.tags.map(b, case.tags))) > 0",
    "size(case.tags.map(a, case.tags.map(b, \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" + \"bbbbbbbbbbbbbbbbbbbb\"))) > 0",
    "case.tags.exists(a, a.matches(\"(((x{1,50}){1,50}){1,50})\"))",
    "case.tags.all(a, case.tags.all(b, size(a) + size(b) >= 0 && a.contains(b) && b.contains(a)))",
    "case.tags.filter(a, true).filter(b, true).map(c, c) == case.tags",
];

fn word() -> impl Strategy<Value = String> {
    let words = [
        "case.priority",
        "case.tags",
        "case.title",
        "case.fields.list",
        "idle.wall",
        "reopenings",
        "1",
        "\"a\"",
        "a",
        "b",
        "null",
        "true",
        "hours(4)",
        "reassignments.within(hours(4))",
        "[1, 2, 3]",
        "case.open",
        "clock.resolution.percent",
    ];
    select(words.to_vec()).prop_map(str::to_owned)
}

/// Anything that has the form of a condition.
pub fn expression() -> impl Strategy<Value = String> {
    word().prop_recursive(6, 40, 3, |inner| {
        let (a, b, c) = (inner.clone(), inner.clone(), inner.clone());
        let operators = ["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", " in "];
        let loops = ["exists", "all", "filter", "map", "exists_one"];
        prop_oneof![
            (a.clone(), select(operators.to_vec()), b.clone()).prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            (a.clone(), select(loops.to_vec()), b.clone()).prop_map(|(a, l, b)| format!("{a}.{l}(a, {b})")),
            (a.clone(), b.clone(), c).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (a.clone(), b).prop_map(|(a, b)| format!("{a}.contains({b})")),
            a.clone().prop_map(|a| format!("!{a}")),
            a.prop_map(|a| format!("size({a})")),
        ]
    })
}

/// Loops over long lists, one within the other or many side by side, that do all the work they are allowed to.
pub fn heavy() -> impl Strategy<Value = String> {
    let each = (select(vec!["case.tags", "case.fields.list"]), select(vec!["exists", "all", "exists_one"]));
    let innermost = select(vec![
        "a == b",
        "a != b",
        "a.contains(b)",
        "case.title.contains(a)",
        "case.title.endsWith(b)",
        "case.title.lowerAscii() == a",
        "a.lowerAscii() == case.title",
    ]);
    let body = select(vec![
        "case.title.contains(a)",
        "case.title.lowerAscii().contains(a + a)",
        "(case.title + a).contains(a + a)",
        "case.title.matches(\"(x+x+)+y\")",
        "case.title.matches(\"a.{0,40}b.{0,40}c\")",
        "case.title.matches(\"(?i)[^b]*b|c.*d$\")",
        "a.matches(\"[a-z0-9]*[a-z]{5,20}-end$\")",
        "a + a in case.tags",
    ]);
    let nested = (each.clone(), each.clone(), innermost).prop_map(|((one, each), (other, every), body)| {
        format!("{one}.{each}(a, {other}.{every}(b, {body}))")
    });
    let side = (each, body).prop_map(|((list, each), body)| format!("{list}.{each}(a, {body})"));
    let sides = (prop::collection::vec(side, 1..24), select(vec![" && ", " || "]));
    prop_oneof![nested, sides.prop_map(|(parts, sign)| parts.join(sign))]
}
