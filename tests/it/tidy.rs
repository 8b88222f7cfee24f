//! Walls and habits of the project that no compiler holds.

use crate::reliability::measured;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of code that is longer than this should be two; longer than the other, it must be.
const LINES_WANTED: usize = 400;
const LINES_MAX: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below a folder with this extension, by their path from the root.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path.strip_prefix(root()).expect("below the root").to_owned());
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).expect("a file of text")
}

fn code() -> Vec<PathBuf> {
    ["core", "connectors", "src", "tests", "benches"]
        .iter()
        .filter(|folder| root().join(folder).is_dir())
        .flat_map(|folder| files(folder, "rs"))
        .collect()
}

/// Code without comments: what a wall is about.
fn statements(text: &str) -> String {
    text.lines()
        .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn every_file_of_code_begins_by_saying_what_it_is_for() {
    let silent: Vec<_> = code().into_iter().filter(|path| !read(path).starts_with("//! ")).collect();
    assert!(silent.is_empty(), "begin with //!: {silent:?}");
}

#[test]
fn no_file_of_code_is_too_long_to_read() {
    let lengths = code().into_iter().map(|path| (read(&path).lines().count(), path));
    let (too_long, long): (Vec<_>, Vec<_>) =
        lengths.filter(|(lines, _)| *lines > LINES_WANTED).partition(|(lines, _)| *lines > LINES_MAX);
    for (lines, path) in long {
        println!("{} has {lines} lines", path.display());
    }
    assert!(too_long.is_empty(), "split what is too long: {too_long:?}");
}

#[test]
fn the_core_names_no_vendor() {
    let vendors = ["servicenow", "salesforce", "zendesk", "jira", "sys_id"];
    let mut named = Vec::new();
    for path in files("core", "rs") {
        // Presets, and the words that choose them in sla/doc.rs, are named after the system whose clocks they
        // reproduce; tests speak of what users know.
        let exempt =
            ["preset", "tests", "sla/doc.rs"].iter().any(|part| path.to_string_lossy().contains(part));
        let text = statements(&read(&path)).to_lowercase();
        if !exempt && vendors.iter().any(|vendor| text.contains(vendor)) {
            named.push(path);
        }
    }
    assert!(named.is_empty(), "these name a vendor: {named:?}");
}

#[test]
fn the_core_has_no_runtime_and_the_sandbox_knows_none_of_our_crates() {
    let core = read(Path::new("core/Cargo.toml"));
    for crate_ in ["tokio", "reqwest", "axum", "hyper", "rusqlite", "dutyd-connectors"] {
        assert!(!core.contains(crate_), "core depends on {crate_}");
    }
    let sandbox = read(Path::new("connectors/sandbox/Cargo.toml"));
    for crate_ in ["dutyd-core", "dutyd-connectors"] {
        assert!(!sandbox.contains(crate_), "the sandbox depends on {crate_}");
    }
    for path in files("connectors/sandbox", "rs") {
        let text = statements(&read(&path));
        for crate_ in ["dutyd_core", "dutyd_connectors", "dutyd::"] {
            assert!(!text.contains(crate_), "{} uses {crate_}", path.display());
        }
    }
}

#[test]
fn no_vendors_module_uses_another() {
    let folders = std::fs::read_dir(root().join("connectors")).expect("a folder");
    let vendors: Vec<String> = folders
        .filter_map(|entry| entry.ok().filter(|entry| entry.path().is_dir()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !["sandbox", "target", "src"].contains(&name.as_str()))
        .collect();
    assert!(vendors.contains(&"servicenow".to_owned()), "{vendors:?}");
    for vendor in &vendors {
        for path in files(&format!("connectors/{vendor}"), "rs") {
            let text = statements(&read(&path));
            for other in vendors.iter().filter(|other| *other != vendor) {
                let used = text.contains(&format!("crate::{other}"))
                    || text.contains(&format!("super::super::{other}"));
                assert!(!used, "{} uses {other}", path.display());
            }
        }
    }
}

#[test]
fn only_http_builds_a_client_and_only_the_clock_reads_the_time() {
    let clippy = read(Path::new("clippy.toml"));
    for banned in
        ["SystemTime::now", "Instant::now", "Timestamp::now", "time::sleep", "Client::builder", "Client::new"]
    {
        assert!(clippy.contains(banned), "clippy.toml does not ban {banned}");
    }
    let allowed = ["src/clock.rs", "src/http/client.rs"];
    for path in files("src", "rs").into_iter().chain(files("core", "rs")) {
        let path = path.to_string_lossy().into_owned();
        let lifted = read(Path::new(&path)).contains("allow(clippy::disallowed_methods");
        assert!(!lifted || allowed.contains(&path.as_str()), "{path} lifts the ban");
    }
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for page in files(".", "md") {
        let text = read(&page);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let path = link.split('#').next().unwrap_or_default();
            let elsewhere =
                path.is_empty() || path.contains("://") || path.starts_with("mailto:") || path.contains(' ');
            let target = root().join(&page).with_file_name("").join(path);
            // What lies outside of the repository may be absent.
            if !elsewhere && !path.starts_with("../shared") && !target.exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_key_of_dutyd_toml_is_documented_in_the_file() {
    let schema = dutyd::config::schema(dutyd::config::SchemaOf::Config);
    let undocumented = undocumented(&schema, &read(Path::new("config/dutyd.toml")));
    assert!(undocumented.is_empty(), "{undocumented:?}");
}

#[test]
fn every_key_of_a_connector_is_documented_in_a_shipped_file() {
    let schema = dutyd::config::schema(dutyd::config::SchemaOf::Connector);
    let files = files("config/connectors", "toml");
    let text: String = files.iter().map(|path| read(path)).collect::<Vec<_>>().join("\n");
    let undocumented = undocumented(&schema, &text);
    assert!(undocumented.is_empty(), "{undocumented:?}");
}

#[test]
fn every_key_of_a_channel_is_documented_in_a_shipped_file() {
    let schema = dutyd::config::schema(dutyd::config::SchemaOf::Notify);
    let text: String =
        files("config/notify", "toml").iter().map(|path| read(path)).collect::<Vec<_>>().join("\n");
    let undocumented = undocumented(&schema, &text);
    assert!(undocumented.is_empty(), "{undocumented:?}");
}

/// Names of properties, at any depth, that a file shows neither as a key, nor as a commented key, nor as a table.
fn undocumented(schema: &serde_json::Value, text: &str) -> Vec<String> {
    let mut names = Vec::new();
    collect_names(schema, &mut names);
    names.sort();
    names.dedup();
    let shown = |name: &String| {
        let in_line = |line: &str| {
            let line = line.trim_start().trim_start_matches('#').trim_start();
            let key = line.split('=').next().unwrap_or_default().trim();
            let table = line.trim_start_matches('[').split(']').next().unwrap_or_default();
            key == name || (line.starts_with('[') && table.split('.').any(|part| part == name))
        };
        text.lines().any(in_line)
            || text.contains(&format!("{{ {name} ="))
            || text.contains(&format!(", {name} ="))
    };
    names.into_iter().filter(|name| !shown(name)).collect()
}

fn collect_names(schema: &serde_json::Value, names: &mut Vec<String>) {
    match schema {
        serde_json::Value::Object(map) => {
            if let Some(serde_json::Value::Object(properties)) = map.get("properties") {
                names.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| collect_names(value, names));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|value| collect_names(value, names)),
        _ => {}
    }
}

#[test]
fn the_shipped_policy_in_the_binary_is_the_folder() {
    let mut in_folder: Vec<(String, String)> = std::fs::read_dir(root().join("config/policy"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("a file"))
        })
        .collect();
    in_folder.sort();
    let in_binary: Vec<(String, String)> =
        dutyd::config::shipped::policy().into_iter().map(|file| (file.name, file.text)).collect();
    assert!(in_folder == in_binary, "src/config/shipped.rs does not list what lies in config/policy");
}

#[test]
fn the_unit_stays_under_its_exposure_limit() {
    let unit = root().join("systemd/dutyd.service");
    let threshold = ["security", "--offline=true", "--threshold=13"];
    let analyzed = Command::new("systemd-analyze").args(threshold).arg(&unit).output();
    let Ok(output) = analyzed else {
        println!("not run: systemd-analyze absent");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let exposure = said.rsplit_once("dutyd.service: ").map_or("", |(_, after)| after);
    let exposure = exposure.split_whitespace().next().expect("a figure");
    measured("G36.exposure", &format!("exposure {exposure}"));
}
