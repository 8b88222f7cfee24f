//! The secrets that a test gives to a daemon or an engine, and a search for them in all that it leaves and says: each harness
//! keeps its files in a [`Place`], which is searched when the test ends.
//!
//! Goal G32. Knows: where harnesses and the demo put their secrets. Must not know: what a test is about.

use crate::reliability::measured;
use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Mutex;

/// Folders whose files are secrets: of the harnesses, and of the demo among what else a vendor says of itself.
const OURS: &str = "cred";
const DEMOS: &str = "secrets";
/// Endings of what is a secret in the demo's folder and among a sandbox's endpoints.
const SECRET: [&str; 7] =
    ["password", "client_secret", "api_token", "webhook_secret", "pat", "jwt_private_key_pem", "signing"];
/// Shorter ones could stand somewhere by chance.
const LETTERS_MIN: usize = 16;
const FORM_MIN: usize = 12;
/// What stands before credentials in a header, and from how many letters on that is what they are.
const SCHEMES: [&str; 2] = ["Basic ", "Bearer "];
const CREDENTIALS_MIN: usize = 16;
/// What was said is searched in portions.
const HEARD_MAX: usize = 1 << 20;

pub fn is_secret(name: &str) -> bool {
    SECRET.iter().any(|ending| name.ends_with(ending))
}

/// All ways in which a secret could be written down.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), secret.chars().rev().collect()];
    forms.push(hex::encode(secret));
    forms.push(hex::encode_upper(secret));
    forms.push(url::form_urlencoded::byte_serialize(secret.as_bytes()).collect());
    forms.push(Value::from(secret).to_string().trim_matches('"').to_owned());
    // What stands before it in `user:secret` moves it against the grid of base64.
    for before in 0..3 {
        let shifted = format!("{}{secret}", "x".repeat(before));
        for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
            let whole = engine.encode(&shifted);
            // Without the letters that the neighbours have a part in.
            forms.push(whole[4..whole.len() - 4].to_owned());
        }
    }
    // Of a long one, a line of the middle.
    forms.extend(secret.lines().nth(3).map(str::to_owned));
    forms.retain(|form| form.len() >= FORM_MIN);
    forms
}

/// Secrets, to be looked for together.
pub struct Canaries {
    pub count: usize,
    /// Whose the nth form is; the first ones are schemes of a header.
    names: Vec<String>,
    forms: AhoCorasick,
}

impl Canaries {
    pub fn of(secrets: &BTreeMap<String, String>) -> Self {
        let mut names = SCHEMES.map(str::to_owned).to_vec();
        let mut all = names.clone();
        for (name, secret) in secrets {
            assert!(secret.chars().count() >= LETTERS_MIN, "{name} cannot be told from other words");
            for form in forms(secret) {
                names.push(name.clone());
                all.push(form);
            }
        }
        Self { count: secrets.len(), names, forms: AhoCorasick::new(all).expect("few forms") }
    }

    /// The name of the first that stands there.
    pub fn stands_in(&self, bytes: &[u8]) -> Option<&str> {
        let found = self.forms.find_iter(bytes).find(|found| {
            let next = bytes[found.end()..].iter().take(CREDENTIALS_MIN);
            let credentials = next.filter(|byte| byte.is_ascii_alphanumeric()).count() == CREDENTIALS_MIN;
            found.pattern().as_usize() >= SCHEMES.len() || credentials
        });
        found.map(|found| self.names[found.pattern().as_usize()].as_str())
    }
}

/// Every file below, symbolic links not followed.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let kind = entry.file_type().expect("a kind");
            match (kind.is_dir(), kind.is_file()) {
                (true, _) => folders.push(entry.path()),
                (_, true) => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found
}

/// The name of the folder a file lies in.
fn folder_of(file: &Path) -> &str {
    file.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default()
}

/// The secrets in files of a directory.
pub fn kept_in(directory: &Path) -> BTreeMap<String, String> {
    let name = |file: &Path| file.strip_prefix(directory).unwrap_or(file).display().to_string();
    let mut files = files(directory);
    files.retain(|file| match folder_of(file) {
        OURS => true,
        DEMOS => is_secret(&name(file)),
        _ => false,
    });
    let read = |file: &PathBuf| std::fs::read_to_string(file).expect("a secret");
    files.iter().map(|file| (name(file), read(file).trim().to_owned())).collect()
}

/// What was searched, by all tests of this process.
#[derive(Default)]
struct Tally {
    places: usize,
    files: usize,
    secrets: usize,
    bytes: u64,
}

static TALLY: Mutex<Tally> = Mutex::new(Tally { places: 0, files: 0, secrets: 0, bytes: 0 });

/// A directory of a test, gone with it as a temporary one is; and what was said to whoever runs the daemon there.
pub struct Place {
    directory: tempfile::TempDir,
    /// Secrets that stand in no file of it.
    given: Mutex<BTreeMap<String, String>>,
    heard: Mutex<Vec<u8>>,
}

