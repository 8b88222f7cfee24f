//! Maintenance windows: stretches of time in which nothing new is raised.

use super::document::MaintenanceDoc;
use super::read::{Reader, place_in_text};
use crate::case::Case;
use crate::rule::Condition;
use jiff::Timestamp;
use toml::Spanned;

/// A compiled window.
#[derive(Debug, Clone)]
pub struct Maintenance {
    pub name: String,
    pub from: Timestamp,
    /// The first instant after it.
    pub until: Timestamp,
    sources: Vec<String>,
    when: Option<Condition>,
}

impl Maintenance {
    pub(super) fn compile(reader: &mut Reader<'_>, doc: &MaintenanceDoc) -> Option<Self> {
        let from = instant(reader, &doc.from);
        let until = instant(reader, &doc.until);
        let when = match &doc.when {
            None => Ok(None),
            Some(source) => Condition::of_moment(source.get_ref()).map(Some).map_err(|faults| {
                for fault in faults {
                    let at = place_in_text(&reader.file.text, &source.span(), fault.offset);
                    reader.problem(at, fault.message, fault.remedy);
                }
            }),
        };
        let (from, until, when) = (from?, until?, when.ok()?);
        if until <= from {
            reader.problem(
                doc.until.span().start,
                "the maintenance ends before it begins",
                "put the later instant into `until`",
            );
            return None;
        }
        let sources = doc.sources.iter().map(|name| name.get_ref().clone()).collect();
        Some(Self { name: doc.name.clone(), from, until, sources, when })
    }

    /// Whether the window is on for a case. A condition that cannot be told holds nothing back.
    pub fn concerns(&self, case: &Case, now: Timestamp) -> bool {
        let on = self.from <= now && now < self.until;
        let source = || self.sources.is_empty() || self.sources.contains(&case.key.source);
        on && source() && self.when.as_ref().is_none_or(|when| when.holds(case).is_true())
    }
}

fn instant(reader: &mut Reader<'_>, text: &Spanned<String>) -> Option<Timestamp> {
    text.get_ref().parse().ok().or_else(|| {
        let message = format!("`{}` is not an instant", text.get_ref());
        reader.problem(text.span().start, message, "write it as 2026-12-24T18:00:00+01:00, with the offset");
        None
    })
}
