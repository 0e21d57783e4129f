//! os-release(5): `etc/os-release`, or `usr/lib/os-release` where that is missing. Values may be quoted as in a shell.
//!
//! A package or an administrator replaces the file or writes it anew: while it is as it was, it is not read again.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};

use super::file::read_error;
use super::{Below, Paths};
use crate::model::Reading;
use crate::model::system::OsRelease;

/// Knows both places, and what was there. Clones are the same reader: the tables have one, the facts of the host another.
#[derive(Clone, Debug)]
pub struct Reader {
    files: [Below; 2],
    /// Held while the file is read.
    last: Arc<Mutex<Option<(Version, OsRelease)>>>,
}

/// Device, inode, size and time of the last change, seconds and nanoseconds, of a file.
pub(super) type Version = (u64, u64, u64, i64, i64);

impl Reader {
    /// Opens nothing yet.
    pub fn new(paths: &Paths) -> Self {
        let files = ["etc/os-release", "usr/lib/os-release"].map(|file| paths.root(file));
        Self { files, last: Arc::default() }
    }

    /// The file that is there, as it is now.
    pub fn read(&self) -> Reading<OsRelease> {
        let [first, second] = &self.files;
        let (path, metadata) = match first.metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => (second, second.metadata()),
            metadata => (first, metadata),
        };
        let version = version(&metadata.map_err(|error| read_error(&path.path(), &error))?);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, release)) = &*last
            && *known == version
        {
            return Ok(release.clone());
        }
        let release = parse_os_release(&path.read_text()?);
        *last = Some((version, release.clone()));
        Ok(release)
    }
}

/// What tells a file from the same one written anew.
pub(super) fn version(metadata: &Metadata) -> Version {
    (metadata.dev(), metadata.ino(), metadata.size(), metadata.ctime(), metadata.ctime_nsec())
}

fn parse_os_release(text: &str) -> OsRelease {
    let mut release = OsRelease::default();
    for line in text.lines() {
        let Some((key, value)) = line.trim().split_once('=') else { continue };
        if let Some(index) = OsRelease::KEYS.iter().position(|known| *known == key) {
            release.values[index] = unquote(value.trim());
        }
    }
    release
}

/// A value with the quotes and backslashes of a shell taken off. In single quotes a backslash is one; in double quotes it
/// guards only the quote, the dollar, the backtick and itself.
fn unquote(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut quote = None;
    let mut rest = value.chars();
    while let Some(letter) = rest.next() {
        match (letter, quote) {
            ('\'' | '"', None) => quote = Some(letter),
            (letter, Some(open)) if letter == open => quote = None,
            ('\\', None) => plain.extend(rest.next()),
            ('\\', Some('"')) => match rest.next() {
                Some(guarded @ ('"' | '$' | '`' | '\\')) => plain.push(guarded),
                other => {
                    plain.push('\\');
                    plain.extend(other);
                }
            },
            _ => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_come_off_and_unknown_keys_are_passed_over() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n# x\nHOME_URL=\"h\"\nVARIANT='a b'\nNAME=\"a \\\"b\\\"\"\n";
        let release = parse_os_release(text);
        assert_eq!(release.get("PRETTY_NAME"), "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(release.get("ID"), "debian");
        assert_eq!(release.get("VARIANT"), "a b");
        assert_eq!(release.get("NAME"), "a \"b\"");
        assert_eq!(release.get("ID_LIKE"), "");
        assert_eq!(release.get("HOME_URL"), "");
    }

    #[test]
    fn it_is_read_as_a_shell_reads_it() {
        let text = "NAME='A \\ B'\nPRETTY_NAME=\"\\\"q\\\" \\$5 \\n\"\nID_LIKE=\nVERSION_ID=11\nVERSION_ID=\"12\"\n\u{fffd}\nBUILD_ID\n=\nID=\"open";
        let release = parse_os_release(text);
        assert_eq!(release.get("NAME"), "A \\ B");
        assert_eq!(release.get("PRETTY_NAME"), "\"q\" $5 \\n");
        assert_eq!((release.get("ID_LIKE"), release.get("BUILD_ID")), ("", ""));
        assert_eq!(release.get("VERSION_ID"), "12", "the last one counts");
        assert_eq!(release.get("ID"), "open");
    }

    #[test]
    fn the_second_place_is_tried() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("usr/lib")).unwrap();
        std::fs::write(dir.path().join("usr/lib/os-release"), "ID=x\n").unwrap();
        let paths = Paths { rootfs: dir.path().into(), ..Paths::host() };
        let reader = Reader::new(&paths);
        assert_eq!(reader.read().unwrap().get("ID"), "x");
        std::fs::create_dir_all(dir.path().join("etc")).unwrap();
        for id in ["y", "zz"] {
            std::fs::write(dir.path().join("etc/os-release"), format!("ID={id}\n")).unwrap();
            assert_eq!(reader.read().unwrap().get("ID"), id);
            assert_eq!(reader.read().unwrap().get("ID"), id, "as kept");
        }
    }

    #[test]
    fn any_text_takes_time_by_its_length() {
        crate::model::hostile_text::assert_linear("os-release", |text| {
            let text = String::from_utf8_lossy(text);
            drop(parse_os_release(&format!("{text}\nID=\"{text}\nNAME={text}")));
        });
    }
}
