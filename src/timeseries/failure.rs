//! What can go wrong with the file, told apart as far as [`super::writer`] and [`super::Store::open`] do different things then.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{CommitError, DatabaseError, StorageError, TableError, TransactionError};

/// Why the file cannot be used now. The text is for the log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// Another process has it open.
    #[error("another process has it open")]
    InUse,
    /// What is in it is no store of ours.
    #[error("it is damaged ({0})")]
    Damaged(String),
    /// The system refuses: full, read-only, not permitted.
    #[error("{1}")]
    Refused(ErrorKind, String),
}

impl Failure {
    pub(super) fn damaged(what: &str) -> Self {
        Self::Damaged(what.to_owned())
    }
}

impl From<redb::Error> for Failure {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::InUse,
            redb::Error::Io(error) => match error.kind() {
                ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Self::Damaged(error.to_string()),
                kind => Self::Refused(kind, error.to_string()),
            },
            redb::Error::PreviousIo | redb::Error::DatabaseClosed => Self::Refused(ErrorKind::Other, error.to_string()),
            other => Self::Damaged(other.to_string()),
        }
    }
}

macro_rules! from_errors_of_redb {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                redb::Error::from(error).into()
            }
        })*
    };
}

from_errors_of_redb!(StorageError, TableError, DatabaseError, TransactionError, CommitError);

/// Runs `work` on the database; a panic inside of it counts as damage.
///
/// redb takes the pages that it reads for its own. On pages that were overwritten by something else its checks mostly
/// return an error, but some of them are assertions, and a damaged file must stop neither the sampler nor a query.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Failure::Damaged("reading it panicked".to_owned())))
}
