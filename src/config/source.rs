//! `connectors/<name>.toml`: one watched system, its brakes and its secrets.
//!
//! Must not know: what the vendor's own table means; the connector's type reads it.

use super::Place;
use super::read::Document;
use super::secret::SecretSource;
use super::settings::{Mode, Settings};
use super::written;
use dutyd_connectors::{BuildError, Connector, SecretRef, Secrets, SourceConfig};
use dutyd_core::problem::{Problem, nearest};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::Path;
use url::Url;

/// One configured system.
#[derive(Debug, Clone)]
pub struct Source {
    pub name: String,
    /// As shown in messages.
    pub file: String,
    pub brakes: Brakes,
    pub config: SourceConfig,
    pub secrets: Secrets,
    /// Where the system is.
    pub origin: Url,
}

/// What a connector file says without its secrets: for showing and setting up, not for running.
#[derive(Debug, Clone)]
pub struct SourceFile {
    pub name: String,
    /// As shown in messages.
    pub file: String,
    pub brakes: Brakes,
    pub config: SourceConfig,
    /// Where the secrets are.
    secrets: BTreeMap<String, SecretSource>,
}

/// What holds a source back, from its own file or else from `dutyd.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Brakes {
    pub mode: Mode,
    pub writes_per_hour: u32,
    pub poll_interval: SignedDuration,
    pub start_from: Option<Timestamp>,
}

/// The part of the file that every vendor has; the rest is the table named after the vendor.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Common {
    /// Name of the source in output, addresses and rules. Default: the file's name.
    name: Option<String>,
    /// Default: as in dutyd.toml.
    mode: Option<Mode>,
    /// Default: as in dutyd.toml.
    writes_per_hour: Option<u32>,
    /// Default: as in dutyd.toml.
    #[schemars(with = "Option<String>")]
    #[serde(default, deserialize_with = "written::duration_if_any")]
    poll_interval: Option<SignedDuration>,
    /// Default: as in dutyd.toml.
    #[serde(default, deserialize_with = "written::instant_if_any")]
    start_from: Option<Timestamp>,
    /// Secrets by the names that the vendor's table uses for them.
    #[serde(default)]
    secrets: BTreeMap<String, SecretSource>,
}

/// Keys of [`Common`].
const COMMON_KEYS: [&str; 6] = ["name", "mode", "writes_per_hour", "poll_interval", "start_from", "secrets"];

/// Tables of [`SourceConfig`], one per vendor.
pub fn vendors() -> Vec<String> {
    tables_of::<SourceConfig>()
}

/// Names of the tables that a type with one table per variant is read from.
pub(super) fn tables_of<T: JsonSchema>() -> Vec<String> {
    let schema = schemars::schema_for!(T).to_value();
    let variants = schema["oneOf"].as_array().cloned().unwrap_or_default();
    variants
        .iter()
        .filter_map(|variant| variant["properties"].as_object())
        .flat_map(|properties| properties.keys().cloned())
        .collect()
}

impl SourceFile {
    /// Reads a connector file without its secrets, with what is wrong besides. `Err`: it cannot be understood at all.
    pub fn read(file: &str, text: &str, settings: &Settings) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let mut document = Document::parse(file, text)?;
        let common: Result<Common, _> = document.split_off(&COMMON_KEYS).read("");
        let config: Result<SourceConfig, _> = one_table(document, &COMMON_KEYS, &vendors(), "system");
        let (common, config) = match (common, config) {
            (Ok(common), Ok(config)) => (common, config),
            (common, config) => {
                let of_both = [common.err(), config.err()];
                return Err(of_both.into_iter().flatten().flatten().collect());
            }
        };
        let name = name(file, &common);
        let mut problems = Vec::new();
        if let Err(message) = check_name(&name) {
            problems.push(Problem::at(file, text, super::offset_of(text, "name"), message, NAME_REMEDY));
        }
        let poll_interval = common.poll_interval.unwrap_or(settings.poll_interval);
        if let Err(message) = check_poll_interval(poll_interval) {
            let offset = super::offset_of(text, "poll_interval");
            problems.push(Problem::at(file, text, offset, message, "the shipped value is \"60s\""));
        }
        let brakes = Brakes {
            mode: common.mode.unwrap_or(settings.mode),
            writes_per_hour: common.writes_per_hour.unwrap_or(settings.writes_per_hour),
            poll_interval,
            start_from: common.start_from.or(settings.start_from),
        };
        let read = Self { name, file: file.to_owned(), brakes, config, secrets: common.secrets };
        Ok((read, problems))
    }

    /// A connector that nobody signs in with: its secrets are empty.
    pub fn unsigned(&self) -> Result<Box<dyn Connector>, BuildError> {
        let names = self.config.secrets().into_iter().map(|SecretRef(name)| name.clone());
        let secrets = names.map(|name| (name, SecretString::default())).collect();
        build(&self.name, &self.config, &Secrets(secrets)).map(|(connector, _)| connector)
    }
}

