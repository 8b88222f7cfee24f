//! The Table API: lists, single records, writes. From a call to an answer in the vendor's shapes.
//! Knows parameters and envelopes; rows come from `select.rs`, writes go to `store.rs`.
// Vendor: api-reference/rest-apis/c_TableAPI.

use super::errors;
use super::query::{self, Condition, Query, Test};
use super::render::{self, Look, Mode};
use super::schema::{Kind, TASKS};
use super::select::{self, Cut, Found};
use super::store::{Fields, Store, Writer};
use super::table::SYS_ID;
use super::time::{self, Caller};
use super::{Instance, ServiceNow, auth};
use crate::dice;
use crate::route::{Call, plain, set_header};
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;

/// `sysparm_limit` when none is given.
const LIMIT_DEFAULT: usize = 10_000;

/// Parameters that are not `field=value` filters.
fn is_parameter(name: &str) -> bool {
    name.starts_with("sysparm_") || name == "x-sn-apikey"
}

fn truthy(call: &Call, name: &str) -> bool {
    call.param(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// GET /api/now/table/{table}
pub fn list(vendor: &ServiceNow, call: &Call) -> Response {
    let call = &vendor.lengthened(call);
    vendor.signed_in(call, |instance, caller| list_as(vendor, instance, caller, call))
}

fn list_as(vendor: &ServiceNow, instance: &mut Instance, caller: &Caller, call: &Call) -> Response {
    let name = call.capture("table");
    if instance.store.members(name).is_empty() {
        return errors::invalid_table(name);
    }
    if let Some(refusal) = no_read(instance, caller, name) {
        return refusal;
    }
    let query = match filter(instance, caller, name, call) {
        Ok(query) => query,
        Err(response) => return response,
    };
    let number = |name: &str| call.param(name).and_then(|text| text.trim().parse::<i64>().ok());
    let asked = number("sysparm_limit")
        .map_or(LIMIT_DEFAULT, |limit| usize::try_from(limit).unwrap_or(LIMIT_DEFAULT));
    let cut = Cut {
        offset: number("sysparm_offset").and_then(|offset| usize::try_from(offset).ok()).unwrap_or(0),
        limit: asked,
        count: !truthy(call, "sysparm_no_count"),
        shuffle: dice::hash(
            vendor.stage.seed,
            &[call.raw_query.as_bytes(), &call.now.as_second().to_le_bytes()],
        ),
        others_hidden: vendor.stage.faults.hostile(),
    };
    let now = time::stamp(call.now);
    let page = select::page(&instance.store, name, &query, &now, &cut);
    let look = look(vendor, caller, call);
    let hidden = instance.switches.acl_hidden_fraction;
    let mut body = String::from("{\"result\":[");
    for row in page.rows.iter().filter(|row| !is_hidden(hidden, row)) {
        if !body.ends_with('[') {
            body.push(',');
        }
        render::record(&instance.store, row, &look, &mut body);
    }
    let empty = body.ends_with('[');
    body.push_str("]}");
    if empty && call.path.contains("/v1/") && page.total.unwrap_or(0) == 0 {
        return errors::no_record();
    }
    let mut response = plain(StatusCode::OK, "application/json;charset=UTF-8", body);
    if let Some(total) = page.total {
        set_header(&mut response, "x-total-count", &total.to_string());
        if !truthy(call, "sysparm_suppress_pagination_header") && total > asked {
            set_header(&mut response, "link", &links(call, cut.offset, asked, total));
        }
    }
    response
}

/// Rows that an ACL hides from everybody, chosen by their id.
fn is_hidden(fraction: f64, row: &Found<'_>) -> bool {
    fraction > 0.0
        && TASKS.contains(&row.table.name)
        && dice::fraction(dice::hash(11, &[row.values[SYS_ID].as_bytes()])) < fraction
}

fn no_read(instance: &Instance, caller: &Caller, table: &str) -> Option<Response> {
    let tasks = table == "task" || TASKS.contains(&table);
    (tasks && !auth::has_role(&instance.store, &caller.user_id, "itil"))
        .then(|| errors::envelope(403, "Insufficient rights to query records", None))
}

/// The query of a list: `sysparm_query`, or plain `field=value` parameters.
fn filter(instance: &Instance, caller: &Caller, name: &str, call: &Call) -> Result<Query, Response> {
    let store = &instance.store;
    let known = |field: &str| store.knows(name, field);
    let mut query = match call.param("sysparm_query") {
        Some(text) => query::parse(text, caller, &known),
        None => Query { groups: vec![Vec::new()], ..Query::default() },
    };
    if call.param("sysparm_query").is_none() {
        for (field, value) in call.query.iter().filter(|(field, _)| !is_parameter(field)) {
            if known(field) {
                let test = Test::Shown(value.clone());
                query.groups[0].push(vec![Condition { field: field.clone(), test }]);
            } else {
                query.dropped.push(field.clone());
            }
        }
    }
    // Vendor: property glide.invalid_query.returns_no_rows.
    if instance.switches.invalid_query_returns_no_rows && !query.dropped.is_empty() {
        query.groups.clear();
    }
    // Rows of audit and journal are silently missing for those who may not read them.
    if matches!(name, "sys_audit" | "sys_journal_field" | "sys_audit_delete")
        && !auth::has_role(store, &caller.user_id, "audit_viewer")
    {
        query.groups.clear();
    }
    Ok(query)
}

fn look(vendor: &ServiceNow, caller: &Caller, call: &Call) -> Look {
    let mode = match call.param("sysparm_display_value").map(str::to_lowercase).as_deref() {
        Some("true") => Mode::Display,
        Some("all") => Mode::All,
        _ => Mode::Raw,
    };
    let fields = call.param("sysparm_fields").filter(|fields| !fields.is_empty());
    let fields = fields.map(|fields| fields.split(',').map(|field| field.trim().to_owned()).collect());
    Look {
        mode,
        links: !truthy(call, "sysparm_exclude_reference_link"),
        fields,
        origin: call.origin(),
        zone: caller.zone.clone(),
        surprises: vendor.stage.faults.ever_hostile(),
    }
}

fn links(call: &Call, offset: usize, limit: usize, total: usize) -> String {
    let kept: Vec<_> = call.query.iter().filter(|(name, _)| name != "sysparm_offset").collect();
    let link = |offset: usize, rel: &str| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &kept {
            query.append_pair(name, value);
        }
        query.append_pair("sysparm_offset", &offset.to_string());
        format!("<{}{}?{}>;rel=\"{rel}\"", call.origin(), call.path, query.finish())
    };
    let step = limit.max(1);
    let last = total.saturating_sub(1) / step * step;
    let mut links = vec![link(0, "first")];
    if offset > 0 {
        links.push(link(offset.saturating_sub(step), "prev"));
    }
    if offset + step < total {
        links.push(link(offset + step, "next"));
    }
    links.push(link(last, "last"));
    links.join(",")
}

/// GET /api/now/table/{table}/{id}
pub fn get(vendor: &ServiceNow, call: &Call) -> Response {
    vendor.signed_in(call, |instance, caller| {
        let name = call.capture("table");
        if instance.store.members(name).is_empty() {
            return errors::invalid_table(name);
        }
        if let Some(refusal) = no_read(instance, caller, name) {
            return refusal;
        }
        one(vendor, instance, caller, call, call.capture("id"), 200)
    })
}

/// One record as the answer, or the 404 that also stands for hidden.
fn one(
    vendor: &ServiceNow,
    instance: &Instance,
    caller: &Caller,
    call: &Call,
    id: &str,
    status: u16,
) -> Response {
    let now = time::stamp(call.now);
    let found = instance.store.find(call.capture("table"), id).and_then(|(table, slot)| {
        let row = table.row(slot)?;
        let values = row.seen(&now)?;
        Some(Found { table, values })
    });
    let Some(found) = found.filter(|row| !is_hidden(instance.switches.acl_hidden_fraction, row)) else {
        return errors::no_record();
    };
    let mut body = String::from("{\"result\":");
    render::record(&instance.store, &found, &look(vendor, caller, call), &mut body);
    body.push('}');
    plain(crate::route::code(status), "application/json;charset=UTF-8", body)
}

/// POST /api/now/table/{table}
pub fn create(vendor: &ServiceNow, call: &Call) -> Response {
    vendor.signed_in(call, |instance, caller| {
        let name = call.capture("table");
        let name = if name == "task" { "incident" } else { name };
        if instance.store.table(name).is_none() {
            return errors::invalid_table(name);
        }
        let fields = match body_fields(instance, caller, name, call) {
            Ok(fields) => fields,
            Err(response) => return response,
        };
        if let Some(refusal) = no_write(instance, caller, name, "Insert") {
            return refusal;
        }
        let writer = writer(caller, call);
        let Ok(id) = instance.store.insert(name, &fields, &writer) else {
            return errors::envelope(
                403,
                "Operation Failed",
                Some("Error during insert of the record: duplicate key"),
            );
        };
        vendor.wrote(instance, name, &id, call.now);
        let mut response = one(vendor, instance, caller, call, &id, 201);
        set_header(&mut response, "location", &format!("{}/api/now/table/{name}/{id}", call.origin()));
        without_body(call, response)
    })
}

/// PUT and PATCH /api/now/table/{table}/{id}: both change only what is sent.
pub fn change(vendor: &ServiceNow, call: &Call) -> Response {
    vendor.signed_in(call, |instance, caller| {
        let (name, id) = (call.capture("table"), call.capture("id"));
        if instance.store.members(name).is_empty() {
            return errors::invalid_table(name);
        }
        let Some((table, _)) = instance.store.find(name, id) else { return errors::no_record() };
        let name = table.name;
        let fields = match body_fields(instance, caller, name, call) {
            Ok(fields) => fields,
            Err(response) => return response,
        };
        if let Some(refusal) =
            no_write(instance, caller, name, "Update").or_else(|| refused(instance, name, id, &fields))
        {
            return refusal;
        }
        if instance.store.update(name, id, &fields, &writer(caller, call)) {
            vendor.wrote(instance, name, id, call.now);
        }
        without_body(call, one(vendor, instance, caller, call, id, 200))
    })
}

/// DELETE /api/now/table/{table}/{id}
pub fn delete(vendor: &ServiceNow, call: &Call) -> Response {
    vendor.signed_in(call, |instance, caller| {
        let (name, id) = (call.capture("table"), call.capture("id"));
        if instance.store.members(name).is_empty() {
            return errors::invalid_table(name);
        }
        if let Some(refusal) = no_write(instance, caller, name, "Delete") {
            return refusal;
        }
        if !instance.store.delete(name, id, &writer(caller, call), false) {
            return errors::no_record();
        }
        vendor.deleted(id, call.now);
        plain(StatusCode::NO_CONTENT, "application/json", "")
    })
}

fn without_body(call: &Call, mut response: Response) -> Response {
    if call.header("x-no-response-body").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        *response.body_mut() = Body::empty();
    }
    response
}

