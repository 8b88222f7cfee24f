//! The demo's duty manager: a webhook on loopback that takes what the daemon tells, checks signatures by itself, and counts.
//!
//! Must not know: how the daemon chooses or signs. What arrives is read after the text of Standard Webhooks:
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use crate::notify::{Channel, Content, Kind, Letter, MailSettings, Parcel, SmtpTls, Threshold};
use crate::store::ChannelRow;
use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dutyd_core::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Name of the channel.
pub const CHANNEL: &str = "duty";
/// Messages kept; a demo of an hour stays below.
const HEARD_MAX: usize = 100_000;

/// One message as it came.
struct Heard {
    id: String,
    signed: bool,
    event: Value,
}

#[derive(Default)]
struct Ears {
    key: Vec<u8>,
    heard: Mutex<Vec<Heard>>,
}

/// See the module.
pub struct Duty {
    address: SocketAddr,
    ears: Arc<Ears>,
    serving: tokio::task::JoinHandle<()>,
}

/// What somebody was told.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    pub messages: usize,
    /// Of them: of several flags at once, and daily digests.
    pub grouped: usize,
    pub digests: usize,
    /// Flags told as raised or worse, and as over.
    pub raised: usize,
    pub over: usize,
    /// Messages that came twice, and flags told twice as the same with no end told in between.
    pub doubled: usize,
    /// Messages whose signature is wrong.
    pub badly_signed: usize,
    /// Decided to be told, and not told when the world had ended.
    pub left: usize,
}

