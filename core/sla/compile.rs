//! From documents to clocks: presets laid under, names resolved, every mistake found and placed.

use super::doc::{ClockDoc, Metric, MetricDoc, PauseDoc, PolicyEdit, PresetDoc, PresetName, SlaDoc, StopOn};
use super::preset;
use super::spec::{Clock, Custom, Kind, Pause, SlaSet, Spec, Stops, Target};
use super::when::When;
use crate::calendar::{Calendar, Calendars, parse_duration};
use crate::policy::{Parties, PolicyFile};
use crate::problem::{Problem, nearest};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::Spanned;

/// The most entries and custom clocks a policy may have.
pub const ENTRIES_MAX: usize = 500;

/// A document and the file it stands in.
#[derive(Debug)]
pub struct Placed<'a, T> {
    pub file: &'a PolicyFile,
    pub doc: &'a Spanned<T>,
}

impl SlaSet {
    /// Compiles all entries, in the order given, and the custom clocks. `files` are all files of the policy: one named
    /// `presets/NAME.toml` stands in for the shipped preset. All mistakes are reported.
    pub fn compile(
        entries: &[Placed<'_, SlaDoc>],
        customs: &[(&str, Placed<'_, ClockDoc>)],
        files: &[PolicyFile],
        calendars: &Calendars,
        parties: &Arc<Parties>,
    ) -> Result<Self, Vec<Problem>> {
        if entries.len() + customs.len() > ENTRIES_MAX {
            let message = format!("more than {ENTRIES_MAX} [[sla]] entries and clocks");
            return Err(vec![Problem::of_file("policy", message, "let entries share conditions")]);
        }
        let mut problems = Vec::new();
        let presets = preset::load(files, &mut problems);
        let mut clocks: Vec<Clock> = Vec::new();
        for entry in entries {
            let mut compiler =
                Compiler { file: entry.file, calendars, parties, presets: &presets, problems: &mut problems };
            for (metric, spec) in compiler.entry(entry.doc) {
                match clocks.iter_mut().find(|clock| &*clock.name == metric.word()) {
                    Some(clock) => clock.specs.push(spec),
                    None => clocks.push(Clock {
                        name: Arc::from(metric.word()),
                        kind: Kind::Metric(metric),
                        specs: vec![spec],
                    }),
                }
            }
        }
        for (name, custom) in customs {
            let mut compiler = Compiler {
                file: custom.file,
                calendars,
                parties,
                presets: &presets,
                problems: &mut problems,
            };
            if Metric::ALL.iter().any(|metric| metric.word() == *name) {
                let message = format!("there is already a clock `{name}`");
                compiler.problem(custom.doc.span().start, message, "give this one another name");
            } else {
                clocks.extend(compiler.custom(name, custom.doc));
            }
        }
        clocks.sort_by_key(|clock| match &clock.kind {
            Kind::Metric(metric) => (*metric as usize, String::new()),
            Kind::Custom(_) => (usize::MAX, clock.name.to_string()),
        });
        let mut digest = Sha256::new();
        clocks.iter().for_each(|clock| digest.update(clock.said()));
        let id = digest.finalize()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        if problems.is_empty() { Ok(Self { clocks, id }) } else { Err(problems) }
    }
}

struct Compiler<'a> {
    file: &'a PolicyFile,
    calendars: &'a Calendars,
    parties: &'a Arc<Parties>,
    presets: &'a BTreeMap<PresetName, PresetDoc>,
    problems: &'a mut Vec<Problem>,
}

impl Compiler<'_> {
    fn problem(&mut self, offset: usize, message: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem::at(&self.file.name, &self.file.text, offset, message, remedy));
    }

