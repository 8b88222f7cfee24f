//! Presets: how each vendor's own SLA engine behaves, as data files. Shipped ones are the embedded defaults; a file
//! `presets/NAME.toml` among the policy's files stands in for the shipped one.

use super::doc::{PresetDoc, PresetName};
use crate::policy::PolicyFile;
use crate::problem::Problem;
use std::collections::BTreeMap;

/// Name in the file, name of the file, text as shipped.
const SHIPPED: [(PresetName, &str, &str); 4] = [
    (PresetName::Zendesk, "presets/zendesk.toml", include_str!("../../config/policy/presets/zendesk.toml")),
    (PresetName::Jira, "presets/jira.toml", include_str!("../../config/policy/presets/jira.toml")),
    (
        PresetName::Servicenow,
        "presets/servicenow.toml",
        include_str!("../../config/policy/presets/servicenow.toml"),
    ),
    (
        PresetName::Salesforce,
        "presets/salesforce.toml",
        include_str!("../../config/policy/presets/salesforce.toml"),
    ),
];

/// Whether a file of the policy is a preset, and so no part of the policy proper.
pub fn is_preset(file: &PolicyFile) -> bool {
    SHIPPED.iter().any(|(_, name, _)| file.name == *name || file.name.ends_with(&format!("/{name}")))
}

pub(super) fn load(files: &[PolicyFile], problems: &mut Vec<Problem>) -> BTreeMap<PresetName, PresetDoc> {
    let mut presets = BTreeMap::new();
    for (preset, name, shipped) in SHIPPED {
        let own = files.iter().find(|file| file.name == name || file.name.ends_with(&format!("/{name}")));
        let (shown, text) = own.map_or((name, shipped), |file| (file.name.as_str(), file.text.as_str()));
        match toml::from_str::<PresetDoc>(text) {
            Ok(doc) => {
                presets.insert(preset, doc);
            }
            Err(error) => {
                let offset = error.span().map_or(0, |span| span.start);
                problems.push(Problem::at(
                    shown,
                    text,
                    offset,
                    error.message(),
                    "see the shipped file for the keys",
                ));
            }
        }
    }
    presets
}
