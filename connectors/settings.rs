//! What the configurations of all vendors have in common: addresses, bounds of numbers, mapped fields.
//!
//! Must not know: any vendor.

use crate::BuildError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// One custom field for rules, where fields are columns with a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldConfig {
    pub column: String,
    #[serde(default)]
    pub kind: FieldKind,
}

/// What the values of a custom field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// What people see.
    #[default]
    Text,
    Number,
    Truth,
    Instant,
    /// Several values, separated as the vendor does it.
    List,
}

/// An address without anything that could lead a request astray. `origin_only`: without a path, too.
pub fn address(key: &str, text: &str, origin_only: bool, example: &str) -> Result<Url, BuildError> {
    let address = Url::parse(text).map_err(|error| {
        BuildError::invalid(key, format!("is no address ({error}); write one like {example}"))
    })?;
    let bare = address.query().is_none() && address.fragment().is_none();
    let anonymous = address.username().is_empty() && address.password().is_none();
    if address.host_str().is_some() && bare && anonymous && (!origin_only || address.path() == "/") {
        return Ok(address);
    }
    let what = if origin_only { "scheme and host only" } else { "an address" };
    Err(BuildError::invalid(key, format!("must be {what}, like {example}")))
}

/// Each key's number within its bounds: key, value, least, most.
pub fn within(bounds: &[(&str, u64, u64, u64)]) -> Result<(), BuildError> {
    match bounds.iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
        Some((key, value, least, most)) => {
            Err(BuildError::invalid(*key, format!("must be from {least} to {most}, is {value}")))
        }
        None => Ok(()),
    }
}
