//! The text of `/proc/PID/mountinfo` (`proc_pid_mountinfo(5)`): what is mounted where.
//!
//! Used by the reader of file systems. Parses bytes, because the name of a mount point need not be UTF-8; reads nothing.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::lines::{Bad, Taken, walk_each};
use crate::model::{Faults, Reading};

/// One line of the mount table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Field 1. No two mounts of all name spaces have the same at one time.
    pub id: u64,
    /// Field 3, the device number of the file system. Major 0: no block device of its own.
    pub major_minor: (u32, u32),
    /// Whether the whole file system is mounted here, and not a directory or file of it (field 4 is `/`).
    pub whole: bool,
    /// Field 5, the exact bytes, relative to the root of the process.
    pub mount_point: PathBuf,
    /// The type, `ext4`, `fuse.sshfs`.
    pub kind: String,
    /// The source as the one who mounted it named it: a device, a server, or any word.
    pub source: String,
    /// Field 6 and the options of the file system, in one list as `/proc/mounts` prints it.
    pub options: String,
    /// Whether this process sees something else at that place, or only this process sees it.
    pub is_hidden: bool,
}

impl Mount {
    /// The root of a process that is in no mount table: of a chroot(2) into a plain directory, and of some containers.
    pub fn unlisted_root() -> Self {
        Self {
            id: 0,
            major_minor: (0, 0),
            whole: false,
            mount_point: "/".into(),
            kind: String::new(),
            source: String::new(),
            options: String::new(),
            is_hidden: false,
        }
    }

    /// Whether this is [`Self::unlisted_root`]. Every row of a table has a type.
    pub fn is_unlisted_root(&self) -> bool {
        self.kind.is_empty()
    }

    /// Whether a device holds the data. Some file systems have a device number with major 0 although one does, because
    /// they lie on several or make a number for each part.
    pub fn is_device_backed(&self) -> bool {
        // Mounted by user space with the driver's own device as its source: nothing is stored there.
        let is_pseudo = self.kind == "autofs" || self.source == "/dev/fuse";
        !is_pseudo
            && (self.major_minor.0 != 0
                || self.source.starts_with("/dev/")
                || matches!(self.kind.as_str(), "zfs" | "btrfs" | "bcachefs" | "ubifs"))
    }
}

/// The text of a mount table, lines such as
///
/// ```text
/// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
/// ```
///
/// Space, tab, newline, backslash and `#` are written in octal (`\040`).
pub fn parse_mountinfo(path: &Path, text: &[u8], faults: &mut Faults) -> Reading<Vec<Mount>> {
    let mut mounts = Vec::new();
    let lines = text.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii_start().is_empty());
    walk_each(path, lines.map(|(index, line)| (index + 1, line)), faults, |_, line| {
        mounts.push(parse_line(line).ok_or(Bad::missing("the fields of a mounted file system"))?);
        Ok(Taken::Value)
    })?;
    Ok(mounts)
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    // Single spaces, not runs: a source may be empty.
    let mut fields = line.split(|byte| *byte == b' ');
    let (id, _parent) = (fields.next()?, fields.next()?);
    let (major, minor) = std::str::from_utf8(fields.next()?).ok()?.split_once(':')?;
    let root = fields.next()?;
    let mount_point = unescape(fields.next()?);
    let mount_options = fields.next()?;
    // Any number of optional fields end with a dash.
    fields.find(|field| *field == b"-")?;
    let kind = fields.next()?;
    let source = fields.next()?;
    let options = fields.next()?;
    // A later kernel may add fields, but no second dash: two lines that grew together.
    if fields.any(|field| field == b"-") {
        return None;
    }
    Some(Mount {
        id: std::str::from_utf8(id).ok()?.parse().ok()?,
        major_minor: (major.parse().ok()?, minor.parse().ok()?),
        whole: root == b"/",
        mount_point: Path::new(OsStr::from_bytes(&mount_point)).to_path_buf(),
        kind: display(kind),
        source: display(source),
        options: join_options(&display(mount_options), &display(options)),
        is_hidden: is_mask(root),
    })
}

/// Whether a service manager put this there to hide what lies below it from this process (`InaccessiblePaths=` of
/// systemd.exec(5)): nobody else sees it.
fn is_mask(root: &[u8]) -> bool {
    root.windows(22).any(|part| part == b"/systemd/inaccessible/")
}

/// Options that the kernel keeps for the file system and prints before those of the mount.
const FIRST_OPTIONS: [&str; 4] = ["sync", "dirsync", "mand", "lazytime"];

/// One list of the two, as the kernel joins them in `/proc/mounts`: read-only if either is, no option twice.
fn join_options(mount: &str, filesystem: &str) -> String {
    let is_access = |option: &&str| matches!(*option, "rw" | "ro");
    let is_first = |option: &&str| FIRST_OPTIONS.contains(option);
    let read_only = mount.split(',').chain(filesystem.split(',')).any(|option| option == "ro");
    let of_mount = || mount.split(',').filter(|option| !is_access(option));
    let of_filesystem = || filesystem.split(',').filter(|option| !is_access(option));
    let mut joined = String::with_capacity(mount.len() + filesystem.len());
    joined.push_str(if read_only { "ro" } else { "rw" });
    for option in of_filesystem().filter(is_first).chain(of_mount()).chain(of_filesystem().filter(|o| !is_first(o))) {
        if !option.is_empty() {
            joined.push(',');
            joined.push_str(option);
        }
    }
    joined
}

fn display(field: &[u8]) -> String {
    String::from_utf8_lossy(&unescape(field)).into_owned()
}

