//! The connector: what stands behind each verb of the contract.

use super::config::{Config, SignInConfig};
use super::{VENDOR, hook};
use crate::transport::{SignIn, TokenForm};
use crate::{
    Applied, BuildError, Connector, ConnectorError, Ctx, Cursor, Delivery, Fetched, Hint, Identity, Page,
    Profile, Secrets,
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

    async fn check(&self, _cx: &Ctx<'_>) -> Result<Identity, ConnectorError> {
        Err(ConnectorError::Unavailable { reason: "not connected yet".to_owned() })
    }

    async fn pull(&self, _cx: &Ctx<'_>, _from: Option<&Cursor>) -> Result<Page, ConnectorError> {
        Err(ConnectorError::Unavailable { reason: "not connected yet".to_owned() })
    }

    async fn fetch(&self, _cx: &Ctx<'_>, _cases: &[CaseKey]) -> Result<Vec<Fetched>, ConnectorError> {
        Err(ConnectorError::Unavailable { reason: "not connected yet".to_owned() })
    }

    async fn holds(&self, _cx: &Ctx<'_>, _action: &Action) -> Result<Option<Receipt>, ConnectorError> {
        Err(ConnectorError::Unavailable { reason: "not connected yet".to_owned() })
    }

    async fn apply(&self, _cx: &Ctx<'_>, _actions: &[Action]) -> Result<Vec<Applied>, ConnectorError> {
        Err(ConnectorError::Unavailable { reason: "not connected yet".to_owned() })
    }

    fn hints(&self, delivery: &Delivery, now: Timestamp) -> Result<Vec<Hint>, ConnectorError> {
        hook::read(&self.source, &self.config.tables, &self.webhook_secrets, delivery, now)
    }
}
