//! What a demo came to: one object for machines, a page for people.

use super::duty::Told;
use super::judge::Judgement;
use super::oracle::Oracle;
use super::read_back::Shown;
use crate::cli::words::count;
use crate::desk::Recount;
use dutyd_core::case::CaseKey;
use dutyd_core::state::FlagState;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Serialize)]
pub struct Summary {
    pub vendors: BTreeMap<String, VendorSummary>,
    /// What the duty manager's webhook heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Judgement>,
    /// The evidence of all decisions, recomputed.
    pub evidence: Recount,
    pub seed: u64,
    /// RFC 3339, the world's time.
    pub world: [String; 2],
}

/// Read back from the vendor by id.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct VendorSummary {
    pub cases: usize,
    /// Records that show a severity.
    pub flagged: usize,
    /// Notes of ours.
    pub notes: usize,
    /// Pairs of case and rule that should be flagged by the vendor's own history and are not on the record.
    pub missing: usize,
    /// Note markers that stand twice on a record.
    pub doubled: usize,
    /// Requests received while nobody but the daemon asked.
    pub api_calls: u64,
}

/// Compares what the records show with what the oracle says. `source` names one vendor's cases.
pub fn compare(source: &str, shown: &[Shown], oracle: &Oracle, api_calls: u64) -> VendorSummary {
    let by_id: BTreeMap<&str, &Shown> = shown.iter().map(|shown| (shown.id.as_str(), shown)).collect();
    let lacking = |key: &CaseKey, rule: &str| {
        let marker = by_id.get(key.id.as_str()).and_then(|shown| shown.marker.as_ref());
        !marker.is_some_and(|marker| marker.flags.iter().any(|flag| flag.rule == rule))
    };
    let missing = oracle
        .states
        .iter()
        .filter(|(key, _)| key.source == source)
        .flat_map(|(key, state)| state.flags.iter().map(move |flag| (key, flag)))
        .filter(|(key, flag)| flag.state == FlagState::Open && lacking(key, &flag.rule))
        .inspect(|(key, flag)| tracing::warn!(case = %key, rule = %flag.rule, "should be flagged and is not"))
        .count();
    VendorSummary {
        cases: shown.len(),
        flagged: shown.iter().filter(|shown| shown.severity.is_some()).count(),
        notes: shown.iter().map(|shown| shown.notes.iter().collect::<BTreeSet<_>>().len()).sum(),
        missing,
        doubled: shown.iter().map(Shown::doubled).sum(),
        api_calls,
    }
}

impl Summary {
    /// The page for people.
    pub fn page(&self, dir: &str) -> String {
        let mut page =
            format!("\nThe world went from {} to {} (seed {}).\n", self.world[0], self.world[1], self.seed);
        page.push_str("Read back from each vendor by id, with credentials that are not the daemon's:\n\n");
        page.push_str("  vendor        cases  flagged  notes  missing  doubled  API calls\n");
        for (name, vendor) in &self.vendors {
            page.push_str(&format!(
                "  {name:<12} {:>6} {:>8} {:>6} {:>8} {:>8} {:>10}\n",
                vendor.cases, vendor.flagged, vendor.notes, vendor.missing, vendor.doubled, vendor.api_calls
            ));
        }
        page.push_str(
            "\n  missing: should be flagged by the vendor's own history, and the record does not say so\n",
        );
        page.push_str("  doubled: a note of ours that stands twice on a record\n");
        if let Some(told) = &self.told {
            page.push_str(&told_lines(told, dir));
        }
        page.push_str(&format!(
            "\nEvidence of {} decisions recomputed: {} give the same verdict again, {} another one, {} cannot be told.\n",
            self.evidence.decisions, self.evidence.same, self.evidence.different, self.evidence.untold
        ));
        if let Some(log) = &self.log {
            page.push_str(&log.page());
        }
        page.push_str(&format!(
            "\nThe daemon's database is left in {dir}. Try:\n  dutyd --config {dir} status\n  dutyd --config {dir} list\n  \
             dutyd --config {dir} explain CASE   (a number from the list)\n"
        ));
        page
    }

    /// Whether nothing was missing, doubled or different, and all evidence recomputes.
    pub fn is_right(&self) -> bool {
        let vendors = self.vendors.values().all(|vendor| vendor.missing == 0 && vendor.doubled == 0);
        let evidence = self.evidence.different == 0 && self.evidence.untold == 0;
        let told = self.told.as_ref().is_none_or(|told| told.doubled + told.badly_signed + told.left == 0);
        vendors && evidence && told && self.log.as_ref().is_none_or(|log| log.states_equal)
    }
}

fn told_lines(told: &Told, dir: &str) -> String {
    format!(
        "\nTold to a duty manager by signed webhook: {}, of which {} of several flags at once and {}.\n  \
         {} raised or worse, {} over; doubled {}, badly signed {}, left untold {}\n  \
         how they look: {dir}/messages/ (mail as .html and .txt, Slack as .slack.json)\n",
        count(told.messages as u64, "message"),
        told.grouped,
        count(told.digests as u64, "digest"),
        count(told.raised as u64, "flag"),
        told.over,
        told.doubled,
        told.badly_signed,
        told.left
    )
}
