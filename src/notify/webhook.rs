//! The outgoing webhook: a CloudEvents 1.0 JSON event, signed after Standard Webhooks.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use super::letter::{Letter, Parcel, Post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::Sha256;
use url::Url;

/// What a signing secret begins with.
pub const SECRET_PREFIX: &str = "whsec_";

/// The key of a signing secret: 24 to 64 bytes in base64 after `whsec_`.
pub fn signing_key(secret: &str) -> Result<Vec<u8>, String> {
    let encoded = secret.strip_prefix(SECRET_PREFIX).ok_or("a signing secret begins with `whsec_`")?;
    let key = STANDARD.decode(encoded).map_err(|_| "what follows `whsec_` is not base64".to_owned())?;
    match (24..=64).contains(&key.len()) {
        true => Ok(key),
        false => Err(format!("the key has {} bytes; it must have 24 to 64", key.len())),
    }
}

pub fn parcel(letter: &Letter, url: &Url, secret: &SecretString) -> Result<Parcel, String> {
    let body = event(letter).to_string();
    let at = letter.now.as_second();
    let signature = sign(secret, &letter.id, at, &body)?;
    Ok(Parcel::Post(Post {
        url: SecretString::from(url.as_str()),
        headers: vec![
            ("content-type", "application/cloudevents+json; charset=utf-8".to_owned()),
            ("webhook-id", letter.id.clone()),
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", signature),
        ],
        body,
    }))
}

fn sign(secret: &SecretString, id: &str, at: i64, body: &str) -> Result<String, String> {
    let key = signing_key(secret.expose_secret())?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| error.to_string())?;
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

fn event(letter: &Letter) -> serde_json::Value {
    let (kind, data) = match letter.digest() {
        Some(digest) => ("dutyd.digest.v1", json!(digest)),
        None => ("dutyd.flags.v1", json!({ "flags": letter.flags() })),
    };
    let mut event = json!({
        "specversion": "1.0",
        "id": letter.id,
        "source": "/dutyd",
        "type": kind,
        "time": letter.now,
        "datacontenttype": "application/json",
        "data": data,
    });
    if letter.test {
        event["type"] = json!("dutyd.test.v1");
    }
    event
}
