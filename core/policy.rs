//! `Policy`: the admin's rules, targets, calendars, signals and customers, checked and compiled as one value.

use crate::around::GroupKind;
use crate::case::Party;
use crate::problem::Problem;
use crate::rule::Rule;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A file of the policy directory.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    /// As shown in messages.
    pub name: String,
    pub text: String,
}

/// Everything support leads decide. Immutable once loaded.
#[derive(Debug, Default)]
pub struct Policy {
    /// Hash of the content.
    pub id: String,
    pub rules: Vec<Rule>,
}

impl Policy {
    /// Reads, checks and compiles a policy. All problems are reported, not only the first.
    pub fn load(_files: &[PolicyFile]) -> Result<Self, Vec<Problem>> {
        Ok(Self::default())
    }

    /// The customer's name across sources where aliases are configured, else `source:id`.
    pub fn customer_key(&self, source: &str, customer: &Party) -> String {
        format!("{source}:{}", customer.id)
    }

    /// Whether any rule reads facts of such a group.
    pub fn reads_group(&self, _kind: GroupKind) -> bool {
        true
    }
}

/// The policy in force and the older ones that open cases still refer to.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    pub current: Arc<Policy>,
    pub older: BTreeMap<String, Arc<Policy>>,
}
