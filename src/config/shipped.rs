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

/// The files under `config/connectors`, by kind of system.
const CONNECTORS: &[(&str, &str)] = &[
    ("jira-dc", include_str!("../../config/connectors/jira-dc.toml")),
    ("jira", include_str!("../../config/connectors/jira.toml")),
    ("salesforce", include_str!("../../config/connectors/salesforce.toml")),
    ("servicenow", include_str!("../../config/connectors/servicenow.toml")),
    ("zendesk", include_str!("../../config/connectors/zendesk.toml")),
];

/// The files under `config/notify`, by kind of channel.
pub const CHANNELS: &[(&str, &str)] = &[
    ("email", include_str!("../../config/notify/email.toml")),
    ("pagerduty", include_str!("../../config/notify/pagerduty.toml")),
    ("slack", include_str!("../../config/notify/slack.toml")),
    ("teams", include_str!("../../config/notify/teams.toml")),
    ("webhook", include_str!("../../config/notify/webhook.toml")),
];

/// The shipped file of a kind of channel.
pub fn channel(kind: &str) -> Option<&'static str> {
    CHANNELS.iter().find(|(name, _)| *name == kind).map(|(_, text)| *text)
}

/// The shipped connector file of a kind of system.
pub fn connector(kind: &str) -> Option<&'static str> {
    CONNECTORS.iter().find(|(name, _)| *name == kind).map(|(_, text)| *text)
}

/// The kinds of system that have a shipped connector file.
pub fn connectors() -> impl Iterator<Item = &'static str> {
    CONNECTORS.iter().map(|(name, _)| *name)
}

/// The shipped policy.
pub fn policy() -> Vec<PolicyFile> {
    let file =
        |(name, text): &(&str, &str)| PolicyFile { name: (*name).to_owned(), text: (*text).to_owned() };
    POLICY.iter().map(file).collect()
}
