//! Roots for the readers' tests: the fixture machine, and machines that a test writes by itself.

use std::path::Path;

use tempfile::TempDir;

use super::Paths;
use super::file::KeptFile;
use crate::model::{Faults, Reading};

/// The laptop of `tests/fixtures/machine`.
pub fn laptop() -> Paths {
    below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/machine"))
}

/// A machine that has only these files, each named from its root: `proc/cpuinfo`, `sys/...`, `root/etc/...`. It is gone
/// with the directory.
pub fn machine_of<T: AsRef<[u8]>>(files: &[(&str, T)]) -> (TempDir, Paths) {
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let paths = below(dir.path());
    (dir, paths)
}

fn below(root: &Path) -> Paths {
    Paths { procfs: root.join("proc"), sysfs: root.join("sys"), rootfs: root.join("root"), ..Paths::host() }
}

/// A file of this machine's `/proc` as it is now.
pub fn live<T>(file: &str, parse: fn(&Path, &str, &mut Faults) -> Reading<T>) -> Reading<T> {
    KeptFile::new(Paths::host().proc(file)).read_text_with(|path, text| parse(path, text, &mut Faults::default()))
}

/// A reading of which nothing may be left out; a failure is handed on.
#[track_caller]
pub fn whole<T>(read: impl FnOnce(&mut Faults) -> Reading<T>) -> Reading<T> {
    let mut faults = Faults::default();
    let reading = read(&mut faults);
    assert!(faults.is_empty(), "{faults}");
    reading
}

/// A reading that is good but for something: what it has, and what was said about the rest.
#[track_caller]
pub fn partial<T>(read: impl FnOnce(&mut Faults) -> Reading<T>) -> (T, String) {
    let mut faults = Faults::default();
    let value = read(&mut faults).unwrap();
    assert!(!faults.is_empty(), "nothing was left out");
    (value, faults.to_string())
}
