//! The fixture machine of `tests/fixtures/machine`: a laptop with four cores, one disk, five interfaces and eighteen
//! processes. A test that changes something takes a copy.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::support::tests_folder;

/// A machine's files.
pub struct Machine {
    folder: PathBuf,
    _copy: Option<tempfile::TempDir>,
}

impl Machine {
    /// The fixture itself, not to be changed.
    pub fn original() -> Self {
        Self { folder: tests_folder().join("fixtures/machine"), _copy: None }
    }

    /// A copy that every user may read.
    pub fn copy() -> Self {
        let copy = tempfile::Builder::new()
            .prefix("psmonitor-machine-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir()
            .expect("a temporary folder");
        let original = Self::original();
        for file in original.files() {
            let to = copy.path().join(&file);
            fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
            let from = original.folder.join(&file);
            match fs::read_link(&from) {
                Ok(target) => std::os::unix::fs::symlink(target, to).expect("a copied link"),
                Err(_) => drop(fs::copy(from, to).expect("a copied file")),
            }
        }
        Self { folder: copy.path().to_owned(), _copy: Some(copy) }
    }

    /// The flags that make the program watch this machine.
    pub fn args(&self) -> Vec<String> {
        ["procfs", "sysfs", "rootfs"]
            .iter()
            .zip(["proc", "sys", "root"])
            .flat_map(|(flag, folder)| [format!("--{flag}"), self.folder.join(folder).display().to_string()])
            .collect()
    }

    /// Where a file is.
    pub fn path(&self, file: impl AsRef<Path>) -> PathBuf {
        self.folder.join(file)
    }

    /// Every file and link, relative to the machine's folder, in order.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let entry = entry.expect("an entry");
                let path = entry.path();
                // Descriptors of processes are links to what is no file.
                if entry.file_type().expect("a type").is_dir() {
                    folders.push(path);
                } else {
                    files.push(path.strip_prefix(&self.folder).expect("a path below").to_owned());
                }
            }
        }
        files.sort();
        files
    }

    /// Replaces `from`, which must occur, in a file. The file stays the same file, as the program may hold it open.
    #[track_caller]
    pub fn change(&self, file: &str, from: &str, to: &str) {
        assert!(self._copy.is_some(), "the original is never changed");
        let text = fs::read_to_string(self.path(file)).expect("the file");
        assert!(text.contains(from), "{file} does not hold {from:?}");
        let text = text.replace(from, to);
        // Never empty, not even for a moment.
        let mut open = fs::File::options().write(true).open(self.path(file)).expect("the file");
        open.write_all(text.as_bytes()).expect("the file is written");
        open.set_len(text.len() as u64).expect("the file has its length");
    }
}
