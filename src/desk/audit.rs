//! `dutyd audit` and `dutyd erase`: what was done and by whom, whether the log of it holds, and forgetting a customer.

use super::{Desk, Live, Refusal, Since};
use crate::audit::Verified;
use crate::store::{AuditQuestion, AuditRow, Order, StateRow, open_state};
use dutyd_core::case::{Case, Party};
use dutyd_core::policy::Policy;
use jiff::SignedDuration;
use std::collections::BTreeSet;

/// States read at once while looking for a customer's.
const PAGE: usize = 500;
/// Cases forgotten by one order.
const ERASE_MAX: usize = 200;
/// Fewer days of the audit log than this are not kept by accident.
pub const KEEP_DAYS_MIN: u32 = 1;

impl Desk {
    pub(super) async fn audit(
        &self,
        case: Option<&str>,
        since: Option<Since>,
        max: usize,
    ) -> Result<Vec<AuditRow>, Refusal> {
        let case = match case {
            Some(name) => Some(self.one_case(name).await?.case),
            None => None,
        };
        let since = since.map(|since| since.before(self.now()));
        Ok(self.store.audit_rows(AuditQuestion { case, since, max }).await?)
    }

    pub(super) async fn verify_audit(&self, head: Option<String>) -> Result<Verified, Refusal> {
        Ok(self.store.verify_audit(head).await?)
    }

    pub(super) async fn retain_audit(&self, live: &Live, days: u32) -> Result<String, Refusal> {
        let before = self.now() - SignedDuration::from_hours(24 * i64::from(days.max(KEEP_DAYS_MIN)));
        let mut removed = 0;
        loop {
            let met = live.engine.order(Order::RetainAudit { before }).await?;
            removed += met;
            if met == 0 {
                break;
            }
        }
        Ok(format!("{removed} rows older than {before} were removed behind a checkpoint; the chain holds"))
    }

    /// Forgets all cases of a customer, or of a person who asked. Without `sure` it only says which.
    pub(super) async fn erase(&self, live: &Live, who: &str, sure: bool) -> Result<String, Refusal> {
        let found = self.cases_of(who).await?;
        if found.cases.is_empty() {
            let message =
                format!("no case belongs to `{who}`: give a name, an id, or a key of customers.toml");
            return Err(Refusal::NotFound(message));
        }
        let (count, open) = (found.cases.len(), found.open);
        let names = found.names.into_iter().collect::<Vec<_>>().join(", ");
        let them = format!("{count} cases ({open} open) of {names}");
        if !sure {
            return Ok(format!(
                "{them} would be forgotten: state, timeline, flags, decisions, messages and what the audit log says \
                 about them. Nothing was erased; add --yes. Erase them at the vendor first: what still stands there \
                 comes back when it changes"
            ));
        }
        for part in found.cases.chunks(ERASE_MAX) {
            live.engine.order(Order::Erase { cases: part.to_vec() }).await?;
        }
        Ok(format!("{them} are forgotten; the audit log keeps their hashes and still holds"))
    }

    async fn cases_of(&self, who: &str) -> Result<Belongings, Refusal> {
        let policies = self.policies();
        let (mut found, mut after) = (Belongings::default(), 0);
        loop {
            let rows = self.store.states(after, PAGE).await?;
            let Some(last) = rows.last() else { return Ok(found) };
            after = last.case;
            rows.iter().for_each(|row| found.take(row, &policies.current, who));
        }
    }
}

/// What belongs to somebody.
#[derive(Default)]
struct Belongings {
    cases: Vec<i64>,
    open: usize,
    names: BTreeSet<String>,
}

impl Belongings {
    fn take(&mut self, row: &StateRow, policy: &Policy, who: &str) {
        let Ok(state) = open_state(&row.state) else { return };
        if let Some(name) = owner_called(&state.case, policy, who) {
            self.cases.push(row.case);
            self.open += usize::from(state.case.status.is_open());
            self.names.insert(name);
        }
    }
}

/// The customer or requester of a case, if that is who is meant.
fn owner_called(case: &Case, policy: &Policy, who: &str) -> Option<String> {
    let called = |party: &&Party| party.id == who || party.name.eq_ignore_ascii_case(who);
    let by_key = |party: &&Party| policy.customer_key(&case.key.source, party) == who;
    let customer = case.customer.as_ref().filter(|party| called(party) || by_key(party));
    let found = customer.or(case.requester.as_ref().filter(called))?;
    Some(found.name.clone())
}
