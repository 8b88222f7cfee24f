//! What a write does: checks, stamps, the rules of cases, history, deletion, merging.
//! Knows the platform's rules; nothing of HTTP.
// Vendor: object reference pages of Case, CaseComment, EmailMessage, CaseHistory; "Update Records" (api-rest).

use super::Org;
use super::errors::ApiError;
use super::ids;
use super::schema::{Field, Kind, STATUSES, TRACKED, Write};
use super::store::{Cells, Object, Row};
use super::time;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// Who writes, when, and how.
#[derive(Clone, Debug)]
pub struct Writer {
    pub user_id: String,
    pub at: Timestamp,
    /// Seconds until others see it.
    pub late_seconds: i64,
    /// Whether it comes by the API, where rights and field rules count.
    pub api: bool,
    /// Vendor: REST runs assignment rules on case writes unless told not to (Sforce-Auto-Assign, api-rest/headers).
    pub auto_assign: bool,
}

impl Writer {
    fn hidden_until(&self) -> Option<Timestamp> {
        (self.late_seconds > 0)
            .then(|| self.at.saturating_add(SignedDuration::from_secs(self.late_seconds)).unwrap_or(self.at))
    }
}

type Fields = Map<String, Value>;

/// Creates a record and answers its id.
pub fn create(org: &mut Org, name: &str, given: &Fields, writer: &Writer) -> Result<String, ApiError> {
    let object = org.store.object(name).ok_or_else(ApiError::not_found)?;
    let name = object.shape.name;
    if writer.api {
        may_write(org, object, true)?;
    }
    let mut cells = object.empty();
    let mut comment = None;
    for (field, value) in given {
        let Some((field, value)) = checked(org, object, field, value, writer, true)? else { continue };
        if (name, field.name) == ("Case", "Comments") {
            comment = value.as_str().map(str::to_owned);
            continue;
        }
        object.set(&mut cells, field.name, value);
    }
    let stamp = time::stamp(writer.at);
    for field in ["CreatedDate", "LastModifiedDate", "SystemModstamp"] {
        object.set(&mut cells, field, json!(stamp));
    }
    for field in ["CreatedById", "LastModifiedById"] {
        object.set(&mut cells, field, json!(writer.user_id));
    }
    required(object, &cells)?;
    match name {
        "Case" => born(org, &mut cells, writer),
        "Contact" => {
            let name = format!("{} {}", object.text(&cells, "FirstName"), object.text(&cells, "LastName"));
            object.set(&mut cells, "Name", json!(name.trim()));
        }
        "EmailMessage" if object.text(&cells, "MessageDate").is_empty() => {
            object.set(&mut cells, "MessageDate", json!(stamp));
        }
        _ => {}
    }
    let id = org.store.insert(name, cells, writer.hidden_until()).ok_or_else(ApiError::not_found)?;
    if name == "Case" {
        history(org, &id, "created", None, (Value::Null, Value::Null), writer);
        comment.into_iter().for_each(|text| say(org, &id, &text, writer));
    }
    Ok(id)
}

