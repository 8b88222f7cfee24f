//! What keeps a rule calm stays in force whatever else is learned meanwhile.

use super::*;

#[test]
fn news_during_the_cooldown_does_not_end_it() {
    let rule = "[[rules]]\nname = \"urgent\"\nwhen = \"case.priority <= 2\"\nseverity = \"candidate\"\ndwell = \"0m\"\n\
                cooldown = \"4h\"\ntext = \"Priority is {case.priority}.\"";
    let mut desk = Desk::new(rule);
    for (hour, priority) in [(1, 1), (2, 3), (3, 1), (4, 3), (5, 1)] {
        desk.now = at(hour);
        desk.set_priority(priority);
        desk.turn();
    }
    assert_eq!(desk.severity(), None, "cleared at two, and cooling until six");
    desk.now = at(6);
    assert_eq!(kinds(&desk.turn()), [DecisionKind::Raise]);
}
