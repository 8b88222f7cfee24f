//! Orders of an operator: parked things, pausing, unmarking, reloading. Each answers with a sentence.

use super::{Ask, Desk, Live, Refusal};
use crate::store::Order;

impl Desk {
    pub(super) async fn order(&self, live: &Live, ask: Ask) -> Result<String, Refusal> {
        match ask {
            Ask::RetryParked { id } => {
                let met = live.engine.order(Order::RetryParked { id: id.clone() }).await?;
                met_or_missing(met, id.as_deref(), "will be tried again")
            }
            Ask::DropParked { id } => {
                let met = live.engine.order(Order::DropParked { id: id.clone() }).await?;
                met_or_missing(met, id.as_deref(), "dropped")
            }
            Ask::Pause { source, paused } => {
                self.source(&source)?;
                live.engine.order(Order::Pause { source: source.clone(), paused }).await?;
                Ok(match paused {
                    true => format!("{source} is paused: nothing is read from it or written to it"),
                    false => format!("{source} goes on"),
                })
            }
            Ask::Unmark { source } => {
                self.source(&source)?;
                let met = live.engine.unmark(&source).await?;
                Ok(format!(
                    "the marks on {met} records of {source} are being taken off; notes stay. The source only observes \
                     until the next start; set its mode to \"observe\" to keep it so"
                ))
            }
            Ask::RetainAudit { days } => self.retain_audit(live, days).await,
            Ask::Erase { who, sure } => self.erase(live, &who, sure).await,
            Ask::Reload => self.reload(live).await,
            Ask::Status
            | Ask::List { .. }
            | Ask::Explain { .. }
            | Ask::History { .. }
            | Ask::Audit { .. }
            | Ask::VerifyAudit { .. }
            | Ask::Plan
            | Ask::Recount
            | Ask::Parked => Err(Refusal::Io("a question is not an order".to_owned())),
        }
    }
}

fn met_or_missing(met: usize, id: Option<&str>, done: &str) -> Result<String, Refusal> {
    match (met, id) {
        (0, Some(id)) => {
            Err(Refusal::NotFound(format!("nothing is parked as `{id}`; see dutyd parked list")))
        }
        (0, None) => Ok("nothing is parked".to_owned()),
        (met, _) => Ok(format!("{met} {done}")),
    }
}
