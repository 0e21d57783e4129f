//! Names of users by number, from `/etc/passwd` and, for those not in it, from the system's name services.
//!
//! Called by the readers of processes and of the host for every user they meet; a known name costs one look into a map.
//! Not sysinfo: it reads `/etc/passwd` alone, of this root only, and leaves out accounts without a login shell.
//!
//! Name services (LDAP, systemd's dynamic users) may take as long as a network does. They are asked on a thread of its own:
//! the first look finds nothing, a later one the answer. Nothing here ever waits for them, [`Users::name_within`] aside.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::os_release::{Version, version};
use super::{Below, Paths};

/// How often `/etc/passwd` is looked at for a change.
const FILE_AGE: Duration = Duration::from_secs(1);

/// How long an answer of the name services is believed, "no such user" as well.
const ANSWER_AGE: Duration = Duration::from_secs(300);

/// Most questions, and most answers, that wait for their turn. A question beyond that is asked again later.
const QUEUE: usize = 64;

/// Most answers of the name services that are kept.
const LARGEST_CACHE: usize = 4096;

/// Who asks the system for the name of a user.
type Ask = fn(u32) -> Option<String>;

/// Our ends of the questions and of the answers, which carry the user they are about.
type Lines = (SyncSender<u32>, Receiver<(u32, Option<String>)>);

/// The names of users.
#[derive(Debug)]
pub struct Users {
    file: Below,
    /// Of the file as it was read; `None` when it could not be looked at.
    version: Option<Version>,
    looked_at: Option<Instant>,
    names: HashMap<u32, Arc<str>>,
    services: Option<Services>,
}

impl Users {
    /// Opens nothing and starts nothing yet. Under another root the file there is all that is known.
    pub fn new(paths: &Paths) -> Self {
        Self::asking(paths.root("etc/passwd"), paths.is_live().then_some(ask_system as Ask))
    }

    fn asking(file: Below, ask: Option<Ask>) -> Self {
        Self { file, version: None, looked_at: None, names: HashMap::new(), services: ask.map(Services::new) }
    }

    /// The name of user `uid`, as far as it is known by now.
    pub fn name(&mut self, uid: u32) -> Option<Arc<str>> {
        self.name_at(uid, Instant::now())
    }

    /// Like [`Self::name`], and waits up to `limit` for the name services. For the one name that is looked up once.
    pub fn name_within(&mut self, uid: u32, limit: Duration) -> Option<Arc<str>> {
        let name = self.name(uid);
        if name.is_some() {
            return name;
        }
        self.services.as_mut()?.wait(uid, limit)
    }

    fn name_at(&mut self, uid: u32, now: Instant) -> Option<Arc<str>> {
        self.refresh(now);
        match self.names.get(&uid) {
            Some(name) => Some(Arc::clone(name)),
            None => self.services.as_mut()?.name(uid, now),
        }
    }

    /// Reads the file again when it is another one than last time. One that cannot be read has no names.
    fn refresh(&mut self, now: Instant) {
        if self.looked_at.is_some_and(|then| now.saturating_duration_since(then) < FILE_AGE) {
            return;
        }
        let first = self.looked_at.replace(now).is_none();
        let version = self.file.metadata().ok().map(|metadata| version(&metadata));
        if first || version != self.version {
            self.version = version;
            self.names = self.file.read_text().map(|text| parse(&text)).unwrap_or_default();
        }
    }
}

/// Lines of passwd(5), `name:password:uid:...`. Of several names for one number the first counts, as for the C library.
/// Lines in another form (`+` of the Yellow Pages) name nobody.
fn parse(text: &str) -> HashMap<u32, Arc<str>> {
    let mut names = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let (Some(name), Some(uid)) = (fields.next(), fields.nth(1)) else { continue };
        if let (false, Ok(uid)) = (name.is_empty(), uid.parse()) {
            names.entry(uid).or_insert_with(|| Arc::from(name));
        }
    }
    names
}

