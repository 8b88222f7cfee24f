//! The one place that builds an HTTP client: TLS 1.2 or newer, no redirects, no cookies, the configured proxy and trust.
//!
//! Must not know: sources, tokens, budgets.

use super::{ANSWER_BYTES_MAX, CONNECT_MAX, Origin, WHOLE_MAX};
use crate::clock::PostJson;
use crate::config::NetworkSettings;
use std::time::Duration;
use url::Url;

/// Longer than any wait for a message from the sandbox's clock, which answers when its world has something to do.
const SANDBOX_WAIT_MAX: Duration = Duration::from_secs(600);

/// What the vendors see of us in their logs.
const USER_AGENT: &str = concat!("dutyd/", env!("CARGO_PKG_VERSION"));

/// A client for one source. Requests to loopback never go through the proxy.
pub fn client(network: &NetworkSettings, origin: &Url) -> Result<reqwest::Client, String> {
    let proxy = network.proxy.as_deref().filter(|_| !super::is_loopback(origin));
    let mut builder = base().timeout(WHOLE_MAX);
    if let Some(proxy) = proxy {
        let proxy =
            reqwest::Proxy::all(proxy).map_err(|_| "the proxy's address cannot be read".to_owned())?;
        builder = builder.proxy(proxy);
    }
    if let Some(file) = &network.ca_file {
        let shown = file.display();
        let pem = std::fs::read(file).map_err(|error| format!("cannot read {shown}: {error}"))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|_| format!("{shown} holds no certificate in PEM form"))?;
        if certificates.is_empty() {
            return Err(format!("{shown} holds no certificate in PEM form"));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| format!("cannot prepare TLS: {error}"))
}

#[allow(clippy::disallowed_methods, reason = "this is where clients are built")]
fn base() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .connect_timeout(CONNECT_MAX)
        .pool_idle_timeout(Duration::from_secs(60))
}

/// How the clock talks to the control port of a sandbox. Loopback only.
pub fn post_json(address: &str) -> Result<PostJson, String> {
    let url = Url::parse(address).map_err(|error| format!("`{address}` is not an address: {error}"))?;
    let origin = Origin::new(&url)?;
    if !origin.is_loopback() {
        return Err(format!("`{address}` is not on loopback; only a sandbox's clock can be followed"));
    }
    let client = base().timeout(SANDBOX_WAIT_MAX).build().map_err(|error| error.to_string())?;
    let post: PostJson = Box::new(move |path, body| {
        let (client, url) = (client.clone(), origin.join(path));
        Box::pin(async move {
            let request = client.post(url?).header("content-type", "application/json").body(body);
            let answer = request.send().await.map_err(|error| super::chain(&error))?;
            let status = answer.status();
            if answer.content_length().is_some_and(|length| length > ANSWER_BYTES_MAX as u64) {
                return Err("the answer is too long".to_owned());
            }
            let text = answer.text().await.map_err(|error| super::chain(&error))?;
            if status.is_success() { Ok(text) } else { Err(format!("the sandbox answered {status}: {text}")) }
        })
    });
    Ok(post)
}
