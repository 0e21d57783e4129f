//! What the files of `receiver` and `agent` have in common: what can go wrong with one, told apart as far as they do
//! different things then, and how a damaged one is moved out of the way. Both are redb's. Knows no table of theirs.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Why a file cannot be used now. The text is for the log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// What is in it is not ours, or damaged.
    #[error("it is damaged ({0})")]
    Damaged(String),
    /// The system refuses: full, read-only, in use.
    #[error("{0}")]
    Refused(String),
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::DatabaseAlreadyOpen => Self::Refused("another process has it open".to_owned()),
            error @ (redb::Error::PreviousIo | redb::Error::DatabaseClosed) => Self::Refused(error.to_string()),
            redb::Error::Io(error) => match error.kind() {
                ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Self::Damaged(error.to_string()),
                _ => Self::Refused(error.to_string()),
            },
            error => Self::Damaged(error.to_string()),
        }
    }
}

/// Runs `work` on a database; an assertion of redb's that fails on overwritten pages is damage, and stops nobody.
pub fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Failure::Damaged("reading it panicked".to_owned())))
}

/// Moves a damaged file out of the way, for people to look at, and gives its new name. It takes the place of one that was
/// damaged before: they may not fill the disk.
pub fn set_aside(path: &Path) -> Result<PathBuf, Failure> {
    let mut name = path.as_os_str().to_owned();
    name.push(".damaged");
    std::fs::rename(path, &name).map_err(|error| Failure::Refused(error.to_string()))?;
    Ok(name.into())
}

/// What `open` gives. Where that meets damage the file is set aside, which the log says under the name of `who`, and `open`
/// makes a new one; true if so.
pub fn open_or_set_aside<T>(
    who: &str,
    path: &Path,
    open: impl Fn() -> Result<T, Failure>,
) -> Result<(T, bool), Failure> {
    match open() {
        Err(failure @ Failure::Damaged(_)) => {
            let aside = set_aside(path)?;
            log::error!("{who}: {} is unusable: {failure}; set aside as {}", path.display(), aside.display());
            open().map(|opened| (opened, true))
        }
        opened => opened.map(|opened| (opened, false)),
    }
}