    fn entry(&mut self, entry: &Spanned<SlaDoc>) -> Vec<(Metric, Spec)> {
        let doc = entry.get_ref();
        if doc.metrics().next().is_none() {
            let message = format!("the entry `{}` has no clock", doc.name.get_ref());
            self.problem(
                doc.name.span().start,
                message,
                "add a table such as [sla.first_response] with targets",
            );
        }
        let preset = doc.like.and_then(|name| self.presets.get(&name));
        let base = doc.shared();
        let mut compiled = Vec::new();
        for (metric, own) in doc.metrics() {
            let laid = laid_over(own.get_ref().clone().over(&base), metric, preset);
            let when = doc.when.as_ref().and_then(|text| self.condition(text));
            if doc.when.is_some() && when.is_none() {
                return Vec::new();
            }
            let Some(mut spec) =
                self.spec(Arc::from(doc.name.get_ref().as_str()), Some(metric), &laid, own.span().start)
            else {
                continue;
            };
            spec.when = when;
            let has_own_calendar = own.get_ref().calendar.is_some();
            spec.parties = Some(Arc::clone(self.parties)).filter(|_| !has_own_calendar);
            spec.calendar_change =
                doc.calendar_change.or(preset.and_then(|preset| preset.calendar_change)).unwrap_or_default();
            spec.policy_edit = edit(doc.policy_edit, preset);
            compiled.push((metric, spec));
        }
        compiled
    }

    fn custom(&mut self, name: &str, doc: &Spanned<ClockDoc>) -> Option<Clock> {
        let span = doc.span();
        let doc = doc.get_ref();
        let preset = doc.like.and_then(|name| self.presets.get(&name));
        let own = doc.target.as_ref().map(|target| target.get_ref().clone()).unwrap_or_default();
        if own.pauses.is_some() || own.stops_on.is_some() {
            let message = format!("clock `{name}` has `pauses` or `stops_on` beside its own conditions");
            self.problem(span.start, message, "write `pause` and `stop` as conditions of the clock");
        }
        let laid = match preset {
            Some(preset) => own.over(&MetricDoc { pauses: None, stops_on: None, ..preset.all.clone() }),
            None => own,
        };
        let mut spec = self.spec(Arc::from(name), None, &laid, span.start)?;
        spec.policy_edit = edit(doc.policy_edit, preset);
        let mut optional = |text: &Option<Spanned<String>>| match text {
            Some(text) => self.condition(text).map(Some),
            None => Some(None),
        };
        let (stop, pause, resume) = (optional(&doc.stop)?, optional(&doc.pause)?, optional(&doc.resume)?);
        let (reset, cancel) = (optional(&doc.reset)?, optional(&doc.cancel)?);
        let custom = Custom {
            start: self.condition(&doc.start)?,
            stop,
            pause,
            resume,
            reset,
            cancel,
            cancel_without_start: doc.cancel_without_start,
            pause_reason: Arc::from(doc.pause_reason.as_deref().unwrap_or("its pause condition holds")),
            recurrence: doc.recurrence,
        };
        Some(Clock { name: Arc::from(name), kind: Kind::Custom(Box::new(custom)), specs: vec![spec] })
    }

    fn spec(&mut self, sla: Arc<str>, metric: Option<Metric>, doc: &MetricDoc, at: usize) -> Option<Spec> {
        let is_wall = doc.time.unwrap_or_default() == super::doc::TimeBasis::Calendar;
        let calendar = match &doc.calendar {
            Some(name) => self.calendar(name)?,
            None => Arc::new(Calendar::round_the_clock()),
        };
        let mut targets: [Option<Target>; 6] = Default::default();
        for (slot, text) in doc.targets().into_iter().enumerate() {
            let Some(text) = text else { continue };
            match Target::parse(text.get_ref(), is_wall) {
                Ok(target) if target.needs_calendar() && doc.calendar.is_none() => {
                    let message = format!("the target `{}` has no calendar", text.get_ref());
                    self.problem(
                        text.span().start,
                        message,
                        without_calendar(&target, metric, text.get_ref()),
                    );
                }
                Ok(target) => targets[slot] = Some(target),
                Err(message) => {
                    let remedy =
                        "write \"4h\", \"4h calendar time\", \"end of next business day\" or \"due date\"";
                    self.problem(text.span().start, message, remedy);
                }
            }
        }
        let ignore_within = match &doc.ignore_within {
            None => 0,
            Some(text) => parse_duration(text.get_ref()).unwrap_or_else(|message| {
                self.problem(text.span().start, message, "write a duration such as \"30m\"");
                0
            }),
        };
        let pauses = doc.pauses.iter().flatten().filter_map(|pause| self.pause(pause, at)).collect();
        let stops = match (&doc.stops_on, metric) {
            (Some(listed), _) if listed.is_empty() && metric.is_some() => {
                self.problem(at, "`stops_on` is empty: the clock would never end", "list what ends it");
                Stops::default()
            }
            (Some(listed), _) => Stops::of(listed),
            (None, Some(metric)) => default_stops(metric),
            (None, None) => Stops::default(),
        };
        Some(Spec {
            sla,
            when: None,
            label: doc.label.unwrap_or_default(),
            wall: Arc::new(Calendar::round_the_clock_in(calendar.zone())),
            calendar,
            parties: None,
            calendar_change: Default::default(),
            targets,
            pauses,
            stops,
            on_priority_change: doc.on_priority_change.unwrap_or_default(),
            on_reopen: doc.on_reopen.unwrap_or_default(),
            ignore_within,
            retroactive_start: doc.retroactive_start.unwrap_or(metric.is_some()),
            retroactive_pause: doc.retroactive_pause.unwrap_or(metric.is_some()),
            policy_edit: PolicyEdit::Keep,
        })
    }

