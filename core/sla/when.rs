//! A condition on the case as of a moment, with what the folds need to know about it.

use crate::case::Case;
use crate::policy::{PolicyFile, place_in_text};
use crate::problem::Problem;
use crate::rule::Condition;
use crate::timeline::Moment;
use toml::Spanned;

/// A compiled condition of an SLA policy.
#[derive(Debug)]
pub(super) struct When {
    condition: Condition,
    /// Whether its answer can differ between moments of one case.
    pub moves: bool,
}

impl When {
    pub fn compile(text: &Spanned<String>, file: &PolicyFile) -> Result<Self, Vec<Problem>> {
        let compiled = Condition::of_moment(text.get_ref());
        let condition = compiled.map_err(|faults| -> Vec<Problem> {
            let placed = |offset| place_in_text(&file.text, &text.span(), offset);
            let problem = |fault: &crate::rule::Fault| {
                Problem::at(&file.name, &file.text, placed(fault.offset), &fault.message, &fault.remedy)
            };
            faults.iter().map(problem).collect()
        })?;
        let moves = condition.moves();
        Ok(Self { condition, moves })
    }

    /// `None`: cannot tell.
    pub fn holds(&self, case: &Case, moment: &Moment<'_>) -> Option<bool> {
        self.condition.holds_at(case, moment).known()
    }

    /// Source text, for the hash of a policy.
    pub fn source(&self) -> &str {
        &self.condition.source
    }
}
