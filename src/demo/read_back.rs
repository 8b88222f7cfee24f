//! Reading back what stands on the vendors' records: by id, with credentials that are not the daemon's, without the
//! connectors' own reading.

use dutyd_connectors::{Lane, Request, Transport};
use dutyd_core::action::{Marker, note_markers};
use futures::StreamExt as _;
use serde_json::Value;

/// Requests under way at once.
const REQUESTS_AT_ONCE: usize = 16;

/// The version of Salesforce's interface that is read.
const SALESFORCE: &str = "/services/data/v66.0";

/// What one record shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shown {
    pub id: String,
    /// What people see as severity.
    pub severity: Option<String>,
    pub marker: Option<Marker>,
    /// Markers of notes, as often as they stand there.
    pub notes: Vec<String>,
}

impl Shown {
    /// Notes whose marker stands more than once, counted by the surplus.
    pub fn doubled(&self) -> usize {
        let mut notes = self.notes.clone();
        notes.sort();
        notes.dedup();
        self.notes.len() - notes.len()
    }
}

/// Reads records by id, several at once; in the order of `ids`.
pub async fn read_back(vendor: &str, http: &dyn Transport, ids: &[String]) -> anyhow::Result<Vec<Shown>> {
    let read = futures::stream::iter(ids).map(|id| read_one(vendor, http, id)).buffered(REQUESTS_AT_ONCE);
    read.collect::<Vec<_>>().await.into_iter().collect()
}

async fn read_one(vendor: &str, http: &dyn Transport, id: &str) -> anyhow::Result<Shown> {
    match vendor {
        "servicenow" => servicenow(http, id).await,
        "zendesk" => zendesk(http, id).await,
        "jira" => jira(http, id).await,
        "salesforce" => salesforce(http, id).await,
        other => anyhow::bail!("the demo cannot read back {other:?}"),
    }
}

async fn servicenow(http: &dyn Transport, id: &str) -> anyhow::Result<Shown> {
    let fields = "u_dutyd_severity,u_dutyd_marks";
    let record = get(http, &format!("/api/now/table/incident/{id}?sysparm_fields={fields}")).await?;
    let query = format!("element_id={id}%5Eelement=work_notes%5EORDERBYsys_created_on");
    let path = format!("/api/now/table/sys_journal_field?sysparm_query={query}&sysparm_fields=value");
    let journal = get(http, &path).await?;
    let texts = journal["result"].as_array().into_iter().flatten().filter_map(|row| row["value"].as_str());
    Ok(Shown {
        id: id.to_owned(),
        severity: text(&record["result"]["u_dutyd_severity"]),
        marker: text(&record["result"]["u_dutyd_marks"]).and_then(|line| Marker::from_line(&line)),
        notes: texts.flat_map(note_markers).collect(),
    })
}

/// The drop-down's tag stands for the severity; the marker's line stands in a text field, in whichever of them it is.
async fn zendesk(http: &dyn Transport, id: &str) -> anyhow::Result<Shown> {
    let ticket = get(http, &format!("/api/v2/tickets/{id}")).await?;
    let fields = ticket["ticket"]["custom_fields"].as_array().into_iter().flatten();
    let values: Vec<&str> = fields.filter_map(|field| field["value"].as_str()).collect();
    let mut notes = Vec::new();
    let mut path = format!("/api/v2/tickets/{id}/comments?page[size]=100");
    loop {
        let page = get(http, &path).await?;
        let comments = page["comments"].as_array().into_iter().flatten();
        let private = comments.filter(|comment| comment["public"] == false);
        notes.extend(private.filter_map(|comment| comment["body"].as_str()).flat_map(note_markers));
        let Some(after) = page["meta"]["after_cursor"].as_str().filter(|_| page["meta"]["has_more"] == true)
        else {
            break;
        };
        path = format!("/api/v2/tickets/{id}/comments?page[size]=100&page[after]={after}");
    }
    Ok(Shown {
        id: id.to_owned(),
        severity: values.iter().find_map(|value| value.strip_prefix("dutyd_")).map(str::to_owned),
        marker: values.iter().find_map(|value| Marker::from_line(value)),
        notes,
    })
}

/// Version 2 of the interface, because Cloud and Data Center both have it and it gives comments as text.
async fn jira(http: &dyn Transport, id: &str) -> anyhow::Result<Shown> {
    let issue = get(http, &format!("/rest/api/2/issue/{id}?fields=labels&properties=dutyd")).await?;
    let labels = issue["fields"]["labels"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let severity = labels.filter_map(|label| label.strip_prefix("dutyd-")).next().map(str::to_owned);
    let mut notes = Vec::new();
    let mut read = 0;
    loop {
        let path = format!("/rest/api/2/issue/{id}/comment?startAt={read}&maxResults=100");
        let page = get(http, &path).await?;
        let comments = page["comments"].as_array().map(Vec::as_slice).unwrap_or_default();
        notes.extend(comments.iter().filter_map(|comment| comment["body"].as_str()).flat_map(note_markers));
        read += comments.len() as u64;
        if comments.is_empty() || Some(read) >= page["total"].as_u64() {
            break;
        }
    }
    let marks = text(&issue["properties"]["dutyd"]["marks"]);
    Ok(Shown { id: id.to_owned(), severity, marker: marks.and_then(|line| Marker::from_line(&line)), notes })
}

async fn salesforce(http: &dyn Transport, id: &str) -> anyhow::Result<Shown> {
    let fields = "Dutyd_Severity__c,Dutyd_Marks__c";
    let record = get(http, &format!("{SALESFORCE}/sobjects/Case/{id}?fields={fields}")).await?;
    let query = format!(
        "SELECT%20CommentBody%20FROM%20CaseComment%20WHERE%20ParentId%3D%27{id}%27%20AND%20IsPublished%3Dfalse"
    );
    let mut notes = Vec::new();
    let mut path = Some(format!("{SALESFORCE}/query?q={query}"));
    while let Some(asked) = path {
        let page = get(http, &asked).await?;
        let rows = page["records"].as_array().into_iter().flatten();
        notes.extend(rows.filter_map(|row| row["CommentBody"].as_str()).flat_map(note_markers));
        path = text(&page["nextRecordsUrl"]);
    }
    let marks = text(&record["Dutyd_Marks__c"]);
    Ok(Shown {
        id: id.to_owned(),
        severity: text(&record["Dutyd_Severity__c"]),
        marker: marks.and_then(|line| Marker::from_line(&line)),
        notes,
    })
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

async fn get(http: &dyn Transport, path: &str) -> anyhow::Result<Value> {
    let request = Request::get(path, Lane::Hot).header("accept", "application/json");
    let response = http.send(request).await?;
    anyhow::ensure!(response.status == 200, "GET {path} was answered with {}", response.status);
    Ok(serde_json::from_slice(&response.body)?)
}
