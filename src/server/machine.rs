//! What the server asks of the machine itself, beside the numbers of the sampler. `app` hands in who answers; the server
//! reads no file of the machine.

use crate::model::Reading;

/// Who answers. Every call may wait for the kernel, so none is made on a thread that serves clients.
pub trait Machine: Send + Sync {
    /// The name of a process, as in the process table. `ReadError::Vanished` when there is no such process.
    fn process_name(&self, pid: u32) -> Reading<String>;

    /// The arguments that a process was started with, nothing masked.
    fn command_line(&self, pid: u32) -> Reading<Vec<String>>;

    /// Whether the processes that are shown are those that a signal from here reaches. Waits for nothing.
    fn is_own(&self) -> bool;

    /// Whether what is shown is a container's view, not a machine's. Waits for nothing.
    fn is_container(&self) -> bool;

    /// How many descriptors this process may have open, and how many of them the readers of processes may keep. Waits for
    /// nothing.
    fn descriptors(&self) -> (u64, usize);
}