/// `getpwuid_r(3)`. May take long.
fn ask_system(uid: u32) -> Option<String> {
    nix::unistd::User::from_uid(uid.into()).ok().flatten().map(|user| user.name)
}

/// What the name services said, and the thread that asks them.
#[derive(Debug)]
struct Services {
    ask: Ask,
    known: HashMap<u32, Known>,
    /// Both bounded by [`QUEUE`]. The thread lives until this end of the questions is dropped, and is started by the first.
    lines: Option<Lines>,
}

/// One user as the name services know it.
#[derive(Debug)]
struct Known {
    name: Option<Arc<str>>,
    /// Until when that is believed; after it the old answer serves until the new one is there.
    until: Instant,
    asked: bool,
}

impl Services {
    fn new(ask: Ask) -> Self {
        Self { ask, known: HashMap::new(), lines: None }
    }

    fn name(&mut self, uid: u32, now: Instant) -> Option<Arc<str>> {
        self.take_answers(now);
        let known = self.known.get(&uid);
        let name = known.and_then(|known| known.name.clone());
        if known.is_none_or(|known| !known.asked && known.until <= now) {
            self.question(uid, name.clone(), now);
        }
        name
    }

    fn wait(&mut self, uid: u32, limit: Duration) -> Option<Arc<str>> {
        let end = Instant::now() + limit;
        while self.known.get(&uid).is_some_and(|known| known.asked) {
            let left = end.saturating_duration_since(Instant::now());
            let (from, name) = self.lines.as_ref()?.1.recv_timeout(left).ok()?;
            self.keep(from, name, Instant::now());
        }
        self.known.get(&uid)?.name.clone()
    }

    fn question(&mut self, uid: u32, name: Option<Arc<str>>, now: Instant) {
        if self.known.len() >= LARGEST_CACHE {
            self.known.retain(|_, known| known.asked);
        }
        if self.lines.is_none() {
            self.lines = start(self.ask);
        }
        // A full queue, with services that answer slowly or not at all: the next look tries again.
        let taken = self.lines.as_ref().is_some_and(|(questions, _)| questions.try_send(uid).is_ok());
        if taken {
            self.known.insert(uid, Known { name, until: now, asked: true });
        }
    }

    fn take_answers(&mut self, now: Instant) {
        while let Some((uid, name)) = self.lines.as_ref().and_then(|(_, answers)| answers.try_recv().ok()) {
            self.keep(uid, name, now);
        }
    }

    fn keep(&mut self, uid: u32, name: Option<String>, now: Instant) {
        self.known.insert(uid, Known { name: name.map(Arc::from), until: now + ANSWER_AGE, asked: false });
    }
}

