//! A clock that stands, a connector that only says where its system is, and the real door to the network between them.

#[path = "../../../src/bare.rs"]
mod bare;

use async_trait::async_trait;
use bare::Bare;
use dutyd::clock::{Clock, SystemClock, Wake, Woke};
use dutyd::config::NetworkSettings;
use dutyd::http::{HttpTransport, client};
use dutyd::metrics::Metrics;
use dutyd_connectors::Connector;
use dutyd_connectors::transport::SignIn;
use jiff::Timestamp;
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

/// The real door to an origin, signing in with the password `hunter2`.
pub fn door(origin: &str, network: &NetworkSettings, clock: Arc<dyn Clock>) -> HttpTransport {
    let origin = Url::parse(origin).expect("an address");
    let password = SecretString::from("hunter2".to_owned());
    let mut bare = Bare::new(origin, SignIn::Basic { user: "dutyd".to_owned(), password });
    bare.profile.requests_per_minute = 1_000_000;
    door_of(Arc::new(bare), network, clock)
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