/// Changes a record.
pub fn update(org: &mut Org, name: &str, id: &str, given: &Fields, writer: &Writer) -> Result<(), ApiError> {
    let object = org.store.object(name).ok_or_else(ApiError::not_found)?;
    let name = object.shape.name;
    if writer.api {
        may_write(org, object, false)?;
    }
    let row = living(object, id, writer)?.clone();
    org.stumble(name, id, writer)?;
    let object = org.store.object(name).ok_or_else(ApiError::not_found)?;
    let mut cells = row.cells.clone();
    let mut comment = None;
    for (field, value) in given {
        let Some((field, value)) = checked(org, object, field, value, writer, false)? else { continue };
        if (name, field.name) == ("Case", "Comments") {
            comment = value.as_str().map(str::to_owned);
            continue;
        }
        object.set(&mut cells, field.name, value);
    }
    if name == "Case" {
        lived(org, &row.cells, &mut cells, writer);
    }
    let object = org.store.object(name).ok_or_else(ApiError::not_found)?;
    let stamp = time::stamp(writer.at);
    object.set(&mut cells, "LastModifiedDate", json!(stamp));
    object.set(&mut cells, "SystemModstamp", json!(stamp));
    object.set(&mut cells, "LastModifiedById", json!(writer.user_id));
    let changed: Vec<(&'static str, Value, Value)> = TRACKED
        .iter()
        .filter(|_| name == "Case")
        .filter_map(|field| Some((*field, object.column(field)?)))
        .filter(|(_, column)| row.cells[*column] != cells[*column])
        .map(|(field, column)| (field, row.cells[column].clone(), cells[column].clone()))
        .collect();
    let closes = name == "Case" && !object.truth(&row.cells, "IsClosed") && object.truth(&cells, "IsClosed");
    write_over(org, name, id, row, cells, writer);
    for (field, old, new) in changed {
        tell(org, id, field, old, new, writer);
    }
    if closes {
        history(org, id, "closed", None, (Value::Null, Value::Null), writer);
    }
    comment.into_iter().for_each(|text| say(org, id, &text, writer));
    Ok(())
}

fn write_over(org: &mut Org, name: &str, id: &str, row: Row, cells: Cells, writer: &Writer) {
    let hidden_until = writer.hidden_until();
    let before = hidden_until.and_then(|_| row.visible(writer.at).cloned());
    org.store.replace(name, id, Row { cells, hidden_until, before, unshared: row.unshared });
}

/// Into the recycle bin, with its children.
pub fn delete(org: &mut Org, id: &str, writer: &Writer, master: Option<&str>) -> Result<(), ApiError> {
    let object = org.store.of_id(id).ok_or_else(ApiError::not_found)?;
    let name = object.shape.name;
    if writer.api && !org.rights.may_delete(name) {
        return Err(ApiError::of_fields(
            "INSUFFICIENT_ACCESS_OR_READONLY",
            "insufficient access rights on object id",
            &[],
        ));
    }
    living(object, id, writer)?;
    mark_deleted(org, id, true, writer, master);
    Ok(())
}

/// Sets or clears `IsDeleted` of a record and its children.
pub fn mark_deleted(org: &mut Org, id: &str, deleted: bool, writer: &Writer, master: Option<&str>) {
    let Some((object, row)) = org.store.record(id) else { return };
    let (name, row) = (object.shape.name, row.clone());
    let mut cells = row.cells.clone();
    let stamp = json!(time::stamp(writer.at));
    object.set(&mut cells, "IsDeleted", json!(deleted));
    object.set(&mut cells, "SystemModstamp", stamp.clone());
    object.set(&mut cells, "LastModifiedDate", stamp);
    object.set(&mut cells, "MasterRecordId", master.map_or(Value::Null, Value::from));
    write_over(org, name, id, row, cells, writer);
    if name == "Case" {
        for child in children(org, id) {
            mark_deleted(org, &child, deleted, writer, None);
        }
    }
}

/// The loser's children go to the winner, the loser into the recycle bin.
pub fn merge(org: &mut Org, winner: &str, loser: &str, writer: &Writer) -> Result<(), ApiError> {
    for id in [winner, loser] {
        let object = org.store.of_id(id).filter(|object| object.shape.name == "Case");
        living(object.ok_or_else(ApiError::not_found)?, id, writer)?;
    }
    for child in children(org, loser) {
        let Some((object, row)) = org.store.record(&child) else { continue };
        let (name, mut row) = (object.shape.name, row.clone());
        object.set(&mut row.cells, object.shape.parent.unwrap_or(""), json!(winner));
        object.set(&mut row.cells, "SystemModstamp", json!(time::stamp(writer.at)));
        if name != "CaseHistory" {
            org.store.replace(name, &child, row);
        }
    }
    delete(org, loser, &Writer { api: false, ..writer.clone() }, Some(winner))
}

fn children(org: &Org, id: &str) -> Vec<String> {
    let objects = org.store.objects().filter(|object| object.shape.parent.is_some());
    let ids = objects.flat_map(|object| {
        let slots = object.children_of(id).into_iter();
        slots
            .filter_map(|slot| Some(object.text(&object.row(slot)?.cells, "Id").to_owned()))
            .collect::<Vec<_>>()
    });
    ids.collect()
}

/// A record that is there, visible to the writer, and not in the recycle bin.
fn living<'a>(object: &'a Object, id: &str, writer: &Writer) -> Result<&'a Row, ApiError> {
    let row = object.slot(id).and_then(|slot| object.row(slot));
    let row = row.filter(|row| !writer.api || row.visible(writer.at).is_some());
    let row = row.ok_or_else(ApiError::not_found)?;
    match object.truth(&row.cells, "IsDeleted") {
        true => Err(ApiError {
            fields: Some(Vec::new()),
            ..ApiError::new(404, "ENTITY_IS_DELETED", "entity is deleted")
        }),
        false => Ok(row),
    }
}

