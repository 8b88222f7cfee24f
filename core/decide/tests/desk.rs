//! A record as a vendor keeps it, with what people and we write to it, and our memory of it.
//!
//! Must not know: rules, and what a test expects.

use super::*;

/// A vendor's record and our memory of it.
pub struct Desk {
    pub policies: PolicySet,
    pub record: CaseChange,
    pub state: Option<CaseState>,
    pub now: Timestamp,
}

impl Desk {
    pub fn new(rules: &str) -> Self {
        let case = Case {
            number: "D-1".to_owned(),
            title: "Printer on fire".to_owned(),
            status: Status::Open,
            status_raw: "2".to_owned(),
            priority: Some(Priority(3)),
            priority_raw: "3".to_owned(),
            revision: Revision { at_ms: at(0).as_millisecond(), count: 0 },
            ..Case::opened(CaseKey::new("desk", "1"), at(0))
        };
        let created = event("created", at(0), Actor::Customer, EventKind::Created { signals: Vec::new() });
        let marks = SeenMarks { notes_complete: true, ..SeenMarks::default() };
        let record =
            CaseChange { case, events: vec![created], marks, events_complete: true, texts: Vec::new() };
        Self { policies: policies(rules), record, state: None, now: at(0) }
    }

    /// Someone edits the record.
    pub fn edit(&mut self, edit: impl FnOnce(&mut CaseChange)) {
        edit(&mut self.record);
        self.record.case.updated_at = self.now;
        self.record.case.revision.at_ms = self.now.as_millisecond();
        self.record.case.revision.count += 1;
    }

    pub fn set_priority(&mut self, to: u8) {
        let (id, now) = (format!("priority-{}", self.record.events.len()), self.now);
        self.edit(|record| {
            let from = record.case.priority.replace(Priority(to));
            let kind = EventKind::PriorityChanged { from, to: record.case.priority };
            record.events.push(event(&id, now, Actor::Agent, kind));
        });
    }

    /// The mark is taken off by somebody.
    pub fn take_off(&mut self, actor: Actor) {
        let (id, now) = (format!("mark-{}", self.record.events.len()), self.now);
        self.edit(|record| {
            record.marks.marker = None;
            record.marks.why = None;
            let kind = EventKind::MarkChanged { from: Some("candidate".to_owned()), to: None };
            record.events.push(TimelineEvent { by: Some("Ann".to_owned()), ..event(&id, now, actor, kind) });
        });
    }

    /// Our memory reads the record and decides.
    pub fn read(&mut self) -> Outcome {
        self.decide(&[News::Change(Box::new(self.record.clone()))])
    }

    pub fn decide(&mut self, news: &[News]) -> Outcome {
        let outcome = decide(&self.policies, self.state.as_ref(), &Around::default(), news, self.now)
            .expect("there is a record");
        assert!(outcome.look_again_at.is_none_or(|at| at > self.now), "looked at again at once, for ever");
        self.state = Some(outcome.state.clone());
        outcome
    }

    /// The actions reach the record; the receipts are returned, not yet told.
    pub fn write(&mut self, actions: &[Action]) -> Vec<News> {
        if actions.is_empty() {
            return Vec::new();
        }
        for action in actions {
            match &action.want {
                Want::Mark(marker) => self.record.marks.marker.clone_from(marker),
                Want::Why(why) => self.record.marks.why.clone_from(why),
                Want::Note { marker, .. } => self.record.marks.notes.push(marker.clone()),
            }
        }
        self.edit(|_| {});
        let receipt = |action: &Action| Receipt {
            slot: action.slot.clone(),
            generation: action.generation,
            at: self.now,
            revision: Some(self.record.case.revision),
        };
        actions
            .iter()
            .map(|action| News::Settled { receipt: receipt(action), want: action.want.clone() })
            .collect()
    }

    /// Reads, decides, writes and learns of its own write, as the daemon does.
    pub fn turn(&mut self) -> Outcome {
        let outcome = self.read();
        let receipts = self.write(&outcome.actions);
        self.decide(&receipts);
        let echo = self.read();
        assert!(echo.actions.is_empty(), "the echo of our own write asked for {:?}", echo.actions);
        assert!(echo.decisions.is_empty(), "the echo of our own write decided {:?}", echo.decisions);
        outcome
    }

    pub fn severity(&self) -> Option<Severity> {
        self.record.marks.marker.as_ref().and_then(|marker| marker.severity)
    }

    pub fn doubled(&self) -> usize {
        let mut notes = self.record.marks.notes.clone();
        notes.sort();
        let all = notes.len();
        notes.dedup();
        all - notes.len()
    }
}
