//! Sources and custom fields that a policy names and no connector file has. No mistake for sure: one policy may serve several
//! machines.

use super::PolicyFile;
use super::customers::EVERY_SOURCE;
use super::load::{Sections, problem_in_text};
use super::read::Reader;
use super::rules::all_sources;
use crate::problem::{Problem, nearest};
use crate::rule::{Mention, mentions_in_condition, mentions_in_text};
use crate::sla::{ClockDoc, MetricDoc, SlaDoc};
use std::collections::BTreeSet;
use toml::Spanned;

/// What the connector files of a machine name.
#[derive(Debug, Default)]
pub struct Known<'a> {
    pub sources: BTreeSet<&'a str>,
    /// Custom fields, by the names that rules use.
    pub fields: BTreeSet<&'a str>,
}

/// One remark for each name in the files that is not known, in the order of the places. The files load as a policy.
pub fn strangers(files: &[PolicyFile], known: &Known<'_>) -> Vec<Problem> {
    let (mut readers, sections) = Sections::read(files);
    readers.iter_mut().for_each(|reader| reader.problems.clear());
    sections.each_source(|file, name, at| {
        if name != EVERY_SOURCE
            && let Some((message, remedy)) = known.strange(&Mention::Source(name.to_owned()))
        {
            readers[file].problem(at, message, remedy);
        }
    });
    sections.each_condition(|file, text| {
        say(&mut readers[file], text, mentions_in_condition(text.get_ref()), known);
    });
    let translated = sections.texts.values().flat_map(|texts| texts.values());
    let texts = translated.map(|entry| (entry.file, &entry.doc));
    let own = sections.rules.iter().filter_map(|rule| Some((rule.file, rule.doc.get_ref().text.as_ref()?)));
    for (file, text) in own.chain(texts) {
        say(&mut readers[file], text, mentions_in_text(text.get_ref()), known);
    }
    let mut remarks: Vec<Problem> = readers.into_iter().flat_map(|reader| reader.problems).collect();
    remarks.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    remarks
}

fn say(reader: &mut Reader<'_>, text: &Spanned<String>, mentions: Vec<(usize, Mention)>, known: &Known<'_>) {
    for (offset, mention) in mentions {
        if let Some((message, remedy)) = known.strange(&mention) {
            problem_in_text(reader, text, offset, message, remedy);
        }
    }
}

impl Known<'_> {
    /// What to say of a name, if it is not known.
    fn strange(&self, mention: &Mention) -> Option<(String, String)> {
        let (names, name) = match mention {
            Mention::Source(name) => (&self.sources, name),
            Mention::Field(name) => (&self.fields, name),
        };
        if names.contains(name.as_str()) {
            return None;
        }
        let near = nearest(name, names.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        let all = names.iter().copied().collect::<Vec<_>>().join(", ");
        Some(match mention {
            Mention::Source(_) => (
                format!("no source here is called `{name}`"),
                near.unwrap_or_else(|| format!("known here: {all}; or leave it, if another machine has it")),
            ),
            Mention::Field(_) => (
                format!("no connector file here maps a field `{name}`"),
                near.unwrap_or_else(|| {
                    "add it to [SYSTEM.fields] of a connector file, or take it out".to_owned()
                }),
            ),
        })
    }
}

impl Sections {
    /// Every name of a source that stands for itself, with its place.
    fn each_source(&self, mut see: impl FnMut(usize, &str, usize)) {
        for (name, entry) in &self.sources {
            see(entry.file, name, entry.doc.span().start);
        }
        for entry in self.customers.values() {
            for alias in &entry.doc.get_ref().aliases {
                let source = &alias.get_ref().source;
                see(entry.file, source.get_ref(), source.span().start);
            }
        }
        for entry in &self.maintenance {
            for source in &entry.doc.get_ref().sources {
                see(entry.file, source.get_ref(), source.span().start);
            }
        }
    }

    /// Every condition: of rules, maintenance, targets and clocks.
    fn each_condition(&self, mut see: impl FnMut(usize, &Spanned<String>)) {
        for entry in &self.rules {
            all_sources(entry.doc.get_ref()).for_each(|text| see(entry.file, text));
        }
        for entry in &self.maintenance {
            entry.doc.get_ref().when.iter().for_each(|text| see(entry.file, text));
        }
        for entry in &self.sla {
            of_targets(entry.doc.get_ref()).for_each(|text| see(entry.file, text));
        }
        for entry in self.clocks.values() {
            of_clock(entry.doc.get_ref()).for_each(|text| see(entry.file, text));
        }
    }
}

