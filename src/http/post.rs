//! The door to a channel: posts a message to its one address, or mails it. No redirects, no proxy for loopback.
//!
//! Must not know: what messages say, or when they are tried again.

use super::{ANSWER_BYTES_MAX, HEAD_MAX, chain, client};
use crate::config::NetworkSettings;
use crate::notify::{Channel, Kind, Mail, MailSettings, Parcel, Post, SmtpTls};
use jiff::{SignedDuration, Timestamp};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::ExposeSecret;
use std::time::Duration;
use url::Url;

/// Of an answer so much is shown to people.
const SHOWN_MAX: usize = 200;
/// Until a mail relay has taken a mail.
const MAIL_MAX: Duration = Duration::from_secs(30);

/// Why a message did not arrive, one variant per reaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostError {
    /// Another try may help. `wait`: so long, as the receiver asks.
    Later { because: String, wait: Option<SignedDuration> },
    /// The receiver will never take it like this.
    Refused { because: String },
}

impl PostError {
    fn later(because: impl Into<String>) -> Self {
        Self::Later { because: because.into(), wait: None }
    }

    fn refused(because: impl Into<String>) -> Self {
        Self::Refused { because: because.into() }
    }
}

/// See the module.
pub enum Door {
    Web { url: Url, client: reqwest::Client },
    Mail { from: Mailbox, to: Vec<Mailbox>, transport: AsyncSmtpTransport<Tokio1Executor> },
}

/// An address that a channel may have: https, or http to loopback; no user and no fragment.
pub fn channel_address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("not an address: {error}"))?;
    let allowed = url.scheme() == "https" || (url.scheme() == "http" && super::is_loopback(&url));
    match () {
        () if !allowed => Err("the address must be https; plain http is for loopback only".to_owned()),
        () if !url.username().is_empty() || url.password().is_some() => {
            Err("the address must not carry a user or password".to_owned())
        }
        () if url.fragment().is_some() => Err("the address must end before `#`".to_owned()),
        () => Ok(url),
    }
}

impl Door {
    pub fn new(channel: &Channel, network: &NetworkSettings) -> Result<Self, String> {
        let url = match &channel.kind {
            Kind::Webhook { url, .. } | Kind::PagerDuty { url, .. } => url.clone(),
            Kind::Slack { url } | Kind::Teams { url } => channel_address(url.expose_secret())?,
            Kind::Email(settings) => return mail_door(settings, network),
        };
        Ok(Door::Web { client: client(network, &url)?, url })
    }

    pub async fn send(&self, parcel: Parcel, now: Timestamp) -> Result<(), PostError> {
        match (self, parcel) {
            (Door::Web { url, client }, Parcel::Post(post)) => send_post(client, url, post, now).await,
            (Door::Mail { from, to, transport }, Parcel::Mail(mail)) => {
                send_mail(transport, from, to, mail).await
            }
            _ => Err(PostError::refused("the message has the form of another channel")),
        }
    }
}

async fn send_post(client: &reqwest::Client, url: &Url, post: Post, now: Timestamp) -> Result<(), PostError> {
    let mut request = client.post(url.clone()).body(post.body);
    for (name, value) in post.headers {
        request = request.header(name, value);
    }
    let waiting = tokio::time::timeout(HEAD_MAX, request.send()).await;
    let answer = waiting.map_err(|_| PostError::later("no answer in time"))?;
    let mut answer = answer.map_err(|error| PostError::later(chain(&error)))?;
    let status = answer.status().as_u16();
    let wait = answer
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| retry_after(text, now));
    let mut said = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        said.extend_from_slice(&chunk);
        if said.len() > SHOWN_MAX.min(ANSWER_BYTES_MAX) {
            break;
        }
    }
    let said = crate::cli::words::line(&String::from_utf8_lossy(&said), SHOWN_MAX);
    match status {
        200..=299 => Ok(()),
        300..=399 => Err(PostError::refused(format!(
            "the receiver answers {status}, a redirect, which is not followed: set the final address"
        ))),
        401 | 403 | 408 | 425 | 429 | 500..=599 => {
            Err(PostError::Later { because: format!("the receiver answers {status}: {said}"), wait })
        }
        _ => Err(PostError::refused(format!("the receiver answers {status}: {said}"))),
    }
}

/// Seconds or a date.
fn retry_after(text: &str, now: Timestamp) -> Option<SignedDuration> {
    let seconds = text.trim().parse().ok().map(SignedDuration::from_secs);
    seconds.or_else(|| {
        let date = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
        Some(date.timestamp().duration_since(now))
    })
}