fn may_write(org: &Org, object: &Object, creating: bool) -> Result<(), ApiError> {
    let refused = match object.shape.write {
        Write::Nothing => true,
        Write::CreateAndUpdate => creating,
        Write::All => object.shape.name == "Case" && creating && !org.rights.may_create_cases(),
    };
    let verb = if creating { "create" } else { "update" };
    let message = format!("entity type {} does not support {verb}", object.shape.name);
    if refused { Err(ApiError::new(400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message)) } else { Ok(()) }
}

/// A given field with a value as it is stored; `None` for what is to be passed over.
fn checked<'a>(
    org: &Org,
    object: &'a Object,
    name: &str,
    value: &Value,
    writer: &Writer,
    creating: bool,
) -> Result<Option<(&'a Field, Value)>, ApiError> {
    if name == "attributes" {
        return Ok(None);
    }
    let Some(column) = object.column(name) else {
        let message = format!("No such column '{name}' on sobject of type {}", object.shape.name);
        return Err(ApiError::new(400, "INVALID_FIELD", message));
    };
    let field = &object.fields[column];
    let allowed = if creating { field.createable } else { field.updateable };
    let granted = org.rights.may_write(object.shape.name, field.name);
    if writer.api && !(allowed && granted) {
        let message = format!(
            "Unable to create/update fields: {}. Please check the security settings of this field and verify that it is read/write for your profile or permission set.",
            field.name
        );
        return Err(ApiError::of_fields("INVALID_FIELD_FOR_INSERT_UPDATE", message, &[field.name]));
    }
    Ok(Some((field, stored(org, field, value)?)))
}

