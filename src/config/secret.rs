//! Secrets by reference: a systemd credential or a file; the environment only while developing.
//!
//! Must not know: what a secret is for.

use super::Place;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroize;

/// The longest secret: a private key fits several times.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Where a secret is found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretSource {
    /// A credential that systemd hands over: a file of /etc/dutyd/cred, or one named by a drop-in. Where systemd runs
    /// nothing, as for `dutyd check`, the file `cred/NAME` beside dutyd.toml.
    Credential(String),
    /// A file that nobody else may read.
    File(PathBuf),
    /// A variable of the environment; only with `--dev`.
    Env(String),
}

/// Why a secret is not there, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct NoSecret {
    pub message: String,
    pub remedy: String,
}

impl NoSecret {
    fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: remedy.into() }
    }
}

impl SecretSource {
    /// Reads the secret. One line break at its end is not part of it.
    pub fn resolve(&self, place: &Place) -> Result<SecretString, NoSecret> {
        match self {
            SecretSource::Credential(name) => credential(name, place),
            SecretSource::File(path) => private(path, place),
            SecretSource::Env(_) if !place.dev => Err(NoSecret::new(
                "secrets from the environment are refused: child processes and /proc show them",
                "use { credential = \"…\" } or { file = \"…\" }; --dev allows the environment on your own machine",
            )),
            SecretSource::Env(name) => std::env::var(name).map(SecretString::from).map_err(|_| {
                NoSecret::new(format!("the environment has no variable `{name}`"), format!("export {name}=…"))
            }),
        }
    }
}

/// The unit hands over the files of one directory under names that begin so.
const HANDED_OVER_AS: &str = "cred_";

fn credential(name: &str, place: &Place) -> Result<SecretString, NoSecret> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(allowed) {
        return Err(NoSecret::new(
            format!("`{name}` cannot be the name of a credential"),
            "use letters, digits, `-`, `_` and `.`",
        ));
    }
    let beside = place.dir.join("cred").join(name);
    let Some(handed_over) = std::env::var_os("CREDENTIALS_DIRECTORY") else {
        return match beside.exists() {
            true => private(&beside, place),
            false => Err(absent(name, &beside)),
        };
    };
    let names = [name.to_owned(), format!("{HANDED_OVER_AS}{name}")];
    let paths = names.map(|name| Path::new(&handed_over).join(name));
    match paths.iter().find(|path| path.exists()) {
        Some(path) => read(path),
        None => Err(absent(name, &beside)),
    }
}

fn absent(name: &str, beside: &Path) -> NoSecret {
    NoSecret::new(
        format!("there is no credential `{name}`"),
        format!("write it to {}, mode 600, owner root; then restart dutyd", beside.display()),
    )
}

fn private(path: &Path, place: &Place) -> Result<SecretString, NoSecret> {
    if !place.dev {
        kept_private(path)?;
    }
    read(path)
}

/// Refuses a file that others may read.
fn kept_private(path: &Path) -> Result<(), NoSecret> {
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if metadata.is_dir() {
        return Err(NoSecret::new(
            format!("{} is a folder", path.display()),
            "name the file that holds the secret",
        ));
    }
    let mode = metadata.permissions().mode();
    if mode & 0o077 != 0 {
        let (shown, mode) = (path.display(), mode & 0o777);
        return Err(NoSecret::new(
            format!("{shown} may be read by others (mode {mode:04o}, owner {})", metadata.uid()),
            format!("chmod 600 {shown}, and think of the secret as known"),
        ));
    }
    Ok(())
}

fn read(path: &Path) -> Result<SecretString, NoSecret> {
    let length = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?.len();
    if length > SECRET_BYTES_MAX {
        return Err(NoSecret::new(
            format!("{} is too long for a secret", path.display()),
            "is this the right file?",
        ));
    }
    let mut text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    let kept = text.strip_suffix('\n').unwrap_or(&text);
    let secret = kept.strip_suffix('\r').unwrap_or(kept).to_owned();
    text.zeroize();
    if secret.is_empty() {
        return Err(NoSecret::new(format!("{} is empty", path.display()), "write the secret into it"));
    }
    Ok(SecretString::from(secret))
}

fn unreadable(path: &Path, error: &std::io::Error) -> NoSecret {
    let remedy = match error.kind() {
        std::io::ErrorKind::InvalidData => "save it as UTF-8 text",
        _ => "the file must exist and belong to the daemon's user",
    };
    NoSecret::new(format!("cannot read {}: {error}", path.display()), remedy)
}
