//! `dutyd setup SYSTEM`: what an administrator creates in the vendor's system.

use super::{Exit, Failure, print_bytes};
use crate::config::{Config, Place, Source, shipped, vendors};
use dutyd_connectors::SourceConfig;
use std::path::Path;

pub fn run(place: &Place, system: &str, webhook_base: &str) -> Result<Exit, Failure> {
    let hook = |name: &str| format!("{}/hooks/{name}", webhook_base.trim_end_matches('/'));
    let text = match named(place, system)? {
        Named::Source(source) => dutyd_connectors::setup(&source.config, &hook(&source.name)),
        Named::Shipped(config) => dutyd_connectors::setup(&config, &hook(system)),
    };
    print_bytes(text.as_bytes())
}

/// What `system` means.
pub(super) enum Named {
    Source(Box<Source>),
    /// A vendor, as the shipped connector file has it.
    Shipped(SourceConfig),
}

/// The name of a configured source, or a vendor: that works without a configuration, or with one that is not right yet.
pub(super) fn named(place: &Place, system: &str) -> Result<Named, Failure> {
    let loaded =
        if place.dir.is_dir() { Config::load(place).map(|config| config.sources) } else { Ok(Vec::new()) };
    let (mut sources, problems) =
        loaded.map_or_else(|problems| (Vec::new(), problems), |found| (found, Vec::new()));
    if let Some(nth) = choose(&sources, system) {
        return Ok(Named::Source(Box::new(sources.swap_remove(nth))));
    }
    if let Some(text) = shipped::connector(system) {
        let config =
            Source::example(Path::new(system), text).map_err(|problems| Failure::config(&problems))?;
        return Ok(Named::Shipped(config));
    }
    let known = vendors();
    let names = sources.iter().map(|source| source.name.as_str());
    let all: Vec<&str> = known.iter().map(String::as_str).chain(names).collect();
    let near = dutyd_core::problem::nearest(system, all.iter().copied());
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    let mut message = format!("no system or source is called `{system}`{hint} (known: {})", all.join(", "));
    if !problems.is_empty() {
        message.push_str("; configured sources are not among them, because");
    }
    for problem in problems {
        message.push_str(&format!("\n{problem}"));
    }
    Err(Failure::new(Exit::Problems, message))
}

/// The source of that name; else the only one of that vendor.
fn choose(sources: &[Source], system: &str) -> Option<usize> {
    let of_vendor = || {
        let mut matching = (0..sources.len()).filter(|nth| sources[*nth].config.vendor() == system);
        matching.next().filter(|_| matching.next().is_none())
    };
    sources.iter().position(|source| source.name == system).or_else(of_vendor)
}