    fn pause(&mut self, doc: &PauseDoc, at: usize) -> Option<Pause> {
        if doc.status.is_empty() && doc.when.is_none() {
            self.problem(
                at,
                format!("the pause `{}` has no condition", doc.reason),
                "add `status` or `when`",
            );
            return None;
        }
        let when = match &doc.when {
            Some(text) => Some(self.condition(text)?),
            None => None,
        };
        Some(Pause { status: doc.status.clone(), when, reason: Arc::from(doc.reason.as_str()) })
    }

    fn condition(&mut self, text: &Spanned<String>) -> Option<When> {
        match When::compile(text, self.file) {
            Ok(when) => Some(when),
            Err(found) => {
                for problem in found {
                    if !self.problems.contains(&problem) {
                        self.problems.push(problem);
                    }
                }
                None
            }
        }
    }

    fn calendar(&mut self, name: &Spanned<String>) -> Option<Arc<Calendar>> {
        let found = self.calendars.get(name.get_ref()).cloned();
        if found.is_none() {
            let remedy = match nearest(name.get_ref(), self.calendars.names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("define it as [calendars.{}]", name.get_ref()),
            };
            let problem = format!("there is no calendar `{}`", name.get_ref());
            let problem = Problem::at(&self.file.name, &self.file.text, name.span().start, problem, remedy);
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
        found
    }
}

fn edit(own: Option<PolicyEdit>, preset: Option<&PresetDoc>) -> PolicyEdit {
    own.or(preset.and_then(|preset| preset.policy_edit)).unwrap_or_default()
}

/// What an entry says of a metric over what its preset says.
fn laid_over(own: MetricDoc, metric: Metric, preset: Option<&PresetDoc>) -> MetricDoc {
    let Some(preset) = preset else { return own };
    match preset.metrics.get(&metric) {
        Some(of_metric) => own.over(of_metric).over(&preset.all),
        None => own.over(&preset.all),
    }
}

fn default_stops(metric: Metric) -> Stops {
    match metric {
        Metric::FirstResponse | Metric::NextReply | Metric::PeriodicUpdate | Metric::PausableUpdate => {
            Stops::of(&[StopOn::PublicReply, StopOn::Resolved])
        }
        Metric::RequesterWait | Metric::AgentWork | Metric::Resolution => Stops::of(&[StopOn::Resolved]),
        Metric::TimeToOwn => Stops::of(&[StopOn::Owned, StopOn::Resolved]),
    }
}

/// What gives a target the calendar that it needs.
fn without_calendar(target: &Target, metric: Option<Metric>, written: &str) -> String {
    let place = if metric.is_some() { "`[[sla]]` entry" } else { "target's table" };
    let calendar = format!("add calendar = \"NAME\" to the {place}");
    match target {
        Target::Business(_) => {
            format!("{calendar}, or write \"{written} calendar time\" to count around the clock")
        }
        _ => calendar,
    }
}
