//! Tests of the Jira connector, by part.

mod answers;
mod reading;
mod scan;
mod shipped;
mod text;

use super::config::{Config, Flavour};
use serde_json::{Value, json};

/// A configuration with these keys besides what must stand there.
pub fn config(flavour: Flavour, more: Value) -> Config {
    let sign_in = match flavour {
        Flavour::Cloud => json!({ "api_token": { "email": "dutyd@acme.example", "token": "t" } }),
        Flavour::DataCenter => json!({ "personal_access_token": { "token": "t" } }),
    };
    let mut whole = json!({
        "flavour": flavour, "base_url": "https://acme.atlassian.net", "sign_in": sign_in, "webhook_secrets": ["w"],
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        whole[key] = value.clone();
    }
    serde_json::from_value(whole).expect("a valid configuration")
}
