//! Webhooks: vectors computed with another implementation, and everything that must be refused.

use super::super::hook::read;
use super::instant;
use crate::{ConnectorError, Delivery, Hint};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;

const BODY: &str = r#"{"table":"incident","sys_id":"0a000000000000000000000000000001","number":"INC0010001","sys_mod_count":"9","sys_updated_on":"2026-01-05 13:30:00","sys_updated_by":"ann.lee","event_id":"e1"}"#;
const SIGNED_AT: &str = "1767619800";
const SIGNATURE: &str = "sha256=lw0PikrkQ8ZcMYnlvLcNMBBQbSvb0jE9FKQ8RbJsud0=";

fn delivery(stamp: &str, signature: &str, body: &str) -> Delivery {
    let headers = [("x-dutyd-timestamp", stamp), ("x-dutyd-signature", signature)];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Delivery { headers, body: body.to_owned().into() }
}

fn check(delivery: &Delivery, secrets: &[&str], now: Timestamp) -> Result<Vec<Hint>, u16> {
    let secrets: Vec<_> = secrets.iter().map(|secret| (*secret).into()).collect();
    read("here", &secrets, delivery, now).map_err(|error| match error {
        ConnectorError::Refused { status, .. } => status,
        other => panic!("{other}"),
    })
}

#[test]
fn a_genuine_delivery_is_a_hint_with_its_revision() {
    let genuine = delivery(SIGNED_AT, SIGNATURE, BODY);
    for secrets in [&["a long random text"][..], &["another", "a long random text"]] {
        let hints = check(&genuine, secrets, instant("2026-01-05T13:33:00Z")).unwrap();
        let [hint] = &hints[..] else { panic!("{hints:?}") };
        assert_eq!(hint.key.to_string(), "here/0a000000000000000000000000000001");
        assert_eq!(hint.delivery_id.as_deref(), Some("e1"));
        let revision = hint.revision.unwrap();
        assert_eq!((revision.at_ms, revision.count), (1_767_619_800_000, 9));
    }
}

#[test]
fn whatever_is_not_genuine_and_fresh_is_refused() {
    let now = instant("2026-01-05T13:30:00Z");
    for (what, stamp, signature, body, secret, at) in [
        ("another secret", SIGNED_AT, SIGNATURE, BODY, "another", now),
        ("another body", SIGNED_AT, SIGNATURE, "{}", "a long random text", now),
        ("another time", "1767619801", SIGNATURE, BODY, "a long random text", now),
        ("no time", "", SIGNATURE, BODY, "a long random text", now),
        ("no scheme", SIGNED_AT, &SIGNATURE[7..], BODY, "a long random text", now),
        ("not base64", SIGNED_AT, "sha256=!!!", BODY, "a long random text", now),
        ("cut short", SIGNED_AT, &SIGNATURE[..20], BODY, "a long random text", now),
        ("too old", SIGNED_AT, SIGNATURE, BODY, "a long random text", instant("2026-01-05T13:35:01Z")),
        (
            "from the future",
            SIGNED_AT,
            SIGNATURE,
            BODY,
            "a long random text",
            instant("2026-01-05T13:24:59Z"),
        ),
    ] {
        let read = check(&delivery(stamp, signature, body), &[secret], at);
        assert_eq!(read, Err(401), "{what}");
    }
    let none = check(&delivery(SIGNED_AT, SIGNATURE, BODY), &[], now);
    assert_eq!(none, Err(401), "without a secret nothing is genuine");
}

/// Bodies as rules of administrators send them: numbers, values beside what is shown, the whole record, the id alone.
#[test]
fn bodies_of_changed_rules_are_understood_as_far_as_they_go() {
    let sys_id = "0a000000000000000000000000000001";
    let signed = |body: &str| {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"a long random text").unwrap();
        mac.update(format!("{SIGNED_AT}.{body}").as_bytes());
        let mac = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, mac.finalize().into_bytes());
        check(
            &delivery(SIGNED_AT, &format!("sha256={mac}"), body),
            &["a long random text"],
            instant("2026-01-05T13:30:00Z"),
        )
    };
    for (body, delivery_id, count) in [
        (format!(r#"{{"sys_id":"{sys_id}"}}"#), None, None),
        (
            format!(r#"{{"sys_id":"{sys_id}","number":"INC1","impact":"2","state":"1","caller":null}}"#),
            None,
            None,
        ),
        (
            format!(
                r#"{{"table":"incident","sys_id":"{sys_id}","sys_mod_count":9,"sys_updated_on":"2026-01-05 13:30:00","event_id":"e"}}"#
            ),
            Some("e"),
            Some(9),
        ),
        (
            format!(
                r#"{{"sys_id":{{"value":"{sys_id}","display_value":"{sys_id}"}},"sys_mod_count":{{"value":"4","display_value":"4"}},"sys_updated_on":{{"value":"2026-01-05 13:30:00","display_value":"05/01/2026 14:30"}},"sys_class_name":"incident","previous":{{"state":"1"}},"watch_list":["a"]}}"#
            ),
            None,
            Some(4),
        ),
    ] {
        let hints = signed(&body).unwrap();
        let [hint] = &hints[..] else { panic!("{hints:?}") };
        assert_eq!((hint.key.id.as_str(), hint.delivery_id.as_deref()), (sys_id, delivery_id), "{body}");
        assert_eq!(hint.revision.map(|revision| revision.count), count, "{body}");
    }
    for body in
        [r#"{"number":"INC1"}"#, r#"{"sys_id":""}"#, r#"[]"#, "null", "sys_id=1", r#"{"sys_id":["a"]}"#]
    {
        assert_eq!(signed(body), Err(400), "{body}");
    }
}
