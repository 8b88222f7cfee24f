//! The files that come with dutyd, inside the binary: what holds where an admin says nothing.

use dutyd_core::policy::PolicyFile;

/// The policy under `config/policy`, by file name.
const POLICY: &[(&str, &str)] = &[
    ("calendars.toml", include_str!("../../config/policy/calendars.toml")),
    ("customers.toml", include_str!("../../config/policy/customers.toml")),
    ("defaults.toml", include_str!("../../config/policy/defaults.toml")),
    ("rules.toml", include_str!("../../config/policy/rules.toml")),
    ("signals.toml", include_str!("../../config/policy/signals.toml")),
    ("targets.toml", include_str!("../../config/policy/targets.toml")),
    ("texts-de.toml", include_str!("../../config/policy/texts-de.toml")),
];

/// The files under `config/connectors`, by vendor.
const CONNECTORS: &[(&str, &str)] = &[
    ("jira", include_str!("../../config/connectors/jira.toml")),
    ("salesforce", include_str!("../../config/connectors/salesforce.toml")),
    ("servicenow", include_str!("../../config/connectors/servicenow.toml")),
    ("zendesk", include_str!("../../config/connectors/zendesk.toml")),
];

/// The shipped connector file of a vendor.
pub fn connector(vendor: &str) -> Option<&'static str> {
    CONNECTORS.iter().find(|(name, _)| *name == vendor).map(|(_, text)| *text)
}

/// The shipped policy.
pub fn policy() -> Vec<PolicyFile> {
    let file =
        |(name, text): &(&str, &str)| PolicyFile { name: (*name).to_owned(), text: (*text).to_owned() };
    POLICY.iter().map(file).collect()
}
