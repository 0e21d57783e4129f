//! statvfs(3) on a thread of its own, because on a dead mount it never comes back.
//!
//! Used by the reader of file systems. Knows nothing of mount tables. Not on the runtime's blocking pool: a runtime that stops
//! waits for its pool, and a hung call would keep the program from ending.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::Below;
use super::file::read_error;
use crate::model::storage::RawFilesystemUsage;
use crate::model::{ReadError, Reading};

/// The call itself. Tests put one in its place that hangs.
pub type Call = Arc<dyn Fn(&Path) -> io::Result<RawFilesystemUsage> + Send + Sync>;

/// How long the file systems of one pass may take together before the rest of the program goes on without them.
pub const TIME_LIMIT: Duration = Duration::from_millis(500);

/// Most calls that may hang at once. While so many do, no other file system is asked.
const MOST_STUCK: usize = 8;

/// Stack of a thread, which does nothing but one system call.
const STACK_BYTES: usize = 128 << 10;

/// Asks for one file system at a time and does not wait for those that hang.
pub struct Asker {
    call: Call,
    limit: Duration,
    /// When the file systems of this pass have used up their time.
    deadline: Instant,
    /// The thread that waits for the next question.
    free: Option<Worker>,
    /// Threads that have not answered in time, and where each hangs.
    stuck: Vec<(PathBuf, Worker)>,
}

/// One thread. This side asks and takes the answer, the thread answers; at most one question is on its way, so neither
/// channel ever holds more than one message. The thread ends when this side is dropped, a hung one when its call returns.
struct Worker {
    questions: SyncSender<PathBuf>,
    answers: Receiver<io::Result<RawFilesystemUsage>>,
}

