//! JSON Schemas of the files that people write.

use super::notify;
use super::settings::Settings;
use super::source::Common;
use clap::ValueEnum;
use dutyd_connectors::SourceConfig;
use dutyd_core::sla::history::HistoryDoc;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Which file a schema is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// dutyd.toml
    Config,
    /// connectors/*.toml
    Connector,
    /// notify/*.toml
    Notify,
    /// policy/*.toml
    Policy,
    /// The file of `explain --timeline`.
    Timeline,
}

impl SchemaOf {
    pub const ALL: [SchemaOf; 5] =
        [SchemaOf::Config, SchemaOf::Connector, SchemaOf::Notify, SchemaOf::Policy, SchemaOf::Timeline];

    /// Name of the committed file under config/schema.
    pub fn file_name(self) -> &'static str {
        match self {
            SchemaOf::Config => "config.schema.json",
            SchemaOf::Connector => "connector.schema.json",
            SchemaOf::Notify => "notify.schema.json",
            SchemaOf::Policy => "policy.schema.json",
            SchemaOf::Timeline => "timeline.schema.json",
        }
    }
}

/// The schema as JSON.
pub fn schema(of: SchemaOf) -> Value {
    match of {
        SchemaOf::Config => optional_keys(schema_of::<Settings>()),
        SchemaOf::Connector => {
            with_one_table::<Common, SourceConfig>("Connector", "One watched system: connectors/<name>.toml.")
        }
        SchemaOf::Notify => with_one_table::<notify::Common, notify::KindDoc>(
            "Channel",
            "One way to tell people: notify/<name>.toml.",
        ),
        SchemaOf::Policy => dutyd_core::policy::schema(),
        SchemaOf::Timeline => schema_of::<HistoryDoc>(),
    }
}

fn schema_of<T: JsonSchema>() -> Value {
    let generator = SchemaGenerator::default();
    generator.into_root_schema_for::<T>().to_value()
}

/// Every key of dutyd.toml has a default, so none is required.
fn optional_keys(mut schema: Value) -> Value {
    remove_required(&mut schema);
    schema
}

fn remove_required(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("required");
            map.values_mut().for_each(remove_required);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_required),
        _ => {}
    }
}

/// A file with common keys and exactly one table, named after a variant of `T`.
fn with_one_table<C: JsonSchema, T: JsonSchema>(title: &str, description: &str) -> Value {
    let mut generator = SchemaGenerator::default();
    let common: Schema = generator.root_schema_for::<C>();
    let tables: Schema = generator.root_schema_for::<T>();
    let (mut common, kinds) = (common.to_value(), tables.to_value());
    let variants = kinds["oneOf"].as_array().cloned().unwrap_or_default();
    let tables: Map<String, Value> = variants
        .iter()
        .filter_map(|variant| variant["properties"].as_object())
        .flat_map(|properties| properties.clone())
        .collect();
    let one_of: Vec<Value> = tables.keys().map(|name| json!({ "required": [name] })).collect();
    merge_into(&mut common["properties"], Value::Object(tables));
    merge_into(&mut common["$defs"], kinds["$defs"].clone());
    common["oneOf"] = Value::Array(one_of);
    common["title"] = json!(title);
    common["description"] = json!(description);
    common
}

fn merge_into(target: &mut Value, from: Value) {
    if let (Value::Object(target), Value::Object(from)) = (target, from) {
        target.extend(from);
    }
}
