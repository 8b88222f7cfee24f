//! The vendor's automation against us: each write of ours makes it turn the priority round, so that what was true is not,
//! and what was not is. How often we answer it, is counted at the door.

use super::run::Simulation;
use super::wire::lock;
use jiff::SignedDuration;
use serde_json::json;

/// Writes to one case within [`WINDOW`], at most.
const EFFECTS_MAX: usize = 3;
const WINDOW: SignedDuration = SignedDuration::from_mins(10);

impl Simulation {
    /// The automation answers what was written since it last did.
    pub fn fight(&mut self) {
        if !self.fights {
            return;
        }
        let effects = lock(&self.ledger.effects).clone();
        let written: usize = effects.values().map(Vec::len).sum();
        if written == self.fought {
            return;
        }
        self.fought = written;
        for case in 0..self.known.len() {
            let (name, id) = (self.desks[self.known[case].source].name, &self.known[case].id);
            let mut ours = effects.iter().filter(|(key, _)| key.source == name && key.id == *id);
            let Some((_, written)) = ours.next() else { continue };
            let priority = if written.len() % 2 == 0 { "urgent" } else { "low" };
            self.ledger.tell("answers of automation", 1);
            self.change(u8::try_from(case).unwrap_or(u8::MAX), json!({ "priority": priority }), None);
        }
    }

    /// However the automation fought, no case was written to more often than people can bear.
    pub fn is_calm(&self) {
        for (key, at) in lock(&self.ledger.effects).iter() {
            let most = at
                .iter()
                .map(|first| at.iter().filter(|one| **one >= *first && **one < *first + WINDOW).count())
                .max()
                .unwrap_or(0);
            self.ledger.tell(format_args!("cases with at most {most} effects in ten minutes"), 1);
            if most > EFFECTS_MAX {
                self.breaks(format_args!("{key} is written to {most} times within ten minutes: {at:?}"));
            }
        }
    }
}
