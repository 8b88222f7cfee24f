//! Records addressed by the value of a field, and writing them whether or not they are there.
//! Knows which field names which record; what a write does is `rules.rs`'s.
// Vendor: api-rest/guide/resources_sobject_upsert, resources_composite_sobjects_collections_upsert.

use super::api::{Answer, Answered, Ask, Caller, given, ok, read};
use super::errors::ApiError;
use super::rules::{self, Writer};
use super::schema::is_lookup;
use super::{Org, ids};
use serde_json::{Map, Value, json};

fn no_field(field: &str) -> ApiError {
    let message = format!("Provided external ID field does not exist or is not accessible: {field}");
    ApiError::new(404, "NOT_FOUND", message)
}

/// The ids of the living records whose `field` is `value`.
fn named(org: &Org, caller: &Caller, name: &str, field: &str, value: &str) -> Result<Vec<String>, ApiError> {
    let object = org.readable(name).ok_or_else(ApiError::not_found)?;
    let column = object.column(field).filter(|column| is_lookup(object.fields[*column].name));
    let field = object.fields[column.ok_or_else(|| no_field(field))?].name;
    let value = if field == "Id" { ids::long(value).unwrap_or_default() } else { value.to_lowercase() };
    let rows = object.slots().filter_map(|slot| object.row(slot)?.visible(caller.now));
    let same = rows.filter(|cells| {
        let text = object.text(cells, field);
        let text = if field == "Id" { text.to_owned() } else { text.to_lowercase() };
        text == value && !object.truth(cells, "IsDeleted")
    });
    Ok(same.map(|cells| object.text(cells, "Id").to_owned()).collect())
}

/// The one record that a value names. Vendor: several are 300, with the addresses of all.
fn only(org: &Org, caller: &Caller, ask: &Ask, at: [&str; 3]) -> Result<Result<String, Answer>, ApiError> {
    let found = named(org, caller, at[0], at[1], at[2])?;
    match found.as_slice() {
        [] => Err(ApiError::not_found()),
        [id] => Ok(Ok(id.clone())),
        several => {
            let address =
                |id: &String| json!(format!("/services/data/{}/sobjects/{}/{id}", ask.version, at[0]));
            let body = several.iter().map(address).collect();
            Ok(Err(Answer { status: 300, body, headers: Vec::new() }))
        }
    }
}

pub fn get(org: &Org, caller: &Caller, ask: &Ask, at: [&str; 3]) -> Answered {
    match only(org, caller, ask, at)? {
        Ok(id) => read(org, caller, ask, at[0], &id),
        Err(several) => Ok(several),
    }
}

pub fn delete(org: &mut Org, caller: &Caller, ask: &Ask, at: [&str; 3]) -> Answered {
    match only(org, caller, ask, at)? {
        Ok(id) => {
            rules::delete(org, &id, &ask.writer(caller), None)?;
            Ok(Answer { status: 204, body: Value::Null, headers: Vec::new() })
        }
        Err(several) => Ok(several),
    }
}

/// Updates the record whose `field` has this value, or creates it; the id, and whether it is new.
pub fn put(
    org: &mut Org,
    caller: &Caller,
    at: [&str; 3],
    fields: &Map<String, Value>,
    writer: &Writer,
) -> Result<(String, bool), ApiError> {
    let found = named(org, caller, at[0], at[1], at[2])?;
    match found.as_slice() {
        [] if at[1].eq_ignore_ascii_case("Id") => Err(ApiError::not_found()),
        [] => {
            let mut fields = fields.clone();
            fields.insert(at[1].to_owned(), json!(at[2]));
            Ok((rules::create(org, at[0], &fields, writer)?, true))
        }
        [id] => {
            rules::update(org, at[0], id, fields, writer)?;
            Ok((id.clone(), false))
        }
        several => {
            let message = format!("duplicate value found: {} matches {} records", at[1], several.len());
            Err(ApiError::of_fields("DUPLICATE_EXTERNAL_ID", message, &[at[1]]))
        }
    }
}

/// `PATCH /sobjects/{object}/{field}/{value}`.
pub fn upsert(org: &mut Org, caller: &Caller, ask: &Ask, at: [&str; 3]) -> Answered {
    let fields = given(&ask.body)?;
    if fields.keys().any(|key| key.eq_ignore_ascii_case(at[1])) {
        let message = format!("The {} field should not be specified in the sobject data.", at[1]);
        return Err(ApiError::new(400, "INVALID_FIELD", message));
    }
    let several = named(org, caller, at[0], at[1], at[2])?.len() > 1;
    if several && let Err(answer) = only(org, caller, ask, at)? {
        return Ok(answer);
    }
    let (id, created) = put(org, caller, at, fields, &ask.writer(caller))?;
    let location = format!("/services/data/{}/sobjects/{}/{id}", ask.version, at[0]);
    let body = json!({ "id": id, "success": true, "errors": [], "created": created });
    let headers = if created { vec![("location", location)] } else { Vec::new() };
    Ok(Answer { status: if created { 201 } else { 200 }, body, headers })
}

/// The lists of what somebody looked at last; the technical accounts look at nothing.
pub fn recent() -> Answered {
    ok(json!([]))
}
