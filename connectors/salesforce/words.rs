//! What the name of a status says, where nobody configured its meaning.
//!
//! Whole words count, and a guess that stops a clock needs two of them: a case that is wrongly taken to wait falls silent.
//! Better seen once too often than never.

use dutyd_core::case::Status;

const ENDED: [&str; 6] = ["closed", "canceled", "cancelled", "cancel", "duplicate", "merged"];
const SOLVED: [&str; 2] = ["resolved", "solved"];
/// It is our turn again, whoever is named beside it.
const ANSWERED: [&str; 6] = ["responded", "replied", "answered", "updated", "received", "provided"];
const WAITS: [&str; 6] = ["waiting", "waits", "pending", "awaiting", "with", "hold"];
const ASKERS: [&str; 9] =
    ["customer", "customers", "client", "clients", "requester", "requestor", "reporter", "contact", "caller"];
const OTHERS: [&str; 4] = ["vendor", "supplier", "third", "3rd"];
/// Words that wait, and what for: a name of nothing else names nobody, and then it is the customer.
const WAITS_ONLY: [&str; 4] = ["waiting", "waits", "pending", "awaiting"];
const ASKED_FOR: [&str; 12] = [
    "on",
    "for",
    "a",
    "an",
    "more",
    "reply",
    "response",
    "answer",
    "feedback",
    "info",
    "information",
    "confirmation",
];

/// Where a case with a status of this name stands.
pub fn guess(name: &str) -> Status {
    let name = name.to_lowercase();
    let words: Vec<&str> =
        name.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let says = |known: &[&str]| words.iter().any(|word| known.contains(word));
    let names_nobody = words.iter().all(|word| WAITS_ONLY.contains(word) || ASKED_FOR.contains(word));
    if words == ["new"] {
        Status::New
    } else if says(&ENDED) {
        Status::Closed
    } else if says(&SOLVED) {
        Status::Resolved
    } else if says(&ANSWERED) {
        Status::Open
    } else if says(&WAITS) && (says(&ASKERS) || names_nobody) {
        Status::Pending
    } else if says(&["hold"]) || says(&WAITS) && says(&OTHERS) {
        Status::OnHold
    } else {
        Status::Open
    }
}
