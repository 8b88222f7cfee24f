//! What people do in the vendors' own tools, by the sandbox's control orders.

use super::list::Hand;
use super::run::{Known, Simulation};
use dutyd_sandbox::vendor::Command;
use serde_json::{Map, Value, json};

impl Simulation {
    pub fn open(&mut self, source: usize, urgent: bool) {
        let title = format!("Opened at {}", self.clock.vendor_now());
        let priority = if urgent { "urgent" } else { "normal" };
        let customer = &self.sandbox.inner.stage.cast.customers[0].name;
        let fields = json!({ "title": title, "text": "It does not work.", "priority": priority, "customer": customer });
        let Value::Object(fields) = fields else { return };
        let vendor = self.sandbox.inner.vendor(self.desks[source].name).expect("it plays");
        match vendor.command(&Command::Create { fields }, self.clock.vendor_now()) {
            Ok(made) => {
                let id = made["id"].as_str().map_or_else(|| made["id"].to_string(), str::to_owned);
                self.known.push(Known { source, id, touched: false });
            }
            Err(error) => self.say(format_args!("not opened: {error}")),
        }
    }

    pub fn reply(&mut self, case: u8, from_customer: bool, public: bool, text: &str, as_us: bool) {
        let Some(case) = self.case(case) else { return };
        let by = if as_us { self.our_account(self.known[case].source) } else { None };
        let text = text.to_owned();
        self.command(case, |id| Command::Reply { id, from_customer, public, text, by });
    }

    /// The name of the daemon's account, where the vendor lets people act under it.
    fn our_account(&self, source: usize) -> Option<String> {
        match self.desks[source].name {
            "servicenow" | "salesforce" => Some("dutyd.integration".to_owned()),
            _ => None,
        }
    }

    pub fn change(&mut self, case: u8, fields: Value, by: Option<String>) {
        let (Some(case), Value::Object(fields)) = (self.case(case), fields) else { return };
        self.command(case, |id| Command::Change { id, fields, by });
    }

    pub fn merge(&mut self, case: u8, into: u8) {
        let (Some(case), Some(into)) = (self.case(case), self.case(into)) else { return };
        let (loser, winner) = (self.known[case].clone(), self.known[into].clone());
        if loser.source != winner.source || loser.id == winner.id {
            return;
        }
        let mut fields = Map::new();
        let number: Option<u64> = winner.id.parse().ok();
        fields.insert("into".to_owned(), number.map_or(json!(winner.id), Value::from));
        if self.command(case, |id| Command::Other { verb: "merge".to_owned(), id, fields }) {
            self.ledger.tell("merges", 1);
        }
    }

    pub fn touch(&mut self, case: u8, hand: Hand) {
        let Some(at) = self.case(case) else { return };
        let source = self.known[at].source;
        let by = (hand == Hand::TakesOffAsUs).then(|| self.our_account(source)).flatten();
        let Some(fields) = touched(self.desks[source].name, hand) else { return };
        self.known[at].touched = true;
        self.change(case, fields, by);
    }

    /// Whether the vendor let it happen.
    pub fn command(&mut self, case: usize, order: impl FnOnce(String) -> Command) -> bool {
        let Known { source, id, .. } = self.known[case].clone();
        let vendor = self.sandbox.inner.vendor(self.desks[source].name).expect("it plays");
        // A case may be closed, merged or gone: then the vendor refuses, as it would refuse a person.
        if let Err(error) = vendor.command(&order(id), self.clock.vendor_now()) {
            self.say(format_args!("the vendor refuses: {error}"));
            return false;
        }
        true
    }
}

/// The edit by which a person touches our mark; `None` where people have no such hand.
fn touched(vendor: &str, hand: Hand) -> Option<Value> {
    Some(match (vendor, hand) {
        ("servicenow", Hand::TakesOff | Hand::TakesOffAsUs) => json!({ "u_dutyd_severity": "" }),
        ("servicenow", Hand::Scribbles) => json!({ "u_dutyd_severity": "watch" }),
        ("servicenow", Hand::EmptiesList) => json!({ "u_dutyd_marks": "" }),
        ("salesforce", Hand::TakesOff | Hand::TakesOffAsUs) => json!({ "Dutyd_Severity__c": null }),
        ("salesforce", Hand::Scribbles) => json!({ "Dutyd_Severity__c": "watch" }),
        ("salesforce", Hand::EmptiesList) => json!({ "Dutyd_Marks__c": null }),
        ("zendesk", Hand::TakesOff | Hand::TakesOffAsUs) => json!({ "Dutyd severity": null }),
        ("zendesk", Hand::Scribbles) => json!({ "Dutyd severity": "dutyd_watch" }),
        ("zendesk", Hand::EmptiesList) => json!({ "Dutyd marks": "" }),
        (_, Hand::TakesOff | Hand::TakesOffAsUs) => json!({ "labels": [] }),
        (_, Hand::Scribbles) => json!({ "labels": ["dutyd", "dutyd-watch"] }),
        (_, Hand::EmptiesList) => return None,
    })
}