/// The thread that asks. It waits for room when nobody takes its answers, and ends with the last question.
fn start(ask: Ask) -> Option<Lines> {
    let (questions, asked) = sync_channel(QUEUE);
    let (answer, answers) = sync_channel(QUEUE);
    let run = move || {
        for uid in asked {
            if answer.send((uid, ask(uid))).is_err() {
                return;
            }
        }
    };
    match thread::Builder::new().name("user-names".into()).spawn(run) {
        Ok(_) => Some((questions, answers)),
        Err(error) => {
            log::warn!("no thread for user names: {error}; users that are not in /etc/passwd stay numbers");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicU32, Ordering};

    fn file(text: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passwd");
        fs::write(&path, text).unwrap();
        (dir, path)
    }

    fn own(path: &Path) -> Below {
        Below::new(Path::new("/"), path)
    }

    #[test]
    fn lines_that_name_nobody_are_passed_over() {
        let names =
            parse("root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\n\n+::::::\nbad:x:99999999999:0\n:x:5:5\na\n");
        assert_eq!(names.len(), 1);
        assert_eq!(&*names[&0], "root");
        assert!(parse("").is_empty());
    }

    #[test]
    fn a_name_is_shared_and_one_that_is_not_text_is_replaced() {
        let (_dir, path) = file(b"root:x:0:0\nj\xf6rg:x:1000:1000\n");
        let mut users = Users::asking(own(&path), None);
        let (one, two) = (users.name(0).unwrap(), users.name(0).unwrap());
        assert!(Arc::ptr_eq(&one, &two));
        assert_eq!(users.name(1000).as_deref(), Some("j\u{fffd}rg"));
        assert_eq!(users.name(1), None);
    }

    #[test]
    fn a_changed_file_is_seen_after_a_second_and_a_missing_one_has_no_names() {
        let (_dir, path) = file(b"root:x:0:0\n");
        let mut users = Users::asking(own(&path), None);
        let begin = Instant::now();
        assert_eq!(users.name_at(7, begin), None);
        fs::write(&path, "root:x:0:0\nnew:x:7:7\n").unwrap();
        assert_eq!(users.name_at(7, begin + FILE_AGE / 2), None);
        assert_eq!(users.name_at(7, begin + FILE_AGE).as_deref(), Some("new"));
        fs::remove_file(&path).unwrap();
        assert_eq!(users.name_at(7, begin + FILE_AGE * 3), None);
    }

    #[test]
    fn the_name_services_answer_later_and_are_believed_for_five_minutes() {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        fn ask(uid: u32) -> Option<String> {
            ASKED.fetch_add(1, Ordering::SeqCst);
            (uid == 5000).then(|| "ldap".to_owned())
        }
        let (_dir, path) = file(b"");
        let mut users = Users::asking(own(&path), Some(ask));
        let begin = Instant::now();
        assert_eq!(users.name_at(5000, begin), None);
        assert_eq!(users.name_within(5000, Duration::from_secs(10)).as_deref(), Some("ldap"));
        assert_eq!(users.name_within(6000, Duration::from_secs(10)), None);
        for _ in 0..10 {
            assert_eq!(users.name_at(5000, begin + ANSWER_AGE / 2).as_deref(), Some("ldap"));
            assert_eq!(users.name_at(6000, begin + ANSWER_AGE / 2), None);
        }
        assert_eq!(ASKED.load(Ordering::SeqCst), 2);
        let later = Instant::now() + ANSWER_AGE * 2;
        assert_eq!(users.name_at(5000, later).as_deref(), Some("ldap"), "the old answer serves until the new one");
        assert_eq!(users.name_within(5000, Duration::from_secs(10)).as_deref(), Some("ldap"));
    }

    #[test]
    fn services_that_hang_delay_nobody_and_their_queue_has_an_end() {
        fn ask(_: u32) -> Option<String> {
            thread::sleep(Duration::from_secs(3600));
            None
        }
        let (_dir, path) = file(b"");
        let mut users = Users::asking(own(&path), Some(ask));
        let begin = Instant::now();
        for uid in 0..10_000 {
            assert_eq!(users.name(uid), None);
        }
        assert_eq!(users.name_within(0, Duration::from_millis(20)), None);
        assert!(begin.elapsed() < Duration::from_secs(60));
        assert!(users.services.unwrap().known.len() <= QUEUE + 1);
    }

    #[test]
    fn the_cache_has_an_end() {
        let (_dir, path) = file(b"");
        let mut users = Users::asking(own(&path), Some(|_| None));
        for uid in 0..3 * LARGEST_CACHE as u32 {
            users.name_within(uid, Duration::from_secs(10));
        }
        assert!(users.services.unwrap().known.len() <= LARGEST_CACHE);
    }

    #[test]
    fn this_machine_knows_root() {
        assert_eq!(Users::new(&Paths::host()).name(0).as_deref(), Some("root"));
        assert_eq!(ask_system(0).as_deref(), Some("root"));
        assert_eq!(ask_system(u32::MAX - 7), None);
    }
}
