//! Tables that common clients ask for besides cases: choices, members of groups, the list of tables.
//! Their ids come from what they are about, so that no other record's id depends on them.

use super::people::{People, add};
use super::schema::{Kind, NEIGHBOURS, SHAPES};
use super::store::Store;
use crate::cast::Cast;
use crate::dice;
use std::collections::BTreeSet;

pub fn fill(store: &mut Store, cast: &Cast, people: &People, seed: u64) {
    for (agent, user) in cast.agents.iter().zip(&people.agents) {
        let group = &people.teams[agent.team];
        let id = dice::hex_id(seed, &[b"sys_user_grmember", user.as_bytes(), group.as_bytes()]);
        add(store, "sys_user_grmember", &[("sys_id", &id), ("user", user), ("group", group)]);
    }
    for shape in SHAPES {
        let id = dice::hex_id(seed, &[b"sys_db_object", shape.name.as_bytes()]);
        add(store, "sys_db_object", &[("sys_id", &id), ("name", shape.name), ("label", shape.name)]);
    }
    let modelled = SHAPES.iter().filter(|shape| !NEIGHBOURS.contains(&shape.name));
    let mut seen = BTreeSet::new();
    for column in modelled.flat_map(|shape| shape.columns(false)) {
        let Kind::Choice(choices) = column.kind else { continue };
        if !seen.insert((column.of, column.name)) {
            continue;
        }
        for (at, (value, label)) in choices.iter().enumerate() {
            let parts = [column.of, column.name, value].map(str::as_bytes);
            let (id, sequence) = (dice::hex_id(seed, &parts), at.to_string());
            let row = [
                ("sys_id", id.as_str()),
                ("name", column.of),
                ("element", column.name),
                ("value", value),
                ("label", label),
                ("language", "en"),
                ("sequence", &sequence),
                ("inactive", "false"),
            ];
            add(store, "sys_choice", &row);
        }
    }
}
