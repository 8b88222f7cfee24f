//! The contract every vendor's sandbox fulfils, and the one place where vendors are registered.
//! A vendor knows its own tables and rules; time, faults, webhooks, journal and sockets are the stage's.

use crate::cast::Cast;
use crate::clock::Clock;
use crate::faults::{Fault, Faults};
use crate::hooks::{Hooks, Rendered, Ring};
use crate::world::Happening;
use axum::Router;
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::sync::Arc;

/// What all vendors of one sandbox share.
pub struct Stage {
    pub seed: u64,
    pub clock: Arc<Clock>,
    pub cast: Arc<Cast>,
    pub faults: Arc<Faults>,
    pub hooks: Arc<Hooks>,
}

type Make = fn(&Arc<Stage>) -> Arc<dyn Vendor>;

/// The registration point: one line per vendor, in the order of their ports.
const REGISTER: &[(&str, Make)] = &[
    ("servicenow", crate::servicenow::ServiceNow::make),
    ("jira", crate::jira::Jira::make_cloud),
    ("jira_dc", crate::jira::Jira::make_data_center),
    ("zendesk", crate::zendesk::Zendesk::make),
    ("salesforce", crate::salesforce::Salesforce::make),
];

/// The vendors named, or all when none is.
pub fn chosen(stage: &Arc<Stage>, names: &[String]) -> anyhow::Result<Vec<Arc<dyn Vendor>>> {
    for name in names {
        anyhow::ensure!(REGISTER.iter().any(|(known, _)| known == name), "no vendor {name:?}");
    }
    let wanted =
        REGISTER.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|wanted| wanted == name));
    Ok(wanted.map(|(_, make)| make(stage)).collect())
}

pub trait Vendor: Send + Sync {
    fn name(&self) -> &'static str;

    /// The vendor's object of the first stdout line: `base_url`, credentials, `webhook_secret`.
    fn endpoints(&self, base_url: &str) -> Value;

    /// Every route as `METHOD /pattern`; each must stand in FIDELITY.md.
    fn routes(&self) -> Vec<String>;

    /// The API itself, without faults and journal: those are wrapped around it by the stage.
    fn router(self: Arc<Self>) -> Router;

    /// Whose credentials a request shows: for the journal, when a fault keeps the vendor from saying it.
    fn account(&self, _headers: &HeaderMap, _now: Timestamp) -> Option<String> {
        None
    }

    /// Something happened to one of this vendor's cases, at `happening.at`. Past and present alike.
    fn apply(&self, happening: &Happening);

    /// A person does something, ordered on the control port, now. Answers what the control port shows:
    /// at least `{"id", "number"}`.
    fn command(&self, command: &Command, now: Timestamp) -> Result<Value, String>;

    /// The body and signed headers of a delivery due now; `None` when there is nothing left to say.
    fn render(&self, ring: &Ring, now: Timestamp) -> Option<Rendered>;

    /// How a delivery went (`None`: no answer). The instant of the next attempt, for vendors that retry.
    fn delivered(&self, _ring: &Ring, _status: Option<u16>, _now: Timestamp) -> Option<Timestamp> {
        None
    }

    /// Names of the parts of the exported history.
    fn history_parts(&self) -> &'static [&'static str];

    /// Up to a thousand raw rows of a part from position `from`, and the position after them if there are more.
    fn history(&self, part: &str, from: usize) -> (Vec<Value>, Option<usize>);

    /// Takes rows in the shape `history` gives; they replace what is there.
    fn load(&self, parts: &Map<String, Value>) -> Result<(), String>;

    /// The answer of a fault in this vendor's own shape. `acted` is the true answer, when it was made.
    /// Never asked for `Reset`, `Slow`, `KillPid` and `Status`, which look the same everywhere.
    fn fault(&self, fault: &Fault, acted: Option<(u16, &[u8])>, now: Timestamp) -> Response;

    /// The same at an address, for vendors that have addresses of another kind, such as a token endpoint.
    fn fault_at(&self, _path: &str, fault: &Fault, acted: Option<(u16, &[u8])>, now: Timestamp) -> Response {
        self.fault(fault, acted, now)
    }

    /// Sets one of the vendor's documented switches.
    fn switch(&self, name: &str, value: &Value) -> Result<(), String>;
}

/// An order to a vendor from the control port, in common words.
#[derive(Clone, Debug)]
pub enum Command {
    /// Common keys: `title`, `text`, `priority` (urgent, high, normal, low), `customer`, `contact`, `team`,
    /// `agent` (names or numbers of the cast). Any other key is a raw field of the vendor.
    Create {
        fields: Map<String, Value>,
    },
    Reply {
        id: String,
        from_customer: bool,
        public: bool,
        text: String,
        by: Option<String>,
    },
    /// Common keys `status`, `priority`, `team`, `agent`; any other is a raw field of the vendor.
    Change {
        id: String,
        fields: Map<String, Value>,
        by: Option<String>,
    },
    Delete {
        id: String,
    },
    /// A vendor's own verb, such as `merge`.
    Other {
        verb: String,
        id: String,
        fields: Map<String, Value>,
    },
}