impl From<tempfile::TempDir> for Place {
    fn from(directory: tempfile::TempDir) -> Self {
        Self { directory, given: Mutex::default(), heard: Mutex::default() }
    }
}

impl Place {
    pub fn new() -> Self {
        tempfile::tempdir().expect("a directory").into()
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn gives(&self, name: &str, secret: &str) {
        self.given.lock().expect("secrets").insert(name.to_owned(), secret.to_owned());
    }

    /// What a connector to this vendor of a sandbox is given.
    pub fn gives_those_of(&self, endpoints: &Value) {
        let all = endpoints.as_object().expect("endpoints");
        let secrets = all.iter().filter(|(name, _)| is_secret(name));
        secrets.for_each(|(name, secret)| self.gives(name, secret.as_str().expect("a secret")));
    }

    /// Something that was logged, printed or served.
    pub fn hears(&self, bytes: &[u8]) {
        let mut heard = self.heard.lock().expect("what was heard");
        heard.extend_from_slice(bytes);
        if heard.len() > HEARD_MAX {
            let portion = std::mem::take(&mut *heard);
            drop(heard);
            self.judge(&self.canaries(), &portion, "what was said");
        }
    }

    pub fn hears_from(&self, output: &Output) {
        self.hears(&output.stdout);
        self.hears(&output.stderr);
    }

    fn canaries(&self) -> Canaries {
        let mut secrets = self.given.lock().expect("secrets").clone();
        secrets.extend(kept_in(self.path()));
        assert!(!secrets.is_empty(), "no secret to look for in {}", self.path().display());
        Canaries::of(&secrets)
    }

    fn judge(&self, canaries: &Canaries, bytes: &[u8], place: &str) {
        TALLY.lock().expect("a tally").bytes += bytes.len() as u64;
        if let Some(name) = canaries.stands_in(bytes) {
            panic!("{name} stands in {place}");
        }
    }
}

impl Drop for Place {
    /// A test that has failed has said so already.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let canaries = self.canaries();
        self.judge(&canaries, &self.heard.lock().expect("what was heard"), "what was said");
        let files = files(self.path());
        let left = files.iter().filter(|file| ![OURS, DEMOS].contains(&folder_of(file)));
        let mut count = 0;
        for file in left {
            self.judge(&canaries, &std::fs::read(file).expect("bytes"), &file.display().to_string());
            count += 1;
        }
        tell(count, canaries.count);
    }
}

/// Adds up. Only the sum of the whole suite, run without a filter, is worth keeping.
fn tell(files: usize, secrets: usize) {
    let mut tally = TALLY.lock().expect("a tally");
    tally.places += 1;
    tally.files += files;
    tally.secrets += secrets;
    if std::env::args_os().len() == 1 {
        let Tally { places, files, secrets, bytes } = &*tally;
        let mb = bytes / 1_000_000;
        measured(
            "G32.suite",
            &format!(
                "whole suite: {places} daemons and engines with {secrets} secrets, {files} files and all they said, {mb} MB: \
                 none found"
            ),
        );
    }
}

/// The search finds what it is meant to find.
#[test]
fn a_planted_secret_is_found_in_every_form() {
    let secret = "S3cr3t/with+signs&öther";
    let canaries = Canaries::of(&[("planted".to_owned(), secret.to_owned())].into());
    let json = Value::from(format!("{secret}\n")).to_string();
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let encoded_with = |user: &str| STANDARD.encode(format!("{user}:{secret}"));
    let places = [
        format!("x{secret}y"),
        json,
        encoded,
        encoded_with("a"),
        encoded_with("ab"),
        encoded_with("abc"),
        hex::encode(secret),
        format!("{secret:?}"),
    ];
    for place in places {
        assert_eq!(canaries.stands_in(place.as_bytes()), Some("planted"), "{place}");
    }
    assert_eq!(canaries.stands_in(b"Authorization: Bearer 00D5g0000abcdefgh"), Some("Bearer "));
    assert_eq!(canaries.stands_in(b"nothing of it; a Bearer of bad news"), None);
}

/// A place is not left in peace with a secret in it, said or written.
#[test]
fn a_place_with_a_secret_in_what_was_left_or_said_fails_its_test() {
    let fails = |leave: fn(&Place)| {
        let place = Place::new();
        std::fs::create_dir(place.path().join(OURS)).expect("a folder");
        std::fs::write(place.path().join("cred/pw"), "Pw-0123456789abcdef").expect("a secret");
        std::fs::create_dir(place.path().join("state")).expect("a folder");
        leave(&place);
        std::panic::catch_unwind(move || drop(place)).is_err()
    };
    assert!(!fails(|place| place.hears(b"nothing")));
    assert!(fails(|place| place.hears(b"password Pw-0123456789abcdef refused")));
    assert!(fails(|place| {
        std::fs::write(place.path().join("state/dutyd.db-wal"), "\0\0fedcba9876543210-wP\0").expect("a file");
    }));
}