fn mail_door(settings: &MailSettings, network: &NetworkSettings) -> Result<Door, String> {
    let mailbox =
        |text: &str| text.parse::<Mailbox>().map_err(|error| format!("`{text}` is no mail address: {error}"));
    let to: Vec<Mailbox> = settings.to.iter().map(|text| mailbox(text)).collect::<Result<_, _>>()?;
    let tls = match settings.tls {
        SmtpTls::None => Tls::None,
        SmtpTls::Implicit => Tls::Wrapper(tls(settings, network)?),
        SmtpTls::Starttls => Tls::Required(tls(settings, network)?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
        .port(settings.port)
        .tls(tls)
        .timeout(Some(MAIL_MAX));
    if let (Some(user), Some(password)) = (&settings.user, &settings.password) {
        builder = builder.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
    }
    Ok(Door::Mail { from: mailbox(&settings.from)?, to, transport: builder.build() })
}

fn tls(settings: &MailSettings, network: &NetworkSettings) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(file) = &network.ca_file {
        let shown = file.display();
        let pem = std::fs::read(file).map_err(|error| format!("cannot read {shown}: {error}"))?;
        let certificate = Certificate::from_pem(&pem)
            .map_err(|error| format!("{shown} holds no certificate in PEM form: {error}"))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(|error| format!("cannot prepare TLS: {error}"))
}

async fn send_mail(
    transport: &AsyncSmtpTransport<Tokio1Executor>,
    from: &Mailbox,
    to: &[Mailbox],
    mail: Mail,
) -> Result<(), PostError> {
    let message = written(from, to, mail).map_err(PostError::refused)?;
    let sent = tokio::time::timeout(MAIL_MAX, transport.send(message)).await;
    let sent = sent.map_err(|_| PostError::later("the mail relay does not answer in time"))?;
    match sent {
        Ok(_) => Ok(()),
        Err(error) if error.is_permanent() => {
            Err(PostError::refused(format!("the mail relay: {}", causes(&error))))
        }
        Err(error) => Err(PostError::later(format!("the mail relay: {}", causes(&error)))),
    }
}

/// The mail as bytes; headers are encoded here, so that no value can begin another one.
fn written(from: &Mailbox, to: &[Mailbox], mail: Mail) -> Result<Message, String> {
    let mut builder = Message::builder().from(from.clone()).subject(mail.subject).message_id(Some(mail.id));
    for mailbox in to {
        builder = builder.to(mailbox.clone());
    }
    // Nobody's holiday answers us. RFC 3834.
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    builder
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
        .multipart(MultiPart::alternative_plain_html(mail.text, mail.html))
        .map_err(|error| error.to_string())
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !words.contains(&said) {
            words.push_str(&format!(": {said}"));
        }
        cause = inner.source();
    }
    crate::cli::words::line(&words, SHOWN_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    #[test]
    fn only_https_or_loopback_is_an_address_of_a_channel() {
        let table = [
            ("https://hooks.slack.com/services/T/B/x", true),
            ("https://x.logic.azure.com/workflows/1/triggers?sig=abc", true),
            ("http://127.0.0.1:9/x", true),
            ("http://hooks.example.com/x", false),
            ("ftp://hooks.example.com/x", false),
            ("https://user:word@hooks.example.com/x", false),
            ("https://hooks.example.com/x#y", false),
            ("hooks.example.com", false),
        ];
        for (text, allowed) in table {
            assert_eq!(channel_address(text).is_ok(), allowed, "{text}");
        }
    }

    #[test]
    fn a_hostile_subject_stays_one_header() {
        let mailbox: Mailbox = "dutyd@example.com".parse().expect("an address");
        let mail = Mail {
            id: "<a@example.com>".to_owned(),
            subject: "hello\r\nBcc: evil@example.com".to_owned(),
            text: "text".to_owned(),
            html: "<p>text</p>".to_owned(),
        };
        let message = written(&mailbox, std::slice::from_ref(&mailbox), mail).expect("a mail");
        let bytes = String::from_utf8(message.formatted()).expect("ASCII");
        let (headers, _) = bytes.split_once("\r\n\r\n").expect("headers");
        assert!(!headers.lines().any(|line| line.starts_with("Bcc")), "{headers}");
    }

    #[tokio::test]
    async fn the_secret_address_of_a_channel_is_in_no_word_about_a_failure() {
        // Nobody listens there.
        let url = Url::parse("http://127.0.0.1:1/services/T1/B2/hush").expect("an address");
        let network = NetworkSettings { proxy: None, ca_file: None };
        let door = Door::Web { client: client(&network, &url).expect("a client"), url };
        let post = Post { url: SecretString::from(""), headers: Vec::new(), body: "{}".to_owned() };
        let failed = door.send(Parcel::Post(post), Timestamp::UNIX_EPOCH).await;
        let Err(PostError::Later { because, .. }) = failed else { panic!("{failed:?}") };
        assert!(!because.is_empty() && !because.contains("hush"), "{because}");
    }
}
