//! A connector that only describes itself, and reads webhooks and budgets as a test tells it.
//!
//! Must not know: what stands around it and is tested.

use async_trait::async_trait;
use dutyd_connectors::transport::SignIn;
use dutyd_connectors::{
    Applied, Budget, Connector, ConnectorError, Ctx, Cursor, Delivery, Fetched, Hint, Identity, Page,
    Profile, Response,
};
use dutyd_core::action::{Action, Receipt};
use dutyd_core::case::CaseKey;
use jiff::{SignedDuration, Timestamp};
use url::Url;

pub struct Bare {
    pub profile: Profile,
    pub hints: fn(&Delivery) -> Result<Vec<Hint>, ConnectorError>,
    pub budget: fn(&Response) -> Option<Budget>,
}

impl Bare {
    pub fn new(origin: Url, sign_in: SignIn) -> Self {
        let profile = Profile {
            vendor: "bare",
            origin,
            sign_in,
            lag: SignedDuration::ZERO,
            fetch_max: 1,
            apply_max: 1,
            requests_per_minute: 6_000,
            concurrency: 4,
            account: None,
        };
        Self { profile, hints: |_| unreachable!("not asked"), budget: |_| None }
    }
}

#[async_trait]
impl Connector for Bare {
    fn profile(&self) -> &Profile {
        &self.profile
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

    fn hints(&self, delivery: &Delivery, _: Timestamp) -> Result<Vec<Hint>, ConnectorError> {
        (self.hints)(delivery)
    }

    fn budget(&self, response: &Response) -> Option<Budget> {
        (self.budget)(response)
    }
}
