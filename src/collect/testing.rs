//! Roots for the readers' tests: the fixture machine, and machines that a test writes by itself.

use std::path::Path;

use tempfile::TempDir;

use super::Paths;

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
