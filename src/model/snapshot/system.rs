//! Derived numbers of processor, memory, swap and pressure.

use serde::Serialize;

/// CPU time by mode. In [`CpuTime::seconds`] cumulative seconds since boot, in [`CpuTime::ratios`] shares of the last
/// interval. `user` and `nice` exclude the guests that they contain in `/proc/stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Modes {
    /// User mode, guests excluded.
    pub user: f64,
    /// User mode at low priority, guests excluded.
    pub nice: f64,
    /// Kernel mode.
    pub system: f64,
    /// Idle.
    pub idle: f64,
    /// Idle with I/O outstanding.
    pub iowait: f64,
    /// Serving interrupts.
    pub irq: f64,
    /// Serving soft interrupts.
    pub softirq: f64,
    /// Taken by the hypervisor for others.
    pub steal: f64,
    /// Running guests.
    pub guest: f64,
    /// Running low priority guests.
    pub guest_nice: f64,
}

/// CPU time of the machine or of one core.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CpuTime {
    /// 1 - (idle + iowait) / total over the last interval, 0 to 1.
    pub busy_ratio: Option<f64>,
    /// Share of each mode of the last interval, 0 to 1.
    pub ratios: Option<Modes>,
    /// Seconds in each mode since boot.
    pub seconds: Modes,
}

/// CPU.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cpu {
    /// All cores together.
    pub total: CpuTime,
    /// Each core that is online.
    pub cores: Vec<Core>,
    /// Context switches since boot.
    pub context_switches: Option<u64>,
    /// Interrupts since boot.
    pub interrupts: Option<u64>,
    /// Forks since boot.
    pub forks: Option<u64>,
    /// Runnable tasks now.
    pub running: Option<u64>,
    /// Tasks blocked on I/O now.
    pub blocked: Option<u64>,
    /// Wall clock of the boot, seconds since 1970.
    pub boot_time_unix_seconds: Option<u64>,
}

/// One core.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Core {
    /// Its number.
    pub core: u32,
    /// Its time.
    #[serde(flatten)]
    pub time: CpuTime,
    /// Its clock, MHz.
    pub frequency_mhz: Option<f64>,
    /// Lowest clock of the hardware, MHz.
    pub frequency_min_mhz: Option<f64>,
    /// Highest clock of the hardware, MHz.
    pub frequency_max_mhz: Option<f64>,
}

/// Memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Memory {
    /// `MemTotal`.
    pub total_bytes: u64,
    /// `MemAvailable`.
    pub available_bytes: u64,
    /// `MemTotal` - `MemAvailable`, never below 0.
    pub used_bytes: u64,
    /// `MemFree`.
    pub free_bytes: u64,
    /// used / total. `None` when the total is 0.
    pub used_ratio: Option<f64>,
    /// `Buffers`.
    pub buffers_bytes: Option<u64>,
    /// `Cached`.
    pub cached_bytes: Option<u64>,
    /// `Active`.
    pub active_bytes: Option<u64>,
    /// `Inactive`.
    pub inactive_bytes: Option<u64>,
    /// `Shmem`.
    pub shared_bytes: Option<u64>,
    /// `Slab`.
    pub slab_bytes: Option<u64>,
    /// `SReclaimable`.
    pub slab_reclaimable_bytes: Option<u64>,
    /// `Dirty`.
    pub dirty_bytes: Option<u64>,
}

/// Swap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Swap {
    /// `SwapTotal`.
    pub total_bytes: u64,
    /// `SwapTotal` - `SwapFree`.
    pub used_bytes: u64,
    /// `SwapFree`.
    pub free_bytes: u64,
    /// used / total; 0 where there is no swap.
    pub used_ratio: f64,
    /// Bytes swapped in since boot.
    pub in_bytes: Option<u64>,
    /// Bytes swapped out since boot.
    pub out_bytes: Option<u64>,
    /// Bytes a second swapped in over the last interval.
    pub in_bytes_per_second: Option<f64>,
    /// Bytes a second swapped out over the last interval.
    pub out_bytes_per_second: Option<f64>,
}

/// Pressure stall information: who waits for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Pressure {
    /// Waiting for a CPU.
    pub cpu: Option<Stalls>,
    /// Waiting for memory.
    pub memory: Option<Stalls>,
    /// Waiting for I/O.
    pub io: Option<Stalls>,
}

/// Both lines of one pressure file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stalls {
    /// At least one task was waiting.
    pub some: Stall,
    /// All tasks were waiting. `None` where the kernel has no such line.
    pub full: Option<Stall>,
}

/// One line of a pressure file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stall {
    /// Share of the last 10 seconds, 0 to 1.
    pub avg10_ratio: f64,
    /// Share of the last minute, 0 to 1.
    pub avg60_ratio: f64,
    /// Share of the last 5 minutes, 0 to 1.
    pub avg300_ratio: f64,
    /// Seconds since boot.
    pub total_seconds: f64,
}
