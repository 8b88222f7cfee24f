//! What can go wrong in the store, one variant per reaction.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing of the transaction was stored; making room is enough.
    #[error("disk full: {0}; free some space, nothing acknowledged is lost")]
    Full(String),
    /// A write or sync failed, so what reached the disk is unknown: the process must end with code 74
    /// (`EX_IOERR`): the service manager starts us again, and the start checks the database.
    #[error("storage failed: {0}; ending, so that the next start checks the database")]
    Broken(String),
    /// What is stored does not hang together: the process must end, and the next start sets the database aside.
    #[error(
        "the database is damaged: {0}; ending, so that the next start sets it aside and reads the vendors anew"
    )]
    Damaged(String),
    /// The database cannot be used as it is.
    #[error("database: {0}")]
    Unusable(String),
    /// Another process has it.
    #[error("database {0} is in use by another dutyd; only one can run on it: systemctl status dutyd")]
    InUse(String),
    /// A stored value is not what was written, or of a later version.
    #[error("stored {what}: {because}")]
    Corrupt { what: &'static str, because: String },
    /// The lease was lost meanwhile; nothing was stored.
    #[error("lease of source {0} was lost")]
    LeaseLost(String),
    /// The writer is gone because the store is closing.
    #[error("store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the process must end, because it cannot know what is on the disk.
    pub fn is_fatal(&self) -> bool {
        matches!(self, StoreError::Broken(_) | StoreError::Damaged(_) | StoreError::Closed)
    }
}
