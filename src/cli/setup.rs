//! `dutyd setup SYSTEM`: what an administrator creates in the vendor's system.

use super::outcome::tell;
use super::{Exit, Failure, print_bytes};
use crate::config::{self, Connectors, Place, SourceFile, shipped};

/// `example`: print the documented connector file of that kind of system.
pub fn run(place: &Place, system: &str, webhook_base: &str, example: bool) -> Result<Exit, Failure> {
    if let Some(file) = shipped::connector(system).filter(|_| example) {
        return print_bytes(file.as_bytes());
    }
    let Named { source, is_configured } = named(place, system)?;
    if example && let Some(file) = shipped::connector(source.config.kind()) {
        return print_bytes(file.as_bytes());
    }
    let hook = format!("{}/hooks/{}", webhook_base.trim_end_matches('/'), source.name);
    let text = dutyd_connectors::setup(&source.config, &hook);
    let note = if is_configured { "" } else { EXAMPLE };
    print_bytes(format!("{note}{text}").as_bytes())
}

const EXAMPLE: &str = "example values: no source of this kind is configured\n\n";

/// What `system` means.
pub(super) struct Named {
    pub source: SourceFile,
    /// Else it is as the shipped connector file has it.
    pub is_configured: bool,
}

/// The name of a configured source, or a kind of system: that works without a configuration, and without the secrets that
/// are yet to be made. What is wrong in the file it is read from is told on stderr.
pub(super) fn named(place: &Place, system: &str) -> Result<Named, Failure> {
    let settings = config::settings_as_far(&place.dir).0;
    let (mut sources, problems) = Connectors::read(&place.dir, &settings).files();
    if let Some(nth) = choose(&sources, system) {
        let source = sources.swap_remove(nth);
        tell(problems.iter().filter(|problem| problem.file == source.file));
        return Ok(Named { source, is_configured: true });
    }
    // Why a source that the admin thinks of is not among those that were found.
    tell(&problems);
    if let Some(text) = shipped::connector(system) {
        let (source, _) =
            SourceFile::read(system, text, &settings).map_err(|problems| Failure::config(&problems))?;
        return Ok(Named { source, is_configured: false });
    }
    let mut all: Vec<&str> = shipped::connectors().collect();
    all.extend(sources.iter().map(|source| source.name.as_str()));
    let near = dutyd_core::problem::nearest(system, all.iter().copied());
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    let message = format!("no system or source is called `{system}`{hint} (known: {})", all.join(", "));
    Err(Failure::new(Exit::Problems, message))
}

/// The source of that name; else the only one of that kind, or of that vendor.
fn choose(sources: &[SourceFile], system: &str) -> Option<usize> {
    let only = |is_meant: &dyn Fn(&SourceFile) -> bool| {
        let mut matching = (0..sources.len()).filter(|nth| is_meant(&sources[*nth]));
        matching.next().filter(|_| matching.next().is_none())
    };
    let by_name = sources.iter().position(|source| source.name == system);
    let by_kind = || only(&|source| source.config.kind() == system);
    by_name.or_else(by_kind).or_else(|| only(&|source| source.config.vendor() == system))
}
