//! SLA cycles of Service Management, folded from the changelog and the comments whenever they are asked for:
//! `breached` turns by the clock alone, without a change of the issue.

use super::issue::Issue;
use super::render::Look;
use super::site::{self, STATUSES};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Metrics: id, name, custom field, goal in minutes by priority.
pub const METRICS: &[(&str, &str, &str, [i64; 5])] = &[
    ("1", "Time to resolution", site::TIME_TO_RESOLUTION, [240, 480, 1_440, 4_320, 7_200]),
    ("2", "Time to first response", site::TIME_TO_FIRST_RESPONSE, [30, 60, 240, 480, 960]),
];

struct Cycle {
    start: Timestamp,
    stop: Option<Timestamp>,
    elapsed: SignedDuration,
    paused: bool,
    goal: SignedDuration,
}

fn cycle(issue: &Issue, metric: &(&str, &str, &str, [i64; 5]), now: Timestamp) -> Cycle {
    let goal = SignedDuration::from_mins(metric.3[issue.priority.min(4)]);
    if metric.0 == "2" {
        let answered = issue
            .comments
            .iter()
            .find(|comment| !comment.internal && comment.author != issue.reporter)
            .map(|comment| comment.created);
        let end = answered.unwrap_or(now);
        let elapsed = end.duration_since(issue.created);
        return Cycle { start: issue.created, stop: answered, elapsed, paused: false, goal };
    }
    let (mut elapsed, mut since, mut paused) = (SignedDuration::ZERO, issue.created, false);
    for history in &issue.histories {
        for item in history.items.iter().filter(|item| item.field_id == "status") {
            if !paused {
                elapsed += history.created.duration_since(since);
            }
            since = history.created;
            paused = item.to.as_deref() == Some(STATUSES[site::WAITING_FOR_CUSTOMER].0.id);
        }
    }
    let running = issue.resolved.is_none() && !paused;
    if running {
        elapsed += now.duration_since(since);
    }
    Cycle { start: issue.created, stop: issue.resolved, elapsed, paused, goal }
}

/// The value of an SLA custom field.
pub fn field(look: &Look<'_>, issue: &Issue, id: &str) -> Value {
    let metric = METRICS.iter().find(|(_, _, field, _)| *field == id);
    let desk = look.site.projects[issue.project].kind == "service_desk";
    match metric {
        Some(metric) if desk => shown(look, issue, metric),
        _ => Value::Null,
    }
}

/// A metric with its cycles, as the request's resource gives it.
pub fn shown(look: &Look<'_>, issue: &Issue, metric: &(&str, &str, &str, [i64; 5])) -> Value {
    let cycle = cycle(issue, metric, look.now);
    let mut value = json!({
        "id": metric.0, "name": metric.1, "slaDisplayFormat": "NEW_SLA_FORMAT",
        "_links": { "self": format!("{}/request/{}/sla/{}", desk_base(look), issue.id, metric.0) },
        "completedCycles": [],
    });
    let mut ring = json!({
        "startTime": date(look, cycle.start),
        "breached": cycle.elapsed > cycle.goal,
        "goalDuration": duration(cycle.goal),
        "elapsedTime": duration(cycle.elapsed),
        "remainingTime": duration(cycle.goal - cycle.elapsed),
    });
    match cycle.stop {
        Some(stop) => {
            ring["stopTime"] = date(look, stop);
            value["completedCycles"] = json!([ring]);
        }
        None => {
            ring["paused"] = json!(cycle.paused);
            ring["withinCalendarHours"] = json!(true);
            if !cycle.paused {
                let left = cycle.goal - cycle.elapsed;
                ring["breachTime"] = date(look, look.now.saturating_add(left).unwrap_or(look.now));
            }
            value["ongoingCycle"] = ring;
        }
    }
    value
}

pub fn desk_base(look: &Look<'_>) -> String {
    let (origin, _) = look.base.split_once("/rest/").unwrap_or((&look.base, ""));
    format!("{origin}/rest/servicedeskapi")
}

pub fn date(look: &Look<'_>, at: Timestamp) -> Value {
    let local = at.to_zoned(look.zone.clone());
    json!({
        "iso8601": local.strftime("%Y-%m-%dT%H:%M:%S%z").to_string(),
        "jira": look.at(at),
        "friendly": local.strftime("%d/%b/%y %-I:%M %p").to_string(),
        "epochMillis": at.as_millisecond(),
    })
}

fn duration(span: SignedDuration) -> Value {
    let minutes = span.as_secs() / 60;
    let (hours, rest) = (minutes / 60, (minutes % 60).abs());
    let friendly = if hours == 0 { format!("{minutes}m") } else { format!("{hours}h {rest}m") };
    json!({ "millis": span.as_millis() as i64, "friendly": friendly })
}
