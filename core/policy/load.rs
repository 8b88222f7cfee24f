//! Loads a policy: reads all files, merges their sections, checks what refers to what, compiles.

use super::customers::{Customers, Parties};
use super::document::{CustomerDoc, MaintenanceDoc, MannerDoc, RuleDoc, SignalDoc, TeamDoc};
use super::languages;
use super::maintenance::Maintenance;
use super::read::{Raw, Reader, place_in_text};
use super::rules;
use super::{Manner, Policy, PolicyFile};
use crate::calendar::{CalendarDoc, Calendars, Section, zone_named};
use crate::problem::{Problem, nearest};
use crate::rule::Names;
use crate::signal::{Lexicon, PhraseFault};
use crate::sla::{self, ClockDoc, Metric, Placed, SlaDoc, SlaSet};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::Spanned;

/// Rules that one policy may have.
pub const RULES_MAX: usize = 500;

const SECTIONS: [&str; 11] = [
    "defaults",
    "sources",
    "teams",
    "calendars",
    "sla",
    "clocks",
    "rules",
    "signals",
    "customers",
    "texts",
    "maintenance",
];

/// Something written in one of the files.
pub struct Entry<T> {
    /// Which file, by index.
    pub file: usize,
    pub doc: Spanned<T>,
}

type Named<T> = BTreeMap<String, Entry<T>>;

/// The whole policy as documents, with the file each stands in.
#[derive(Default)]
pub struct Sections {
    pub(super) defaults: Vec<Entry<MannerDoc>>,
    pub(super) sources: Named<MannerDoc>,
    pub(super) teams: Named<TeamDoc>,
    /// By file, as calendars are compiled together with what stands beside them.
    pub calendars: Vec<(usize, BTreeMap<String, Spanned<CalendarDoc>>)>,
    /// Some calendar could not be read: whoever names it is not at fault.
    calendar_lost: bool,
    pub sla: Vec<Entry<SlaDoc>>,
    pub clocks: Named<ClockDoc>,
    pub(super) rules: Vec<Entry<RuleDoc>>,
    pub(super) signals: Named<SignalDoc>,
    pub(super) customers: Named<CustomerDoc>,
    /// By language, then by rule.
    pub(super) texts: BTreeMap<String, Named<String>>,
    pub(super) maintenance: Vec<Entry<MaintenanceDoc>>,
}

/// The JSON Schema of a policy file.
pub fn schema() -> serde_json::Value {
    #[derive(JsonSchema)]
    #[allow(dead_code)]
    #[schemars(title = "dutyd policy file", deny_unknown_fields)]
    struct PolicyDoc {
        defaults: Option<MannerDoc>,
        sources: Option<BTreeMap<String, MannerDoc>>,
        teams: Option<BTreeMap<String, TeamDoc>>,
        calendars: Option<BTreeMap<String, CalendarDoc>>,
        sla: Option<Vec<SlaDoc>>,
        clocks: Option<BTreeMap<String, ClockDoc>>,
        rules: Option<Vec<RuleDoc>>,
        signals: Option<BTreeMap<String, SignalDoc>>,
        customers: Option<BTreeMap<String, CustomerDoc>>,
        /// Sentences of rules by language, then by rule.
        texts: Option<BTreeMap<String, BTreeMap<String, String>>>,
        maintenance: Option<Vec<MaintenanceDoc>>,
    }
    schemars::schema_for!(PolicyDoc).to_value()
}

pub(super) fn load(files: &[PolicyFile]) -> Result<Policy, Vec<Problem>> {
    let (mut readers, sections) = Sections::read(files);
    let mut policy = Policy { id: content_hash(files), ..Policy::default() };
    let calendars = compile_calendars(files, &sections);
    let mut more = match calendars {
        Ok(calendars) => {
            policy.calendars = calendars;
            Vec::new()
        }
        Err(problems) => problems,
    };
    let calendars_known = more.is_empty() && !sections.calendar_lost;
    policy.parties = Arc::new(sections.parties(&mut readers, &policy.calendars));
    if calendars_known {
        match compile_sla(files, &sections, &policy) {
            Ok(sla) => policy.sla = sla,
            Err(problems) => more = problems,
        }
    }
    sections.check_calendar_names(&mut readers, &policy.calendars, calendars_known);
    policy.defaults = sections.defaults(&mut readers);
    for (name, entry) in &sections.sources {
        policy.sources.insert(name.clone(), manner(&mut readers[entry.file], entry.doc.get_ref()));
    }
    policy.lexicon = sections.lexicon(&mut readers);
    for entry in &sections.maintenance {
        policy.maintenance.extend(Maintenance::compile(&mut readers[entry.file], entry.doc.get_ref()));
    }
    let names = sections.names();
    rules::compile(&mut readers, &sections, &names, calendars_known && more.is_empty(), &mut policy);
    policy.findings.extend(languages::findings(&readers, &sections, &policy));
    let mut problems: Vec<Problem> = readers.into_iter().flat_map(|reader| reader.problems).collect();
    problems.append(&mut more);
    problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    problems.dedup();
    if problems.is_empty() { Ok(policy) } else { Err(problems) }
}

