//! Files beside records, aggregates with conditions and order, and tags.

use super::{five, raw};
use crate::Sandbox;
use crate::tests::call;
use axum::body::Body;
use axum::extract::Request;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tower::ServiceExt;

/// Sends a body of any type, as the integration account.
async fn put(sandbox: &Sandbox, path: &str, kind: &str, body: &[u8]) -> (u16, Value) {
    let endpoints = sandbox.inner.endpoints()["servicenow"].clone();
    let text = |name: &str| endpoints[name].as_str().unwrap().to_owned();
    let login = BASE64_STANDARD.encode(format!("{}:{}", text("username"), text("password")));
    let request = Request::builder().method("POST").uri(path).header("host", "here:1");
    let request = request.header("authorization", format!("Basic {login}")).header("content-type", kind);
    let Ok(answer) =
        sandbox.router("servicenow").unwrap().oneshot(request.body(Body::from(body.to_vec())).unwrap()).await;
    let status = answer.status().as_u16();
    let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

async fn first(sandbox: &Sandbox) -> String {
    let (_, answer) = call(sandbox, "GET", "/api/now/table/incident?sysparm_limit=1", Value::Null).await;
    answer["result"][0]["sys_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn files_are_put_beside_records_listed_read_and_taken_away() {
    let sandbox = five().await;
    let record = first(&sandbox).await;
    let path = format!("/api/now/attachment/file?table_name=incident&table_sys_id={record}&file_name=a.txt");
    let (status, made) = put(&sandbox, &path, "text/plain", b"hello").await;
    assert_eq!((status, &made["result"]["size_bytes"]), (201, &json!("5")), "{made}");
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"table_name\"\r\n\r\nincident\r\n--b\r\nContent-Disposition: form-data; name=\"table_sys_id\"\r\n\r\n{record}\r\n--b\r\nContent-Disposition: form-data; name=\"uploadFile\"; filename=\"b.bin\"\r\nContent-Type: image/png\r\n\r\n\u{1}\u{2}\r\n--b--\r\n"
    );
    let (status, second) =
        put(&sandbox, "/api/now/attachment/upload", "multipart/form-data; boundary=b", form.as_bytes()).await;
    assert_eq!((status, &second["result"]["file_name"]), (201, &json!("b.bin")), "{second}");
    assert_eq!(
        (&second["result"]["content_type"], &second["result"]["size_bytes"]),
        (&json!("image/png"), &json!("2"))
    );
    let list = format!("/api/now/attachment?sysparm_query=table_sys_id={record}");
    assert_eq!(call(&sandbox, "GET", &list, Value::Null).await.1["result"].as_array().unwrap().len(), 2);
    let one = format!("/api/now/attachment/{}", made["result"]["sys_id"].as_str().unwrap());
    assert!(made["result"]["download_link"].as_str().unwrap().ends_with(&format!("{one}/file")));
    let endpoints = sandbox.inner.endpoints()["servicenow"].clone();
    let text = |name: &str| endpoints[name].as_str().unwrap().to_owned();
    let login =
        format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", text("username"), text("password"))));
    let file = raw(&sandbox, "GET", &format!("{one}/file"), Some(&login)).await;
    assert_eq!(file.headers()["content-type"], "text/plain");
    assert_eq!(axum::body::to_bytes(file.into_body(), 100).await.unwrap(), "hello");
    assert_eq!(call(&sandbox, "DELETE", &one, Value::Null).await.0, 204);
    assert_eq!(call(&sandbox, "GET", &one, Value::Null).await.0, 404);
    assert_eq!(
        put(&sandbox, "/api/now/attachment/file?table_name=incident", "text/plain", b"x").await.0,
        400
    );
}

#[tokio::test]
async fn groups_are_counted_by_several_fields_filtered_and_ordered() {
    let sandbox = five().await;
    let stats = async |parameters: &str| {
        let (status, answer) =
            call(&sandbox, "GET", &format!("/api/now/stats/incident?{parameters}"), Value::Null).await;
        assert_eq!(status, 200, "{answer}");
        answer["result"].clone()
    };
    let by = stats("sysparm_count=true&sysparm_group_by=category,impact").await;
    assert_eq!(by.as_array().unwrap().len(), 5);
    assert_eq!(by[0]["groupby_fields"].as_array().unwrap().len(), 2);
    let many = stats("sysparm_count=true&sysparm_group_by=category&sysparm_having=count^category^>^1").await;
    assert_eq!((many.as_array().unwrap().len(), &many[0]["groupby_fields"][0]["value"]), (1, &json!("net")));
    let order = stats("sysparm_count=true&sysparm_group_by=category&sysparm_order_by=COUNT^DESC").await;
    assert_eq!(order[0]["stats"]["count"], "2");
    let shown = stats("sysparm_count=true&sysparm_group_by=impact&sysparm_display_value=true").await;
    assert_eq!(shown[0]["groupby_fields"][0]["value"], "1 - High");
}

#[tokio::test]
async fn a_tag_is_made_and_put_on_a_record() {
    let sandbox = five().await;
    let record = first(&sandbox).await;
    let (status, label) = call(&sandbox, "POST", "/api/now/table/label", json!({ "name": "watched" })).await;
    assert_eq!(status, 201, "{label}");
    let entry = json!({ "label": label["result"]["sys_id"], "table": "incident", "table_key": record });
    assert_eq!(call(&sandbox, "POST", "/api/now/table/label_entry", entry).await.0, 201);
    let path = format!("/api/now/table/label_entry?sysparm_query=table_key={record}^label.name=watched");
    assert_eq!(call(&sandbox, "GET", &path, Value::Null).await.1["result"].as_array().unwrap().len(), 1);
}