fn stored(org: &Org, field: &Field, value: &Value) -> Result<Value, ApiError> {
    let wrong = |code, message: String| ApiError::of_fields(code, message, &[field.name]);
    match (field.kind, value) {
        (Kind::Bool, Value::Null) => Ok(json!(false)),
        (_, Value::Null) => Ok(Value::Null),
        (Kind::Bool, Value::Bool(_)) | (Kind::Number, Value::Number(_)) => Ok(value.clone()),
        (Kind::Text(_) | Kind::LongText(_) | Kind::Picklist(_), Value::Bool(_) | Value::Number(_)) => {
            stored(org, field, &json!(value.to_string()))
        }
        (Kind::Text(max) | Kind::LongText(max), Value::String(text)) => {
            let text = text.trim_end();
            // Vendor: the body of a case comment is bounded in bytes, other texts in characters.
            let length = if field.name == "CommentBody" { text.len() } else { text.chars().count() };
            match length > max {
                true => Err(wrong(
                    "STRING_TOO_LONG",
                    format!("{}: data value too large: {} (max length={max})", field.name, clipped(text)),
                )),
                false if text.is_empty() => Ok(Value::Null),
                false => Ok(json!(text)),
            }
        }
        // Vendor: an off-list value is accepted unless the list is restricted; ours is.
        (Kind::Picklist(words), Value::String(text))
            if super::schema::is_dutyd(field.name) && !words.contains(&text.as_str()) && !text.is_empty() =>
        {
            Err(wrong(
                "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                format!("{}: bad value for restricted picklist field: {text}", field.name),
            ))
        }
        (Kind::Picklist(_), Value::String(text)) if text.is_empty() => Ok(Value::Null),
        (Kind::Picklist(_) | Kind::Any, Value::String(_)) => Ok(value.clone()),
        (Kind::Ref(_), Value::String(text)) if text.is_empty() => Ok(Value::Null),
        (Kind::Ref(targets), Value::String(text)) => reference(org, field, targets, text),
        (Kind::DateTime, Value::String(text)) => {
            let at = time::parse(text).or_else(|| text.parse().ok());
            let at = at.ok_or_else(|| {
                wrong(
                    "JSON_PARSER_ERROR",
                    format!("Cannot deserialize instance of datetime from VALUE_STRING value {text}"),
                )
            })?;
            Ok(json!(time::stamp(at)))
        }
        _ => Err(wrong("JSON_PARSER_ERROR", format!("Cannot deserialize the value of {}", field.name))),
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(80).collect()
}

fn reference(org: &Org, field: &Field, targets: &[&str], text: &str) -> Result<Value, ApiError> {
    let id = ids::long(text).ok_or_else(|| {
        ApiError::of_fields(
            "MALFORMED_ID",
            format!("{}: id value of incorrect type: {text}", field.name),
            &[field.name],
        )
    })?;
    let known = org.store.record(&id).is_some_and(|(object, _)| targets.contains(&object.shape.name));
    match known {
        true => Ok(json!(id)),
        false => Err(ApiError {
            status: 404,
            fields: Some(Vec::new()),
            ..ApiError::new(404, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        }),
    }
}

fn required(object: &Object, cells: &Cells) -> Result<(), ApiError> {
    let needed: &[&str] = match object.shape.name {
        "CaseComment" => &["ParentId"],
        "Account" => &["Name"],
        "Contact" => &["LastName"],
        _ => &[],
    };
    let missing: Vec<&str> =
        needed.iter().copied().filter(|field| object.text(cells, field).is_empty()).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(ApiError::of_fields(
            "REQUIRED_FIELD_MISSING",
            format!("Required fields are missing: [{}]", missing.join(", ")),
            &missing,
        )),
    }
}

fn is_closed(status: &str) -> bool {
    STATUSES.iter().any(|(word, closed)| *word == status && *closed)
}

/// Defaults of a new case.
fn born(org: &mut Org, cells: &mut Cells, writer: &Writer) {
    let number = org.store.next_case_number();
    let queue = org.people.inbox.clone();
    let Some(object) = org.store.object("Case") else { return };
    object.set(cells, "CaseNumber", json!(number));
    for (field, value) in [("Status", "New"), ("Priority", "Medium")] {
        if object.text(cells, field).is_empty() {
            object.set(cells, field, json!(value));
        }
    }
    if object.text(cells, "OwnerId").is_empty() || (writer.api && writer.auto_assign) {
        let owner = if writer.api && !writer.auto_assign { &writer.user_id } else { &queue };
        object.set(cells, "OwnerId", json!(owner));
    }
    let contact = object.text(cells, "ContactId").to_owned();
    object.set(cells, "ContactEmail", json!(org.store.text(&contact, "Email")));
    let closed = is_closed(object.text(cells, "Status"));
    object.set(cells, "IsClosed", json!(closed));
    object.set(cells, "IsClosedOnCreate", json!(closed));
    if closed {
        object.set(cells, "ClosedDate", json!(time::stamp(writer.at)));
    }
}

/// What follows from a change of a case.
fn lived(org: &Org, old: &Cells, cells: &mut Cells, writer: &Writer) {
    let Some(object) = org.store.object("Case") else { return };
    let (was, closed) = (object.truth(old, "IsClosed"), is_closed(object.text(cells, "Status")));
    object.set(cells, "IsClosed", json!(closed));
    if was != closed {
        let at = if closed { json!(time::stamp(writer.at)) } else { Value::Null };
        object.set(cells, "ClosedDate", at);
    }
    if writer.api && writer.auto_assign && org.switches.assignment_rule {
        object.set(cells, "OwnerId", json!(org.people.inbox));
    }
    let contact = object.text(cells, "ContactId").to_owned();
    object.set(cells, "ContactEmail", json!(org.store.text(&contact, "Email")));
}

/// `Comments` of a case is written only: it becomes a comment of its own.
fn say(org: &mut Org, case: &str, text: &str, writer: &Writer) {
    let fields = json!({ "ParentId": case, "CommentBody": text, "IsPublished": false });
    let writer = Writer { api: false, ..writer.clone() };
    // The only thing that could be wrong is the length, which the field's own check has bounded.
    let _ = create(org, "CaseComment", fields.as_object().unwrap_or(&Map::new()), &writer);
}

/// A change in the history. Vendor: a lookup writes two rows, one with the names and one with the ids.
fn tell(org: &mut Org, id: &str, field: &'static str, old: Value, new: Value, writer: &Writer) {
    if field != "OwnerId" {
        return history(org, id, field, Some("Text"), (old, new), writer);
    }
    let name = |value: &Value| json!(org.store.text(value.as_str().unwrap_or(""), "Name"));
    let names = (name(&old), name(&new));
    history(org, id, "Owner", Some("Text"), names, writer);
    history(org, id, "Owner", Some("EntityId"), (old, new), writer);
}

fn history(
    org: &mut Org,
    id: &str,
    field: &str,
    data_type: Option<&str>,
    (old, new): (Value, Value),
    writer: &Writer,
) {
    let Some(object) = org.store.object("CaseHistory") else { return };
    let mut cells = object.empty();
    for (name, value) in [
        ("CaseId", json!(id)),
        ("CreatedById", json!(writer.user_id)),
        ("CreatedDate", json!(time::stamp(writer.at))),
        ("Field", json!(field)),
        ("DataType", json!(data_type.unwrap_or("Text"))),
        ("OldValue", old),
        ("NewValue", new),
    ] {
        object.set(&mut cells, name, value);
    }
    org.store.insert("CaseHistory", cells, writer.hidden_until());
}
