//! What goes wrong: requests that fail, a process that dies, a database that is lost or older than it should be.

use super::life::Life;
use super::list::{Trouble, Which};
use super::run::Simulation;
use dutyd_sandbox::faults::{Fault, Match, Order, When};
use std::path::PathBuf;
use std::sync::Arc;

impl Simulation {
    pub fn order(vendor: &str, matching: Match, fault: Fault) -> Order {
        let vendor = Some(vendor.to_owned());
        Order { vendor, matching, when: When::Before, fault, skip: 0, times: 1 }
    }

    pub fn strike(&self, source: usize, which: Which, trouble: Trouble, skip: u8, times: u8) {
        let vendor = self.desks[source].name;
        let matching = match which {
            Which::Any => Match::default(),
            Which::Writes => writes(vendor),
        };
        let (when, fault) = match trouble {
            Trouble::Throttled => (When::Before, Fault::Throttled { retry_after: 17 }),
            Trouble::ThrottledBare => (When::Before, Fault::ThrottledBare),
            Trouble::Unavailable => (When::Before, Fault::Unavailable),
            Trouble::UnavailableAfter => (When::After, Fault::Unavailable),
            Trouble::Hibernating => (When::Before, Fault::Hibernating),
            Trouble::Truncated => (When::After, Fault::Truncated),
            Trouble::Expired => (When::Before, Fault::Expired),
            Trouble::Reset => (When::Before, Fault::Reset),
            Trouble::AnswerLost => (When::After, Fault::Reset),
        };
        let order = Self::order(vendor, matching, fault);
        let order = Order { when, skip: skip.into(), times: times.into(), ..order };
        self.sandbox.inner.stage.faults.order(order);
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// The process dies. What it had committed is there, whatever it was doing.
    pub fn end_life(&mut self) {
        self.life = None;
    }

    /// The daemon, started where it is not running.
    pub async fn live(&mut self) -> &Life {
        if self.life.is_none() {
            self.lives += 1;
            std::fs::create_dir_all(self.state_dir()).expect("a directory");
            let database = self.state_dir().join("dutyd.db");
            let policies = Arc::new(self.policies.clone());
            let begun = Life::begin(
                &database,
                &self.desks,
                &self.clock,
                &self.ledger,
                &self.steps,
                policies,
                self.lives,
            )
            .await;
            self.life = Some(begun);
        }
        self.life.as_ref().expect("it lives")
    }

    pub fn lose_database(&mut self) {
        self.end_life();
        self.decided.clear();
        self.ledger.forget_marks();
        let had_one = std::fs::remove_dir_all(self.state_dir()).is_ok();
        self.ledger.tell("databases lost", had_one.into());
    }

    pub fn copy(&self, from: &std::path::Path, to: &std::path::Path) {
        std::fs::remove_dir_all(to).ok();
        std::fs::create_dir_all(to).expect("a directory");
        // Not the side file: that stays where it is and tells an older copy from the latest.
        for name in ["dutyd.db", "dutyd.db-wal"] {
            if from.join(name).exists() {
                std::fs::copy(from.join(name), to.join(name)).expect("a copy");
            }
        }
    }

    pub fn restore(&mut self) {
        let copy = self.dir.path().join("copy");
        if !copy.is_dir() {
            return;
        }
        self.end_life();
        self.decided.clear();
        self.ledger.forget_marks();
        self.ledger.tell("databases restored", 1);
        for name in ["dutyd.db", "dutyd.db-wal", "dutyd.db-shm"] {
            std::fs::remove_file(self.state_dir().join(name)).ok();
        }
        std::fs::create_dir_all(self.state_dir()).expect("a directory");
        for name in ["dutyd.db", "dutyd.db-wal"] {
            if copy.join(name).exists() {
                std::fs::copy(copy.join(name), self.state_dir().join(name)).expect("a copy");
            }
        }
    }
}

/// The requests by which marks and notes are written.
fn writes(vendor: &str) -> Match {
    let (method, path, body) = match vendor {
        "servicenow" => ("PATCH", None, None),
        "salesforce" => ("POST", None, Some("Dutyd_Marks__c\":")),
        "zendesk" => ("PUT", Some("/tickets/"), None),
        _ => ("PUT", Some("/issue/"), None),
    };
    Match {
        method: Some(method.to_owned()),
        path_contains: path.map(str::to_owned),
        body_contains: body.map(str::to_owned),
    }
}
