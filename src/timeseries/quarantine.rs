//! Files that are kept beside the store's for people to look at: damaged ones, and copies of one that is about to lose
//! points. Called by [`super::Store::open`] and [`super::writer`]. One of each kind is kept, or they would fill the disk.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::failure::Failure;

/// Renames a file that cannot be used, and gives its new name. An older one that was renamed for the same reason is
/// removed.
pub(super) fn set_aside(path: &Path, why: &str) -> std::io::Result<PathBuf> {
    let aside = aside(path, why);
    std::fs::rename(path, &aside)?;
    keep_only(path, why, &aside);
    Ok(aside)
}

/// Copies the file as it was last committed, and gives the copy's name once it is synced. An older copy made for the same
/// reason is removed.
pub(super) fn copy_aside(path: &Path, why: &str) -> Result<PathBuf, Failure> {
    let aside = aside(path, why);
    let refused = |error: &std::io::Error| {
        Failure::Refused(error.kind(), format!("it needs a copy before it is changed, and that fails: {error}"))
    };
    let copy = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        let room = rustix::fs::statvfs(folder)?;
        let taken = std::fs::metadata(path)?.len();
        // Nor does a copy fill the disk to its end, where it could not be finished anyway.
        if room.f_bavail.saturating_mul(room.f_frsize) < taken {
            return Err(ErrorKind::StorageFull.into());
        }
        std::fs::copy(path, &aside)?;
        std::fs::File::open(&aside)?.sync_all()?;
        std::fs::File::open(folder)?.sync_all()
    };
    copy().map_err(|error| {
        let _ = std::fs::remove_file(&aside);
        refused(&error)
    })?;
    keep_only(path, why, &aside);
    Ok(aside)
}

fn aside(path: &Path, why: &str) -> PathBuf {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{why}-{seconds}"));
    PathBuf::from(name)
}

/// Removes what was set aside for the same reason before `newest`.
fn keep_only(path: &Path, why: &str, newest: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
    let prefix = format!("{}.{why}-", name.to_string_lossy());
    let older = std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let is_older = |file: &PathBuf| {
        file != newest && file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
    };
    for file in older.filter(is_older) {
        match std::fs::remove_file(&file) {
            Ok(()) => log::info!("history: {} is removed, a newer one was set aside", file.display()),
            Err(error) => log::warn!("history: {} cannot be removed: {error}", file.display()),
        }
    }
}
