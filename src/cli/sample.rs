//! `dutyd sample SYSTEM FILE…`: how recorded answers and webhook bodies are understood.
//!
//! Must not know: what a vendor's words mean.

use super::setup::named;
use super::{Exit, Failure, Format, print_bytes, print_json, show_explain};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Place;
use dutyd_connectors::{Quarantined, Sample};
use dutyd_core::case::Case;
use dutyd_core::timeline::TimelineEvent;
use jiff::tz::TimeZone;
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes of one document.
const DOCUMENT_MAX: u64 = 64 * 1024 * 1024;

/// `system` is the name of a configured source, or a vendor: then the shipped connector file stands in.
pub fn run(place: &Place, system: &str, files: &[PathBuf], format: Format) -> Result<Exit, Failure> {
    let connector = named(place, system)?.source.unsigned();
    let connector = connector.map_err(|error| Failure::new(Exit::Config, error.to_string()))?;
    let documents = files.iter().map(|file| document(file)).collect::<Result<Vec<_>, _>>()?;
    let bytes: Vec<&[u8]> = documents.iter().map(Vec::as_slice).collect();
    let sample = connector
        .sample(&bytes, SystemClock::default().now())
        .map_err(|error| Failure::new(Exit::Problems, error.to_string()))?;
    match format {
        Format::Json => print_json(&sample)?,
        Format::Text => print_bytes(told(&sample, files).as_bytes())?,
    };
    Ok(if sample.quarantined.is_empty() { Exit::Done } else { Exit::Problems })
}

fn document(file: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| Failure::io(format!("cannot read {}: {error}", file.display()));
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(DOCUMENT_MAX + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).map_err(unreadable)?.take(DOCUMENT_MAX + 1).read_to_end(&mut bytes)
    };
    read.map_err(unreadable)?;
    if bytes.len() as u64 > DOCUMENT_MAX {
        let message = format!("{} is larger than {DOCUMENT_MAX} bytes: cut it into pages", file.display());
        return Err(Failure::new(Exit::Problems, message));
    }
    Ok(bytes)
}

fn told(sample: &Sample, files: &[PathBuf]) -> String {
    let mut out = String::new();
    for (file, taken) in files.iter().zip(&sample.documents) {
        let holds = if taken.holds.is_empty() { "nothing that dutyd knows" } else { &taken.holds };
        let _ = writeln!(out, "{}: {holds}", file.display());
        if !taken.rings_for.is_empty() {
            let _ = writeln!(out, "  makes dutyd read {}", taken.rings_for.join(", "));
        }
    }
    for change in &sample.changes {
        case(&mut out, &change.case);
        change.events.iter().for_each(|one| event(&mut out, one));
    }
    for (id, events) in &sample.loose_events {
        let _ = writeln!(out, "\n{id}: events of a case that is in no document");
        events.iter().for_each(|one| event(&mut out, one));
    }
    if !sample.quarantined.is_empty() {
        out.push_str("\nCould not be read:\n");
    }
    for Quarantined { id, reason, .. } in &sample.quarantined {
        let _ = writeln!(out, "  {}: {reason}", if id.is_empty() { "without an id" } else { id });
    }
    if !sample.passed_over.is_empty() {
        out.push_str("\nMeans nothing to dutyd:\n");
    }
    for (what, count) in &sample.passed_over {
        let _ = writeln!(out, "  {count} × {what}");
    }
    out
}

fn case(out: &mut String, case: &Case) {
    let name = |party: &Option<dutyd_core::case::Party>| {
        party.as_ref().map_or_else(|| "–".to_owned(), |party| party.name.clone())
    };
    let _ = writeln!(out, "\n{} {}", case.number, case.title);
    let _ = writeln!(
        out,
        "  {} ({}), priority {} ({})",
        case.status.word(),
        case.status_raw,
        case.priority.map_or_else(|| "–".to_owned(), |priority| priority.to_string()),
        case.priority_raw
    );
    let _ = writeln!(
        out,
        "  customer {}, requester {}, owner {}, team {}",
        name(&case.customer),
        name(&case.requester),
        name(&case.owner),
        name(&case.team)
    );
    let _ = writeln!(out, "  opened {}, updated {}", case.opened_at, case.updated_at);
}

fn event(out: &mut String, event: &TimelineEvent) {
    let _ = writeln!(out, "  {}", show_explain::event(event, &TimeZone::UTC));
}
