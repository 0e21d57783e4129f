//! What the files of `timeseries`, `receiver` and `agent` have in common, which are redb's: how one with a version is opened,
//! what can go wrong with it, told apart as far as they do different things then, and how a damaged one is moved out of the
//! way. Knows no table of theirs but `meta`.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{Builder, Database, ReadableDatabase, TableDefinition, TableError, WriteTransaction};

/// Where the version of a file's layout stands.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// Why a file cannot be used now. The text is for the log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Another process has it open.
    #[error("another process has it open")]
    InUse,
    /// What is in it is not ours, or damaged.
    #[error("it is damaged ({0})")]
    Damaged(String),
    /// The system refuses: full, read-only, not permitted.
    #[error("{1}")]
    Refused(ErrorKind, String),
}

impl Failure {
    /// Refused for a reason that no kind of error stands for.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::Refused(ErrorKind::Other, reason.into())
    }
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::DatabaseAlreadyOpen => Self::InUse,
            error @ (redb::Error::PreviousIo | redb::Error::DatabaseClosed) => Self::refused(error.to_string()),
            redb::Error::Io(error) => match error.kind() {
                ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Self::Damaged(error.to_string()),
                kind => Self::Refused(kind, error.to_string()),
            },
            error => Self::Damaged(error.to_string()),
        }
    }
}

/// What the system refuses, for `map_err`.
pub fn io_failure(error: std::io::Error) -> Failure {
    Failure::Refused(error.kind(), error.to_string())
}

/// Runs `work` on a database; a panic inside of it counts as damage.
///
/// redb takes the pages that it reads for its own. On pages that were overwritten by something else its checks mostly
/// return an error, but some of them are assertions, and a damaged file must stop nobody.
pub fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Failure::Damaged("reading it panicked".to_owned())))
}

/// Opens the file, whose layout is to have this version; a new one gets it, and the tables that `make` opens. redb may use
/// `cache_bytes` of memory for pages; its default is 1 GiB.
pub fn open(
    path: &Path,
    cache_bytes: usize,
    version: u64,
    make: impl FnOnce(&WriteTransaction) -> Result<(), Failure>,
) -> Result<Database, Failure> {
    guarded(|| {
        let database = Builder::new().set_cache_size(cache_bytes).create(path)?;
        let found = match database.begin_read()?.open_table(META) {
            Ok(meta) => meta.get("version")?.map(|found| found.value()),
            Err(TableError::TableDoesNotExist(_)) => {
                let write = database.begin_write()?;
                write.open_table(META)?.insert("version", version)?;
                make(&write)?;
                write.commit()?;
                return Ok(database);
            }
            Err(error) => return Err(error.into()),
        };
        match found {
            Some(found) if found == version => Ok(database),
            other => Err(Failure::Damaged(format!("its layout has version {other:?}, not {version}"))),
        }
    })
}

/// Moves a damaged file out of the way, for people to look at, and gives its new name. It takes the place of one that was
/// damaged before: they may not fill the disk.
pub fn set_aside(path: &Path) -> Result<PathBuf, Failure> {
    let aside = beside(path, "damaged");
    std::fs::rename(path, &aside).map_err(io_failure)?;
    Ok(aside)
}

/// `path` with a further ending.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
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
