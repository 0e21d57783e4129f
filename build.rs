//! Compresses the dashboard's files when the program is built, so that no request waits for it and none costs time.
//! `server/http/assets.rs` includes the list that is written here: name and compressed bytes of each file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use flate2::{Compression, GzBuilder};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=static");
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| env::var_os(name).map(PathBuf::from).ok_or_else(|| io::Error::other(name.to_owned()));
    let (root, out) = (variable("CARGO_MANIFEST_DIR")?, variable("OUT_DIR")?);
    let mut files: Vec<PathBuf> =
        fs::read_dir(root.join("static"))?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    files.sort_unstable();
    let mut list = String::from("&[\n");
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let target = out.join(format!("{name}.gz"));
        fs::write(&target, compressed(&file)?)?;
        list += &format!("    ({name:?}, include_bytes!({:?})),\n", target.display().to_string());
    }
    fs::write(out.join("compressed.rs"), list + "]\n")
}

/// The same bytes from the same file, whenever it is built: no time of change in the head.
fn compressed(file: &Path) -> io::Result<Vec<u8>> {
    let mut writer = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    writer.write_all(&fs::read(file)?)?;
    writer.finish()
}
