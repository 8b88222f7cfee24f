//! The one table of words: what a condition may read, its type, what it says, and which events move it.
//! `docs/POLICY.md` is generated from it.

use super::*;
use CaseWord as C;
use ClockWord as K;
use GroupKind::{Customer, Owner, Team};
use GroupWord as G;
use Measure::{Business, Wall};
use SpanWord as S;

const FREE: (Option<f64>, Option<f64>) = (None, None);
const NEVER_NEGATIVE: (Option<f64>, Option<f64>) = (Some(0.0), None);
const STATUSES: &[&str] = &["new", "open", "pending", "on_hold", "resolved", "closed"];
const CLOCK_STATES: &[&str] = &["running", "paused", "met", "missed", "cancelled"];
const ACTORS: &[&str] = &["customer", "agent", "vendor", "dutyd"];
const EVENTS: &[&str] = &[
    "created",
    "replied",
    "status_changed",
    "priority_changed",
    "owner_changed",
    "team_changed",
    "field_changed",
    "mark_changed",
    "merged_into",
    "linked",
    "unlinked",
    "target_adopted",
];

const REPLIES: &[Mover] = &[Mover::CustomerReply, Mover::PublicReply];
const LOAD: &[Mover] = &[Mover::Status, Mover::Priority];
const OWNER_LOAD: &[Mover] = &[Mover::Status, Mover::Priority, Mover::Owner];
const TEAM_LOAD: &[Mover] = &[Mover::Status, Mover::Priority, Mover::Team];
const CLOCK: &[Mover] =
    &[Mover::Created, Mover::CustomerReply, Mover::PublicReply, Mover::Status, Mover::Priority];

const fn word(
    path: &'static str,
    yields: Type,
    key: Key,
    moved_by: &'static [Mover],
    about: &'static str,
) -> Word {
    let range = match yields {
        Type::Number | Type::Seconds => NEVER_NEGATIVE,
        _ => FREE,
    };
    Word { path, yields, range, one_of: &[], about, moved_by, key }
}

const fn signed(word: Word) -> Word {
    Word { range: FREE, ..word }
}

const fn one_of(word: Word, one_of: &'static [&'static str]) -> Word {
    Word { one_of, ..word }
}

const fn case(
    path: &'static str,
    yields: Type,
    key: CaseWord,
    moved_by: &'static [Mover],
    about: &'static str,
) -> Word {
    word(path, yields, Key::Case(key), moved_by, about)
}

const fn span(
    path: &'static str,
    key: SpanWord,
    measure: Measure,
    moved_by: &'static [Mover],
    about: &'static str,
) -> Word {
    word(path, Type::Seconds, Key::Span(key, measure), moved_by, about)
}

const fn tally(
    path: &'static str,
    key: fn() -> Tally,
    moved_by: &'static [Mover],
    about: &'static str,
) -> Word {
    word(path, Type::Number, Key::Tally(key), moved_by, about)
}

const fn group(
    path: &'static str,
    kind: GroupKind,
    key: GroupWord,
    moved_by: &'static [Mover],
    about: &'static str,
) -> Word {
    word(path, Type::Number, Key::Group(kind, key), moved_by, about)
}

const fn event(path: &'static str, yields: Type, key: EventWord, about: &'static str) -> Word {
    word(path, yields, Key::Event(key), &[], about)
}

