//! Languages that a policy asks for and does not speak. No mistake: English, or the policy's own, stands in.

use super::Policy;
use super::load::Sections;
use super::read::Reader;
use crate::problem::Problem;
use crate::rule::Language;

/// One finding for each language of a source in which sentences are missing, and for each whose words are not known.
pub(super) fn findings(readers: &[Reader<'_>], sections: &Sections, policy: &Policy) -> Vec<Problem> {
    let own = policy.language();
    let defaults = sections.defaults.first().map(|entry| (entry.file, entry.doc.get_ref()));
    let sources = sections.sources.values().map(|entry| (entry.file, entry.doc.get_ref()));
    let mut findings = Vec::new();
    for (file, doc) in defaults.into_iter().chain(sources) {
        let Some(language) = &doc.language else { continue };
        let (code, file) = (language.get_ref().as_str(), readers[file].file);
        let mut find = |message: String, remedy: String| {
            findings.push(Problem::at(&file.name, &file.text, language.span().start, message, remedy));
        };
        let spoken = policy.rules.iter().filter(|rule| code == own || rule.texts.contains_key(code)).count();
        let silent = policy.rules.len() - spoken;
        if silent > 0 {
            let all = policy.rules.len();
            find(
                format!(
                    "{silent} of {all} rules have no sentence in `{code}`: theirs are written in `{own}`"
                ),
                format!("add them under [texts.{code}]"),
            );
        }
        if !Language::is_known(code) {
            find(
                format!(
                    "lengths of time and the lines of notes are not known in `{code}`: they are in English"
                ),
                "known are de, en, es and fr".to_owned(),
            );
        }
    }
    findings
}
