//! Sends rendered webhooks over HTTP: the only file of this crate that opens connections.
#![allow(clippy::disallowed_methods)] // The sandbox plays the vendors, who have clients of their own.

use crate::hooks::Rendered;
use std::sync::OnceLock;
use std::time::Duration;

/// A receiver that has not answered by then has not answered.
pub const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Made when first used: a world that is called in-process needs none, and reading the system's certificates takes longer
/// than many a test.
#[derive(Default)]
pub struct Post {
    client: OnceLock<reqwest::Client>,
}

impl Post {
    fn client(&self) -> Option<&reqwest::Client> {
        if self.client.get().is_none() {
            let made = reqwest::Client::builder().timeout(ANSWER_MAX).no_proxy().build().ok()?;
            self.client.set(made).ok();
        }
        self.client.get()
    }

    /// The status answered, `None` when there was no answer.
    pub async fn send(&self, url: &str, rendered: Rendered) -> Option<u16> {
        let mut request = self.client()?.post(url).body(rendered.body);
        for (name, value) in rendered.headers {
            request = request.header(name, value);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        // Reading to the end lets the connection be used again.
        let _ = response.bytes().await;
        Some(status)
    }
}

/// `<base>/hooks/<vendor>`, behind whatever path the base has.
pub fn address(base: &str, vendor: &str) -> String {
    format!("{}/hooks/{vendor}", base.trim_end_matches('/'))
}
