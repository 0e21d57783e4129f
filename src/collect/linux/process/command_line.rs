//! The command line of one process: `/proc/PID/cmdline` (`proc_pid_cmdline(5)`).
//!
//! Read on a client's request only, never with a sample. What is shown to anybody goes through
//! [`crate::model::redact::redact`] first.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::parse::{parse_group, parse_stat};
use crate::collect::Paths;
use crate::collect::linux::file::{parse_error, read_error, text_of};
use crate::collect::naming;
use crate::model::redact::MOST_BYTES;
use crate::model::{ReadError, Reading};

/// Most bytes that are read of one file. A process may make its command line gigabytes long (prctl(2), `PR_SET_MM`). More
/// than is ever shown, so that what is left out can be seen to be.
const READ_BYTES: u64 = 2 * MOST_BYTES as u64;

/// The arguments of process `pid`, as it was started with them or as it has set them since, those that begin in the first
/// [`READ_BYTES`]. A kernel thread and a zombie have none. [`ReadError::Vanished`] when there is no such process.
pub fn command_line(paths: &Paths, pid: u32) -> Reading<Vec<String>> {
    let path = paths.proc(&format!("{pid}/cmdline"));
    match head_of(&path) {
        Ok(bytes) => Ok(arguments(&text_of(bytes))),
        Err(error) => Err(gone_or(read_error(&path, &error))),
    }
}

/// Name of process `pid`, as in the process table. [`ReadError::Vanished`] when there is no such process; the number of a
/// thread, which `/proc` answers to as well, is none.
pub fn name(paths: &Paths, pid: u32) -> Reading<String> {
    let status = paths.proc(&format!("{pid}/status"));
    if head_of(&status).is_ok_and(|text| parse_group(&text).is_some_and(|group| group != pid)) {
        return Err(ReadError::Vanished { path: status.display().to_string() });
    }
    let path = paths.proc(&format!("{pid}/stat"));
    let stat = head_of(&path).map_err(|error| gone_or(read_error(&path, &error)))?;
    let comm = parse_stat(&stat).map_err(|reason| parse_error(&path, 1, reason))?.comm;
    let line = if naming::is_cut(comm) {
        head_of(&paths.proc(&format!("{pid}/cmdline"))).unwrap_or_default()
    } else {
        Vec::new()
    };
    Ok(naming::of(comm, &line))
}

/// The first [`READ_BYTES`] of a file.
fn head_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(READ_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A process without the file is a process that is not there.
fn gone_or(error: ReadError) -> ReadError {
    match error {
        ReadError::Unsupported { path } => ReadError::Vanished { path },
        other => other,
    }
}

/// Arguments end at a NUL each; a process that wrote its own title may have left the last one off, or filled up with NULs
/// what the title did not take: those are no arguments. An empty argument between others is one, and so is a single empty
/// one at the end.
fn arguments(text: &str) -> Vec<String> {
    let told = text.trim_end_matches('\0');
    if told.is_empty() {
        return Vec::new();
    }
    let mut arguments: Vec<String> = told.split('\0').map(str::to_owned).collect();
    if arguments.len() > 1 && text.len() - told.len() == 2 {
        arguments.push(String::new());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing;
    use crate::model::hostile_text;

    #[test]
    fn arguments_end_at_nul() {
        assert_eq!(arguments("bash\0-c\0\0"), ["bash", "-c", ""]);
        assert_eq!(arguments("sshd: alice [priv]"), ["sshd: alice [priv]"]);
        assert!(arguments("").is_empty());
        assert!(arguments("\0").is_empty());
    }

    #[test]
    fn nuls_behind_a_title_are_no_arguments() {
        assert_eq!(arguments(&format!("Process Title{}", "\0".repeat(40))), ["Process Title"]);
        assert_eq!(arguments("title\0\0"), ["title"]);
        assert_eq!(arguments("tool\0--token\0\0\0\0\0"), ["tool", "--token"]);
        assert_eq!(arguments("tool\0\0\0x\0"), ["tool", "", "", "x"]);
        assert_eq!(arguments("\0x"), ["", "x"]);
        assert!(arguments("\0\0\0").is_empty());
    }

    #[test]
    fn no_more_is_read_than_can_be_shown() {
        let endless = [b"tool\0".as_slice(), &[b'x'; 1 << 20]].concat();
        let (_dir, paths) = testing::machine_of(&[("proc/7/cmdline", endless)]);
        let read = command_line(&paths, 7).unwrap();
        assert_eq!((read.len(), read[1].len() as u64), (2, READ_BYTES - 5));
    }

    #[test]
    fn any_text_takes_time_by_its_length() {
        hostile_text::assert_linear("a command line", |text| drop(arguments(&text_of(text.to_vec()))));
    }

    #[test]
    fn our_own_is_known_and_nobodys_is_gone() {
        let own = command_line(&Paths::host(), std::process::id()).unwrap();
        assert_eq!(own, std::env::args().collect::<Vec<_>>());
        assert!(matches!(command_line(&Paths::host(), u32::MAX), Err(ReadError::Vanished { .. })));
    }

    #[test]
    fn a_thread_is_no_process() {
        let paths = Paths::host();
        assert!(name(&paths, std::process::id()).is_ok());
        let thread = std::thread::spawn(move || name(&paths, rustix::thread::gettid().as_raw_nonzero().get() as u32));
        assert!(matches!(thread.join().unwrap(), Err(ReadError::Vanished { .. })));
    }
}