fn of_targets(doc: &SlaDoc) -> impl Iterator<Item = &Spanned<String>> {
    doc.when.iter().chain(doc.metrics().flat_map(|(_, metric)| of_pauses(metric.get_ref())))
}

fn of_clock(doc: &ClockDoc) -> impl Iterator<Item = &Spanned<String>> {
    let others = [&doc.stop, &doc.pause, &doc.resume, &doc.reset, &doc.cancel];
    let pauses = doc.target.iter().flat_map(|target| of_pauses(target.get_ref()));
    std::iter::once(&doc.start).chain(others.into_iter().flatten()).chain(pauses)
}

fn of_pauses(doc: &MetricDoc) -> impl Iterator<Item = &Spanned<String>> {
    doc.pauses.iter().flatten().filter_map(|pause| pause.when.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line, column and name of what is strange beside the sources `desk` and `hotline` and the field `region`.
    fn strange(text: &str) -> Vec<(u32, u32, String)> {
        let files = [PolicyFile { name: "p.toml".to_owned(), text: text.to_owned() }];
        crate::policy::Policy::load(&files).unwrap_or_else(|problems| panic!("{text}: {problems:#?}"));
        let known = Known { sources: ["desk", "hotline"].into(), fields: ["region"].into() };
        let name = |problem: Problem| problem.message.split('`').nth(1).unwrap_or_default().to_owned();
        strangers(&files, &known).into_iter().map(|found| (found.line, found.column, name(found))).collect()
    }

    fn rule(condition: &str) -> String {
        format!("[[rules]]\nname = \"r\"\nseverity = \"watch\"\nwhen = \"{condition}\"\ntext = \"t\"\n")
    }

    #[test]
    fn a_name_that_no_connector_file_has_is_told_with_its_place() {
        let hours = "week = { mon = [\"09:00-17:00\"] }";
        let calendar = format!("[calendars.office]\nzone = \"UTC\"\n{hours}\n");
        let window = "from = \"2026-01-01T00:00:00Z\"\nuntil = \"2026-01-02T00:00:00Z\"\n";
        let table: [(String, (u32, u32, &str)); 11] = [
            ("[customers.Acme]\naliases = [{ source = \"dezk\", id = \"1\" }]".to_owned(), (2, 23, "dezk")),
            (format!("{calendar}[sources.dezk]\ncalendar = \"office\""), (4, 1, "dezk")),
            (format!("[[maintenance]]\nname = \"m\"\n{window}sources = [\"desk\", \"dezk\"]"), (5, 20, "dezk")),
            (format!("[[maintenance]]\nname = \"m\"\n{window}when = \"case.fields.regoin == 'x'\""), (5, 9, "regoin")),
            (rule("case.open && case.source == 'dezk'"), (4, 37, "dezk")),
            (rule("case.source in ['desk', 'dezk']"), (4, 33, "dezk")),
            (rule("!(case.source != 'dezk')"), (4, 26, "dezk")),
            (rule("case.fields.regoin == 'EMEA'"), (4, 9, "regoin")),
            (rule("has(case.fields['my region'])"), (4, 13, "my region")),
            (rule("case.open").replace("\"t\"", "\"In [{case.fields.regoin}].\""), (5, 14, "regoin")),
            ("[[sla]]\nname = \"s\"\nwhen = \"case.fields.regoin == 'x'\"\n[sla.resolution]\nany = \"4h calendar time\"\n\
              pauses = [{ status = [\"pending\"], reason = \"r\" }]".to_owned(), (3, 9, "regoin")),
        ];
        for (text, (line, column, name)) in table {
            assert_eq!(strange(&text), [(line, column, name.to_owned())], "{text}");
        }
    }

    #[test]
    fn names_that_are_there_and_a_star_for_all_sources_are_not() {
        let aliases = "[customers.Acme]\naliases = [{ source = \"*\", name = \"a\" }, { source = \"desk\", id = \"1\" }]\n";
        let known = rule("case.source == 'hotline' && case.fields.region == 'dezk' && case.owner != 'dezk'");
        assert_eq!(strange(&format!("{aliases}{known}")), []);
    }
}
