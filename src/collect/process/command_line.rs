//! The command line of one process: `/proc/PID/cmdline` (`proc_pid_cmdline(5)`).
//!
//! Read on a client's request only, never with a sample. What is shown to anybody goes through
//! [`crate::model::redact::redact`] first.

use super::parse::{CUT_NAME_BYTES, complete_name, parse_group, parse_stat};
use crate::collect::{Paths, file};
use crate::model::{ReadError, Reading};

/// The arguments of process `pid`, as it was started with them or as it has set them since. A kernel thread and a zombie
/// have none. [`ReadError::Vanished`] when there is no such process.
pub fn command_line(paths: &Paths, pid: u32) -> Reading<Vec<String>> {
    let path = paths.proc(&format!("{pid}/cmdline"));
    match file::read_text(&path) {
        Ok(text) => Ok(arguments(&text)),
        Err(ReadError::Unsupported { path }) => Err(ReadError::Vanished { path }),
        Err(error) => Err(error),
    }
}

/// Name of process `pid`, as in the process table. [`ReadError::Vanished`] when there is no such process; the number of a
/// thread, which `/proc` answers to as well, is none.
pub fn name(paths: &Paths, pid: u32) -> Reading<String> {
    let status = paths.proc(&format!("{pid}/status"));
    if std::fs::read(&status).is_ok_and(|text| parse_group(&text).is_some_and(|group| group != pid)) {
        return Err(ReadError::Vanished { path: status.display().to_string() });
    }
    let path = paths.proc(&format!("{pid}/stat"));
    let stat = std::fs::read(&path).map_err(|error| match file::read_error(&path, &error) {
        ReadError::Unsupported { path } => ReadError::Vanished { path },
        other => other,
    })?;
    let comm = parse_stat(&stat).map_err(|reason| file::parse_error(&path, 1, reason))?.comm;
    let line = if comm.len() >= CUT_NAME_BYTES {
        std::fs::read(paths.proc(&format!("{pid}/cmdline")))
    } else {
        Ok(Vec::new())
    };
    Ok(String::from_utf8_lossy(complete_name(comm, &line.unwrap_or_default())).into_owned())
}

/// Arguments end at a NUL each; a process that wrote its own title may have left the last one off.
fn arguments(text: &str) -> Vec<String> {
    let text = text.strip_suffix('\0').unwrap_or(text);
    if text.is_empty() { Vec::new() } else { text.split('\0').map(str::to_owned).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_end_at_nul() {
        assert_eq!(arguments("bash\0-c\0\0"), ["bash", "-c", ""]);
        assert_eq!(arguments("sshd: alice [priv]"), ["sshd: alice [priv]"]);
        assert!(arguments("").is_empty());
        assert!(arguments("\0").is_empty());
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
