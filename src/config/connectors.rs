//! `connectors/*.toml` together: which sources there are, and what is wrong between them.

use super::{Place, Settings, Source, SourceFile, file_stem, is_absent, read_text, toml_files};
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

    /// The sources whose files are right, and what is wrong in the others.
    pub(super) fn signed(self, place: &Place) -> (Vec<Source>, Vec<Problem>) {
        let (mut sources, mut problems) = (Vec::new(), self.problems);
        for (file, text, found) in self.files {
            match Source::signed(file, found, &text, place) {
                Ok(source) => sources.push(source),
                Err(found) => problems.extend(found),
            }
        }
        problems.sort_by(|a, b| a.file.cmp(&b.file));
        (sources, problems)
    }
}

/// Sources and custom fields that a policy names and no connector file has. Without a source nothing can be said.
pub fn strangers(files: &[PolicyFile], sources: &[Source]) -> Vec<Problem> {
    if sources.is_empty() {
        return Vec::new();
    }
    let known = Known {
        sources: sources.iter().map(|source| source.name.as_str()).collect(),
        fields: sources.iter().flat_map(|source| source.config.fields()).collect(),
    };
    policy::strangers(files, &known)
}

/// Without a source there is nothing to do.
pub fn no_source(place: &Place) -> Problem {
    let folder = place.dir.join("connectors").display().to_string();
    let remedy = "put one file per system there, made from config/connectors/SYSTEM.toml; dutyd setup SYSTEM tells what to \
                  create in the system";
    Problem::of_file(&folder, "no source is configured", remedy)
}
