//! The files that come with dutyd, inside the binary: what holds where an admin says nothing.

use dutyd_core::policy::PolicyFile;

/// The policy under `config/policy`, by file name.
const POLICY: &[(&str, &str)] = &[];

/// The shipped policy.
pub fn policy() -> Vec<PolicyFile> {
    let file =
        |(name, text): &(&str, &str)| PolicyFile { name: (*name).to_owned(), text: (*text).to_owned() };
    POLICY.iter().map(file).collect()
}
