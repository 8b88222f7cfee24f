//! The policy as written in TOML, section by section. Every key is described here; the schema is made from it.
//!
//! Must not know: what the sections mean together; [`super::load`] does.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::{Spanned, Value};

/// `[defaults]`: what holds where nothing nearer is said. `[sources.NAME]` has the same keys for one source.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct MannerDoc {
    /// Calendar by which business time is measured; without one every second counts.
    #[schemars(with = "Option<String>")]
    pub calendar: Option<Spanned<String>>,
    /// Time zone in which instants are shown, for example `Europe/Berlin`; UTC without one.
    #[schemars(with = "Option<String>")]
    pub zone: Option<Spanned<String>>,
    /// Language of the sentences on tickets, for example `en` or `de`.
    #[schemars(with = "Option<String>")]
    pub language: Option<Spanned<String>>,
}

/// `[teams.NAME]`: what differs for one team.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct TeamDoc {
    /// Calendar by which business time of the team's cases is measured, and their SLA targets unless a clock has a
    /// calendar of its own.
    #[schemars(with = "Option<String>")]
    pub calendar: Option<Spanned<String>>,
}

/// `[customers.NAME]`: one customer across all sources.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct CustomerDoc {
    /// How each source calls the customer.
    #[serde(default)]
    #[schemars(with = "Vec<AliasDoc>")]
    pub aliases: Vec<Spanned<AliasDoc>>,
    /// What rules read as `customer.important`.
    #[serde(default)]
    pub important: bool,
    /// Calendar by which business time of the customer's cases is measured, and their SLA targets unless a clock has a
    /// calendar of its own. Stronger than the team's.
    #[schemars(with = "Option<String>")]
    pub calendar: Option<Spanned<String>>,
    /// E-mail domains. They only suggest an alias to the admin, they never decide who a customer is.
    #[serde(default)]
    pub domains: Vec<String>,
}

/// One name of a customer in one source: the vendor's id, or the exact name of the account.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct AliasDoc {
    /// Name of the source as configured; `*` for all.
    #[schemars(with = "String")]
    pub source: Spanned<String>,
    /// The vendor's id of the account or organization.
    pub id: Option<String>,
    /// The name of the account or organization, compared without regard to case.
    pub name: Option<String>,
}

/// `[signals.NAME]`: what a message of the customer may say.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct SignalDoc {
    /// What the signal means, for the reference.
    #[serde(default)]
    pub about: String,
    /// Phrases by language; all languages are looked for in every message.
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub phrases: BTreeMap<String, Vec<Spanned<String>>>,
    /// Words that take a phrase back when they stand just before it, in the same sentence.
    #[serde(default)]
    pub negations: Vec<String>,
}

/// `[[maintenance]]`: a stretch of time in which nothing new is raised.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct MaintenanceDoc {
    /// Shown where something is held back.
    pub name: String,
    /// First instant, RFC 3339 with offset.
    #[schemars(with = "String")]
    pub from: Spanned<String>,
    /// First instant after it, RFC 3339 with offset.
    #[schemars(with = "String")]
    pub until: Spanned<String>,
    /// Sources concerned; all if empty.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub sources: Vec<Spanned<String>>,
    /// Cases concerned; all if absent. Reads `case` only.
    #[schemars(with = "Option<String>")]
    pub when: Option<Spanned<String>>,
}

/// `[[rules]]`: one rule.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct RuleDoc {
    /// Lower-case letters, digits and `-`. Stands in marks and notes; do not rename a rule in use.
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    /// What people call it.
    #[serde(default)]
    pub title: String,
    /// What it is for, in a sentence.
    #[serde(default)]
    pub about: String,
    /// The condition. Either this with `severity`, or a `ladder`.
    #[schemars(with = "Option<String>")]
    pub when: Option<Spanned<String>>,
    /// `watch`, `warning`, `candidate` or `critical`; goes with `when`.
    #[schemars(with = "Option<String>")]
    pub severity: Option<Spanned<String>>,
    /// One condition per severity; the highest that holds counts.
    pub ladder: Option<LadderDoc>,
    /// Once raised, the flag stays until this holds. Without it, until no condition holds.
    #[schemars(with = "Option<String>")]
    pub exit: Option<Spanned<String>>,
    /// How long a condition must hold before the flag is raised, as `15m`.
    #[serde(rename = "for")]
    #[schemars(with = "Option<String>")]
    pub hold_for: Option<Spanned<String>>,
    /// How long it must have been quiet before the flag clears or its severity falls, as `30m`; 10 minutes without it.
    #[schemars(with = "Option<String>")]
    pub dwell: Option<Spanned<String>>,
    /// How long after clearing it is not raised again, as `4h`.
    #[schemars(with = "Option<String>")]
    pub cooldown: Option<Spanned<String>>,
    /// How often it may be raised on one case within a day; 3 without it.
    #[schemars(with = "Option<i64>")]
    pub refires: Option<Spanned<i64>>,
    /// The lowest severity that writes an internal note; `warning` without it.
    #[schemars(with = "Option<String>")]
    pub note_from: Option<Spanned<String>>,
    /// Names of rules that need not be shown beside this one on the same case.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub covers: Vec<Spanned<String>>,
    /// The sentence on the ticket, in the policy's language; other languages stand in `[texts.LANGUAGE]`.
    #[schemars(with = "Option<String>")]
    pub text: Option<Spanned<String>>,
    /// Small timelines that say when the rule fires and when not; `dutyd check` runs them.
    #[serde(default)]
    #[schemars(with = "Vec<ExampleDoc>")]
    pub examples: Vec<Spanned<ExampleDoc>>,
}

