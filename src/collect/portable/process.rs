//! Processes, as `sysinfo` tells them: the table, single ones, and this program itself.
//!
//! Nothing is kept from one reading to the next: `sysinfo` reads a process's name and command line when it meets the process
//! and never again, so a shell that has become another program would keep its name. What a share of the CPU is counted
//! from, the time that a process took, is told whole each time.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use rustix::process::{Resource, getrlimit};
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

use super::{Users, failed};
use crate::collect::naming;
use crate::model::own::OwnProcess;
use crate::model::portable::{ProcessRow, ProcessTable};
use crate::model::process::ProcessState;
use crate::model::{ReadError, Reading};

/// Reads the process table.
#[derive(Default)]
pub(super) struct Reader {
    users: Users,
}

impl Reader {
    /// Every process, threads left out.
    pub(super) fn read(&mut self) -> Reading<ProcessTable> {
        let kind = ProcessRefreshKind::nothing()
            .with_cpu()
            .with_memory()
            .with_user(UpdateKind::OnlyIfNotSet)
            .with_cmd(UpdateKind::OnlyIfNotSet)
            .without_tasks();
        let system = read("process", ProcessesToUpdate::All, kind)?;
        let mut list: Vec<ProcessRow> = system.processes().values().map(|process| self.row(process)).collect();
        if list.is_empty() {
            return Err(ReadError::Unsupported { path: "processes".to_owned() });
        }
        list.sort_unstable_by_key(|row| row.pid);
        Ok(ProcessTable { list })
    }

    fn row(&mut self, process: &Process) -> ProcessRow {
        let uid = process.user_id().map(|uid| **uid);
        let memory = (process.memory(), process.virtual_memory());
        // A kernel thread of Linux has none; elsewhere this is a process of which we may not see it.
        let is_told = cfg!(target_os = "linux") || memory != (0, 0);
        ProcessRow {
            pid: process.pid().as_u32(),
            parent: process.parent().map(Pid::as_u32),
            name: Arc::from(shown_name(process)),
            state: state_of(process.status()),
            uid,
            user: uid.and_then(|uid| self.users.name(uid)),
            start_unix_seconds: process.start_time(),
            cpu_milliseconds: process.accumulated_cpu_time(),
            memory_bytes: is_told.then_some(memory),
        }
    }
}

fn read(what: &str, which: ProcessesToUpdate<'_>, kind: ProcessRefreshKind) -> Reading<System> {
    let mut system = System::new().map_err(|error| failed(what, &error))?;
    system.refresh_processes_specifics(which, true, kind);
    Ok(system)
}

fn shown_name(process: &Process) -> String {
    let line = process.cmd().first().map_or(&b""[..], |first| first.as_bytes());
    // Where there is but one argument it ends the command line.
    let line = if process.cmd().len() > 1 { [line, b"\0x\0"].concat() } else { line.to_vec() };
    naming::of(process.name().as_bytes(), &line)
}

fn state_of(status: ProcessStatus) -> ProcessState {
    match status {
        ProcessStatus::Run => ProcessState::Running,
        ProcessStatus::Sleep => ProcessState::Sleeping,
        ProcessStatus::UninterruptibleDiskSleep => ProcessState::DiskSleep,
        ProcessStatus::Stop => ProcessState::Stopped,
        ProcessStatus::Tracing => ProcessState::TracingStop,
        ProcessStatus::Zombie => ProcessState::Zombie,
        ProcessStatus::Dead => ProcessState::Dead,
        ProcessStatus::Idle => ProcessState::Idle,
        _ => ProcessState::Unknown,
    }
}

/// One process with its command line. A thread is no process.
fn one<T>(pid: u32, pick: impl FnOnce(&Process) -> T) -> Reading<T> {
    let pids = [Pid::from_u32(pid)];
    let kind = ProcessRefreshKind::nothing().with_cmd(UpdateKind::OnlyIfNotSet).without_tasks();
    let system = read("process", ProcessesToUpdate::Some(&pids), kind)?;
    let process = system.process(pids[0]).filter(|process| process.thread_kind().is_none());
    process.map(pick).ok_or_else(|| ReadError::Vanished { path: format!("process {pid}") })
}

/// The name of process `pid`, as in the table. [`ReadError::Vanished`] when there is no such process.
pub(in crate::collect) fn name(pid: u32) -> Reading<String> {
    one(pid, shown_name)
}

/// The arguments of process `pid`. [`ReadError::Vanished`] when there is no such process.
pub(in crate::collect) fn command_line(pid: u32) -> Reading<Vec<String>> {
    one(pid, |process| process.cmd().iter().map(|word| text_of(word)).collect())
}

fn text_of(word: &OsStr) -> String {
    word.to_string_lossy().into_owned()
}

/// This program.
pub(super) fn own() -> Reading<OwnProcess> {
    let pid = sysinfo::get_current_pid().map_err(|error| failed("own", &error))?;
    let kind = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
    let system = read("own", ProcessesToUpdate::Some(&[pid]), kind)?;
    let process = system.process(pid).ok_or_else(|| ReadError::Vanished { path: "own process".to_owned() })?;
    let boot = System::boot_time().map_err(|error| failed("own", &error))?;
    Ok(OwnProcess {
        cpu_seconds: process.accumulated_cpu_time() as f64 / 1000.0,
        resident_bytes: process.memory(),
        virtual_bytes: process.virtual_memory(),
        virtual_limit_bytes: getrlimit(Resource::As).current,
        open_descriptors: process.open_files().map(|count| count as u64),
        descriptor_limit: getrlimit(Resource::Nofile).current,
        start_seconds_after_boot: process.start_time().saturating_sub(boot) as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_is_known_and_nobodys_is_gone() {
        let own = std::process::id();
        assert_eq!(command_line(own).unwrap(), std::env::args().collect::<Vec<_>>());
        assert!(!name(own).unwrap().is_empty());
        for pid in [u32::MAX, i32::MAX as u32] {
            assert!(matches!(command_line(pid), Err(ReadError::Vanished { .. })));
            assert!(matches!(name(pid), Err(ReadError::Vanished { .. })));
        }
    }

    #[test]
    fn a_thread_is_no_process() {
        let thread = std::thread::spawn(|| name(rustix::thread::gettid().as_raw_nonzero().get() as u32));
        assert!(matches!(thread.join().unwrap(), Err(ReadError::Vanished { .. })));
    }

    #[test]
    fn the_table_has_us_and_our_memory_in_order() {
        let table = Reader::default().read().unwrap();
        assert!(table.list.is_sorted_by_key(|row| row.pid));
        let own = table.list.iter().find(|row| row.pid == std::process::id()).unwrap();
        assert!(own.memory_bytes.is_some_and(|(resident, address_space)| 0 < resident && resident <= address_space));
        assert_eq!(own.uid, Some(rustix::process::getuid().as_raw()));
    }
}
