//! What the org tells about its objects and their fields, as far as the caller's rights go.
//! Knows shapes and rights; no rows.
// Vendor: api-rest/guide/resources_describeGlobal, resources_sobject_describe.

use super::Org;
use super::api::{Answer, Answered, Ask, ok};
use super::errors::ApiError;
use super::schema::{EXTERNAL_ID, Field, Kind, Write, is_lookup, relationship};
use super::store::Object;
use super::time;
use serde_json::{Map, Value, json};

/// Instant of the org's last change of setup.
const SETUP_AT: &str = "2026-01-05T08:00:00Z";

pub fn is_searchable(name: &str) -> bool {
    matches!(name, "Case" | "Account" | "Contact" | "User")
}

fn summary(org: &Org, object: &Object, version: &str) -> Map<String, Value> {
    let name = object.shape.name;
    let base = format!("/services/data/{version}/sobjects/{name}");
    let creates = object.shape.write == Write::All && (name != "Case" || org.rights.may_create_cases());
    let all = json!({
        "name": name, "label": name, "labelPlural": format!("{name}s"), "keyPrefix": object.shape.prefix,
        "createable": creates, "updateable": object.shape.write != Write::Nothing,
        "deletable": object.shape.write == Write::All && org.rights.may_delete(name), "queryable": true,
        "retrieveable": true, "searchable": is_searchable(name),
        "replicateable": !matches!(name, "CaseMilestone" | "CaseStatus"), "undeletable": object.shape.write == Write::All,
        "triggerable": name == "Case", "feedEnabled": name == "Case", "custom": false, "customSetting": false,
        "layoutable": true, "mergeable": name == "Case",
        "urls": { "sobject": base, "describe": format!("{base}/describe"), "rowTemplate": format!("{base}/{{ID}}") },
    });
    all.as_object().cloned().unwrap_or_default()
}

pub fn global(org: &Org, version: &str) -> Value {
    let objects = org.store.objects().filter(|object| org.readable(object.shape.name).is_some());
    let list: Vec<Value> = objects.map(|object| Value::Object(summary(org, object, version))).collect();
    json!({ "encoding": "UTF-8", "maxBatchSize": 200, "sobjects": list })
}

pub fn basic(org: &Org, name: &str, version: &str) -> Answered {
    let object = org.readable(name).ok_or_else(ApiError::not_found)?;
    ok(json!({ "objectDescribe": summary(org, object, version), "recentItems": [] }))
}

pub fn whole(org: &Org, name: &str, ask: &Ask) -> Answered {
    let object = org.readable(name).ok_or_else(ApiError::not_found)?;
    let setup_at = SETUP_AT.parse().ok();
    let since = ask.header("if-modified-since").and_then(time::parse_http_date);
    let headers = setup_at.map(|at| ("last-modified", time::http_date(at))).into_iter().collect();
    if matches!((since, setup_at), (Some(since), Some(at)) if at <= since) {
        return Ok(Answer { status: 304, body: Value::Null, headers });
    }
    let mut body = summary(org, object, &ask.version);
    let fields: Vec<Value> = object.fields.iter().map(|known| field(org, object, known)).collect();
    let children = object.shape.children.iter();
    let children: Vec<Value> = children
        .map(|(relation, child, column)| {
            json!({ "childSObject": child, "field": column, "relationshipName": relation, "cascadeDelete": true })
        })
        .collect();
    body.insert("fields".to_owned(), json!(fields));
    body.insert("childRelationships".to_owned(), json!(children));
    body.insert("recordTypeInfos".to_owned(), json!([]));
    Ok(Answer { status: 200, body: Value::Object(body), headers })
}

fn field(org: &Org, object: &Object, field: &Field) -> Value {
    let (kind, soap, length) = match field.kind {
        Kind::Id => ("id", "tns:ID", 18),
        Kind::Ref(_) => ("reference", "tns:ID", 18),
        Kind::Text(max) => ("string", "xsd:string", max),
        Kind::LongText(max) => ("textarea", "xsd:string", max),
        Kind::Picklist(_) => ("picklist", "xsd:string", 255),
        Kind::Bool => ("boolean", "xsd:boolean", 0),
        Kind::DateTime => ("datetime", "xsd:dateTime", 0),
        Kind::Number => ("int", "xsd:int", 0),
        Kind::Any => ("anyType", "xsd:anyType", 255),
    };
    let searchable = !matches!(field.kind, Kind::LongText(_) | Kind::Any);
    let granted = org.rights.may_write(object.shape.name, field.name);
    let words = match field.kind {
        Kind::Picklist(words) => words,
        _ => &[],
    };
    let values: Vec<Value> = words
        .iter()
        .map(|word| json!({ "value": word, "label": word, "active": true, "defaultValue": false, "validFor": null }))
        .collect();
    let targets = match field.kind {
        Kind::Ref(targets) => targets,
        _ => &[],
    };
    let relation = if targets.is_empty() { None } else { relationship(field.name) };
    json!({
        "name": field.name, "label": field.name, "type": kind, "soapType": soap, "length": length,
        "byteLength": length * 3, "digits": 0, "precision": 0, "scale": 0,
        "nillable": kind != "id" && kind != "boolean", "createable": field.createable && granted,
        "updateable": field.updateable && granted, "filterable": searchable, "sortable": searchable,
        "groupable": searchable && kind != "datetime", "calculated": false, "custom": field.name.ends_with("__c"),
        "externalId": field.name == EXTERNAL_ID, "unique": kind == "id" || field.name == EXTERNAL_ID,
        "idLookup": is_lookup(field.name),
        "restrictedPicklist": super::schema::is_dutyd(field.name) && kind == "picklist",
        "defaultedOnCreate": matches!(field.name, "Status" | "Priority" | "OwnerId"), "picklistValues": values,
        "referenceTo": targets, "relationshipName": relation, "permissionable": field.updateable,
        "nameField": matches!(field.name, "Name" | "CaseNumber"), "polymorphicForeignKey": targets.len() > 1,
    })
}