/// Conditions by severity.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct LadderDoc {
    /// Worth knowing.
    #[schemars(with = "Option<String>")]
    pub watch: Option<Spanned<String>>,
    /// On its way to trouble.
    #[schemars(with = "Option<String>")]
    pub warning: Option<Spanned<String>>,
    /// A manager should look.
    #[schemars(with = "Option<String>")]
    pub candidate: Option<Spanned<String>>,
    /// A manager must act.
    #[schemars(with = "Option<String>")]
    pub critical: Option<Spanned<String>>,
}

/// One example of a rule: a case with a past, looked at at one instant.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct ExampleDoc {
    /// What the example shows.
    #[serde(default)]
    pub about: String,
    /// The case as it was opened.
    #[serde(default)]
    pub case: ExampleCaseDoc,
    /// When it was opened, RFC 3339 with offset; Monday 2 March 2026, 09:00 in the policy's zone without it.
    #[schemars(with = "Option<String>")]
    pub start: Option<Spanned<String>>,
    /// What happened then, oldest first.
    #[serde(default)]
    #[schemars(with = "Vec<EventDoc>")]
    pub events: Vec<Spanned<EventDoc>>,
    /// Facts of the neighbourhood, as `{ "customer.urgent" = 3 }`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, u32>")]
    pub around: BTreeMap<String, Spanned<u32>>,
    /// When the rule is asked, as time after the opening.
    #[schemars(with = "String")]
    pub at: Spanned<String>,
    /// `fires`, `quiet`, `cannot tell`, or the severity.
    #[schemars(with = "String")]
    pub expect: Spanned<String>,
}

/// The case of an example as it was opened. What is left out has no value.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct ExampleCaseDoc {
    #[schemars(with = "Option<String>")]
    pub status: Option<Spanned<String>>,
    pub priority: Option<u8>,
    pub source: Option<String>,
    pub title: Option<String>,
    /// The text that the case was opened with; the lexicon finds the signals in it and in the title.
    pub text: Option<String>,
    pub customer: Option<String>,
    pub tier: Option<String>,
    pub contract: Option<String>,
    pub requester: Option<String>,
    pub owner: Option<String>,
    pub team: Option<String>,
    pub product: Option<String>,
    pub category: Option<String>,
    pub channel: Option<String>,
    #[serde(default)]
    pub tags: Vec<String>,
    /// Custom fields: texts, numbers, truth values or lists of texts.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub fields: BTreeMap<String, Value>,
    /// Names of fields that may not be read.
    #[serde(default)]
    pub unread: Vec<String>,
    /// Due date on the case, as time after the opening.
    #[schemars(with = "Option<String>")]
    pub due: Option<Spanned<String>>,
}

/// One event of an example.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct EventDoc {
    /// Time after the opening, as `90m`.
    #[schemars(with = "String")]
    pub after: Spanned<String>,
    /// `customer`, `agent` or `vendor`; an agent without it.
    #[schemars(with = "Option<String>")]
    pub by: Option<Spanned<String>>,
    /// `reply`, `note`, `status`, `priority`, `owner`, `team`, or `field`.
    #[schemars(with = "String")]
    pub what: Spanned<String>,
    /// The new value of status, priority, owner, team or field.
    #[schemars(with = "Option<serde_json::Value>")]
    pub to: Option<Spanned<Value>>,
    /// Name of the changed field.
    pub field: Option<String>,
    /// What a customer's reply says; the lexicon finds the signals in it.
    #[serde(default)]
    pub text: String,
}
