//! Holds the files of this room to importing one way: none imports a file that imports it back, directly or over others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A file's place, as `server/http/guard`; a folder's `mod.rs` has the folder's.
type Place = String;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn place(file: &Path, src: &Path) -> Place {
    let name = file.strip_prefix(src).unwrap().with_extension("");
    let name = name.to_str().unwrap();
    name.strip_suffix("/mod").unwrap_or(name).to_owned()
}

/// The code without comments and without the tests at its end.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The paths that begin with `root::` in this code, with `/` between the names; a group in braces counts once for each.
fn paths(code: &str, root: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, _) in code.match_indices(&format!("{root}::")) {
        if code[..at].ends_with(|c: char| is_name(c) || c == ':') {
            continue;
        }
        let rest = &code[at + root.len() + 2..];
        let end = rest.find(|c: char| !is_name(c) && c != ':').unwrap_or(rest.len());
        let start = rest[..end].trim_end_matches("::").replace("::", "/");
        match rest[end..].strip_prefix('{').and_then(|group| group.split('}').next()) {
            Some(group) => found.extend(group.split(',').map(|name| format!("{start}/{}", name.trim()))),
            None => found.push(start),
        }
    }
    found.iter().map(|path| path.trim_matches('/').to_owned()).collect()
}

/// The file that a path leads to: the longest beginning that is one.
fn target(base: &str, path: &str, known: &BTreeSet<Place>) -> Option<Place> {
    let mut whole = format!("{base}/{path}").trim_matches('/').to_owned();
    while !known.contains(&whole) {
        whole.truncate(whole.rfind('/')?);
    }
    Some(whole)
}

#[test]
fn no_file_imports_one_that_imports_it_back() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src.join("server"), &mut all);
    all.retain(|file| !file.file_stem().unwrap().to_str().unwrap().starts_with("test"));
    let known: BTreeSet<Place> = all.iter().map(|file| place(file, &src)).collect();
    let mut imports: BTreeMap<Place, BTreeSet<Place>> = BTreeMap::new();
    for file in &all {
        let (own, code) = (place(file, &src), code(file));
        let parent = own.rsplit_once('/').map_or("", |(parent, _)| parent);
        let mut targets: BTreeSet<Place> =
            paths(&code, "crate").iter().filter_map(|path| target("", path, &known)).collect();
        targets.extend(paths(&code, "super").iter().filter_map(|path| target(parent, path, &known)));
        // What a folder's own file uses of the files in the folder.
        let children: Vec<&Place> =
            known.iter().filter(|place| place.rsplit_once('/').is_some_and(|(folder, _)| folder == own)).collect();
        for child in children {
            let name = child.rsplit('/').next().unwrap();
            targets.extend(paths(&code, name).iter().filter_map(|path| target(child, path, &known)));
        }
        targets.remove(&own);
        imports.insert(own, targets);
    }
    assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 50, "too few imports were seen: {imports:?}");
    // Whoever imports only what is settled is settled; what is left over goes round in a circle.
    while let Some(settled) = imports.iter().find(|(_, targets)| targets.is_empty()).map(|(place, _)| place.clone()) {
        imports.remove(&settled);
        for targets in imports.values_mut() {
            targets.remove(&settled);
        }
    }
    assert!(imports.is_empty(), "these import each other, or what does: {imports:#?}");
}