fn writer<'a>(caller: &'a Caller, call: &Call) -> Writer<'a> {
    Writer {
        user_name: &caller.user_name,
        user_id: &caller.user_id,
        at: call.now,
        late_seconds: 0,
        revision: None,
    }
}

fn no_write(instance: &Instance, caller: &Caller, table: &str, verb: &str) -> Option<Response> {
    let store = &instance.store;
    let allowed = match table {
        "incident" => auth::has_role(store, &caller.user_id, "sn_incident_write"),
        "sn_customerservice_case" => auth::has_role(store, &caller.user_id, "sn_customerservice_agent"),
        "task" | "sys_attachment" | "label" | "label_entry" => auth::has_role(store, &caller.user_id, "itil"),
        _ => auth::has_role(store, &caller.user_id, "admin"),
    };
    let detail = format!("ACL Exception {verb} Failed due to security constraints");
    (!allowed).then(|| errors::envelope(403, "Operation Failed", Some(&detail)))
}

/// The data policy of resolving, and the business rule and the ACL that a test can switch on.
fn refused(instance: &Instance, table: &str, id: &str, fields: &Fields) -> Option<Response> {
    if let Some(rule) = &instance.switches.aborting_rule {
        let detail = format!(
            "Operation against file '{table}' was aborted by Business Rule '{rule}^aabbccddeeff00112233445566778899'. Business Rule Stack:{rule}"
        );
        return Some(errors::envelope(403, "Operation Failed", Some(&detail)));
    }
    if instance.switches.closed_read_only
        && instance.store.field(table, id, "active").as_deref() == Some("false")
    {
        let detail = "ACL Exception Update Failed due to security constraints";
        return Some(errors::envelope(403, "Operation Failed", Some(detail)));
    }
    let given = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
    let ending = table == "incident" && matches!(given("state").or(given("incident_state")), Some("6" | "7"));
    if !ending || !instance.switches.require_close_code {
        return None;
    }
    let missing: Vec<&str> = ["close_code", "close_notes"]
        .into_iter()
        .filter(|name| {
            let stored = instance.store.field(table, id, name);
            given(name).map_or(stored.is_none_or(|value| value.is_empty()), str::is_empty)
        })
        .collect();
    let names = missing.join(", ");
    let detail = format!("Data Policy Exception: The following fields are mandatory: {names}");
    (!missing.is_empty()).then(|| errors::envelope(403, "Operation Failed", Some(&detail)))
}

