//! Records as tables of comma-separated values, for the bulk APIs: read, written, and applied row by row.
//! Knows columns and cells; jobs and batches are `jobs.rs`'s and `bulk.rs`'s.
// Vendor: api-asynch/guide, "Prepare CSV Files", "Valid CSV Record Rows".

use super::api::{Caller, view};
use super::errors::ApiError;
use super::rules::{self, Writer};
use super::schema::Kind;
use super::soql::{self, Item};
use super::{Org, external, ids};
use serde_json::{Map, Value, json};

/// Rows of one upload.
const ROWS_MAX: usize = 10_000;

/// Columns, and rows of as many cells.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// A row as it came, its columns in order.
pub type Row = Vec<(String, String)>;

/// What became of a row: the record and whether it is new, or why not.
pub type Verdict = Result<(String, bool), ApiError>;

/// The object and the rows of a query, as columns and cells.
pub fn queried(org: &Org, caller: &Caller, text: &str, all: bool) -> Result<(String, Table), ApiError> {
    let query = soql::parse(text)?;
    let columns = query.select.iter().map(|item| match item {
        Item::Field(name) => Ok(name.clone()),
        _ => Err(ApiError::new(
            400,
            "FEATURENOTENABLED",
            "Aggregates and child queries do not go into a table",
        )),
    });
    let columns: Vec<String> = columns.collect::<Result<_, _>>()?;
    let records = view(org, caller).run(&query, all, "")?.records;
    let cell = |record: &Value, path: &str| {
        let mut value = record;
        for step in path.split('.') {
            let fields = value.as_object();
            let known =
                fields.and_then(|fields| fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(step)));
            value = known.map_or(&Value::Null, |(_, value)| value);
        }
        match value {
            Value::Null => String::new(),
            // Vendor: instants end in Z here.
            Value::String(text) => {
                text.strip_suffix(".000+0000").map_or(text.clone(), |text| format!("{text}.000Z"))
            }
            other => other.to_string(),
        }
    };
    let rows = records.iter().map(|record| columns.iter().map(|path| cell(record, path)).collect()).collect();
    Ok((query.from, Table { columns, rows }))
}

/// Every cell in quotes, as the vendor writes them.
pub fn written<'a>(columns: &[String], rows: impl Iterator<Item = &'a Vec<String>>, delimiter: u8) -> String {
    let mut out = csv::WriterBuilder::new()
        .quote_style(csv::QuoteStyle::Always)
        .delimiter(delimiter)
        .flexible(true)
        .from_writer(Vec::new());
    // Writing into memory does not fail.
    let _ = out.write_record(columns);
    for row in rows {
        let _ = out.write_record(row);
    }
    String::from_utf8(out.into_inner().unwrap_or_default()).unwrap_or_default()
}

pub fn read(text: &str, delimiter: u8) -> Result<Vec<Row>, ApiError> {
    let wrong =
        |error: csv::Error| ApiError::new(400, "InvalidBatch", format!("Failed to parse CSV: {error}"));
    let mut table = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let names: Vec<String> = table.headers().map_err(wrong)?.iter().map(str::to_owned).collect();
    let rows = table
        .records()
        .take(ROWS_MAX)
        .map(|row| Ok(names.iter().cloned().zip(row.map_err(wrong)?.iter().map(str::to_owned)).collect()));
    rows.collect()
}

/// The fields of a row as the API takes them. Vendor: an empty cell leaves a field alone, `#N/A` empties it.
fn fields(org: &Org, name: &str, row: &Row) -> Map<String, Value> {
    let kind = |field: &str| {
        let object = org.store.object(name)?;
        object.column(field).map(|column| object.fields[column].kind)
    };
    let value = |field: &str, text: &str| match kind(field) {
        _ if text == "#N/A" => Value::Null,
        Some(Kind::Bool) => json!(text.eq_ignore_ascii_case("true") || text == "1"),
        Some(Kind::Number) => text.parse::<f64>().map_or_else(|_| json!(text), |number| json!(number)),
        _ => json!(text),
    };
    row.iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| (name.clone(), value(name, text)))
        .collect()
}

/// Applies a row by itself; others stand whatever becomes of it.
pub fn apply(
    org: &mut Org,
    caller: &Caller,
    writer: &Writer,
    order: (&str, &str, &str),
    row: &Row,
) -> Verdict {
    let (operation, name, key) = order;
    let mut fields = fields(org, name, row);
    let mut taken = |wanted: &str| {
        let known = fields.keys().find(|field| field.eq_ignore_ascii_case(wanted)).cloned();
        known.and_then(|known| fields.remove(&known)).and_then(|value| value.as_str().map(str::to_owned))
    };
    let bad_id = |id: Option<String>| {
        let text = id.unwrap_or_default();
        ids::long(&text)
            .ok_or_else(|| ApiError::new(400, "MALFORMED_ID", format!("Id in upsert is not valid: {text}")))
    };
    match operation {
        "insert" => Ok((rules::create(org, name, &fields, writer)?, true)),
        "update" => {
            let id = bad_id(taken("Id"))?;
            rules::update(org, name, &id, &fields, writer)?;
            Ok((id, false))
        }
        "upsert" => match taken(key).filter(|value| !value.is_empty()) {
            Some(value) => external::put(org, caller, [name, key, &value], &fields, writer),
            None if key.eq_ignore_ascii_case("Id") => Ok((rules::create(org, name, &fields, writer)?, true)),
            None => Err(ApiError::of_fields("MISSING_ARGUMENT", format!("{key} not specified"), &[])),
        },
        "delete" | "hardDelete" => {
            let id = bad_id(taken("Id"))?;
            rules::delete(org, &id, writer, None)?;
            Ok((id, false))
        }
        other => Err(ApiError::new(400, "INVALID_OPERATION", format!("unknown operation {other}"))),
    }
}
