//! A recorded incident log as a script of happenings for ServiceNow: the tables are filled by the vendor as for any other.

use crate::world::{Happening, LoggedRow, Recorded, What};
use dutyd_incident_log::{Fields, Row};
use std::collections::HashMap;

/// The first row of an incident whole, later ones by what changed.
pub fn script(rows: Vec<Row>) -> Recorded {
    let mut known: HashMap<String, (u64, Fields)> = HashMap::new();
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let next_case = known.len() as u64;
        let (case, fields) = match known.get_mut(&row.number) {
            None => {
                known.insert(row.number.clone(), (next_case, row.fields.clone()));
                (next_case, row.fields)
            }
            Some((case, before)) => {
                let fields = changed(before, &row.fields);
                *before = row.fields;
                (*case, fields)
            }
        };
        let logged = LoggedRow { number: row.number, fields, by: row.by, revision: row.revision };
        all.push(Happening { at: row.at, vendor: "servicenow", case, what: What::Logged(logged) });
    }
    Recorded::new(all)
}

fn changed(before: &[(&'static str, String)], after: &[(&'static str, String)]) -> Fields {
    before.iter().zip(after).filter(|(old, new)| old != new).map(|(_, new)| new.clone()).collect()
}
