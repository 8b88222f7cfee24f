//! Jira as a connector: what it is made of, and how its requests go out.
//!
//! Must not know: paging, reading, writing in detail; the neighbours do.

use super::config::{Config, Flavour, SignInConfig};
use super::site::Site;
use super::wire::{Field, Status, User};
use super::{VENDOR, answer, hook, normalize, sample};
use crate::{
    Applied, Budget, BuildError, Connector, ConnectorError, Ctx, Cursor, Delivery, Fetched, Hint, Identity,
    Lane, Page, Profile, Request, Response, Sample, Secrets, transport::SignIn,
};
use async_trait::async_trait;
use dutyd_core::action::{Action, Receipt};
use dutyd_core::case::CaseKey;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use std::sync::OnceLock;

/// Vendor: `/issue/bulkfetch` takes at most 100 issues
/// (developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues).
const FETCH_MAX_CLOUD: usize = 100;
/// Data Center has no bulk form: each issue is a request, so a batch stays small.
const FETCH_MAX_DATA_CENTER: usize = 20;
const APPLY_MAX: usize = 50;

pub struct Jira {
    pub(super) source: String,
    pub(super) config: Config,
    profile: Profile,
    webhook_secrets: Vec<SecretString>,
    /// Path of the base address, without a slash at the end: the gateway's or the context path.
    base_path: String,
    /// Where people open issues, without a slash at the end.
    pub(super) browse: String,
    site: OnceLock<Site>,
}

impl Jira {
    pub fn new(source: &str, config: &Config, secrets: &Secrets) -> Result<Self, BuildError> {
        let base = config.validated()?;
        let webhook_secrets =
            config.webhook_secrets.iter().map(|name| secrets.get(name)).collect::<Result<_, _>>()?;
        let sign_in = match &config.sign_in {
            SignInConfig::ApiToken { email, token } => {
                SignIn::Basic { user: email.clone(), password: secrets.get(token)? }
            }
            SignInConfig::PersonalAccessToken { token } => SignIn::Bearer { token: secrets.get(token)? },
        };
        let mut origin = base.clone();
        origin.set_path("/");
        let profile = Profile {
            vendor: VENDOR,
            origin,
            sign_in,
            lag: SignedDuration::from_secs(i64::from(config.lag_seconds)),
            fetch_max: if config.flavour == Flavour::Cloud { FETCH_MAX_CLOUD } else { FETCH_MAX_DATA_CENTER },
            apply_max: APPLY_MAX,
            requests_per_minute: config.requests_per_minute,
            concurrency: config.concurrency,
            account: None,
        };
        Ok(Self {
            source: source.to_owned(),
            config: config.clone(),
            profile,
            webhook_secrets,
            base_path: base.path().trim_end_matches('/').to_owned(),
            browse: config.site_url.as_deref().unwrap_or(base.as_str()).trim_end_matches('/').to_owned(),
            site: OnceLock::new(),
        })
    }

    /// The path of a resource of the REST interface, `issue/10001` for example.
    pub(super) fn path(&self, resource: &str) -> String {
        format!("{}{}/{resource}", self.base_path, normalize::api(self.config.flavour))
    }

    /// Like `path`, outside the versioned interface.
    pub(super) fn bare_path(&self, path: &str) -> String {
        format!("{}{path}", self.base_path)
    }

    /// Sends a request; an answer that is not a success is an error.
    pub(super) async fn send(
        &self,
        cx: &Ctx<'_>,
        request: Request,
        writing: bool,
    ) -> Result<Response, ConnectorError> {
        let request = request.header("accept", "application/json");
        let response =
            cx.http.send(request).await.map_err(|error| ConnectorError::of_transport(error, writing))?;
        answer::accepted(response, writing, cx.now)
    }

    pub(super) async fn get<T: serde::de::DeserializeOwned>(
        &self,
        cx: &Ctx<'_>,
        path: String,
        what: &str,
    ) -> Result<T, ConnectorError> {
        let response = self.send(cx, Request::get(path, Lane::Hot), false).await?;
        self.decode(cx, response, what)
    }

    /// The account that our requests run as. Vendor: the only resource that never answers to nobody.
    pub(super) async fn me(&self, cx: &Ctx<'_>) -> Result<User, ConnectorError> {
        let me: User = self.get(cx, self.path("myself"), "own account").await?;
        match me.id() {
            Some(_) => Ok(me),
            None => Err(ConnectorError::SignedOut { reason: "Jira does not name our account".to_owned() }),
        }
    }

    /// What is fixed about the site; asked for once.
    pub(super) async fn site(&self, cx: &Ctx<'_>) -> Result<&Site, ConnectorError> {
        if let Some(site) = self.site.get() {
            return Ok(site);
        }
        let me = self.me(cx).await?;
        let fields: Vec<Field> = self.get(cx, self.path("field"), "list of fields").await?;
        let statuses: Vec<Status> = self.get(cx, self.path("status"), "list of statuses").await?;
        let site = Site::new(&self.config, &me, &fields, &statuses);
        Ok(self.site.get_or_init(|| site))
    }
}

#[async_trait]
impl Connector for Jira {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    async fn check(&self, cx: &Ctx<'_>) -> Result<Identity, ConnectorError> {
        self.examine(cx).await
    }

    async fn pull(&self, cx: &Ctx<'_>, from: Option<&Cursor>) -> Result<Page, ConnectorError> {
        self.next_page(cx, from).await
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

    fn hints(&self, delivery: &Delivery, _now: Timestamp) -> Result<Vec<Hint>, ConnectorError> {
        hook::hints(&self.source, &self.webhook_secrets, delivery)
    }

    fn sample(&self, documents: &[&[u8]], now: Timestamp) -> Result<Sample, ConnectorError> {
        sample::read(self, documents, now)
    }

    fn budget(&self, response: &Response) -> Option<Budget> {
        answer::budget(response)
    }
}
