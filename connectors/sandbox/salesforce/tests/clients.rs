//! What client libraries ask for beyond the daemon's own needs: other systems' keys, searches, both bulk APIs.

use super::{DATA, Org, code};
use serde_json::{Value, json};

#[tokio::test]
async fn a_record_is_written_and_found_by_another_systems_key() {
    let org = Org::new(&[]).await;
    let path = "sobjects/Account/External_Id__c/A-1";
    let (status, made) = org.call("PATCH", path, json!({ "Name": "Northwind" })).await;
    assert_eq!((status, &made["created"]), (201, &json!(true)));
    let (status, again) = org.call("PATCH", path, json!({ "Name": "Northwind Ltd" })).await;
    assert_eq!((status, &again["created"], &again["id"]), (200, &json!(false), &made["id"]));
    assert_eq!(org.call("GET", path, Value::Null).await.1["Name"], "Northwind Ltd");
    let twice = json!({ "Name": "x", "External_Id__c": "A-1" });
    assert_eq!(code(&org.call("PATCH", path, twice).await.1), "INVALID_FIELD");
    assert_eq!(org.call("GET", "sobjects/Account/Website/x", Value::Null).await.0, 404);
    let record =
        |key: &str| json!({ "attributes": { "type": "Account" }, "External_Id__c": key, "Name": key });
    let records = json!({ "allOrNone": false, "records": [record("A-1"), record("A-2")] });
    let (_, verdicts) = org.call("PATCH", "composite/sobjects/Account/External_Id__c", records).await;
    assert_eq!((&verdicts[0]["created"], &verdicts[1]["created"]), (&json!(false), &json!(true)));
    org.call("POST", "sobjects/Account", json!({ "Name": "double", "External_Id__c": "A-2" })).await;
    let (status, several) = org.call("GET", "sobjects/Account/External_Id__c/A-2", Value::Null).await;
    assert_eq!((status, several.as_array().map(Vec::len)), (300, Some(2)));
    assert_eq!(org.call("DELETE", path, Value::Null).await.0, 204);
    assert_eq!(org.call("GET", path, Value::Null).await.0, 404);
}

#[tokio::test]
async fn words_are_found_in_the_texts_of_records() {
    let org = Org::new(&[]).await;
    let (_, made) = org.call("POST", "sobjects/Case", json!({ "Subject": "Zebra, crossing the line" })).await;
    let search = async |text: &str| {
        let pair = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", text).finish();
        org.call("GET", &format!("search?{pair}"), Value::Null).await
    };
    for text in [
        "FIND {zebra}",
        "FIND {zeb*} IN ALL FIELDS RETURNING Case(Id, Subject), Contact",
        "FIND {crossing AND zebra} RETURNING Case(Id WHERE IsClosed = false ORDER BY CreatedDate LIMIT 5) LIMIT 2",
    ] {
        let (status, body) = search(text).await;
        assert_eq!((status, &body["searchRecords"][0]["Id"]), (200, &made["id"]), "{text}: {body}");
    }
    assert_eq!(search("FIND {zebra} IN EMAIL FIELDS").await.1["searchRecords"], json!([]));
    assert_eq!(code(&search("zebra").await.1), "MALFORMED_SEARCH");
    let (_, body) = org
        .call(
            "GET",
            "parameterizedSearch?q=zebra&sobject=Case&Case.fields=Id,Subject&Case.limit=1",
            Value::Null,
        )
        .await;
    assert_eq!(body["searchRecords"][0]["Subject"], "Zebra, crossing the line");
    let asked = json!({ "q": "zebra", "fields": ["Id"], "sobjects": [{ "name": "Case", "limit": 3 }] });
    let (_, body) = org.call("POST", "parameterizedSearch", asked).await;
    assert_eq!(body["searchRecords"][0]["Id"], made["id"]);
}

