//! Orders of an operator: parked things, pausing, unmarking, reloading. Each answers with a sentence.

use super::{Ask, Desk, Live, Refusal};
use crate::cli::words::count;
use crate::config::Mode;
use crate::store::{Order, open_state};

/// States read at once while marks are counted.
const PAGE: usize = 500;

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
            Ask::Unmark { source, sure } => self.unmark(live, &source, sure).await,
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

impl Desk {
    /// Takes our marks off the records of a source. Without `sure` it only says off how many.
    async fn unmark(&self, live: &Live, source: &str, sure: bool) -> Result<String, Refusal> {
        let then = match self.source(source)?.brakes.mode {
            Mode::Observe => "its mode is \"observe\", so none are written again",
            Mode::Write => {
                "from then on it only observes until the next start; set its mode to \"observe\" to keep it so"
            }
        };
        if sure {
            let records = count(live.engine.unmark(source).await? as u64, "record");
            return Ok(format!("the marks on {records} of {source} are being taken off; notes stay; {then}"));
        }
        let records = count(self.marked(source).await?, "record");
        Ok(format!(
            "our marks would be taken off {records} of {source}, on which they stand or were to come; notes stay; {then}. \
             Nothing was changed; add --yes"
        ))
    }

    async fn marked(&self, source: &str) -> Result<u64, Refusal> {
        let (mut marked, mut after) = (0, 0);
        loop {
            let rows = self.store.states(after, PAGE).await?;
            let Some(last) = rows.last() else { return Ok(marked) };
            after = last.case;
            for row in rows.iter().filter(|row| row.key.source == source) {
                marked += u64::from(open_state(&row.state)?.is_marked());
            }
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
