//! Tests of the file systems' reader on small mount tables.

use super::*;
use crate::collect::linux::mountinfo::parse_mountinfo;
use crate::collect::linux::testing;
use std::os::unix::ffi::OsStrExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};
use std::{fs, io};

/// The mounts at which devices are shown.
fn shown(reader: &mut Reader) -> Vec<RawMount> {
    reader.read(&mut Faults::default()).unwrap().into_iter().filter(|row| row.also_at.is_some()).collect()
}

fn read(table: &str, call: Call) -> (tempfile::TempDir, Vec<RawMount>) {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("proc/1");
    fs::create_dir_all(&place).unwrap();
    fs::create_dir(dir.path().join("tmp")).unwrap();
    fs::write(place.join("mountinfo"), table).unwrap();
    let paths = Paths { procfs: dir.path().join("proc"), rootfs: dir.path().into(), ..Paths::host() };
    let rows = Reader::with_statvfs(&paths, call).read(&mut Faults::default()).unwrap();
    (dir, rows)
}

#[test]
fn devices_are_asked_once_and_those_that_may_hang_never() {
    let table = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:1 /x /bind ro,nosuid - ext4 /dev/sda1 rw\n\
                 3 1 0:9 / /tmp rw - tmpfs tmpfs rw\n4 1 0:8 / /net rw - nfs4 srv:/x rw\n\
                 5 1 0:7 / /user rw - fuse.sshfs me@there:/ rw\n6 1 8:2 / /bad rw - xfs /dev/sda2 rw\n";
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let call = move |path: &Path| {
        log.lock().unwrap().push(path.to_path_buf());
        if path.ends_with("bad") {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(RawFilesystemUsage { blocks: 77, ..RawFilesystemUsage::default() })
    };
    let (dir, rows) = read(table, Arc::new(call));
    let flat: Vec<_> = rows
        .iter()
        .map(|row| {
            let blocks = row.usage.as_ref().map(|usage| usage.as_ref().map(|usage| usage.blocks == 77).ok());
            (&*row.mount_point, row.is_read_only(), blocks)
        })
        .collect();
    let device = Some(Some(true));
    let expected = [
        ("/", false, device),
        ("/bind", true, device),
        ("/tmp", false, Some(Some(false))),
        ("/net", false, None),
        ("/user", false, None),
        ("/bad", false, Some(None)),
    ];
    assert_eq!(flat, expected);
    assert_eq!(*asked.lock().unwrap(), [dir.path().join(""), dir.path().join("bad")]);
}

#[test]
fn what_lies_below_a_server_is_asked_like_a_device() {
    let table = "1 0 0:5 / / rw - overlay overlay rw\n2 1 0:8 / /tmp rw - nfs4 srv:/x rw\n\
                 3 2 0:9 / /tmp/inside rw - tmpfs tmpfs rw\n4 1 0:4 / /tmpfs rw - tmpfs tmpfs rw\n\
                 5 1 8:3 / /ntfs rw - fuseblk /dev/sda3 rw\n6 5 0:3 / /ntfs/a rw - tmpfs tmpfs rw\n";
    let (dir, rows) = read(table, Arc::new(|path: &Path| Err(io::Error::other(path.display().to_string()))));
    let error = |index: usize| rows[index].usage.as_ref().map(|usage| usage.as_ref().unwrap_err().to_string());
    assert!(error(2).unwrap().contains(&dir.path().join("tmp/inside").display().to_string()));
    assert!(error(5).unwrap().contains(&dir.path().join("ntfs/a").display().to_string()));
    assert_eq!(error(1), None);
    assert!(
        error(3).unwrap().contains("No such file") || error(3).unwrap().contains("not available"),
        "{:?}",
        error(3)
    );
}

#[test]
fn a_table_is_kept_while_no_change_is_announced() {
    let mut reader = Reader::new(&Paths::host());
    let real = reader.read(&mut Faults::default()).unwrap();
    // One that can be told from what is read, and that nothing on this machine gives a reason to doubt.
    let kept = (0..50).any(|_| {
        reader.plan.mounts[0].source = "as it was read".to_owned();
        reader.plan.is_blind = false;
        reader.plan.on_thread.iter_mut().chain(&mut reader.plan.at_once).for_each(|asked| asked.is_on_top = false);
        reader.read(&mut Faults::default()).unwrap()[0].device == "as it was read"
    });
    assert!(kept);
    let renewed = (0..FULL_READING).any(|_| reader.read(&mut Faults::default()).unwrap()[0].device == real[0].device);
    assert!(renewed, "it is kept for ever");
}

#[test]
fn a_table_is_doubted_when_a_file_system_says_otherwise() {
    let table = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / /tmp rw - tmpfs tmpfs rw\n\
                 3 1 0:8 / /tmp ro - tmpfs tmpfs rw\n4 1 8:2 / /opt ro - squashfs /dev/loop0 ro\n";
    let plan = |text: &str| {
        let mounts = parse_mountinfo(Path::new("mountinfo"), text.as_bytes(), &mut Faults::default()).unwrap();
        Plan::new(mounts, |mount| mount.mount_point.clone())
    };
    let says = |read_only: bool| Ok(RawFilesystemUsage { read_only, ..RawFilesystemUsage::default() });
    let answers = |root, over| [(0, root), (1, says(true)), (2, over), (3, says(true))].into_iter().collect();
    let read = plan(table);
    assert!(!read.is_blind);
    assert!(read.agrees(&answers(says(false), says(true))), "the hidden one is not compared");
    assert!(!read.agrees(&answers(says(true), says(true))), "an error has turned it read-only");
    assert!(!read.agrees(&answers(says(false), says(false))), "somebody has made it writable");
    let failed = |error| read.agrees(&answers(Err(error), says(true)));
    assert!(failed(ReadError::Stuck { path: "/".to_owned() }));
    assert!(!failed(ReadError::Unsupported { path: "/".to_owned() }), "it is somewhere else now");
    let ostree = "1 0 8:1 / /sysroot ro - ext4 /dev/sda1 rw\n2 1 8:1 /v /longer/var rw - ext4 /dev/sda1 rw\n";
    assert!(plan(ostree).is_blind);
}

#[test]
fn a_root_that_no_table_lists_is_asked_all_the_same() {
    let table = "1 0 0:5 / /proc rw - proc proc rw\n2 0 8:1 / /boot rw - ext4 /dev/sda1 rw\n";
    let call = |path: &Path| {
        let blocks = if path.ends_with("boot") { 1 } else { 2 };
        Ok(RawFilesystemUsage { blocks, ..RawFilesystemUsage::default() })
    };
    let (_dir, rows) = read(table, Arc::new(call));
    let told: Vec<_> =
        rows.iter().filter(|row| row.also_at.is_some()).map(|row| (&*row.mount_point, row.device_backed)).collect();
    assert_eq!(told, [("/boot", true), ("/", false)]);
    assert_eq!(rows[2].usage.as_ref().unwrap().as_ref().unwrap().blocks, 2);
    let listed = format!("{table}3 0 0:40 / / rw - overlay overlay rw\n");
    let (_dir, rows) = read(&listed, Arc::new(call));
    assert_eq!(rows.iter().filter(|row| row.mount_point == "/").count(), 1);
}

#[test]
fn a_laptop() {
    let paths = testing::laptop();
    let rootfs = paths.rootfs.clone();
    let mut reader = Reader::with_limit(&paths, Duration::from_secs(10), move |path| {
        assert!(path.starts_with(&rootfs), "{path:?}");
        let blocks = path.strip_prefix(&rootfs).unwrap().as_os_str().len() as u64;
        Ok(RawFilesystemUsage { blocks, ..RawFilesystemUsage::default() })
    });
    let rows = shown(&mut reader);
    let brief =
        |row: &RawMount| (row.mount_point.clone(), row.device.clone(), row.usage.clone().unwrap().unwrap().blocks);
    let expected = [
        ("/".to_owned(), "/dev/mapper/vg0-root".to_owned(), 0),
        ("/boot".to_owned(), "/dev/nvme0n1p2".to_owned(), 4),
        ("/boot/efi".to_owned(), "/dev/nvme0n1p1".to_owned(), 8),
    ];
    assert_eq!(rows.iter().map(brief).collect::<Vec<_>>(), expected);
    assert!(rows.iter().all(|row| row.device_backed));
    assert_eq!((rows[0].kind.as_str(), rows[0].major_minor), ("ext4", Some((253, 0))));
    assert_eq!(rows[0].options, "rw,relatime,errors=remount-ro");
    assert_eq!(rows[0].also_at.iter().flatten().map(|at| at.mount_point.as_str()).collect::<Vec<_>>(), ["/mnt/files"]);
}

#[test]
fn the_mounts_of_the_watched_machine() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths { procfs: dir.path().into(), rootfs: "/host".into(), ..Paths::host() };
    let mut reader = Reader::with_limit(&paths, Duration::from_secs(10), |_| Ok(RawFilesystemUsage::default()));
    assert!(matches!(reader.read(&mut Faults::default()), Err(ReadError::Unsupported { .. })));
    let mut points = || shown(&mut reader).into_iter().map(|row| row.mount_point).collect::<Vec<_>>();
    fs::create_dir(dir.path().join("self")).unwrap();
    let own = "1 1 8:9 / / rw - ext4 /dev/sdc rw\n2 1 8:1 / /host rw - ext4 /dev/sda1 rw\n\
               3 2 8:2 / /host/home rw - ext4 /dev/sda2 rw\n4 1 8:3 / /hostile rw - ext4 /dev/sdb rw\n";
    fs::write(dir.path().join("self/mountinfo"), own).unwrap();
    assert_eq!(points(), ["/", "/home"], "our own table, as the host sees it");
    fs::create_dir(dir.path().join("1")).unwrap();
    fs::write(dir.path().join("1/mountinfo"), "1 1 8:1 / / rw - ext4 /dev/sda1 rw\n").unwrap();
    assert_eq!(points(), ["/"], "the table of the host's first process");
    fs::write(dir.path().join("1/mountinfo"), "garbage\n").unwrap();
    assert!(matches!(reader.read(&mut Faults::default()), Err(ReadError::Parse { line: 1, .. })));
}