impl Duty {
    /// Listens under a key that follows from the seed: nobody but this machine can reach it.
    pub async fn listen(seed: u64) -> anyhow::Result<Self> {
        let key = Sha256::digest(format!("dutyd demo {seed}")).to_vec();
        let ears = Arc::new(Ears { key, heard: Mutex::default() });
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.context("no free port on loopback")?;
        let address = listener.local_addr()?;
        let router = Router::new().route("/duty", post(hear)).with_state(ears.clone());
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the demo's receiver ends");
            }
        });
        Ok(Self { address, ears, serving })
    }

    /// The daemon's channel file, and the secret that it names.
    pub fn channel(&self, secret_file: &Path) -> (String, String) {
        let file = format!(
            "# Written by `dutyd demo`.\ndigest = \"08:00\"\n[secrets]\nsigning = {{ file = {:?} }}\n[webhook]\n\
             url = \"http://{}/duty\"\nsigning_secret = \"signing\"\n",
            secret_file.display().to_string(),
            self.address
        );
        (file, format!("whsec_{}", STANDARD.encode(&self.ears.key)))
    }

    pub fn count(&self) -> usize {
        self.ears.all().len()
    }

    /// What was told; `rows`: what the daemon's store says is left.
    pub fn account(&self, rows: &[ChannelRow]) -> Told {
        let heard = self.ears.all();
        let mut told = Told { messages: heard.len(), ..Told::default() };
        let (mut seen, mut standing) = (BTreeSet::new(), BTreeMap::new());
        for one in heard.iter() {
            told.doubled += usize::from(!seen.insert(&one.id));
            told.badly_signed += usize::from(!one.signed);
            let flags = one.event["data"]["flags"].as_array().map_or(&[][..], Vec::as_slice);
            told.grouped += usize::from(flags.len() > 1);
            told.digests += usize::from(one.event["type"] == "dutyd.digest.v1");
            for flag in flags {
                let over = flag["clears"] == true;
                told.over += usize::from(over);
                told.raised += usize::from(!over);
                let as_what: &mut BTreeSet<_> = standing.entry(flag["episode"].to_string()).or_default();
                let is_new = match over {
                    true => !std::mem::take(as_what).is_empty(),
                    false => as_what.insert(flag["severity"].to_string()),
                };
                told.doubled += usize::from(!is_new);
            }
        }
        told.left = rows.iter().map(|row| row.pending + row.parked).sum::<u64>() as usize;
        told
    }

    /// Writes three of the messages as mail and as Slack would get them: one flag, several, a digest.
    pub fn write_samples(&self, dir: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let heard = self.ears.all();
        let flags = |one: &&Heard| {
            let all = one.event["data"]["flags"].as_array().map_or(&[][..], Vec::as_slice);
            all.iter().filter(|flag| flag["clears"] == false).count()
        };
        let worst = |one: &&Heard| one.event["data"]["flags"][0]["severity"] == "critical";
        let alone = || heard.iter().filter(|one| flags(one) == 1);
        let chosen = [
            ("one", alone().find(worst).or_else(|| alone().next())),
            ("several", heard.iter().max_by_key(flags).filter(|one| flags(one) > 1)),
            ("digest", heard.iter().rfind(|one| one.event["type"] == "dutyd.digest.v1")),
        ];
        for (name, one) in chosen {
            let Some(letter) = one.and_then(letter) else { continue };
            for channel in [mail(), slack()] {
                write(dir, name, channel.parcel(&letter).map_err(anyhow::Error::msg)?)?;
            }
        }
        Ok(())
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Ears {
    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn hear(State(ears): State<Arc<Ears>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let id = header("webhook-id").to_owned();
    let signed = is_signed(&ears.key, &id, header("webhook-timestamp"), &body, header("webhook-signature"));
    let Ok(event) = serde_json::from_slice(&body) else { return StatusCode::BAD_REQUEST };
    let mut heard = ears.all();
    if heard.len() < HEARD_MAX {
        heard.push(Heard { id, signed, event });
    }
    StatusCode::NO_CONTENT
}

fn is_signed(key: &[u8], id: &str, at: &str, body: &[u8], signature: &str) -> bool {
    let given = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
    let (Some(given), Ok(mut mac)) = (given, Hmac::<Sha256>::new_from_slice(key)) else { return false };
    for part in [id.as_bytes(), b".", at.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac.verify_slice(&given).is_ok()
}

/// The message as the daemon had it, from what arrived.
fn letter(one: &Heard) -> Option<Letter> {
    let now: Timestamp = one.event["time"].as_str()?.parse().ok()?;
    let data = &one.event["data"];
    let content = match data["flags"].as_array() {
        Some(flags) => {
            let flags = flags.iter().filter_map(|flag| serde_json::from_value(flag.clone()).ok());
            flags.map(|flag| Content::Flag(Box::new(flag))).collect()
        }
        None => vec![Content::Digest(serde_json::from_value(data.clone()).ok()?)],
    };
    Some(Letter { id: one.id.clone(), now, content, test: false })
}

fn channel(kind: Kind) -> Channel {
    Channel {
        name: CHANNEL.to_owned(),
        file: String::new(),
        severity: Threshold::Candidate,
        sources: Vec::new(),
        teams: Vec::new(),
        observe: false,
        group_above: 0,
        digest: None,
        zone: TimeZone::UTC,
        kind,
    }
}

fn mail() -> Channel {
    channel(Kind::Email(MailSettings {
        host: "localhost".to_owned(),
        port: 25,
        tls: SmtpTls::None,
        user: None,
        password: None,
        from: "dutyd <dutyd@localhost>".to_owned(),
        to: vec!["duty-manager@localhost".to_owned()],
    }))
}

fn slack() -> Channel {
    channel(Kind::Slack { url: SecretString::from("https://hooks.slack.com/") })
}

fn write(dir: &Path, name: &str, parcel: Parcel) -> anyhow::Result<()> {
    match parcel {
        Parcel::Mail(mail) => {
            std::fs::write(
                dir.join(format!("{name}.txt")),
                format!("Subject: {}\n\n{}", mail.subject, mail.text),
            )?;
            std::fs::write(dir.join(format!("{name}.html")), mail.html)?;
        }
        Parcel::Post(post) => std::fs::write(dir.join(format!("{name}.slack.json")), post.body)?,
    }
    Ok(())
}
