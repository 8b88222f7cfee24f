//! The connector: what stands behind each verb of the contract.

use super::client::Question;
use super::config::{Config, SignInConfig};
use super::scan::{Scan, Stream};
use super::wire::{self, Found};
use super::{VENDOR, sample};
use crate::transport::{SignIn, TokenForm};
use crate::{
    Applied, Budget, BuildError, Connector, ConnectorError, Ctx, Cursor, Delivery, Fetched, Hint, Identity,
    Lane, Page, Profile, Response, Sample, Secrets,
};
use async_trait::async_trait;
use dutyd_core::action::{Action, Receipt};
use dutyd_core::case::CaseKey;
use jiff::{SignedDuration, Timestamp};

/// Keys per `fetch`: four questions with their ids make one request.
const FETCH_MAX: usize = 100;
/// Actions per `apply`.
const APPLY_MAX: usize = 60;
/// Vendor: a session ends after two idle hours by default, and its answer does not say when (help, session settings).
/// It is renewed when it is refused; this is only the longest it is used without asking anew.
const SESSION_SECONDS: u64 = 12 * 3_600;
const TOKEN_PATH: &str = "/services/oauth2/token";

/// One configured Salesforce org.
pub struct Salesforce {
    pub(super) source: String,
    pub(super) config: Config,
    profile: Profile,
}

impl Salesforce {
    pub fn new(source: &str, config: &Config, secrets: &Secrets) -> Result<Self, BuildError> {
        let profile = Profile {
            vendor: VENDOR,
            origin: config.validated()?,
            sign_in: sign_in(config, secrets)?,
            lag: SignedDuration::from_secs(config.lag_seconds.into()),
            fetch_max: FETCH_MAX,
            apply_max: APPLY_MAX,
            requests_per_minute: config.requests_per_minute,
            concurrency: config.concurrency,
            account: Some(config.user.clone()),
        };
        Ok(Self { source: source.to_owned(), config: config.clone(), profile })
    }

    pub(super) fn origin(&self) -> &url::Url {
        &self.profile.origin
    }

    /// The pages of the streams that are due. A page that the org had no time for is asked for again at once, smaller.
    async fn pages(
        &self,
        cx: &Ctx<'_>,
        scan: &mut Scan,
        lane: Lane,
    ) -> Result<(Vec<(usize, Found)>, Timestamp), ConnectorError> {
        loop {
            let due = scan.due();
            let question = |at: &usize| Question {
                reference: scan.positions[*at].stream.object(),
                resource: "queryAll",
                text: scan.positions[*at].question(&self.config),
            };
            let questions: Vec<Question> = due.iter().map(question).collect();
            let (parts, now) = self.ask(cx, &questions, lane).await?;
            let mut pages = Vec::with_capacity(parts.len());
            let mut halved = false;
            for (at, part) in due.iter().zip(&parts) {
                let position = &mut scan.positions[*at];
                match part.found(Some(now)) {
                    Ok(found) => pages.push((*at, found)),
                    Err(error) if is_off(position.stream, &error) => pages.push((*at, nothing())),
                    Err(error) if is_timeout(&error) && position.halve(&self.config) => halved = true,
                    Err(error) => return Err(error),
                }
            }
            if !halved {
                return Ok((pages, now));
            }
        }
    }
}

/// Vendor: without Email-to-Case the org knows no EmailMessage (object reference, EmailMessage).
pub(super) fn is_off(stream: Stream, error: &ConnectorError) -> bool {
    stream == Stream::Mails
        && matches!(error, ConnectorError::Refused { reason, .. } if reason.starts_with("INVALID_TYPE"))
}

pub(super) fn nothing() -> Found {
    Found { records: Vec::new(), done: true, next: None }
}

fn is_timeout(error: &ConnectorError) -> bool {
    matches!(error, ConnectorError::Unavailable { reason } if reason.starts_with("QUERY_TIMEOUT"))
}

fn sign_in(config: &Config, secrets: &Secrets) -> Result<SignIn, BuildError> {
    let form = |grant: &str, fields: Vec<(&'static str, String)>| TokenForm {
        path: TOKEN_PATH.to_owned(),
        fields: [vec![("grant_type", grant.to_owned())], fields].concat(),
        secrets: Vec::new(),
        as_json: false,
        default_life_seconds: SESSION_SECONDS,
    };
    Ok(match &config.sign_in {
        SignInConfig::ClientCredentials { client_id, client_secret } => {
            let secret = ("client_secret", secrets.get(client_secret)?);
            let form = form("client_credentials", vec![("client_id", client_id.clone())]);
            SignIn::TokenForm(TokenForm { secrets: vec![secret], ..form })
        }
        SignInConfig::JwtBearer { client_id, private_key, audience } => SignIn::JwtBearer {
            form: form("urn:ietf:params:oauth:grant-type:jwt-bearer", Vec::new()),
            issuer: client_id.clone(),
            subject: config.user.clone(),
            audience: audience.clone(),
            private_key_pem: secrets.get(private_key)?,
        },
    })
}

#[async_trait]
impl Connector for Salesforce {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    async fn check(&self, cx: &Ctx<'_>) -> Result<Identity, ConnectorError> {
        self.measure(cx).await
    }

    async fn pull(&self, cx: &Ctx<'_>, from: Option<&Cursor>) -> Result<Page, ConnectorError> {
        let mut scan = Scan::resume(&self.config, from);
        let lane = if scan.is_backfill() { Lane::Backfill } else { Lane::Hot };
        let (pages, now) = self.pages(cx, &mut scan, lane).await?;
        let taken = scan.take(&self.config, &self.source, pages, now);
        let (news, more) = taken.map_err(wire::unavailable)?;
        if more && from == Some(&scan.cursor()) {
            return Err(wire::unavailable("the scan does not advance: the same page came twice".to_owned()));
        }
        Ok(Page {
            changes: Vec::new(),
            hints: news.hints,
            quarantined: news.quarantined,
            next: Some(scan.cursor()),
            more,
            stuck: None,
        })
    }

    async fn fetch(&self, cx: &Ctx<'_>, cases: &[CaseKey]) -> Result<Vec<Fetched>, ConnectorError> {
        self.read_cases(cx, cases).await
    }

    async fn holds(&self, cx: &Ctx<'_>, action: &Action) -> Result<Option<Receipt>, ConnectorError> {
        self.shows(cx, action).await
    }

    async fn apply(&self, cx: &Ctx<'_>, actions: &[Action]) -> Result<Vec<Applied>, ConnectorError> {
        Ok(self.write(cx, actions).await)
    }

    /// This source is polled; whatever knocks is refused.
    fn hints(&self, _delivery: &Delivery, _now: Timestamp) -> Result<Vec<Hint>, ConnectorError> {
        Err(ConnectorError::Refused { status: 404, reason: "this source has no webhook".to_owned() })
    }

    fn sample(&self, documents: &[&[u8]], now: Timestamp) -> Result<Sample, ConnectorError> {
        sample::read(self, documents, now)
    }

    fn budget(&self, response: &Response) -> Option<Budget> {
        wire::budget(response)
    }

    fn session_is_over(&self, response: &Response) -> bool {
        wire::session_is_over(response)
    }
}
