//! The machine's name: `/proc/sys/kernel/hostname`, or `/etc/hostname` below another root.
//!
//! The kernel tells every reader the name of the reader's own name space (`uts_namespaces(7)`), below another procfs as well:
//! in a container that has its host's files it is the container's. Used by the readers of the host's facts and of uname.

use std::path::Path;

use super::Paths;
use super::file::read_word;

/// The name, as far as it is known.
pub fn read(paths: &Paths) -> Option<String> {
    let own = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    choose(paths, &own()).filter(|name| name != "(none)")
}

/// `own` is what this process is told.
fn choose(paths: &Paths, own: &str) -> Option<String> {
    let told = read_word(&paths.proc("sys/kernel/hostname")).ok().flatten();
    if paths.is_live() || told.as_deref().is_some_and(|name| name != own) || is_shared(&paths.procfs) {
        return told;
    }
    let written = paths.root("etc/hostname").read_text().ok();
    // hostname(5): the first line that is no comment.
    let line = |text: &String| {
        text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned)
    };
    written.as_ref().and_then(line).or(told)
}

/// Whether the machine's first process is in our name space: then the kernel's word is the machine's. Only root may ask.
fn is_shared(procfs: &Path) -> bool {
    let space = |path: &Path| std::fs::read_link(path).ok();
    space(&procfs.join("1/ns/uts")).is_some_and(|of_first| Some(of_first) == space(Path::new("/proc/self/ns/uts")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::machine_of;

    #[test]
    fn below_another_root_the_machines_own_file_tells_where_the_kernel_tells_ours() {
        let kernel = ("proc/sys/kernel/hostname", "pod-7f9c\n");
        let (_dir, paths) = machine_of(&[kernel, ("root/etc/hostname", "# ours\n\nhost-1\n")]);
        assert_eq!(choose(&paths, "pod-7f9c").as_deref(), Some("host-1"));
        assert_eq!(choose(&paths, "elsewhere").as_deref(), Some("pod-7f9c"), "a copy of another machine's files");
        let (_dir, paths) = machine_of(&[kernel]);
        assert_eq!(choose(&paths, "pod-7f9c").as_deref(), Some("pod-7f9c"), "nothing tells better");
        let (_dir, paths) = machine_of(&[("root/etc/hostname", "host-1\n")]);
        assert_eq!(choose(&paths, "pod-7f9c").as_deref(), Some("host-1"));
        assert_eq!(read(&Paths::host()), read_word(Path::new("/proc/sys/kernel/hostname")).unwrap());
    }

    #[test]
    fn a_name_space_that_is_shared_tells_the_machines_name() {
        let (dir, paths) = machine_of(&[("proc/sys/kernel/hostname", "a\n"), ("root/etc/hostname", "b\n")]);
        std::fs::create_dir_all(dir.path().join("proc/1/ns")).unwrap();
        let ours = std::fs::read_link("/proc/self/ns/uts").unwrap();
        std::os::unix::fs::symlink(ours, dir.path().join("proc/1/ns/uts")).unwrap();
        assert_eq!(choose(&paths, "a").as_deref(), Some("a"));
    }
}
