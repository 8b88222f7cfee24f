//! Policies that cases may still refer to, kept beside the database: they outlive an edit and a restart.
//!
//! Must not know: who refers to which; nothing is deleted here.

use dutyd_core::policy::{Policy, PolicyFile};
use dutyd_core::state::CaseState;
use dutyd_core::timeline::EventKind;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Older policies loaded at a start, the newest ones.
pub const POLICIES_MAX: usize = 100;
/// Ends the name of a finished file.
const EXTENSION: &str = "json";

/// A folder with one file per policy, named after the policy's content hash.
#[derive(Debug, Clone)]
pub struct Archive(PathBuf);

impl Archive {
    pub fn new(state_dir: &Path) -> Self {
        Self(state_dir.join("policies"))
    }

    /// Writes a policy down, whole or not at all. One that is there already stays as it is.
    pub fn keep(&self, id: &str, files: &[PolicyFile]) -> std::io::Result<()> {
        let path = self.path(id);
        if path.exists() {
            return Ok(());
        }
        std::fs::create_dir_all(&self.0)?;
        let texts: Vec<(&str, &str)> =
            files.iter().map(|file| (file.name.as_str(), file.text.as_str())).collect();
        let unfinished = path.with_extension("new");
        let mut file = std::fs::File::create(&unfinished)?;
        file.write_all(&serde_json::to_vec(&texts)?)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, &path)
    }

    /// The policies from which the clocks of a case took their targets, as far as they are kept and not the one in force.
    pub fn adopted_by(&self, state: &CaseState, current: &str) -> BTreeMap<String, Arc<Policy>> {
        let adopted = state.events.iter().filter_map(|event| match &event.kind {
            EventKind::TargetAdopted { policy, .. } if policy != current => Some(policy.as_str()),
            _ => None,
        });
        let ids: BTreeSet<&str> = adopted.collect();
        ids.into_iter().filter_map(|id| self.kept(id)).map(|policy| (policy.id.clone(), policy)).collect()
    }

    /// One kept policy. `None`, and said, if it cannot be read.
    pub fn kept(&self, id: &str) -> Option<Arc<Policy>> {
        self.read(&self.path(id))
    }

    /// Its files as they were. `None` if they cannot be read.
    pub fn files(&self, id: &str) -> Option<Vec<PolicyFile>> {
        files(&self.path(id)).ok()
    }

    /// The kept policies but the one in force. One that cannot be read any more is said and left out.
    pub fn older(&self, current: &str) -> BTreeMap<String, Arc<Policy>> {
        let mut older = BTreeMap::new();
        for path in self.newest_first().into_iter().take(POLICIES_MAX) {
            older.extend(self.read(&path).map(|policy| (policy.id.clone(), policy)));
        }
        older.remove(current);
        older
    }

    /// `None`, and said, if it cannot be read.
    fn read(&self, path: &Path) -> Option<Arc<Policy>> {
        match load(path) {
            Ok(policy) => Some(Arc::new(policy)),
            Err(reason) => {
                let policy = path.display();
                tracing::warn!(%policy, reason, "an older policy cannot be read; its cases follow the new one");
                None
            }
        }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.0.join(id).with_extension(EXTENSION)
    }

    fn newest_first(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(&self.0) else { return Vec::new() };
        let finished = |path: &PathBuf| path.extension().is_some_and(|extension| extension == EXTENSION);
        let mut paths: Vec<PathBuf> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(finished).collect();
        let written = |path: &PathBuf| {
            path.metadata().and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
        };
        paths.sort_by_key(|path| (std::cmp::Reverse(written(path)), path.clone()));
        paths
    }
}

fn files(path: &Path) -> Result<Vec<PolicyFile>, String> {
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let texts: Vec<(String, String)> = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    Ok(texts.into_iter().map(|(name, text)| PolicyFile { name, text }).collect())
}

fn load(path: &Path) -> Result<Policy, String> {
    let files = files(path)?;
    Policy::load(&files).map_err(|problems| problems.first().map(ToString::to_string).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(hours: u32) -> Vec<PolicyFile> {
        let text = format!(
            "[[rules]]\nname = \"old\"\ntitle = \"Old\"\ntext = \"Open.\"\nseverity = \"warning\"\n\
             when = \"case.open && case.age.wall >= hours({hours})\"\n"
        );
        vec![PolicyFile { name: "rules.toml".to_owned(), text }]
    }

    #[test]
    fn an_edited_policy_is_found_again_after_a_restart_and_a_broken_file_stops_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let archive = Archive::new(dir.path());
        assert!(archive.older("any").is_empty(), "nothing was kept yet");
        let ids: Vec<String> = (1..=3)
            .map(|hours| {
                let id = Policy::load(&files(hours)).expect("a policy").id;
                archive.keep(&id, &files(hours)).expect("kept");
                archive.keep(&id, &[]).expect("kept before, so nothing is overwritten");
                id
            })
            .collect();
        std::fs::write(dir.path().join("policies/broken.json"), "{").expect("a file");
        std::fs::write(dir.path().join("policies/half.new"), "{").expect("a file");
        let older = archive.older(&ids[2]);
        let mut expected = ids[..2].to_vec();
        expected.sort();
        assert_eq!(older.keys().cloned().collect::<Vec<_>>(), expected);
        assert!(older.iter().all(|(id, policy)| *id == policy.id && policy.rules.len() == 1));
    }
}
