//! `dutyd setup SYSTEM`: what an administrator creates in the vendor's system.

use super::{Exit, Failure, print_bytes};
use crate::config::{Config, Place, Source, shipped, vendors};
use std::path::Path;

/// `system` is the name of a configured source, or a vendor: then the shipped connector file stands in.
pub fn run(place: &Place, system: &str, webhook_base: &str) -> Result<Exit, Failure> {
    let hook = |name: &str| format!("{}/hooks/{name}", webhook_base.trim_end_matches('/'));
    let configured = if place.dir.is_dir() { Config::load(place).ok() } else { None };
    let sources = configured.map(|config| config.sources).unwrap_or_default();
    if let Some(source) = choose(&sources, system) {
        let text = dutyd_connectors::setup(&source.config, &hook(&source.name));
        return print_bytes(text.as_bytes());
    }
    let known = vendors();
    let Some(text) = shipped::connector(system) else {
        let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
        let all: Vec<&str> = known.iter().map(String::as_str).chain(names).collect();
        let near = dutyd_core::problem::nearest(system, all.iter().copied());
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let message = format!("no system or source is called `{system}`{hint} (known: {})", all.join(", "));
        return Err(Failure::new(Exit::Problems, message));
    };
    let config = Source::example(Path::new(system), text).map_err(|problems| Failure::config(&problems))?;
    print_bytes(dutyd_connectors::setup(&config, &hook(system)).as_bytes())
}

/// The source of that name; else the only one of that vendor.
pub(super) fn choose<'a>(sources: &'a [Source], system: &str) -> Option<&'a Source> {
    let of_vendor = || {
        let mut matching = sources.iter().filter(|source| source.config.vendor() == system);
        matching.next().filter(|_| matching.next().is_none())
    };
    sources.iter().find(|source| source.name == system).or_else(of_vendor)
}
