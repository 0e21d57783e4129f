//! Reads the files that secrets stand in: tokens, users, and the key of TLS. Complaints name the flag, never the content.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::StartupError;

/// No file of secrets is larger; a log given by mistake is not read to its end.
const MOST_BYTES: u64 = 1024 * 1024;

/// What a complaint about the file that `flag` names says.
pub fn complaint(flag: &str, path: &Path, what: &str) -> StartupError {
    StartupError::Setting { place: flag.to_owned(), problem: format!("{}: {what}", path.display()) }
}

/// The whole file that `flag` names.
pub fn read(flag: &str, path: &Path) -> Result<Vec<u8>, StartupError> {
    let mut bytes = Vec::new();
    let result = File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes));
    result.map_err(|error| complaint(flag, path, &error.to_string()))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(complaint(flag, path, "it is larger than 1 MiB, so it cannot be the right file"));
    }
    Ok(bytes)
}

/// The whole file that `flag` names. Warns when every user of the machine can read it.
pub fn read_secret(flag: &str, path: &Path) -> Result<Vec<u8>, StartupError> {
    let bytes = read(flag, path)?;
    if is_public(path) {
        log::warn!("{} can be read by others; chmod 600 it", path.display());
    }
    Ok(bytes)
}

/// As [`read_secret`], as text.
pub fn read_secret_text(flag: &str, path: &Path) -> Result<String, StartupError> {
    String::from_utf8(read_secret(flag, path)?).map_err(|_| complaint(flag, path, "it is not UTF-8 text"))
}

/// Whether users outside the file's group may read it. A group of its own is how a service gets its key.
fn is_public(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o007 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_for_everybody_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "x").unwrap();
        for (mode, is_open) in [(0o600, false), (0o640, false), (0o644, true), (0o604, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_public(&path), is_open, "{mode:o}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_flag() {
        let folder = tempfile::tempdir().unwrap();
        let (missing, large, bytes) =
            (folder.path().join("missing"), folder.path().join("large"), folder.path().join("bytes"));
        std::fs::write(&large, vec![b'x'; 1024 * 1024 + 1]).unwrap();
        std::fs::write(&bytes, b"\xff\xfe").unwrap();
        for (path, hint) in [(missing, "No such file"), (large, "1 MiB"), (bytes, "UTF-8")] {
            let error = read_secret_text("--users-file", &path).unwrap_err().to_string();
            assert!(error.contains("--users-file") && error.contains(hint), "{error}");
        }
    }
}