fn compile_calendars(files: &[PolicyFile], sections: &Sections) -> Result<Calendars, Vec<Problem>> {
    let by_file: Vec<Section<'_>> = sections
        .calendars
        .iter()
        .map(|(file, calendars)| Section { file: &files[*file], calendars })
        .collect();
    Calendars::compile(&by_file, files)
}

fn compile_sla(files: &[PolicyFile], sections: &Sections, policy: &Policy) -> Result<SlaSet, Vec<Problem>> {
    let entries: Vec<_> =
        sections.sla.iter().map(|entry| Placed { file: &files[entry.file], doc: &entry.doc }).collect();
    let clocks: Vec<_> = sections
        .clocks
        .iter()
        .map(|(name, entry)| (name.as_str(), Placed { file: &files[entry.file], doc: &entry.doc }))
        .collect();
    SlaSet::compile(&entries, &clocks, files, &policy.calendars, &policy.parties)
}

/// 12 hex digits over names and texts of all files, in order of name; not over where they lie, so that a copy of a policy
/// is the same policy.
fn content_hash(files: &[PolicyFile]) -> String {
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut hash = Sha256::new();
    for file in sorted {
        let name = file.name.rsplit('/').next().unwrap_or_default();
        for part in [name, &file.text] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Zone and language, checked.
fn manner(reader: &mut Reader<'_>, doc: &MannerDoc) -> Manner {
    let zone = doc.zone.as_ref().and_then(|zone| {
        let found = zone_named(zone.get_ref());
        found.map_err(|(message, remedy)| reader.problem(zone.span().start, message, remedy)).ok()
    });
    Manner {
        calendar: doc.calendar.as_ref().map(|calendar| calendar.get_ref().clone()),
        zone,
        language: doc.language.as_ref().map(|language| language.get_ref().clone()),
    }
}

impl Sections {
    /// Everything that stands in the files, each with the mistakes found so far.
    pub(super) fn read(files: &[PolicyFile]) -> (Vec<Reader<'_>>, Self) {
        let mut readers: Vec<Reader<'_>> = files.iter().map(Reader::new).collect();
        let mut sections = Self::default();
        for (index, reader) in readers.iter_mut().enumerate() {
            if !reader.file.name.ends_with(".ics") && !sla::is_preset(reader.file) {
                sections.take(index, reader);
            }
        }
        (readers, sections)
    }

    /// Everything that stands in one file.
    fn take(&mut self, index: usize, reader: &mut Reader<'_>) {
        for (key, value) in reader.table() {
            let section: &str = key.get_ref();
            match section {
                "defaults" => self
                    .defaults
                    .extend(reader.document("[defaults]", value).map(|doc| Entry { file: index, doc })),
                "sources" => take_named(&mut self.sources, index, reader, section, value),
                "teams" => take_named(&mut self.teams, index, reader, section, value),
                "clocks" => take_named(&mut self.clocks, index, reader, section, value),
                "signals" => take_named(&mut self.signals, index, reader, section, value),
                "customers" => take_named(&mut self.customers, index, reader, section, value),
                "sla" => take_listed(&mut self.sla, index, reader, section, value),
                "rules" => take_listed(&mut self.rules, index, reader, section, value),
                "maintenance" => take_listed(&mut self.maintenance, index, reader, section, value),
                "calendars" => self.take_calendars(index, reader, value),
                "texts" => {
                    for (language, texts) in reader.named(section, value) {
                        let all = self.texts.entry(language.into_inner()).or_default();
                        take_named(all, index, reader, "texts.LANGUAGE", texts);
                    }
                }
                unknown => {
                    let remedy = match nearest(unknown, SECTIONS) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("known sections: {}", SECTIONS.join(", ")),
                    };
                    reader.problem(key.span().start, format!("unknown section `{unknown}`"), remedy);
                }
            }
        }
    }

    fn take_calendars<'f>(&mut self, index: usize, reader: &mut Reader<'f>, value: Raw<'f>) {
        let mut calendars = BTreeMap::new();
        for (name, value) in reader.named("calendars", value) {
            let what = format!("[calendars.{}]", name.get_ref());
            match reader.document(&what, value) {
                Some(doc) => drop(calendars.insert(name.into_inner(), doc)),
                None => self.calendar_lost = true,
            }
        }
        self.calendars.push((index, calendars));
    }

    fn defaults(&self, readers: &mut [Reader<'_>]) -> Manner {
        if let [_, second, ..] = self.defaults.as_slice() {
            let at = second.doc.span().start;
            readers[second.file].problem(at, "`[defaults]` stands in two files", "keep one of them");
        }
        self.defaults
            .first()
            .map(|entry| manner(&mut readers[entry.file], entry.doc.get_ref()))
            .unwrap_or_default()
    }

    /// Every calendar that is named must be there. Not asked where calendars themselves are broken.
    fn check_calendar_names(&self, readers: &mut [Reader<'_>], calendars: &Calendars, all_known: bool) {
        if !all_known {
            return;
        }
        let defaults = self.defaults.iter().map(|entry| (entry.file, &entry.doc.get_ref().calendar));
        let sources = self.sources.values().map(|entry| (entry.file, &entry.doc.get_ref().calendar));
        let teams = self.teams.values().map(|entry| (entry.file, &entry.doc.get_ref().calendar));
        let customers = self.customers.values().map(|entry| (entry.file, &entry.doc.get_ref().calendar));
        for (file, calendar) in defaults.chain(sources).chain(teams).chain(customers) {
            let Some(calendar) = calendar else { continue };
            if calendars.get(calendar.get_ref()).is_some() {
                continue;
            }
            let remedy = match nearest(calendar.get_ref(), calendars.names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("add `[calendars.{}]`", calendar.get_ref()),
            };
            let message = format!("there is no calendar `{}`", calendar.get_ref());
            readers[file].problem(calendar.span().start, message, remedy);
        }
    }

    /// Calendars that are not there are left out; they are reported apart.
    fn parties(&self, readers: &mut [Reader<'_>], calendars: &Calendars) -> Parties {
        let of = |name: &String, calendar: &Option<Spanned<String>>| {
            Some((name.clone(), Arc::clone(calendars.get(calendar.as_ref()?.get_ref())?)))
        };
        let teams = self.teams.iter().filter_map(|(name, entry)| of(name, &entry.doc.get_ref().calendar));
        let customers =
            self.customers.iter().filter_map(|(name, entry)| of(name, &entry.doc.get_ref().calendar));
        Parties {
            customers: self.customers(readers),
            customer_hours: customers.collect(),
            team_hours: teams.collect(),
        }
    }

    fn customers(&self, readers: &mut [Reader<'_>]) -> Customers {
        let mut customers = Customers::default();
        for (name, entry) in &self.customers {
            let doc = entry.doc.get_ref();
            for alias in doc
                .aliases
                .iter()
                .filter(|alias| alias.get_ref().id.is_none() && alias.get_ref().name.is_none())
            {
                readers[entry.file].problem(
                    alias.span().start,
                    format!("an alias of `{name}` has neither id nor name"),
                    "add `id = \"…\"` (the vendor's) or `name = \"…\"`",
                );
            }
            for clash in customers.add(name, doc) {
                let at = doc.aliases[clash.alias].span().start;
                readers[entry.file].problem(
                    at,
                    format!("customers `{}` and `{name}` have the same alias", clash.other),
                    "an alias belongs to one customer; take it off the other",
                );
            }
        }
        customers
    }

    fn lexicon(&self, readers: &mut [Reader<'_>]) -> Lexicon {
        let docs: Vec<_> =
            self.signals.iter().map(|(name, entry)| (name.as_str(), entry.doc.get_ref())).collect();
        match Lexicon::compile(&docs) {
            Ok(lexicon) => lexicon,
            Err(faults) => {
                for PhraseFault { signal, at, message, remedy } in faults {
                    readers[self.signals[&signal].file].problem(at, message, remedy);
                }
                Lexicon::default()
            }
        }
    }

    /// The names that rules may use.
    fn names(&self) -> Names {
        let metrics = Metric::ALL.into_iter().map(|metric| metric.word().to_owned());
        Names {
            clocks: metrics.chain(self.clocks.keys().cloned()).collect(),
            signals: self.signals.keys().cloned().collect(),
        }
    }
}

fn take_named<'f, T: DeserializeOwned + JsonSchema>(
    all: &mut Named<T>,
    index: usize,
    reader: &mut Reader<'f>,
    section: &str,
    value: Raw<'f>,
) {
    for (name, value) in reader.named(section, value) {
        let at = name.span().start;
        let name = name.into_inner();
        let what = format!("[{section}.{name}]");
        let Some(doc) = reader.document(&what, value) else { continue };
        match all.entry(name) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(Entry { file: index, doc });
            }
            std::collections::btree_map::Entry::Occupied(taken) => reader.problem(
                at,
                format!("`{}` stands twice in `{section}`", taken.key()),
                "remove one of them or give it another name",
            ),
        }
    }
}

fn take_listed<'f, T: DeserializeOwned + JsonSchema>(
    all: &mut Vec<Entry<T>>,
    index: usize,
    reader: &mut Reader<'f>,
    section: &str,
    value: Raw<'f>,
) {
    let what = format!("[[{section}]]");
    for value in reader.listed(section, value) {
        all.extend(reader.document(&what, value).map(|doc| Entry { file: index, doc }));
    }
}

/// A problem at a byte of a text's value.
pub(super) fn problem_in_text(
    reader: &mut Reader<'_>,
    text: &Spanned<String>,
    offset: usize,
    message: String,
    remedy: String,
) {
    let at = place_in_text(&reader.file.text, &text.span(), offset);
    reader.problem(at, message, remedy);
}
