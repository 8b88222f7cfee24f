//! What is counted, for Prometheus.
//!
//! Knows: names and labels. Must not know: where the numbers come from; whoever does something counts it here.

use crate::desk::{SourceLine, Status};
use crate::store::ChannelRow;
use dutyd_connectors::{Budget, Lane};
use dutyd_core::action::Severity;
use jiff::Timestamp;
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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MessageLabels {
    channel: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelLabels {
    channel: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SeverityLabels {
    severity: &'static str,
}

/// Counters that live as long as the process. What can be read from the store is not counted but read.
#[derive(Default)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    budget_remaining: Family<SourceLabels, Gauge<f64, AtomicU64>>,
    deliveries: Family<DeliveryLabels, Counter>,
    messages: Family<MessageLabels, Counter>,
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

    /// An attempt to tell people, by what became of it: `told`, `retry` or `parked`.
    pub fn message(&self, channel: &str, outcome: &'static str) {
        let labels = MessageLabels { channel: channel.to_owned(), outcome };
        self.messages.get_or_create(&labels).inc();
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
        registry.register(
            "dutyd_messages",
            "Attempts to tell people, by channel and outcome",
            self.messages.clone(),
        );
    }
}

/// What is read from the status at the moment of a scrape.
pub fn gauges(registry: &mut Registry, status: &Status) {
    let mut source = |name: &str, help: &str, value: fn(&SourceLine, Timestamp) -> Option<f64>| {
        let family = Family::<SourceLabels, Gauge<f64, AtomicU64>>::default();
        for line in &status.sources {
            if let Some(value) = value(line, status.now) {
                family.get_or_create(&SourceLabels { source: line.name.clone() }).set(value);
            }
        }
        registry.register(name, help, family);
    };
    source("dutyd_source_lag_seconds", "Seconds since everything was known", |line, _| {
        line.behind_seconds.map(|s| s as f64)
    });
    source("dutyd_source_bound_seconds", "A longer lag is blindness", |line, _| {
        Some(line.bound_seconds as f64)
    });
    source("dutyd_source_blind", "1 while changes may be missing", |line, _| {
        Some(truth(line.blind_since.is_some()))
    });
    source("dutyd_source_paused", "1 while an operator has paused it", |line, _| {
        Some(truth(line.row.paused))
    });
    source("dutyd_source_signed_out", "1 while the vendor does not let us in", |line, _| {
        line.live.as_ref().map(|live| truth(live.signed_out))
    });
    source("dutyd_source_cases", "Cases known", |line, _| Some(line.row.cases as f64));
    source("dutyd_webhooks_received", "Webhook deliveries noted", |line, _| Some(line.row.bells as f64));
    source("dutyd_webhooks_missed", "Changes that no webhook announced", |line, _| {
        Some(line.row.bells_missed as f64)
    });
    source("dutyd_hints_waiting", "Cases to be fetched", |line, _| Some(line.row.hints as f64));
    source("dutyd_hints_age_seconds", "The longest a case has waited to be fetched", |line, now| {
        Some(waited(line.row.hint_since, now))
    });
    source("dutyd_outbox_waiting", "Marks decided and not yet shown", |line, _| {
        Some(line.row.outbox.pending() as f64)
    });
    source("dutyd_outbox_age_seconds", "The longest a mark has waited to be shown", |line, now| {
        Some(waited(line.row.outbox.since, now))
    });
    source("dutyd_parked_writes", "Writes that the vendor refused", |line, _| {
        Some(line.row.outbox.parked as f64)
    });
    source("dutyd_parked_records", "Records that could not be read", |line, _| {
        Some(line.row.quarantined as f64)
    });
    source("dutyd_writes", "Records written", |line, _| Some(line.row.writes as f64));
    source("dutyd_writes_last_hour", "Records written within the last hour", |line, _| {
        Some(line.row.writes_last_hour as f64)
    });
    source("dutyd_writes_per_hour_max", "Records that may be written within an hour", |line, _| {
        Some(f64::from(line.writes_per_hour))
    });
    channels(registry, status);
    overall(registry, status);
}

fn channels(registry: &mut Registry, status: &Status) {
    let mut channel = |name: &str, help: &str, value: fn(&ChannelRow, Timestamp) -> f64| {
        let family = Family::<ChannelLabels, Gauge<f64, AtomicU64>>::default();
        for row in &status.channels {
            let labels = ChannelLabels { channel: row.channel.clone() };
            family.get_or_create(&labels).set(value(row, status.now));
        }
        registry.register(name, help, family);
    };
    channel("dutyd_messages_waiting", "Flags and digests to be told", |row, _| row.pending as f64);
    channel("dutyd_messages_parked", "Flags and digests that could not be told", |row, _| row.parked as f64);
    channel("dutyd_messages_age_seconds", "The longest one has waited to be told", |row, now| {
        waited(row.since, now)
    });
}

fn overall(registry: &mut Registry, status: &Status) {
    let counts = &status.counts;
    let mut one = |name: &str, help: &str, value: f64| {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    one("dutyd_cases_open", "Open cases", counts.open as f64);
    one("dutyd_due_waiting", "Cases due to be evaluated", counts.due as f64);
    one("dutyd_due_age_seconds", "The longest a case has been due", waited(counts.due_since, status.now));
    one("dutyd_inbox_waiting", "News not yet folded in", counts.inbox as f64);
    one("dutyd_storage_free_bytes", "Free on the disk of the database", status.storage.free_bytes as f64);
    one(
        "dutyd_storage_short",
        "1 while the disk has no room for more",
        truth(status.storage.shortage().is_some()),
    );
    one("dutyd_rules", "Rules in force", status.rules as f64);
    let flags = Family::<SeverityLabels, Gauge<f64, AtomicU64>>::default();
    for (severity, count) in Severity::ALL.into_iter().zip(counts.flags) {
        flags.get_or_create(&SeverityLabels { severity: severity.word() }).set(count as f64);
    }
    registry.register("dutyd_flags_open", "Open flags by severity", flags);
}

fn truth(value: bool) -> f64 {
    f64::from(u8::from(value))
}

/// Seconds since then; 0 if nothing waits.
fn waited(since: Option<Timestamp>, now: Timestamp) -> f64 {
    since.map_or(0.0, |at| now.duration_since(at).as_secs_f64().max(0.0))
}

fn lane_word(lane: Lane) -> &'static str {
    match lane {
        Lane::Write => "write",
        Lane::Hot => "hot",
        Lane::Backfill => "backfill",
    }
}
