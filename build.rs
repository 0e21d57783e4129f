//! Makes small what the binary carries, when the program is built. The dashboard's files are compressed, so that no request
//! waits for it: `server/http/assets.rs` includes the list that is written here, name and compressed bytes of each file. The
//! parts of the `OpenAPI` document lose their indentation: `server/routes/openapi` includes them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use flate2::{Compression, GzBuilder};

/// The parts of the `OpenAPI` document.
const OPENAPI: &str = "src/server/routes/openapi";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=static");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={OPENAPI}");
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
    fs::write(out.join("compressed.rs"), list + "]\n")?;
    for folder in [root.join(OPENAPI), root.join(OPENAPI).join("schemas")] {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|ending| ending == "json")) {
                // No text of JSON goes over the end of a line.
                let text: String = fs::read_to_string(&path)?.lines().map(str::trim).collect();
                fs::write(out.join(name), text)?;
            }
        }
    }
    Ok(())
}

/// The same bytes from the same file, whenever it is built: no time of change in the head.
fn compressed(file: &Path) -> io::Result<Vec<u8>> {
    let mut writer = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    writer.write_all(&fs::read(file)?)?;
    writer.finish()
}