/// The body's fields as raw strings; display values are looked up when the caller says they are such.
fn body_fields(instance: &Instance, caller: &Caller, table: &str, call: &Call) -> Result<Fields, Response> {
    let parsed: Result<serde_json::Map<String, serde_json::Value>, _> =
        if call.body.is_empty() { Ok(serde_json::Map::new()) } else { serde_json::from_slice(&call.body) };
    let object = parsed.map_err(|error| {
        errors::envelope(
            400,
            "Exception while reading request",
            Some(&format!("The payload is not valid JSON: {error}")),
        )
    })?;
    let displayed = truthy(call, "sysparm_input_display_value");
    Ok(object
        .into_iter()
        .map(|(field, value)| {
            let text = text_of(value);
            let text = if displayed { undisplay(&instance.store, caller, table, &field, text) } else { text };
            (field, text)
        })
        .filter(|(field, text)| !text.is_empty() || !has_choices(instance, table, field))
        .collect())
}

// Vendor: an empty value clears a field, "not for choice fields" (c_RESTAPI).
fn has_choices(instance: &Instance, table: &str, field: &str) -> bool {
    let column = instance.store.table(table).and_then(|table| Some(table.columns[table.column(field)?].kind));
    matches!(column, Some(Kind::Choice(_))) || instance.switches.choice_column.as_deref() == Some(field)
}

fn text_of(value: serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text,
        serde_json::Value::Null => String::new(),
        serde_json::Value::Object(mut object) => object.remove("value").map_or_else(String::new, text_of),
        other => other.to_string(),
    }
}

/// A displayed value as the raw one: names to ids, labels to numbers, local times to UTC.
fn undisplay(store: &Store, caller: &Caller, table: &str, field: &str, text: String) -> String {
    let kind = store.table(table).and_then(|table| Some(table.columns[table.column(field)?].kind));
    match kind {
        Some(Kind::Ref(target)) => store.first_by(target, "name", &text).unwrap_or(text),
        Some(Kind::Choice(choices)) => {
            choices.iter().find(|(_, label)| *label == text).map_or(text, |(raw, _)| (*raw).to_owned())
        }
        Some(Kind::Time) => time::from_zone(&text, &caller.zone).unwrap_or(text),
        _ => text,
    }
}
