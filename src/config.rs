//! Configuration: the files of one directory → typed settings, sources and secrets; every mistake with its place.
//!
//! Knows: `dutyd.toml`, `connectors/*.toml`, `notify/*.toml`, where `policy/*.toml` lie, how secrets are referred to.
//! Must not know: what vendors or rules mean by their keys; the connectors and the core check those.

mod connectors;
mod notify;
mod read;
mod schema;
mod secret;
mod settings;
pub mod shipped;
mod source;
mod written;

pub use connectors::{Connectors, no_source, strangers};
pub use read::Document;
pub use schema::{SchemaOf, schema};
pub use secret::SecretSource;
pub use settings::{
    AuditSettings, ControlSettings, DEFAULTS, Listen, LogFormat, LogLevel, LogSettings, MetricsSettings,
    Mode, NetworkSettings, SandboxSettings, Settings, StorageSettings, TextSettings, WebhookSettings,
};
use source::file_stem;
pub use source::{Brakes, Source, SourceFile, vendors};

use crate::notify::Channel;
use dutyd_core::calendar::{ics_names_in, zone_named};
use dutyd_core::policy::PolicyFile;
use dutyd_core::problem::Problem;
use std::path::{Path, PathBuf};
use url::Url;

/// Where the files are and what is allowed.
#[derive(Debug, Clone)]
pub struct Place {
    pub dir: PathBuf,
    /// Secrets may come from the environment, and secret files may be readable by others.
    pub dev: bool,
}

/// Files of a directory that are read at most; more are a mistake.
const FILES_MAX: usize = 500;
/// The longest file that is read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// All that the files say about this machine and its sources. The policy is read apart, because it is reloaded apart.
#[derive(Debug)]
pub struct Config {
    pub settings: Settings,
    /// By name.
    pub sources: Vec<Source>,
    /// Where people are told; none without a directory `notify/`.
    pub channels: Vec<Channel>,
}

impl Config {
    /// Reads settings and sources and resolves every secret. All problems are reported.
    pub fn load(place: &Place) -> Result<Self, Vec<Problem>> {
        let Survey { config, problems, .. } = Survey::of(place);
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }
}

/// What is right in the files, and what is not.
#[derive(Debug)]
pub struct Survey {
    /// What is wrong in dutyd.toml is as shipped; sources and channels are those whose files are right.
    pub config: Config,
    /// The connector files as far as they can be understood.
    pub files: Vec<SourceFile>,
    /// Some connector file cannot be understood at all.
    pub is_partial: bool,
    pub problems: Vec<Problem>,
    /// Worth knowing; nothing is broken.
    pub remarks: Vec<Problem>,
}

impl Survey {
    pub fn of(place: &Place) -> Self {
        let (settings, mut problems) = settings_as_far(&place.dir);
        let connectors = Connectors::read(&place.dir, &settings);
        let (names, is_partial) = (connectors.names(), !connectors.lost.is_empty());
        let files = connectors.files.iter().map(|(file, ..)| file.clone()).collect();
        let (sources, of_sources, remarks) = connectors.signed(place);
        if problems.is_empty() {
            problems.extend(contradictions(&place.dir, &settings, &sources));
        }
        problems.extend(of_sources);
        let (channels, of_channels) = channels(&place.dir, Some(place), &settings, &names);
        problems.extend(of_channels);
        let config = Config { settings, sources, channels };
        Self { config, files, is_partial, problems, remarks }
    }
}

/// `dutyd.toml` of a directory over the shipped one. A directory without the file has the shipped settings.
pub fn settings(dir: &Path) -> Result<Settings, Vec<Problem>> {
    match settings_as_far(dir) {
        (settings, problems) if problems.is_empty() => Ok(settings),
        (_, problems) => Err(problems),
    }
}

/// The same as far as it can be understood, what is wrong as shipped, and every mistake.
pub fn settings_as_far(dir: &Path) -> (Settings, Vec<Problem>) {
    let path = dir.join("dutyd.toml");
    let file = path.display().to_string();
    if !dir.is_dir() {
        let remedy = "create it, or name another with --config";
        let absent = Problem::of_file(&dir.display().to_string(), "there is no such directory", remedy);
        return (shipped_settings(), vec![absent]);
    }
    if is_absent(&path) {
        return (shipped_settings(), Vec::new());
    }
    let text = match read_text(&path) {
        Ok(text) => text,
        Err(problem) => return (shipped_settings(), vec![problem]),
    };
    let (document, mut problems) = Document::parse_as_far(&file, &text);
    let (settings, of_keys) = document.read_as_far::<Settings>(DEFAULTS);
    let Some(mut settings) = settings else {
        problems.extend(of_keys);
        return (shipped_settings(), problems);
    };
    // What follows from broken syntax is not told beside it.
    if problems.is_empty() {
        problems = of_keys;
    }
    if problems.is_empty() {
        problems = implausible(&file, &text, &settings);
    }
    if source::check_poll_interval(settings.poll_interval).is_err() {
        settings.poll_interval = shipped_settings().poll_interval;
    }
    (settings, problems)
}

