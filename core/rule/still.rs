//! Values that stand still: as recorded in an evidence, or as read now and supposed otherwise. A rule says of them what it
//! says of a case.
//!
//! Must not know: cases, or how a value was read.

use super::compile::LIST_MAX;
use super::eval::View;
use super::line::Line;
use super::value::{Known, Reason, Value};
use super::vocabulary::Read;
use super::{Condition, Facts, Rule};
use crate::evidence::{Evidence, ValueRead};
use jiff::Timestamp;
use serde_json::Value as Json;
use std::borrow::Cow;

/// The longest text that evidence keeps.
const TEXT_MAX: usize = 1_024;

/// Everything one rule reads.
pub struct Still<'v> {
    now: Timestamp,
    values: Vec<StillValue<'v>>,
}

struct StillValue<'v> {
    read: Read,
    value: Known<'v>,
    at_least: bool,
}

impl<'v> Still<'v> {
    /// As the rule reads a case now.
    pub fn of_facts(rule: &Rule, facts: &'v Facts<'_>) -> Self {
        let value =
            |read: Read| StillValue { value: facts.read(&read), at_least: facts.is_at_least(&read), read };
        Self { now: facts.now, values: reads(rule).into_iter().map(value).collect() }
    }

    /// As the evidence has it.
    pub fn of_evidence(rule: &Rule, evidence: &'v Evidence) -> Self {
        let told: Vec<&ValueRead> = evidence.atoms.iter().flat_map(|atom| &atom.reads).collect();
        let value = |read: Read| {
            let path = read.path();
            let found = told.iter().find(|told| told.path == path);
            let raw = found.and_then(|told| told.raw.as_ref());
            StillValue {
                value: raw.map(value_of).ok_or_else(|| format!("the evidence does not keep `{path}`").into()),
                at_least: found.is_some_and(|told| told.at_least),
                read,
            }
        };
        Self { now: evidence.now, values: reads(rule).into_iter().map(value).collect() }
    }

    fn find(&self, read: &Read) -> Option<&StillValue<'v>> {
        self.values.iter().find(|still| still.read == *read)
    }

    /// Supposes another value; answers the one before.
    pub fn suppose(&mut self, read: &Read, value: Known<'v>) -> Option<Known<'v>> {
        let still = self.values.iter_mut().find(|still| still.read == *read)?;
        Some(std::mem::replace(&mut still.value, value))
    }
}

fn reads(rule: &Rule) -> Vec<Read> {
    let mut reads: Vec<Read> = rule.conditions().flat_map(Condition::reads).collect();
    reads.sort();
    reads.dedup();
    reads
}

impl View for Still<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn read<'v>(&'v self, read: &Read) -> Known<'v> {
        match self.find(read).map(|still| &still.value) {
            Some(Ok(Value::Text(text))) => Ok(Value::text(text)),
            Some(Ok(value)) => Ok(value.clone()),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err("this rule does not read it".into()),
        }
    }

    fn line(&self, _read: &Read) -> Result<Option<Line<'_>>, Reason> {
        Ok(None)
    }

    fn is_at_least(&self, read: &Read) -> bool {
        self.find(read).is_some_and(|still| still.at_least)
    }

    fn steps(&self, _read: &Read) -> Vec<(Timestamp, Value<'static>)> {
        Vec::new()
    }
}

/// A value for the evidence; `None` if it is too long to keep.
pub fn recorded(value: &Value<'_>) -> Option<Json> {
    Some(match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Int(number) => Json::from(*number),
        Value::Double(number) => Json::from(*number),
        Value::Text(text) if text.len() > TEXT_MAX => return None,
        Value::Text(text) => Json::String(text.to_string()),
        list => {
            let elements = list.elements();
            if elements.len() > LIST_MAX {
                return None;
            }
            Json::Array(elements.iter().map(recorded).collect::<Option<_>>()?)
        }
    })
}

fn value_of(json: &Json) -> Value<'_> {
    match json {
        Json::Null | Json::Object(_) => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => number.as_f64().map_or(Value::Null, Value::Double),
        },
        Json::String(text) => Value::Text(Cow::Borrowed(text)),
        Json::Array(list) => Value::List(list.iter().map(value_of).collect()),
    }
}