/// Puts the bytes in place of their octal escapes. A backslash that begins none stays.
fn unescape(field: &[u8]) -> Cow<'_, [u8]> {
    if !field.contains(&b'\\') {
        return Cow::Borrowed(field);
    }
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        match after {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] if *first == b'\\' => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    Cow::Owned(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::{partial, whole};
    use crate::model::ReadError;

    fn parse(text: &[u8]) -> Reading<Vec<Mount>> {
        whole(|faults| parse_mountinfo(Path::new("mountinfo"), text, faults))
    }

    fn one(text: &str) -> Mount {
        parse(text.as_bytes()).unwrap().remove(0)
    }

    #[test]
    fn the_line_of_the_manual() {
        let expected = Mount {
            id: 36,
            major_minor: (98, 0),
            whole: false,
            mount_point: "/mnt2".into(),
            kind: "ext3".into(),
            source: "/dev/root".into(),
            options: "rw,noatime,errors=continue".into(),
            is_hidden: false,
        };
        let line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue\n";
        assert_eq!(one(line), expected);
        assert_eq!(one(&line.replace(" master:1 shared:7", "")), expected, "an old kernel has no optional fields");
    }

    #[test]
    fn escapes_and_bytes_that_are_no_text() {
        let mount = one("1 1 8:1 / /mnt/My\\040Disk\\134\\011x rw - ext4 /dev/disk/by-label/a\\040b rw");
        assert_eq!(mount.mount_point, Path::new("/mnt/My Disk\\\tx"));
        assert_eq!(mount.source, "/dev/disk/by-label/a b");
        let mounts = parse(b"1 1 8:1 / /mnt/\xff rw - ext4 /dev/\xfe rw\n").unwrap();
        assert_eq!(mounts[0].mount_point.as_os_str().as_bytes(), b"/mnt/\xff");
        assert_eq!(mounts[0].source, "/dev/\u{fffd}");
        assert_eq!(&*unescape(b"\\9\\04\\777\\"), b"\\9\\04\\777\\");
    }

    #[test]
    fn any_text_takes_time_by_its_length() {
        crate::model::hostile_text::assert_linear("a mount table", |text| {
            drop(parse(text));
            drop(parse(&[b"1 1 8:1 / /", text, b" rw,", text, b" - ext4 ", text, b" rw,", text].concat()));
        });
    }

    #[test]
    fn an_empty_source_is_a_source() {
        let mount = one("1 1 0:9 / /run rw - tmpfs  rw,size=1k");
        assert_eq!((mount.source.as_str(), mount.options.as_str()), ("", "rw,size=1k"));
    }

    #[test]
    fn options_join_as_in_proc_mounts() {
        assert_eq!(join_options("rw,nosuid,relatime", "ro,sync,size=1k"), "ro,sync,nosuid,relatime,size=1k");
        assert_eq!(join_options("ro", "rw"), "ro");
        assert_eq!(join_options("rw", "rw,errors=remount-ro"), "rw,errors=remount-ro");
    }

    #[test]
    fn a_bad_line_costs_its_own_mount() {
        let good = "1 1 8:1 / / rw - ext4 /dev/sda1 rw\n";
        let bad =
            ["garbage", "1 1 8 / / rw - ext4 s rw", "1 1 8:x / / rw - e s rw", "1 1 8:4294967296 / / rw - e s rw"];
        let glued = "1 1 8:1 / / rw - ext4 /dev/sda1 rw1 1 8:1 / / rw - ext4 /dev/sda1 rw";
        for line in bad.into_iter().chain([glued, "1 1 8:1 / / rw ext4 s rw", "1 1 8:1 / / rw - ext4 s"]) {
            let text = format!("{good}\n{line}\n{good}");
            let (mounts, told) = partial(|faults| parse_mountinfo(Path::new("mountinfo"), text.as_bytes(), faults));
            assert_eq!(mounts.len(), 2, "{line}");
            assert!(told.starts_with("mountinfo:3: "), "{told}");
            assert!(matches!(parse(line.as_bytes()), Err(ReadError::Parse { line: 1, .. })), "{line}");
        }
        assert!(matches!(parse(b""), Err(ReadError::Parse { line: 0, .. })));
    }

    #[test]
    fn what_a_device_stands_behind() {
        let backed = |numbers: &str, kind: &str, source: &str| {
            one(&format!("1 1 {numbers} / /mnt rw - {kind} {source} rw")).is_device_backed()
        };
        assert!(backed("8:1", "ext4", "/dev/sda1"));
        assert!(backed("0:41", "btrfs", "/dev/sda1"));
        assert!(backed("0:42", "zfs", "tank/home"));
        assert!(backed("8:1", "rootfs", "rootfs"));
        assert!(!backed("0:5", "tmpfs", "tmpfs"));
        assert!(!backed("0:50", "nfs4", "server:/export"));
        assert!(!backed("0:51", "autofs", "/dev/sda1"));
        assert!(!backed("0:52", "fuse", "/dev/fuse"));
        assert!(!backed("0:53", "overlay", "overlay"));
    }

    #[test]
    fn this_machine_agrees_with_proc_mounts() {
        let mounts = parse(&std::fs::read("/proc/self/mountinfo").unwrap()).unwrap();
        let table = String::from_utf8(std::fs::read("/proc/self/mounts").unwrap()).unwrap();
        let root = table.lines().rfind(|line| line.split(' ').nth(1) == Some("/")).unwrap();
        let ours = mounts.iter().rfind(|mount| mount.mount_point == Path::new("/")).unwrap();
        let fields: Vec<&str> = root.split(' ').collect();
        assert_eq!((fields[2], fields[3]), (ours.kind.as_str(), ours.options.as_str()));
    }
}
