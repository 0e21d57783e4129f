//! What a container may use: the limits of its control group, beside the numbers of the machine that it shares with others.
//!
//! Raw values are filled by [`crate::collect`]; [`derive()`] is called by [`super::derive()`].

use serde::Serialize;

use super::ratio;

/// A container and its control group. Unlimited is `None`, as is what could not be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawContainer {
    /// `docker`, `podman`, `lxc`, ...
    pub system: &'static str,
    /// 1 or 2: the version of the control groups that tell. `None` where none is mounted.
    pub cgroup_version: Option<u8>,
    /// `memory.max`, or `memory.limit_in_bytes`.
    pub memory_limit_bytes: Option<u64>,
    /// `memory.current`, or `memory.usage_in_bytes`: page cache included.
    pub memory_charged_bytes: Option<u64>,
    /// `inactive_file`, or `total_inactive_file`, of `memory.stat`: page cache that goes first when memory is short.
    pub memory_inactive_file_bytes: Option<u64>,
    /// `memory.swap.max`. Version 1 limits memory and swap together, and tells none of swap alone.
    pub swap_limit_bytes: Option<u64>,
    /// Time on all cores in each period, and the period: `cpu.max`, or `cpu.cfs_quota_us` and `cpu.cfs_period_us`.
    pub cpu_quota: Option<(u64, u64)>,
    /// `pids.max`.
    pub task_limit: Option<u64>,
    /// `pids.current`: tasks, which are processes and threads.
    pub tasks: Option<u64>,
}

/// What a container may use, and uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Container {
    /// `docker`, `podman`, `lxc`, ...
    pub system: &'static str,
    /// Version of the control groups, 1 or 2.
    pub cgroup_version: Option<u8>,
    /// Most memory. `None` where there is no limit.
    pub memory_limit_bytes: Option<u64>,
    /// Memory in use, without page cache that can go: what `docker stats` and Kubernetes show.
    pub memory_used_bytes: Option<u64>,
    /// used / limit.
    pub memory_used_ratio: Option<f64>,
    /// Most swap. `None` where there is no limit.
    pub swap_limit_bytes: Option<u64>,
    /// Cores that it may keep busy. `None` where there is no limit.
    pub cpu_limit_cores: Option<f64>,
    /// Most tasks: processes and threads. `None` where there is no limit.
    pub task_limit: Option<u64>,
    /// Tasks: processes and threads.
    pub tasks: Option<u64>,
}

/// The limits with what is used of them.
pub(super) fn derive(raw: &RawContainer) -> Container {
    let inactive = raw.memory_inactive_file_bytes.unwrap_or(0);
    let memory_used_bytes = raw.memory_charged_bytes.map(|charged| charged.saturating_sub(inactive));
    Container {
        system: raw.system,
        cgroup_version: raw.cgroup_version,
        memory_limit_bytes: raw.memory_limit_bytes,
        memory_used_bytes,
        memory_used_ratio: memory_used_bytes.zip(raw.memory_limit_bytes).and_then(|(used, limit)| ratio(used, limit)),
        swap_limit_bytes: raw.swap_limit_bytes,
        cpu_limit_cores: raw
            .cpu_quota
            .filter(|(_, period)| *period > 0)
            .map(|(quota, period)| quota as f64 / period as f64),
        task_limit: raw.task_limit,
        tasks: raw.tasks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_of_a_limit() {
        let raw = RawContainer {
            system: "docker",
            memory_limit_bytes: Some(1_000),
            memory_charged_bytes: Some(700),
            memory_inactive_file_bytes: Some(200),
            cpu_quota: Some((150_000, 100_000)),
            ..RawContainer::default()
        };
        let container = derive(&raw);
        assert_eq!((container.memory_used_bytes, container.memory_used_ratio), (Some(500), Some(0.5)));
        assert_eq!(container.cpu_limit_cores, Some(1.5));
        let no_limit = derive(&RawContainer { memory_limit_bytes: None, cpu_quota: None, ..raw });
        assert_eq!((no_limit.memory_used_bytes, no_limit.memory_used_ratio), (Some(500), None));
        assert_eq!(no_limit.cpu_limit_cores, None);
        let odd = RawContainer { memory_charged_bytes: Some(100), cpu_quota: Some((1, 0)), ..raw };
        assert_eq!((derive(&odd).memory_used_bytes, derive(&odd).cpu_limit_cores), (Some(0), None));
        assert_eq!(derive(&RawContainer::default()), Container::default());
    }
}
