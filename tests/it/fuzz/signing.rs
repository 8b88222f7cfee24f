//! How each system signs its webhooks, so that a test can sign what it likes.

use crate::contract::jira_sites::{CLOUD, DATA_CENTER};
use crate::contract::subject::{SERVICENOW, Subject, ZENDESK};
use crate::contract::world::World;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dutyd_connectors::Delivery;
use dutyd_core::case::CaseKey;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub struct Scheme {
    pub subject: &'static Subject,
    pub signature: &'static str,
    pub timestamp: Option<&'static str>,
    /// What is signed, given time and body.
    pub signed: fn(&str, &[u8]) -> Vec<u8>,
    /// How the MAC is written.
    pub written: fn(&[u8]) -> String,
}

pub const SERVICENOWS: Scheme = Scheme {
    subject: &SERVICENOW,
    signature: "x-dutyd-signature",
    timestamp: Some("x-dutyd-timestamp"),
    signed: |time, body| [time.as_bytes(), b".", body].concat(),
    written: |mac| format!("sha256={}", STANDARD.encode(mac)),
};

pub const ZENDESKS: Scheme = Scheme {
    subject: &ZENDESK,
    signature: "x-zendesk-webhook-signature",
    timestamp: Some("x-zendesk-webhook-signature-timestamp"),
    signed: |time, body| [time.as_bytes(), body].concat(),
    written: |mac| STANDARD.encode(mac),
};

pub const JIRAS: Scheme = Scheme {
    subject: &CLOUD,
    signature: "x-hub-signature",
    timestamp: None,
    signed: |_, body| body.to_vec(),
    written: |mac| format!("sha256={}", hex::encode(mac)),
};

pub const DATA_CENTERS: Scheme = Scheme { subject: &DATA_CENTER, ..JIRAS };

pub const SCHEMES: [&Scheme; 4] = [&SERVICENOWS, &ZENDESKS, &JIRAS, &DATA_CENTERS];

impl Scheme {
    pub fn time<'a>(&self, delivery: &'a Delivery) -> &'a str {
        self.timestamp.and_then(|name| delivery.header(name)).unwrap_or_default()
    }

    /// The signature that somebody with this secret would make.
    pub fn sign(&self, secret: &str, time: &str, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
        mac.update(&(self.signed)(time, body));
        (self.written)(&mac.finalize().into_bytes())
    }

    /// A delivery with another body, signed as the system would.
    pub fn resigned(&self, good: &Delivery, secret: &str, body: Vec<u8>) -> Delivery {
        let signature = self.sign(secret, self.time(good), &body);
        with_body(&with(good, self.signature, signature), body)
    }

    /// The secret that the sandbox signs with.
    pub fn secret(&self, world: &World) -> String {
        let secret = &world.sandbox.inner.endpoints()[self.subject.vendor]["webhook_secret"];
        secret.as_str().expect("a secret").to_owned()
    }
}

/// A genuine delivery about a case, as the sandbox sends it.
pub fn genuine(world: &World, case: &CaseKey) -> Delivery {
    let ring = (world.subject.ring.expect("a system that rings"))(&case.id);
    let vendor = world.sandbox.inner.vendor(world.subject.vendor).expect("the vendor is there");
    let rendered = vendor.render(&ring, world.now()).expect("something to say");
    let headers = rendered.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
    Delivery { headers: headers.collect(), body: rendered.body.into() }
}

pub fn with(delivery: &Delivery, name: &str, value: impl Into<String>) -> Delivery {
    let mut changed = delivery.clone();
    let value = value.into();
    changed.headers.iter_mut().filter(|(known, _)| known == name).for_each(|(_, old)| old.clone_from(&value));
    changed
}

pub fn with_body(delivery: &Delivery, body: Vec<u8>) -> Delivery {
    Delivery { body: body.into(), ..delivery.clone() }
}

pub fn without(delivery: &Delivery, name: &str) -> Delivery {
    let mut changed = delivery.clone();
    changed.headers.retain(|(known, _)| known != name);
    changed
}
