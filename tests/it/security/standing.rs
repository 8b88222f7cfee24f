//! A clock that stands, a connector that only says where its system is, and the real door to the network between them.

use async_trait::async_trait;
use dutyd::clock::{Clock, SystemClock, Wake, Woke};
use dutyd::config::NetworkSettings;
use dutyd::http::{HttpTransport, client};
use dutyd::metrics::Metrics;
use dutyd_connectors::transport::SignIn;
use dutyd_connectors::{
    Applied, Connector, ConnectorError, Ctx, Cursor, Delivery, Fetched, Hint, Identity, Page, Profile,
};
use dutyd_core::action::{Action, Receipt};
use dutyd_core::case::CaseKey;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use std::sync::Arc;
use url::Url;

pub struct Standing(pub Timestamp);

impl Standing {
    pub fn now() -> Self {
        Self(SystemClock::default().now())
    }
}

#[async_trait]
impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }

    async fn sleep_until(&self, _: Option<Timestamp>, _: &Wake) -> Woke {
        Woke::Slept
    }
}

/// A system of which nothing is known but its address and a password.
struct Bare(Profile);

#[async_trait]
impl Connector for Bare {
    fn profile(&self) -> &Profile {
        &self.0
    }

    async fn check(&self, _: &Ctx<'_>) -> Result<Identity, ConnectorError> {
        unreachable!("not asked")
    }

    async fn pull(&self, _: &Ctx<'_>, _: Option<&Cursor>) -> Result<Page, ConnectorError> {
        unreachable!("not asked")
    }

    async fn fetch(&self, _: &Ctx<'_>, _: &[CaseKey]) -> Result<Vec<Fetched>, ConnectorError> {
        unreachable!("not asked")
    }

    async fn holds(&self, _: &Ctx<'_>, _: &Action) -> Result<Option<Receipt>, ConnectorError> {
        unreachable!("not asked")
    }

    async fn apply(&self, _: &Ctx<'_>, _: &[Action]) -> Result<Vec<Applied>, ConnectorError> {
        unreachable!("not asked")
    }

    fn hints(&self, _: &Delivery, _: Timestamp) -> Result<Vec<Hint>, ConnectorError> {
        unreachable!("not asked")
    }
}

/// The real door to an origin, signing in with the password `hunter2`.
pub fn door(origin: &str, network: &NetworkSettings, clock: Arc<dyn Clock>) -> HttpTransport {
    let profile = Profile {
        vendor: "bare",
        origin: Url::parse(origin).expect("an address"),
        sign_in: SignIn::Basic {
            user: "dutyd".to_owned(),
            password: SecretString::from("hunter2".to_owned()),
        },
        lag: SignedDuration::ZERO,
        fetch_max: 1,
        apply_max: 1,
        requests_per_minute: 1_000_000,
        concurrency: 4,
        account: None,
    };
    door_of(Arc::new(Bare(profile)), network, clock)
}

/// The real door of a connector.
pub fn door_of(
    connector: Arc<dyn Connector>,
    network: &NetworkSettings,
    clock: Arc<dyn Clock>,
) -> HttpTransport {
    let client = client(network, &connector.profile().origin).expect("a client");
    HttpTransport::new("bare", client, connector, clock, Arc::new(Metrics::default())).expect("a door")
}