#[test]
fn a_mount_point_that_is_no_text_is_asked_by_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("self")).unwrap();
    fs::write(dir.path().join("self/mountinfo"), b"1 1 8:1 / /a\xff\\040b rw - ext4 /dev/sda1 rw\n").unwrap();
    let (sender, asked) = sync_channel(1);
    let sender = Mutex::new(sender);
    let paths = Paths { procfs: dir.path().into(), ..Paths::host() };
    let mut reader = Reader::with_limit(&paths, Duration::from_secs(10), move |path| {
        sender.lock().unwrap().send(path.as_os_str().as_bytes().to_vec()).unwrap();
        Err(io::Error::from_raw_os_error(5))
    });
    let rows = shown(&mut reader);
    assert_eq!(rows[0].mount_point, "/a\u{fffd} b");
    assert!(matches!(rows[0].usage, Some(Err(ReadError::Io { .. }))));
    assert_eq!(asked.recv().unwrap(), b"/a\xff b");
}

#[test]
fn a_hung_mount_has_a_row_and_the_others_have_their_numbers() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("self")).unwrap();
    let text = "1 1 8:1 / /dead rw - ext4 /dev/sda1 rw\n2 1 8:2 / /alive rw - ext4 /dev/sda2 rw\n";
    fs::write(dir.path().join("self/mountinfo"), text).unwrap();
    let (release, released) = sync_channel::<()>(1);
    let released = Mutex::new(released);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let paths = Paths { procfs: dir.path().into(), ..Paths::host() };
    let mut reader = Reader::with_limit(&paths, Duration::from_secs(1), move |path| {
        if path == Path::new("/dead") {
            counted.fetch_add(1, Ordering::SeqCst);
            // Hangs until the other end is dropped; answers at once from then on.
            released.lock().unwrap().recv().unwrap_err();
        }
        Ok(RawFilesystemUsage::default())
    });
    // In the first pass the dead one takes most of the time that there is for both.
    let give_up = Instant::now() + Duration::from_secs(60);
    let mut answers = 0;
    while answers < 3 {
        let rows = shown(&mut reader);
        assert!(matches!(&rows[0].usage, Some(Err(ReadError::Stuck { path })) if path == "/dead"));
        answers += usize::from(matches!(rows[1].usage, Some(Ok(_))));
        assert!(Instant::now() < give_up, "the living one answered {answers} times");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1, "it is asked once, on one thread, however often it is looked for");
    drop(release);
    while matches!(shown(&mut reader)[0].usage, Some(Err(_))) {
        assert!(Instant::now() < give_up, "it did not recover");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn this_machine_has_one_root() {
    let mut reader = Reader::new(&Paths::host());
    let rows = shown(&mut reader);
    let root: Vec<_> = rows.iter().filter(|row| row.mount_point == "/").collect();
    assert_eq!(root.len(), 1);
    let usage = root[0].usage.clone().unwrap().unwrap();
    assert!(usage.available <= usage.blocks);
}