impl Source {
    /// Reads a connector file and resolves its secrets. All problems are reported.
    pub fn read(file: &str, text: &str, settings: &Settings, place: &Place) -> Result<Self, Vec<Problem>> {
        let (read, problems) = SourceFile::read(file, text, settings)?;
        Self::signed(read, problems, text, place)
    }

    /// The source of a file that was read, with its secrets. `problems`: what is wrong already.
    pub(super) fn signed(
        read: SourceFile,
        mut problems: Vec<Problem>,
        text: &str,
        place: &Place,
    ) -> Result<Self, Vec<Problem>> {
        let SourceFile { name, file, brakes, config, secrets } = read;
        let names: Vec<&str> = config.secrets().into_iter().map(|SecretRef(name)| name.as_str()).collect();
        let (secrets, of_secrets) = resolve(&file, text, &secrets, &names, place);
        let secrets = Secrets(secrets);
        problems.extend(of_secrets);
        // Built once here, so that what the connector refuses is a problem of the file. Connectors look at their values
        // before they ask for secrets, so one that is missing hides nothing.
        match build(&name, &config, &secrets) {
            Ok((_, origin)) if problems.is_empty() => {
                return Ok(Self { name, file, brakes, config, secrets, origin });
            }
            Ok(_) => {}
            Err(BuildError::NoSecret { .. }) if !problems.is_empty() => {}
            Err(wrong) => problems.push(unbuildable(&wrong, &file, text)),
        }
        Err(problems)
    }

    /// The connector of this source.
    pub fn connector(&self) -> Box<dyn Connector> {
        build(&self.name, &self.config, &self.secrets)
            .expect("Source::read has built it from the same values")
            .0
    }
}

fn build(
    name: &str,
    config: &SourceConfig,
    secrets: &Secrets,
) -> Result<(Box<dyn Connector>, Url), BuildError> {
    let connector = dutyd_connectors::build(name, config, secrets)?;
    let origin = connector.profile().origin.clone();
    crate::http::Origin::new(&origin).map_err(|reason| BuildError::invalid("origin", reason))?;
    Ok((connector, origin))
}

/// A key with a value that cannot work, where it stands.
fn unbuildable(error: &BuildError, file: &str, text: &str) -> Problem {
    let (key, reason) = match error {
        BuildError::NoSecret { name } => (name, error.to_string()),
        BuildError::Invalid { key, reason } => (key, reason.clone()),
    };
    let last = key.rsplit('.').next().unwrap_or(key);
    let (reason, remedy) = match reason.split_once("; write ") {
        Some((reason, how)) => (reason, format!("write {how}")),
        None => (reason.as_str(), "dutyd setup SYSTEM --example prints a documented file".to_owned()),
    };
    Problem::at(file, text, super::offset_of(text, last), format!("`{key}`: {reason}"), remedy)
}

