//! Where a request may go: the configured origin and nowhere else, whatever a vendor's answer suggests.
//!
//! Must not know: requests, tokens, vendors.

use std::net::IpAddr;
use url::{Host, Url};

/// Longest path with query that is sent.
const PATH_MAX: usize = 32 * 1024;

/// A configured origin: scheme, host, port and an optional path that all requests share.
#[derive(Debug, Clone)]
pub struct Origin {
    url: Url,
    /// Path before every request's path, without a slash at the end.
    prefix: String,
}

impl Origin {
    /// Accepts `https`, and `http` to loopback; no user, query or fragment.
    pub fn new(url: &Url) -> Result<Self, String> {
        let scheme_allowed = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
        if !scheme_allowed {
            return Err(format!("`{url}` must be https; plain http is for loopback only"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the address must not carry a user or password; give them as secrets".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("`{url}` must end before `?` and `#`"));
        }
        Ok(Self { url: url.clone(), prefix: url.path().trim_end_matches('/').to_owned() })
    }

    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// The address of `path` on this origin. A path that would be read differently than it is written is refused, so
    /// that nothing leaves the origin: dot segments, `//`, backslashes, control characters, other schemes.
    pub fn join(&self, path: &str) -> Result<Url, String> {
        if !path.starts_with('/') || path.starts_with("//") {
            return Err("a path must start with one slash".to_owned());
        }
        if path.len() > PATH_MAX {
            return Err(format!("a path must be shorter than {PATH_MAX} bytes"));
        }
        if path.bytes().any(|byte| byte <= b' ' || byte >= 0x7f || matches!(byte, b'\\' | b'#')) {
            return Err("a path must be percent-encoded".to_owned());
        }
        let (route, _) = path.split_once('?').unwrap_or((path, ""));
        if route.contains("//") || hides_a_separator(route) {
            return Err("a path must not hide or repeat slashes".to_owned());
        }
        let origin = &self.url[..url::Position::BeforePath];
        let written = format!("{origin}{}{path}", self.prefix);
        let url = Url::parse(&written).map_err(|error| format!("not an address: {error}"))?;
        if url.origin() != self.url.origin() || url.as_str() != written || !url.username().is_empty() {
            return Err("the address would be read differently than it is written".to_owned());
        }
        Ok(url)
    }
}

/// Encoded slashes, backslashes and dots, which some servers decode before they route.
fn hides_a_separator(route: &str) -> bool {
    let lower = route.to_ascii_lowercase();
    ["%2f", "%5c", "%2e", "%00", "%0d", "%0a", "%25"].iter().any(|hidden| lower.contains(hidden))
}

/// Whether an address is this machine's own, by the letters of it: no name but `localhost` is looked up.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).to_canonical().is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
