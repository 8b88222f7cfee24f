//! The connector: what stands behind each verb of the contract.

use super::config::{Config, SignInConfig};
use super::scan::Scan;
use super::wire::{self, Problem};
use super::{VENDOR, hook, sample};
use crate::transport::{SignIn, TokenForm};
use crate::{
    Applied, Budget, BuildError, Connector, ConnectorError, Ctx, Cursor, Delivery, Fetched, Hint, Identity,
    Lane, Page, Profile, Response, Sample, Secrets,
};
use async_trait::async_trait;
use dutyd_core::action::{Action, Receipt};
use dutyd_core::case::CaseKey;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

/// Keys per `fetch`: their ids fit one address.
const FETCH_MAX: usize = 100;
/// Actions per `apply`; each record is one PATCH.
const APPLY_MAX: usize = 30;
/// Vendor: default life of an access token, where the answer does not say it (r_OAuthAPIResponseParameters).
const TOKEN_LIFE_SECONDS: u64 = 1_800;

/// One configured ServiceNow instance.
pub struct ServiceNow {
    pub(super) source: String,
    pub(super) config: Config,
    profile: Profile,
    webhook_secrets: Vec<SecretString>,
}

impl ServiceNow {
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
        let webhook_secrets =
            config.webhook_secrets.iter().map(|name| secrets.get(name)).collect::<Result<_, _>>()?;
        Ok(Self { source: source.to_owned(), config: config.clone(), profile, webhook_secrets })
    }

    pub(super) fn origin(&self) -> &url::Url {
        &self.profile.origin
    }
}

fn sign_in(config: &Config, secrets: &Secrets) -> Result<SignIn, BuildError> {
    Ok(match &config.sign_in {
        SignInConfig::Basic { password } => {
            SignIn::Basic { user: config.user.clone(), password: secrets.get(password)? }
        }
        SignInConfig::Oauth { client_id, client_secret } => SignIn::TokenForm(TokenForm {
            path: "/oauth_token.do".to_owned(),
            fields: vec![("grant_type", "client_credentials".to_owned()), ("client_id", client_id.clone())],
            secrets: vec![("client_secret", secrets.get(client_secret)?)],
            as_json: false,
            default_life_seconds: TOKEN_LIFE_SECONDS,
        }),
    })
}

#[async_trait]
impl Connector for ServiceNow {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    async fn check(&self, cx: &Ctx<'_>) -> Result<Identity, ConnectorError> {
        self.measure(cx).await
    }

    /// One page of the table whose turn it is. A page that the instance cut off for time is asked for again at once,
    /// smaller.
    async fn pull(&self, cx: &Ctx<'_>, from: Option<&Cursor>) -> Result<Page, ConnectorError> {
        let mut scan = Scan::resume(&self.config, from);
        let lane = if scan.position().is_backfill() { Lane::Backfill } else { Lane::Hot };
        let listed = loop {
            match self.list(cx, &scan.position().question(&self.config), lane).await {
                Ok(listed) => break listed,
                Err(Problem::Cut { .. }) if scan.halve(&self.config) => {}
                Err(problem) => return Err(problem.into_error()),
            }
        };
        let taken = scan.take(&self.config, &self.source, &listed);
        let (news, more) = taken.map_err(|reason| ConnectorError::Unavailable { reason })?;
        if more && from == Some(&scan.cursor()) {
            let reason = "the scan does not advance: the same page came twice".to_owned();
            return Err(ConnectorError::Unavailable { reason });
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

    fn hints(&self, delivery: &Delivery, now: Timestamp) -> Result<Vec<Hint>, ConnectorError> {
        hook::read(&self.source, &self.webhook_secrets, delivery, now)
    }

    fn sample(&self, documents: &[&[u8]], now: Timestamp) -> Result<Sample, ConnectorError> {
        sample::read(self, documents, now)
    }

    fn budget(&self, response: &Response) -> Option<Budget> {
        wire::budget(response)
    }
}
