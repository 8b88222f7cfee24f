//! Rows as the Table API writes them: three display modes, reference links, dot-walked names.
//! Knows the shapes of answers, not who may see what.

use super::schema::Kind;
use super::select::Found;
use super::store::Store;
use super::table::{SYS_ID, Text};
use super::time;
use jiff::tz::TimeZone;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Raw,
    Display,
    All,
}

/// How a caller wants records.
pub struct Look {
    pub mode: Mode,
    pub links: bool,
    /// Fields asked for; `None`: all of the table.
    pub fields: Option<Vec<String>>,
    pub origin: String,
    pub zone: TimeZone,
    /// Now and then a null where a string belongs.
    pub surprises: bool,
}

/// Appends one record as a JSON object.
pub fn record(store: &Store, found: &Found<'_>, look: &Look, out: &mut String) {
    out.push('{');
    let start = out.len();
    match &look.fields {
        None => {
            for (index, column) in found.table.columns.iter().enumerate() {
                field(store, found, look, (column.name, column.kind, &found.values[index]), (out, start));
            }
        }
        Some(names) => {
            for name in names {
                if let Some((value, kind)) = store.walk(found.table, found.values, name) {
                    field(store, found, look, (name, kind, &value), (out, start));
                }
            }
        }
    }
    out.push('}');
}

fn field(
    store: &Store,
    found: &Found<'_>,
    look: &Look,
    (name, kind, value): (&str, Kind, &Text),
    (out, start): (&mut String, usize),
) {
    if out.len() > start {
        out.push(',');
    }
    quoted(name, out);
    out.push(':');
    if look.surprises && name == "category" && found.values[SYS_ID].starts_with("00") {
        out.push_str("null");
        return;
    }
    match look.mode {
        Mode::Raw => raw(look, kind, value, out),
        Mode::Display => {
            let shown = shown(store, found, look, name, kind, value);
            if let Some(target) = link_target(look, kind, value) {
                object(&[("display_value", &shown), ("link", &link(look, target, value))], out);
            } else {
                quoted(&shown, out);
            }
        }
        Mode::All => {
            let shown = shown(store, found, look, name, kind, value);
            match link_target(look, kind, value) {
                Some(target) => {
                    let link = link(look, target, value);
                    object(&[("display_value", &shown), ("link", &link), ("value", value)], out);
                }
                None => object(&[("display_value", &shown), ("value", value)], out),
            }
        }
    }
}

fn raw(look: &Look, kind: Kind, value: &str, out: &mut String) {
    match link_target(look, kind, value) {
        Some(target) => object(&[("link", &link(look, target, value)), ("value", value)], out),
        None => quoted(value, out),
    }
}

/// The table a link leads to; an empty reference is just an empty string.
fn link_target(look: &Look, kind: Kind, value: &str) -> Option<&'static str> {
    match kind {
        Kind::Ref(target) if look.links && !value.is_empty() => Some(target),
        _ => None,
    }
}

fn link(look: &Look, target: &str, value: &str) -> String {
    format!("{}/api/now/table/{target}/{value}", look.origin)
}

fn shown(store: &Store, found: &Found<'_>, look: &Look, name: &str, kind: Kind, value: &Text) -> Text {
    match kind {
        Kind::Time if !value.is_empty() => Text::from(time::shown(value, &look.zone)),
        Kind::Journal => Text::from(journal(store, &found.values[SYS_ID], name, &look.zone)),
        _ if name == "user_password" => Text::from("********"),
        _ => store.display(kind, value).unwrap_or_else(|| value.clone()),
    }
}

/// All entries of a journal, newest first, as the form shows them.
pub fn journal(store: &Store, sys_id: &str, element: &str, zone: &TimeZone) -> String {
    let Some(table) = store.table("sys_journal_field") else { return String::new() };
    let columns = ["element_id", "element", "value"].map(|name| table.column(name));
    let [Some(key), Some(kind), Some(text)] = columns else { return String::new() };
    let mut shown = String::new();
    for slot in table.keyed(key, sys_id).unwrap_or_default().iter().rev() {
        let Some(row) = table.row(*slot) else { continue };
        let own = &*row.values[kind];
        if own != element && element != "comments_and_work_notes" {
            continue;
        }
        let label = if own == "comments" { "Additional comments" } else { "Work notes" };
        let at = time::shown(&row.values[super::table::CREATED_ON], zone);
        let by = &row.values[super::table::CREATED_BY];
        let name =
            store.first_by("sys_user", "user_name", by).and_then(|id| store.field("sys_user", &id, "name"));
        let name = name.unwrap_or_else(|| by.clone());
        shown.push_str(&format!("{at} - {name} ({label})\n{}\n\n", row.values[text]));
    }
    shown
}

fn object(fields: &[(&str, &str)], out: &mut String) {
    out.push('{');
    for (index, (name, value)) in fields.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        quoted(name, out);
        out.push(':');
        quoted(value, out);
    }
    out.push('}');
}

fn quoted(text: &str, out: &mut String) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}