/// Every word, in the order of the reference.
pub static WORDS: &[Word] = &[
    case("case.number", Type::Text, C::Number, &[Mover::Created], "what people call the case"),
    case("case.title", Type::Text, C::Title, &[Mover::Field], "its title"),
    case("case.source", Type::Text, C::Source, &[Mover::Created], "name of the configured source"),
    one_of(case("case.status", Type::Text, C::Status, &[Mover::Status], "where it stands"), STATUSES),
    case(
        "case.status_raw",
        Type::Text,
        C::StatusRaw,
        &[Mover::Status],
        "the vendor's own word for the status",
    ),
    case("case.open", Type::Bool, C::Open, &[Mover::Status], "neither resolved nor closed"),
    Word {
        range: (Some(1.0), Some(255.0)),
        ..case(
            "case.priority",
            Type::Number,
            C::Priority,
            &[Mover::Priority],
            "1 is the most urgent; `null` if the vendor has none",
        )
    },
    case(
        "case.priority_raw",
        Type::Text,
        C::PriorityRaw,
        &[Mover::Priority],
        "the vendor's own word for the priority",
    ),
    case("case.urgent", Type::Bool, C::Urgent, &[Mover::Priority], "priority 1 or 2"),
    case(
        "case.customer",
        Type::Text,
        C::Customer,
        &[Mover::Field],
        "the customer's canonical name, else the vendor's name of the account",
    ),
    case("case.tier", Type::Text, C::Tier, &[Mover::Field], "contract tier, as `gold`"),
    case("case.contract", Type::Text, C::Contract, &[Mover::Field], "the contract"),
    case("case.requester", Type::Text, C::Requester, &[Mover::Field], "the person who asked"),
    case("case.owner", Type::Text, C::Owner, &[Mover::Owner], "the person who works on it"),
    case("case.team", Type::Text, C::Team, &[Mover::Team], "the team it is with"),
    case("case.product", Type::Text, C::Product, &[Mover::Field], "the product"),
    case("case.category", Type::Text, C::Category, &[Mover::Field], "kind of case in the vendor's words"),
    case("case.channel", Type::Text, C::Channel, &[Mover::Field], "how it came in"),
    case("case.tags", Type::Texts, C::Tags, &[Mover::Field], "its tags or labels, at most 100 are read"),
    case("case.opened_at", Type::Instant, C::OpenedAt, &[Mover::Created], "when it was opened"),
    case("case.due_at", Type::Instant, C::DueAt, &[Mover::Field], "due date kept on the case"),
    word(
        "case.fields.*",
        Type::Any,
        Key::Field,
        &[Mover::Field],
        "a custom field, by the name the connector file maps it to",
    ),
    span("case.age.wall", S::Age, Wall, &[Mover::Created], "time since it was opened"),
    span("case.age.business", S::Age, Business, &[Mover::Created], "business time since it was opened"),
    signed(span(
        "case.due_in.wall",
        S::UntilDue,
        Wall,
        &[Mover::Field],
        "time left until the due date on the case; negative after it",
    )),
    signed(span(
        "case.due_in.business",
        S::UntilDue,
        Business,
        &[Mover::Field],
        "business time left until the due date on the case",
    )),
    span("idle.wall", S::Idle, Wall, &[Mover::Activity], "time since a person last did anything to the case"),
    span(
        "idle.business",
        S::Idle,
        Business,
        &[Mover::Activity],
        "business time since a person last did anything to the case",
    ),
    span(
        "status_for.wall",
        S::InStatus,
        Wall,
        &[Mover::Created, Mover::Status],
        "time in the present status",
    ),
    span(
        "status_for.business",
        S::InStatus,
        Business,
        &[Mover::Created, Mover::Status],
        "business time in the present status",
    ),
    span(
        "owner_for.wall",
        S::WithOwner,
        Wall,
        &[Mover::Created, Mover::Owner],
        "time with the present owner, or without one",
    ),
    span(
        "owner_for.business",
        S::WithOwner,
        Business,
        &[Mover::Created, Mover::Owner],
        "business time with the present owner, or without one",
    ),
    span("team_for.wall", S::WithTeam, Wall, &[Mover::Created, Mover::Team], "time with the present team"),
    span(
        "team_for.business",
        S::WithTeam,
        Business,
        &[Mover::Created, Mover::Team],
        "business time with the present team",
    ),
    span(
        "since_priority_raise.wall",
        S::SincePriorityRaise,
        Wall,
        &[Mover::Priority],
        "time since the priority was last raised; `null` if never",
    ),
    span(
        "since_priority_raise.business",
        S::SincePriorityRaise,
        Business,
        &[Mover::Priority],
        "business time since the priority was last raised",
    ),
    tally("replies.customer", || Tally::CustomerReplies, REPLIES, "public messages of the customer"),
    tally("replies.public", || Tally::PublicReplies, &[Mover::PublicReply], "public messages of our people"),
    tally(
        "replies.internal",
        || Tally::InternalNotes,
        &[Mover::InternalNote],
        "internal notes of our people",
    ),
    tally(
        "reassignments",
        || Tally::Reassignments,
        &[Mover::Team],
        "passes from one team to another; the first assignment is none",
    ),
    tally(
        "owner_changes",
        || Tally::OwnerChanges,
        &[Mover::Owner],
        "passes from one person to another; the first assignment is none",
    ),
    tally(
        "reopenings",
        || Tally::Reopenings,
        &[Mover::Status],
        "times it came back after it was resolved or closed",
    ),
    tally("priority_raises", || Tally::PriorityRaises, &[Mover::Priority], "times the priority was raised"),
    tally("status_changes", || Tally::StatusChanges, &[Mover::Status], "changes of the status"),
    word(
        "signals.*",
        Type::Number,
        Key::Signal,
        &[Mover::Created, Mover::CustomerReply, Mover::PublicReply],
        "messages of the customer, the opening text included, in which the lexicon found this signal",
    ),
    word(
        "clock.*.percent",
        Type::Number,
        Key::Clock(K::Percent),
        CLOCK,
        "used part of the clock's target, 100 at the due time; `null` without a target",
    ),
    word(
        "clock.*.elapsed",
        Type::Seconds,
        Key::Clock(K::Elapsed),
        CLOCK,
        "time used up, pauses taken out, in the clock's own measure",
    ),
    signed(word(
        "clock.*.remaining",
        Type::Seconds,
        Key::Clock(K::Remaining),
        CLOCK,
        "time left, negative after the due time; `null` without a target and once the clock has ended",
    )),
    signed(word(
        "clock.*.due_in.wall",
        Type::Seconds,
        Key::Clock(K::DueIn(Wall)),
        CLOCK,
        "time on the wall until the due time, negative after it, whatever the clock's own measure; `null` unless it runs",
    )),
    signed(word(
        "clock.*.due_in.business",
        Type::Seconds,
        Key::Clock(K::DueIn(Business)),
        CLOCK,
        "business time until the due time, by the calendar of the case; `null` unless the clock runs",
    )),
    one_of(
        word(
            "clock.*.state",
            Type::Text,
            Key::Clock(K::State),
            CLOCK,
            "what the clock does; `null` if the case has none",
        ),
        CLOCK_STATES,
    ),
    word(
        "clock.*.active",
        Type::Bool,
        Key::Clock(K::Active),
        CLOCK,
        "the clock runs or is paused: neither stopped nor cancelled",
    ),
    word("clock.*.breached", Type::Bool, Key::Clock(K::Breached), CLOCK, "more than the target was used up"),
    word(
        "clock.*.due_at",
        Type::Instant,
        Key::Clock(K::DueAt),
        CLOCK,
        "when the target is reached if nothing happens",
    ),
    span(
        "customer.waiting.wall",
        S::Waiting,
        Wall,
        REPLIES,
        "time since the oldest public message of the customer that has no public answer; `null` if none waits",
    ),
    span(
        "customer.waiting.business",
        S::Waiting,
        Business,
        REPLIES,
        "business time since the oldest public message of the customer that has no public answer",
    ),
    case(
        "customer.important",
        Type::Bool,
        C::Important,
        &[Mover::Field],
        "the policy marks this customer as important",
    ),
    group(
        "customer.open",
        Customer,
        G::Open,
        LOAD,
        "open cases of the customer in all sources, this one included",
    ),
    group("customer.urgent", Customer, G::Urgent, LOAD, "those that are priority 1 or 2"),
    group(
        "customer.unanswered",
        Customer,
        G::Unanswered,
        REPLIES,
        "those whose last customer message has no public answer",
    ),
    group("customer.unowned", Customer, G::Unowned, LOAD, "those without an owner"),
    group("customer.sources", Customer, G::Sources, LOAD, "sources in which the customer has an open case"),
    group("owner.open", Owner, G::Open, OWNER_LOAD, "open cases of the owner, this one included"),
    group("owner.urgent", Owner, G::Urgent, OWNER_LOAD, "those that are priority 1 or 2"),
    group(
        "owner.unanswered",
        Owner,
        G::Unanswered,
        OWNER_LOAD,
        "those whose last customer message has no public answer",
    ),
    group("team.open", Team, G::Open, TEAM_LOAD, "open cases of the team, this one included"),
    group("team.urgent", Team, G::Urgent, TEAM_LOAD, "those that are priority 1 or 2"),
    group("team.unowned", Team, G::Unowned, TEAM_LOAD, "those without an owner"),
    group(
        "team.unanswered",
        Team,
        G::Unanswered,
        TEAM_LOAD,
        "those whose last customer message has no public answer",
    ),
    word(
        "linked.count",
        Type::Number,
        Key::Linked(LinkedWord::Count),
        &[Mover::Link],
        "linked cases that we know",
    ),
    word(
        "linked.open",
        Type::Number,
        Key::Linked(LinkedWord::Open),
        &[Mover::Link],
        "linked cases that are open",
    ),
    span(
        "linked.idle.wall",
        S::LinkedIdle,
        Wall,
        &[Mover::Link],
        "time since a person last did anything to an open linked case; `null` if none is open",
    ),
    span(
        "linked.idle.business",
        S::LinkedIdle,
        Business,
        &[Mover::Link],
        "business time since a person last did anything to an open linked case",
    ),
    one_of(event("event.type", Type::Text, EventWord::Type, "what just happened"), EVENTS),
    one_of(event("event.actor", Type::Text, EventWord::Actor, "who did it"), ACTORS),
    event(
        "event.public",
        Type::Bool,
        EventWord::Public,
        "a message that the customer can read; `null` for other events",
    ),
    event("event.reopens", Type::Bool, EventWord::Reopens, "it brought a case that was done back into work"),
    event("event.field", Type::Text, EventWord::Field, "name of the changed field"),
    event("event.from", Type::Text, EventWord::From, "value before, as text"),
    event("event.to", Type::Text, EventWord::To, "value after, as text"),
    event("event.by", Type::Text, EventWord::By, "name of the person"),
    event(
        "event.signals",
        Type::Texts,
        EventWord::Signals,
        "signals found in the message or in the opening text",
    ),
];