#[tokio::test]
async fn a_query_job_gives_its_rows_in_parts() {
    let org = Org::new(&[]).await;
    let asked =
        json!({ "operation": "query", "query": "SELECT Id, Owner.Name, IsClosed, CreatedDate FROM Case" });
    let (status, job) = org.call("POST", "jobs/query", asked).await;
    assert_eq!((status, &job["state"], &job["object"]), (200, &json!("UploadComplete"), &json!("Case")));
    let path = format!("jobs/query/{}", job["id"].as_str().unwrap());
    let (_, told) = org.call("GET", &path, Value::Null).await;
    assert_eq!((&told["state"], &told["numberRecordsProcessed"]), (&json!("JobComplete"), &json!(12)));
    let bearer = format!("Bearer {}", org.token);
    let headers = [("authorization", bearer.as_str())];
    let (mut locator, mut lines) = (String::new(), 0);
    loop {
        let address = format!("{DATA}/{path}/results?maxRecords=5{locator}");
        let (_, body, told) = org.send("GET", &address, &headers, String::new()).await;
        let text = body.as_str().unwrap();
        assert!(text.starts_with("\"Id\",\"Owner.Name\",\"IsClosed\",\"CreatedDate\"\n\"500"), "{text}");
        assert!(text.trim_end().ends_with(".000Z\""), "{text}");
        lines += text.lines().count() - 1;
        let next = told.into_iter().find(|(name, _)| name == "sforce-locator").unwrap().1;
        if next == "null" {
            break;
        }
        locator = format!("&locator={next}");
    }
    assert_eq!(lines, 12);
    let wrong = json!({ "operation": "query", "query": "SELECT Nope FROM Case" });
    assert_eq!(code(&org.call("POST", "jobs/query", wrong).await.1), "INVALID_FIELD");
}

#[tokio::test]
async fn an_uploaded_table_is_worked_off_row_by_row() {
    let org = Org::new(&[]).await;
    let case = org.a_case().await;
    let (_, job) = org.call("POST", "jobs/ingest", json!({ "operation": "update", "object": "Case" })).await;
    let path = format!("jobs/ingest/{}", job["id"].as_str().unwrap());
    let bearer = format!("Bearer {}", org.token);
    let headers =
        [("authorization", bearer.as_str()), ("content-type", "text/csv"), ("sforce-auto-assign", "FALSE")];
    let table = format!("Id,Subject,IsEscalated\n{case},\"by, table\",true\n500dz000000zzzzAAA,x,false\n");
    let (status, ..) = org.send("PUT", &format!("{DATA}/{path}/batches"), &headers, table).await;
    assert_eq!(status, 201);
    org.call("PATCH", &path, json!({ "state": "UploadComplete" })).await;
    let (_, told) = org.call("GET", &path, Value::Null).await;
    let counts = (&told["numberRecordsProcessed"], &told["numberRecordsFailed"], &told["state"]);
    assert_eq!(counts, (&json!(2), &json!(1), &json!("JobComplete")));
    let (_, good) = org.call("GET", &format!("{path}/successfulResults"), Value::Null).await;
    assert!(
        good.as_str().unwrap().contains(&format!("\"{case}\",\"false\",\"{case}\",\"by, table\"")),
        "{good}"
    );
    let (_, bad) = org.call("GET", &format!("{path}/failedResults"), Value::Null).await;
    assert_eq!(bad.as_str().unwrap().lines().count(), 2, "{bad}");
    assert_eq!(
        org.rows("SELECT IsEscalated FROM Case WHERE Subject = 'by, table'").await[0]["IsEscalated"],
        true
    );
}

