//! What is counted, for Prometheus.
//!
//! Knows: names and labels. Must not know: where the numbers come from; whoever does something counts it here.

use dutyd_connectors::{Budget, Lane};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    source: String,
    lane: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    source: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    source: String,
    outcome: &'static str,
}

/// Counters that live as long as the process. What can be read from the store is not counted but read.
#[derive(Default)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    budget_remaining: Family<SourceLabels, Gauge<f64, AtomicU64>>,
    deliveries: Family<DeliveryLabels, Counter>,
}

impl Metrics {
    /// A request to a vendor, by what became of it.
    pub fn request(&self, source: &str, lane: Lane, outcome: &'static str) {
        let labels = RequestLabels { source: source.to_owned(), lane: lane_word(lane), outcome };
        self.requests.get_or_create(&labels).inc();
    }

    /// Requests that a source has answered or may have received, of all lanes.
    pub fn requests_sent(&self, source: &str) -> u64 {
        let lanes = [Lane::Write, Lane::Hot, Lane::Backfill].map(lane_word);
        let outcomes = ["1xx", "2xx", "3xx", "4xx", "401", "429", "5xx", "no_answer"];
        let each = lanes.iter().flat_map(|lane| outcomes.iter().map(move |outcome| (*lane, *outcome)));
        each.filter_map(|(lane, outcome)| {
            let labels = RequestLabels { source: source.to_owned(), lane, outcome };
            self.requests.get(&labels).map(|counter| counter.get())
        })
        .sum()
    }

    /// What the vendor says is left of its limit.
    pub fn vendor_budget(&self, source: &str, budget: &Budget) {
        if let Some(remaining) = budget.remaining {
            let labels = SourceLabels { source: source.to_owned() };
            self.budget_remaining.get_or_create(&labels).set(remaining as f64);
        }
    }

    /// A webhook that arrived, by how it was answered.
    pub fn delivery(&self, source: &str, outcome: &'static str) {
        let labels = DeliveryLabels { source: source.to_owned(), outcome };
        self.deliveries.get_or_create(&labels).inc();
    }

    /// All counters under their names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "dutyd_vendor_requests",
            "Requests to a vendor, by lane and outcome",
            self.requests.clone(),
        );
        let remaining = self.budget_remaining.clone();
        registry.register(
            "dutyd_vendor_budget_remaining",
            "What the vendor says is left of its limit",
            remaining,
        );
        registry.register(
            "dutyd_webhook_deliveries",
            "Webhooks by how they were answered",
            self.deliveries.clone(),
        );
    }
}

fn lane_word(lane: Lane) -> &'static str {
    match lane {
        Lane::Write => "write",
        Lane::Hot => "hot",
        Lane::Backfill => "backfill",
    }
}