/// The settings of a machine whose admin says nothing.
pub fn shipped_settings() -> Settings {
    Document::parse("config/dutyd.toml", DEFAULTS)
        .and_then(|document| document.read(DEFAULTS))
        .expect("the shipped file is correct: tests::the_shipped_settings_are_read")
}

/// The policy files of a configuration directory; the shipped ones where it has no `policy/`.
pub fn policy_files(dir: &Path) -> Result<Vec<PolicyFile>, Vec<Problem>> {
    if has_own_policy(dir) { policy_files_in(&dir.join("policy")) } else { Ok(shipped::policy()) }
}

/// Whether the directory has a policy of its own, be it an empty one.
pub fn has_own_policy(dir: &Path) -> bool {
    !is_absent(&dir.join("policy"))
}

/// The files of a policy directory: its TOML files in the order of their names, presets of its own, and the `.ics` files
/// that any of them names.
pub fn policy_files_in(folder: &Path) -> Result<Vec<PolicyFile>, Vec<Problem>> {
    let read = |path: PathBuf| Ok(PolicyFile { text: read_text(&path)?, name: path.display().to_string() });
    let mut files = Vec::new();
    let mut problems = Vec::new();
    let mut paths = toml_files(folder).map_err(|problem| vec![problem])?;
    let presets = folder.join("presets");
    if presets.is_dir() {
        paths.extend(toml_files(&presets).map_err(|problem| vec![problem])?);
    }
    for path in paths {
        match read(path) {
            Ok(file) => files.push(file),
            Err(problem) => problems.push(problem),
        }
    }
    let named: Vec<PolicyFile> = files.iter().flat_map(ics_files_of).collect();
    for file in named {
        if !files.iter().any(|known| known.name == file.name) {
            files.push(file);
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

/// The `.ics` files that a file names and that can be read; whoever compiles it reports the others, and those that are
/// not text.
pub fn ics_files_of(file: &PolicyFile) -> Vec<PolicyFile> {
    let folder = Path::new(&file.name).parent().unwrap_or(Path::new(""));
    let read = |name: String| {
        let path = folder.join(name.trim_start_matches("./"));
        let text = String::from_utf8_lossy(&std::fs::read(&path).ok()?).into_owned();
        Some(PolicyFile { text, name: path.display().to_string() })
    };
    ics_names_in(&file.text).into_iter().filter_map(read).collect()
}

/// The channels of `notify/` with stand-ins for their secrets: for showing, not for sending.
pub fn channels_unsigned(dir: &Path, settings: &Settings) -> (Vec<Channel>, Vec<Problem>) {
    channels(dir, None, settings, &Connectors::read(dir, settings).names())
}

/// The channels of `notify/`; their `sources` must be among those there are. Without a place secrets are not read.
fn channels(
    dir: &Path,
    place: Option<&Place>,
    settings: &Settings,
    sources: &[String],
) -> (Vec<Channel>, Vec<Problem>) {
    let folder = dir.join("notify");
    if is_absent(&folder) {
        return (Vec::new(), Vec::new());
    }
    let paths = match toml_files(&folder) {
        Ok(paths) => paths,
        Err(problem) => return (Vec::new(), vec![problem]),
    };
    let (mut channels, mut problems) = (Vec::<Channel>::new(), Vec::new());
    for path in paths {
        let file = path.display().to_string();
        let read = read_text(&path).map_err(|problem| vec![problem]).and_then(|text| {
            let channel = notify::read(&file, &text, settings, place)?;
            let strangers = notify::strangers(&channel, &text, sources);
            if strangers.is_empty() { Ok(channel) } else { Err(strangers) }
        });
        match read {
            Ok(channel) if channels.iter().any(|other| other.name == channel.name) => {
                let message = format!("another file has a channel named `{}`", channel.name);
                problems.push(Problem::of_file(&file, message, "give each channel a name of its own"));
            }
            Ok(channel) => channels.push(channel),
            Err(found) => problems.extend(found),
        }
    }
    (channels, problems)
}

/// Values of one key that are written correctly and cannot work.
fn implausible(file: &str, text: &str, settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut complain = |key: &str, message: String, remedy: &str| {
        problems.push(Problem::at(file, text, offset_of(text, key), message, remedy));
    };
    if let Err((message, remedy)) = zone_named(&settings.text.zone) {
        complain("zone", message, &remedy);
    }
    if let Err(message) = source::check_poll_interval(settings.poll_interval) {
        complain("poll_interval", message, "the shipped value is \"60s\"");
    }
    if !(1..=36_500).contains(&settings.audit.keep_days) {
        let message = "`keep_days` must be between 1 and 36500".to_owned();
        complain("keep_days", message, "the shipped value is 400");
    }
    if let Some(proxy) = &settings.network.proxy
        && !Url::parse(proxy).is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "socks5"))
    {
        complain("proxy", format!("`{proxy}` is not the address of a proxy"), "write \"http://host:port\"");
    }
    if let Some(ca_file) = &settings.network.ca_file
        && let Err(error) = std::fs::metadata(ca_file)
    {
        let message = format!("cannot read {}: {error}", ca_file.display());
        complain("ca_file", message, "name a file of PEM certificates that the daemon may read");
    }
    problems
}

/// What is right in each file and wrong together.
fn contradictions(dir: &Path, settings: &Settings, sources: &[Source]) -> Vec<Problem> {
    let Some(clock) = &settings.sandbox.clock else { return Vec::new() };
    let file = dir.join("dutyd.toml").display().to_string();
    let mut problems = Vec::new();
    if !Url::parse(clock).is_ok_and(|url| crate::http::is_loopback(&url)) {
        let message = format!("`sandbox.clock` is not on loopback: {clock}");
        problems.push(Problem::of_file(&file, message, "only a sandbox on this machine may own the clock"));
    }
    for source in sources.iter().filter(|source| !crate::http::is_loopback(&source.origin)) {
        let message = format!("`sandbox.clock` is set while the source `{}` is a real system", source.name);
        problems.push(Problem::of_file(&file, message, "remove `sandbox.clock`, or the source"));
    }
    problems
}

/// Where a key is written in a file; its beginning where it is not.
fn offset_of(text: &str, key: &str) -> usize {
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let written = line.trim_start();
        let rest = written.strip_prefix(key).map(str::trim_start);
        if rest.is_some_and(|rest| rest.starts_with('=')) {
            return offset + (line.len() - written.len());
        }
        offset += line.len();
    }
    0
}