#[tokio::test]
async fn the_first_bulk_api_speaks_xml_and_json() {
    let org = Org::new(&[]).await;
    let send = async |method: &str, path: &str, kind: &str, body: &str| {
        let headers = [("x-sfdc-session", org.token.as_str()), ("content-type", kind)];
        let (status, body, _) =
            org.send(method, &format!("/services/async/59.0/{path}"), &headers, body.to_owned()).await;
        (status, body)
    };
    let within =
        |text: &Value, name: &str| super::super::soap::element(text.as_str().unwrap(), name).unwrap();
    let xml = "application/xml";
    let ask =
        "<jobInfo><operation>query</operation><object>Case</object><contentType>CSV</contentType></jobInfo>";
    let (status, job) = send("POST", "job", xml, ask).await;
    assert_eq!((status, within(&job, "state")), (201, "Open".to_owned()));
    let job = format!("job/{}/batch", within(&job, "id"));
    let (_, batch) = send("POST", &job, "text/csv", "SELECT Id FROM Case").await;
    let batch = format!("{job}/{}", within(&batch, "id"));
    assert_eq!(within(&send("GET", &batch, xml, "").await.1, "state"), "Completed");
    let result = within(&send("GET", &format!("{batch}/result"), xml, "").await.1, "result");
    let (_, table) = send("GET", &format!("{batch}/result/{result}"), xml, "").await;
    assert_eq!(table.as_str().unwrap().lines().count(), 13);

    let case = org.a_case().await;
    let ask = json!({ "operation": "update", "object": "Case", "contentType": "JSON" }).to_string();
    let (_, job) = send("POST", "job", "application/json", &ask).await;
    let job = format!("job/{}/batch", job["id"].as_str().unwrap());
    let rows =
        json!([{ "Id": case, "Subject": "by batch" }, { "Id": "nonsense", "Subject": "x" }]).to_string();
    let (_, batch) = send("POST", &job, "application/json", &rows).await;
    let (_, verdicts) =
        send("GET", &format!("{job}/{}/result", batch["id"].as_str().unwrap()), "application/json", "").await;
    assert_eq!((&verdicts[0]["success"], &verdicts[1]["success"]), (&json!(true), &json!(false)));
    let (status, error) = send("GET", "job/750000000000000AAA", "application/json", "").await;
    assert_eq!((status, &error["exceptionCode"]), (400, &json!("InvalidJob")));
}

#[tokio::test]
async fn queries_join_group_and_count_days() {
    let org = Org::new(&[]).await;
    let all = org.rows("SELECT Id FROM Case").await.len();
    let count =
        async |condition: &str| org.rows(&format!("SELECT Id FROM Case WHERE {condition}")).await.len();
    let with = count("AccountId IN (SELECT Id FROM Account WHERE Name LIKE '%')").await;
    let without = count("AccountId NOT IN (SELECT Id FROM Account)").await;
    assert_eq!(with + without, all);
    assert_eq!(count("CreatedDate = THIS_YEAR").await, all);
    assert_eq!(count("CreatedDate = LAST_YEAR").await, 0);
    assert_eq!(count("CreatedDate = LAST_N_WEEKS:4").await + count("CreatedDate = THIS_WEEK").await, all);
    let groups =
        org.rows("SELECT Priority, COUNT(Id) n FROM Case GROUP BY Priority HAVING COUNT(Id) > 1 ORDER BY COUNT(Id) DESC").await;
    let counts: Vec<u64> = groups.iter().map(|group| group["n"].as_u64().unwrap()).collect();
    assert!(
        !counts.is_empty() && counts.is_sorted_by(|a, b| a >= b) && counts.iter().all(|n| *n > 1),
        "{counts:?}"
    );
    assert_eq!(code(&org.query("SELECT AVG(Subject) FROM Case").await.1), "MALFORMED_QUERY");
}

#[tokio::test]
async fn a_refresh_token_begins_a_session() {
    let org = Org::new(&[]).await;
    let told = org.endpoints()["refresh_token"].as_str().unwrap().to_owned();
    let fields = |token: String| [org.client(), vec![("refresh_token", token)]].concat();
    let (status, answer) = org.grant("refresh_token", &fields(told)).await;
    assert_eq!((status, &answer["instance_url"]), (200, &json!("http://here:1")));
    let (status, answer) = org.grant("refresh_token", &fields("old".to_owned())).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
}
