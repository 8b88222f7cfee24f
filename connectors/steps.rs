//! What the setup texts of all vendors have in common: where a name that was made in the vendor's system is written down.
//!
//! Must not know: any vendor.

use crate::SecretRef;

/// The field in which people answer: its name, and what to write into the connector file where that has none yet.
pub fn answer_field(configured: &str, proposed: &str, table: &str) -> (String, String) {
    if !configured.is_empty() {
        return (configured.to_owned(), String::new());
    }
    let written = format!(
        "   The last one is optional: without it people dismiss by emptying the severity, and that is all they can say.\n\
         \x20  Once it is there, write under [{table}.marks] of the connector file: answer = \"{proposed}\"\n"
    );
    (proposed.to_owned(), written)
}

/// What the webhook's signing secret is called, and what to write into the connector file where that names none yet.
pub fn webhook_secret(configured: &[SecretRef], proposed: &str) -> (String, String) {
    if let Some(SecretRef(name)) = configured.first() {
        return (name.clone(), String::new());
    }
    let written = format!(
        "   Then write into the connector file, under [secrets]: {proposed} = {{ credential = \"{proposed}\" }}\n\
         \x20  and: webhook_secrets = [\"{proposed}\"]. Until then dutyd polls, which is enough, only later.\n"
    );
    (proposed.to_owned(), written)
}