impl Worker {
    fn start(call: &Call) -> io::Result<Self> {
        let (questions, asked) = sync_channel::<PathBuf>(1);
        let (answer, answers) = sync_channel(1);
        let call = Arc::clone(call);
        thread::Builder::new().name("statvfs".into()).stack_size(STACK_BYTES).spawn(move || {
            while let Ok(path) = asked.recv() {
                if answer.send(call(&path)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { questions, answers })
    }
}

impl Asker {
    /// Starts no thread before the first question. `limit` bounds a whole pass.
    pub fn new(call: Call, limit: Duration) -> Self {
        Self { call, limit, deadline: Instant::now(), free: None, stuck: Vec::new() }
    }

    /// A pass begins: its file systems have their full time.
    pub fn begin(&mut self) {
        self.deadline = Instant::now() + self.limit;
    }

    /// The numbers of the file system at `path`, or [`ReadError::Stuck`] when it does not answer.
    ///
    /// One that hangs is not asked again before it has answered. One that answers late, every time, is told as it was when
    /// it last answered.
    pub fn ask(&mut self, path: &Path) -> Reading<RawFilesystemUsage> {
        let Some(index) = self.stuck.iter().position(|(hanging, _)| hanging == path) else {
            self.make_free(path)?;
            return self.ask_free(path, self.deadline.saturating_duration_since(Instant::now()).max(self.limit / 10));
        };
        let late = match self.stuck[index].1.answers.try_recv() {
            Err(TryRecvError::Empty) => return Err(stuck(path)),
            answer => answer,
        };
        let (_, worker) = self.stuck.swap_remove(index);
        let Ok(late) = late else { return Err(ended(path)) };
        // It lives again, or it is slow. Ask anew, but do not give it the whole time a second time.
        self.free = Some(worker);
        match self.ask_free(path, self.limit / 10) {
            Err(ReadError::Stuck { .. }) => late.map_err(|error| read_error(path, &error)),
            fresh => fresh,
        }
    }

    /// Forgets threads that hang on what is not mounted any more, once they have come back.
    pub fn end(&mut self, is_mounted: impl Fn(&Path) -> bool) {
        self.stuck
            .retain(|(path, worker)| is_mounted(path) || matches!(worker.answers.try_recv(), Err(TryRecvError::Empty)));
    }

    fn make_free(&mut self, path: &Path) -> Reading<()> {
        if self.free.is_none() {
            if self.stuck.len() >= MOST_STUCK {
                return Err(stuck(path));
            }
            self.free = Some(Worker::start(&self.call).map_err(|error| read_error(path, &error))?);
        }
        Ok(())
    }

    fn ask_free(&mut self, path: &Path, wait: Duration) -> Reading<RawFilesystemUsage> {
        let Some(worker) = self.free.take() else { return Err(stuck(path)) };
        if worker.questions.try_send(path.to_path_buf()).is_err() {
            return Err(ended(path));
        }
        match worker.answers.recv_timeout(wait) {
            Ok(answer) => {
                self.free = Some(worker);
                answer.map_err(|error| read_error(path, &error))
            }
            Err(RecvTimeoutError::Timeout) => {
                self.stuck.push((path.to_path_buf(), worker));
                Err(stuck(path))
            }
            Err(RecvTimeoutError::Disconnected) => Err(ended(path)),
        }
    }
}

fn stuck(path: &Path) -> ReadError {
    ReadError::Stuck { path: path.display().to_string() }
}

fn ended(path: &Path) -> ReadError {
    ReadError::Io { path: path.display().to_string(), reason: "the thread that asked it has ended".to_owned() }
}

/// statvfs(3) of a path below `rootfs`. No link leads out of it.
pub fn statvfs(rootfs: &Path, path: &Path) -> io::Result<RawFilesystemUsage> {
    let numbers = match path.strip_prefix(rootfs) {
        Ok(file) if rootfs != Path::new("/") => rustix::fs::fstatvfs(Below::new(rootfs, file).handle()?)?,
        _ => rustix::fs::statvfs(path)?,
    };
    Ok(RawFilesystemUsage {
        block_bytes: numbers.f_frsize,
        blocks: numbers.f_blocks,
        free: Some(numbers.f_bfree),
        available: numbers.f_bavail,
        inodes: Some(numbers.f_files),
        inodes_free: Some(numbers.f_ffree),
        read_only: numbers.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::{Condvar, Mutex};

    /// Mounts that hang until they are released, and how often each was asked.
    #[derive(Default)]
    struct Mounts {
        state: Mutex<(HashSet<PathBuf>, Vec<PathBuf>)>,
        changed: Condvar,
    }

    impl Mounts {
        fn hang(&self, path: impl Into<PathBuf>) {
            self.state.lock().unwrap().0.insert(path.into());
        }

        fn release(&self, path: impl AsRef<Path>) {
            self.state.lock().unwrap().0.remove(path.as_ref());
            self.changed.notify_all();
        }

        fn asked(&self, path: impl AsRef<Path>) -> usize {
            self.state.lock().unwrap().1.iter().filter(|asked| *asked == path.as_ref()).count()
        }

        fn call(self: &Arc<Self>) -> Call {
            let mounts = Arc::clone(self);
            Arc::new(move |path| {
                let mut state = mounts.state.lock().unwrap();
                state.1.push(path.to_path_buf());
                let asked = state.1.iter().filter(|asked| *asked == path).count() as u64;
                let state = mounts.changed.wait_while(state, |state| state.0.contains(path)).unwrap();
                drop(state);
                if path == Path::new("/denied") {
                    return Err(io::Error::from_raw_os_error(13));
                }
                Ok(RawFilesystemUsage { blocks: asked, ..RawFilesystemUsage::default() })
            })
        }
    }

    /// So little time that a test need not wait long for what hangs.
    const SHORT: Duration = Duration::from_millis(20);

    /// So much that no busy machine makes a living mount look dead.
    const LONG: Duration = Duration::from_secs(20);

    /// An asker that has found out that `paths` hang, and from then on has all the time for the others.
    fn asker_stuck_at(mounts: &Arc<Mounts>, paths: &[&str]) -> Asker {
        let mut asker = Asker::new(mounts.call(), SHORT);
        for path in paths {
            mounts.hang(path);
            assert!(is_stuck(&pass(&mut asker, path)));
        }
        asker.limit = LONG;
        asker
    }

    fn pass(asker: &mut Asker, path: &str) -> Reading<RawFilesystemUsage> {
        asker.begin();
        let answer = asker.ask(Path::new(path));
        asker.end(|_| true);
        answer
    }

    /// Asks until the answer is a fresh one, not that of a call which came back late.
    fn until_fresh(asker: &mut Asker, mounts: &Mounts, path: &str) {
        let give_up = Instant::now() + LONG;
        loop {
            let answer = pass(asker, path);
            let hangs = asker.stuck.iter().any(|(hanging, _)| hanging == Path::new(path));
            if !hangs && answer.as_ref().is_ok_and(|usage| usage.blocks == mounts.asked(path) as u64) {
                return;
            }
            assert!(Instant::now() < give_up, "{path} did not recover: {answer:?}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn is_stuck(answer: &Reading<RawFilesystemUsage>) -> bool {
        matches!(answer, Err(ReadError::Stuck { .. }))
    }

    #[test]
    fn no_thread_before_the_first_question_and_one_after() {
        let mounts = Arc::default();
        let mut asker = asker_stuck_at(&mounts, &[]);
        assert!(asker.free.is_none());
        assert_eq!(pass(&mut asker, "/a").unwrap().blocks, 1);
        assert_eq!(pass(&mut asker, "/b").unwrap().blocks, 1);
        assert!(asker.free.is_some() && asker.stuck.is_empty());
        assert!(matches!(pass(&mut asker, "/denied"), Err(ReadError::Denied { .. })));
    }

    #[test]
    fn a_hung_mount_delays_once_and_is_asked_once() {
        let mounts = Arc::<Mounts>::default();
        let mut asker = asker_stuck_at(&mounts, &["/dead"]);
        let begin = Instant::now();
        for _ in 0..100 {
            assert!(is_stuck(&pass(&mut asker, "/dead")));
            assert!(pass(&mut asker, "/alive").is_ok());
        }
        assert!(begin.elapsed() < LONG, "100 passes took {:?}", begin.elapsed());
        assert_eq!((mounts.asked("/dead"), mounts.asked("/alive")), (1, 100));
        mounts.release("/dead");
        until_fresh(&mut asker, &mounts, "/dead");
        assert!(mounts.asked("/dead") >= 2 && asker.stuck.is_empty());
    }

    #[test]
    fn a_mount_that_always_answers_late_is_told_as_it_was() {
        // Each call waits for a permit and tells how many calls there were before it was let through.
        let (permits, permitted) = sync_channel::<()>(1);
        let state = Mutex::new((permitted, 0));
        let call: Call = Arc::new(move |_| {
            let mut state = state.lock().unwrap();
            state.0.recv().map_err(|_| io::ErrorKind::Other)?;
            state.1 += 1;
            Ok(RawFilesystemUsage { blocks: state.1, ..RawFilesystemUsage::default() })
        });
        let mut asker = Asker::new(call, SHORT);
        assert!(is_stuck(&pass(&mut asker, "/slow")));
        for count in 1..=3 {
            permits.send(()).unwrap();
            let give_up = Instant::now() + LONG;
            let mut answer = pass(&mut asker, "/slow");
            while is_stuck(&answer) && Instant::now() < give_up {
                thread::sleep(Duration::from_millis(1));
                answer = pass(&mut asker, "/slow");
            }
            assert_eq!(answer.unwrap().blocks, count);
            assert!(is_stuck(&pass(&mut asker, "/slow")), "it was asked anew and hangs again");
        }
    }

    #[test]
    fn no_more_than_so_many_threads_hang() {
        let mounts = Arc::<Mounts>::default();
        let paths: Vec<String> = (0..MOST_STUCK + 3).map(|number| format!("/dead{number}")).collect();
        let mut asker = asker_stuck_at(&mounts, &paths.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(asker.stuck.len(), MOST_STUCK);
        assert!(is_stuck(&pass(&mut asker, "/alive")), "no thread is left to ask it");
        for path in &paths {
            mounts.release(path);
        }
        for path in &paths {
            until_fresh(&mut asker, &mounts, path);
        }
        until_fresh(&mut asker, &mounts, "/alive");
        assert!(asker.stuck.is_empty());
    }

    #[test]
    fn the_first_hung_mount_leaves_the_others_a_little_time() {
        let mounts = Arc::<Mounts>::default();
        let mut asker = Asker::new(mounts.call(), SHORT);
        mounts.hang("/dead1");
        mounts.hang("/dead2");
        let begin = Instant::now();
        asker.begin();
        assert!(is_stuck(&asker.ask(Path::new("/dead1"))) && is_stuck(&asker.ask(Path::new("/dead2"))));
        assert!(begin.elapsed() >= SHORT + SHORT / 10, "the second one had its share too");
        asker.limit = LONG;
        assert!(asker.deadline < Instant::now() && asker.ask(Path::new("/alive")).is_ok());
        mounts.release("/dead1");
        mounts.release("/dead2");
    }

    #[test]
    fn what_is_not_mounted_any_more_is_forgotten() {
        let mounts = Arc::<Mounts>::default();
        let mut asker = asker_stuck_at(&mounts, &["/dead"]);
        asker.end(|_| false);
        assert_eq!(asker.stuck.len(), 1, "its thread still hangs and still counts");
        mounts.release("/dead");
        let give_up = Instant::now() + LONG;
        while !asker.stuck.is_empty() && Instant::now() < give_up {
            asker.end(|_| false);
            thread::sleep(Duration::from_millis(1));
        }
        assert!(asker.stuck.is_empty());
    }

    #[test]
    fn threads_end_with_their_asker() {
        let mounts = Arc::<Mounts>::default();
        let mut asker = asker_stuck_at(&mounts, &["/dead"]);
        assert!(pass(&mut asker, "/alive").is_ok());
        drop(asker);
        mounts.release("/dead");
        let give_up = Instant::now() + LONG;
        while Arc::strong_count(&mounts) > 1 && Instant::now() < give_up {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(Arc::strong_count(&mounts), 1, "every thread has dropped its call");
    }

    #[test]
    fn a_call_that_panics_is_an_error_and_no_more() {
        let call: Call = Arc::new(|path| {
            assert!(path != Path::new("/bad"), "a test's own panic");
            Ok(RawFilesystemUsage::default())
        });
        let mut asker = Asker::new(call, LONG);
        assert!(matches!(pass(&mut asker, "/bad"), Err(ReadError::Io { .. })));
        assert!(pass(&mut asker, "/good").is_ok());
    }

    #[test]
    fn this_machine_has_a_root() {
        let usage = statvfs(Path::new("/"), Path::new("/")).unwrap();
        assert!(usage.block_bytes > 0 && usage.free <= Some(usage.blocks) && Some(usage.available) <= usage.free);
        assert!(statvfs(Path::new("/"), Path::new("/nowhere/at/all")).is_err());
    }

    #[test]
    fn a_link_below_another_root_leads_to_no_file_system_of_this_machine() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("srv/data")).unwrap();
        for (target, link) in [("/srv", "to-srv"), ("/proc", "to-proc")] {
            std::os::unix::fs::symlink(target, root.path().join(link)).unwrap();
        }
        let blocks = |path: &str| statvfs(root.path(), &root.path().join(path)).map(|usage| usage.blocks);
        assert_eq!(blocks("to-srv/data").unwrap(), blocks("").unwrap());
        assert!(blocks("to-proc").is_err(), "this machine's, if anybody's");
    }
}
