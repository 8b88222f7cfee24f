//! What is kept of the past, apart from the cases: which policy was in force when, and how much is forgotten.

use super::open::meta;
use super::reads::{all, instant};
use super::rows::at;
use super::upkeep::EPOCH;
use crate::audit::Kind;
use crate::store::{Past, PolicyRow, Result};
use rusqlite::{Connection, OptionalExtension};
use serde::Deserialize;

/// Changes of policy looked back upon, the latest ones.
const POLICIES_MAX: usize = 1_000;

#[derive(Deserialize)]
struct Said {
    policy: String,
    before: Option<String>,
}

pub fn past(db: &Connection) -> Result<Past> {
    let mut rows: Vec<(i64, Option<String>)> = all(db
        .prepare_cached(
            "SELECT at, body FROM audit WHERE case_id = 0 AND kind = ?1 ORDER BY seq DESC LIMIT ?2",
        )?
        .query_map((Kind::Policy.number(), POLICIES_MAX), |row| Ok((row.get(0)?, row.get(1)?)))?)?;
    rows.reverse();
    let policies = rows.into_iter().filter_map(|(ms, body)| {
        let said: Said = serde_json::from_str(&body?).ok()?;
        Some(PolicyRow { at: at(ms), policy: said.policy, before: said.before })
    });
    let known: u64 = db.prepare_cached("SELECT count(*) FROM cases")?.query_row([], |row| row.get(0))?;
    let ever: Option<u64> = db
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'cases'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let watched: Vec<(String, _)> = all(db
        .prepare_cached("SELECT name, watched_from FROM source")?
        .query_map([], |row| Ok((row.get(0)?, instant(row, 1)?)))?)?;
    Ok(Past {
        policies: policies.collect(),
        policy: meta(db, EPOCH)?,
        forgotten: ever.unwrap_or(0).saturating_sub(known),
        watched_from: watched.into_iter().filter_map(|(source, from)| Some((source, from?))).collect(),
    })
}
