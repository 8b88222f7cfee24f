//! `connectors/*.toml` together: which sources there are, and what is wrong between them.

use super::{Place, Settings, Source, SourceFile, file_stem, is_absent, offset_of, read_text, toml_files};
use dutyd_connectors::SourceConfig;
use dutyd_core::policy::{self, Known, PolicyFile};
use dutyd_core::problem::Problem;
use std::path::Path;

/// A connector file that was read, its text, and what is wrong in it.
pub(super) type ReadFile = (SourceFile, String, Vec<Problem>);

/// The connector files as far as they can be understood without secrets.
#[derive(Debug, Default)]
pub struct Connectors {
    pub(super) files: Vec<ReadFile>,
    /// Names of files of which nothing can be understood.
    pub(super) lost: Vec<String>,
    /// What is wrong with those, and between files.
    pub(super) problems: Vec<Problem>,
}

impl Connectors {
    pub fn read(dir: &Path, settings: &Settings) -> Self {
        let folder = dir.join("connectors");
        if is_absent(&folder) {
            return Self::default();
        }
        let paths = match toml_files(&folder) {
            Ok(paths) => paths,
            Err(problem) => return Self { problems: vec![problem], ..Self::default() },
        };
        let mut all = Self::default();
        for path in paths {
            let file = path.display().to_string();
            let read = read_text(&path).map_err(|problem| vec![problem]).and_then(|text| {
                let (read, found) = SourceFile::read(&file, &text, settings)?;
                Ok((read, text, found))
            });
            match read {
                Ok((read, ..)) if all.files.iter().any(|(other, ..)| other.name == read.name) => {
                    let message = format!("another file has a source named `{}`", read.name);
                    all.problems.push(Problem::of_file(&file, message, "give each source a name of its own"));
                }
                Ok(read) => all.files.push(read),
                Err(found) => {
                    all.lost.push(file_stem(&file));
                    all.problems.extend(found);
                }
            }
        }
        all
    }

    /// What the files say, and what is wrong in all.
    pub fn files(self) -> (Vec<SourceFile>, Vec<Problem>) {
        let mut problems = self.problems;
        let read = self.files.into_iter().map(|(file, _, found)| {
            problems.extend(found);
            file
        });
        (read.collect(), problems)
    }

    /// Every source there is meant to be.
    pub fn names(&self) -> Vec<String> {
        let read = self.files.iter().map(|(file, ..)| file.name.clone());
        read.chain(self.lost.iter().cloned()).collect()
    }

    /// The sources whose files are right, what is wrong in the others, and what is worth a look.
    pub(super) fn signed(self, place: &Place) -> (Vec<Source>, Vec<Problem>, Vec<Problem>) {
        let (mut sources, mut problems, mut remarks) = (Vec::<Source>::new(), self.problems, Vec::new());
        for (file, text, found) in self.files {
            match Source::signed(file, found, &text, place) {
                Ok(source) => {
                    for other in sources.iter().filter(|other| other.origin == source.origin) {
                        match twins(other, &source, &text) {
                            (problem, true) => problems.push(problem),
                            (remark, false) => remarks.push(remark),
                        }
                    }
                    sources.push(source);
                }
                Err(found) => problems.extend(found),
            }
        }
        problems.sort_by(|a, b| a.file.cmp(&b.file));
        (sources, problems, remarks)
    }
}

/// What to say of two sources of one system. `true`: both read the same cases, so each would be marked and noted twice.
fn twins(other: &Source, source: &Source, text: &str) -> (Problem, bool) {
    let at = match offset_of(text, "origin") {
        0 => offset_of(text, "base_url"),
        at => at,
    };
    let name = &other.name;
    let (message, remedy, is_wrong) = match other.config.selects() == source.config.selects() {
        true => (
            format!("the source `{name}` reads the same cases of this system: every note would go out twice"),
            "remove one of the files, or let each select other cases (scope, tables, projects)",
            true,
        ),
        false => (
            format!("the source `{name}` reads this system, too"),
            "see that no case is selected by both: it would be marked and noted twice",
            false,
        ),
    };
    (Problem::at(&source.file, text, at, message, remedy), is_wrong)
}

/// Sources and custom fields that a policy names and no connector file has. Without a source nothing can be said.
pub fn strangers<'a>(
    files: &[PolicyFile],
    sources: impl IntoIterator<Item = (&'a str, &'a SourceConfig)>,
) -> Vec<Problem> {
    let mut known = Known::default();
    for (name, config) in sources {
        known.sources.insert(name);
        known.fields.extend(config.fields());
    }
    if known.sources.is_empty() { Vec::new() } else { policy::strangers(files, &known) }
}

/// Without a source there is nothing to do.
pub fn no_source(place: &Place) -> Problem {
    let folder = place.dir.join("connectors").display().to_string();
    let remedy = "put one file per system there: dutyd setup SYSTEM --example prints one to begin with, dutyd setup SYSTEM tells \
                  what to create in the system";
    Problem::of_file(&folder, "no source is configured", remedy)
}