/// Whether no file or folder has this name. What cannot be looked at, and a link that leads nowhere, is there: the defaults
/// do not take its place. A socket is nothing that an admin wrote.
fn is_absent(path: &Path) -> bool {
    match std::fs::symlink_metadata(path) {
        Ok(found) => !(found.is_dir() || found.is_file() || found.is_symlink()),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn toml_files(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    let shown = folder.display().to_string();
    let unreadable =
        |error: std::io::Error| Problem::of_file(&shown, format!("cannot list: {error}"), remedy(&error));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => paths.push(path),
            Some("yaml" | "yml") => {
                let message = "is not read: the files here are TOML";
                let remedy = "write it as NAME.toml, or move it away";
                return Err(Problem::of_file(&path.display().to_string(), message, remedy));
            }
            _ => {}
        }
    }
    if paths.len() > FILES_MAX {
        return Err(Problem::of_file(
            &shown,
            format!("more than {FILES_MAX} files"),
            "is this the right folder?",
        ));
    }
    paths.sort();
    Ok(paths)
}

fn read_text(path: &Path) -> Result<String, Problem> {
    let file = path.display().to_string();
    let unreadable =
        |error: std::io::Error| Problem::of_file(&file, format!("cannot read: {error}"), remedy(&error));
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > FILE_BYTES_MAX {
        return Err(Problem::of_file(&file, "longer than 1 MiB", "is this the right file?"));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let good =
            String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).into_owned();
        Problem::at(&file, &good, good.len(), "the text is not UTF-8 from here on", "save the file as UTF-8")
    })
}

/// What to do about a file or folder that cannot be read.
fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => "it must be there, and a link must lead somewhere",
        std::io::ErrorKind::IsADirectory => "a file is expected here: move the folder away",
        std::io::ErrorKind::NotADirectory => "a folder is expected here: move the file away",
        _ => "the daemon's user must be able to read it",
    }
}

#[cfg(test)]
mod tests;