/// Reads the one table that the file must have beside the common keys: of a `known` name, called a `noun` in messages.
pub(super) fn one_table<T: DeserializeOwned>(
    mut document: Document<'_>,
    common_keys: &[&str],
    known: &[String],
    noun: &str,
) -> Result<T, Vec<Problem>> {
    let (file, text) = (document.file, document.text);
    let tables: Vec<(String, usize)> = document
        .table
        .get_ref()
        .iter()
        .map(|(key, _)| (key.get_ref().to_string(), key.span().start))
        .collect();
    let unknown = |(key, at): &(String, usize)| {
        let names = common_keys.iter().copied().chain(known.iter().map(String::as_str));
        let remedy = match nearest(key, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}, {}", common_keys.join(", "), known.join(", ")),
        };
        Problem::at(file, text, *at, format!("unknown key `{key}`"), remedy)
    };
    let (named, strange): (Vec<_>, Vec<_>) = tables.iter().partition(|(key, _)| known.contains(key));
    let mut problems: Vec<Problem> = strange.into_iter().map(unknown).collect();
    let named: Vec<&str> = named.into_iter().map(|(key, _)| key.as_str()).collect();
    match named[..] {
        [vendor] => match document.split_off(&[vendor]).read("") {
            Ok(config) if problems.is_empty() => return Ok(config),
            Ok(_) => {}
            Err(found) => problems.extend(found.into_iter().map(|problem| misplaced(problem, common_keys))),
        },
        // A table whose name is mistyped is told already.
        [] if !problems.is_empty() => {}
        [] => {
            let remedy = format!("add one of: [{}]", known.join("], ["));
            problems.push(Problem::of_file(file, format!("the file names no {noun}"), remedy));
        }
        _ => {
            let message = format!("the file names more than one {noun}: {}", named.join(", "));
            problems.push(Problem::of_file(file, message, format!("write one file per {noun}")));
        }
    }
    Err(problems)
}

/// A key of the top of the file that stands in a table.
fn misplaced(problem: Problem, common_keys: &[&str]) -> Problem {
    let belongs = common_keys.iter().find(|key| problem.message == format!("unknown key `{key}`"));
    match belongs {
        Some(key) => {
            Problem { remedy: format!("`{key}` belongs above the first [table] of the file"), ..problem }
        }
        None => problem,
    }
}

const NAME_REMEDY: &str =
    "use lower-case letters, digits, `-` and `_`, at most 40, for example \"support-eu\"";

/// Names stand in addresses, logs and keys.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    match !name.is_empty() && name.len() <= 40 && name.bytes().all(allowed) {
        true => Ok(()),
        false => Err(format!("`{name}` cannot be the name of a source")),
    }
}

/// Polls must neither flood a vendor nor leave us blind.
pub(super) fn check_poll_interval(interval: SignedDuration) -> Result<(), String> {
    let (shortest, longest) = (SignedDuration::from_secs(5), SignedDuration::from_hours(24));
    match (shortest..=longest).contains(&interval) {
        true => Ok(()),
        false => Err("`poll_interval` must be between 5s and 24h".to_owned()),
    }
}

fn name(file: &str, common: &Common) -> String {
    common.name.clone().unwrap_or_else(|| file_stem(file))
}

/// The name that a file gives to what it describes.
pub(super) fn file_stem(file: &str) -> String {
    Path::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Every secret that the file's own table names, read from where `[secrets]` says.
pub(super) fn resolve(
    file: &str,
    text: &str,
    sources: &BTreeMap<String, SecretSource>,
    names: &[&str],
    place: &Place,
) -> (BTreeMap<String, SecretString>, Vec<Problem>) {
    let mut secrets = BTreeMap::new();
    let mut problems = Vec::new();
    for name in names {
        let Some(source) = sources.get(*name) else {
            // Never the name itself: it may be the secret, written in the wrong place.
            let message = "no secret of this name stands under [secrets]";
            let known: Vec<&str> = sources.keys().map(String::as_str).collect();
            let remedy = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => {
                    "add [secrets] with NAME = { credential = \"NAME\" }, and write that name here".to_owned()
                }
                None => format!("write one of its names here: {}; or add one there", known.join(", ")),
            };
            let at = text.find(&format!("\"{name}\"")).unwrap_or(0);
            problems.push(Problem::at(file, text, at, message, remedy));
            continue;
        };
        match source.resolve(place) {
            Ok(secret) => {
                secrets.insert((*name).to_owned(), secret);
            }
            Err(missing) => {
                let at = super::offset_of(text, name);
                let message = format!("secret `{name}`: {}", missing.message);
                problems.push(Problem::at(file, text, at, message, missing.remedy));
            }
        }
    }
    (secrets, problems)
}
