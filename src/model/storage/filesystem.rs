//! File systems and mounts: raw from mountinfo and statvfs(3), derived in bytes.

use std::collections::HashMap;

use serde::Serialize;

use crate::model::{ReadError, Reading, ratio};

/// A further place of a file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MountPlace {
    /// Mount point.
    pub mount_point: String,
    /// Options, as the mount table lists them.
    pub options: String,
}

/// statvfs(3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawFilesystemUsage {
    /// `f_frsize`, bytes.
    pub block_bytes: u64,
    /// `f_blocks`.
    pub blocks: u64,
    /// `f_bfree`. `None`: only what an unprivileged user may have is known.
    pub free: Option<u64>,
    /// `f_bavail`: free to an unprivileged user.
    pub available: u64,
    /// `f_files`.
    pub inodes: Option<u64>,
    /// `f_ffree`.
    pub inodes_free: Option<u64>,
    /// `ST_RDONLY` of `f_flag`.
    pub read_only: bool,
}

/// One mount.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawMount {
    /// Device, as the mount table names it.
    pub device: String,
    /// Mount point.
    pub mount_point: String,
    /// Type.
    pub kind: String,
    /// Options, as the mount table lists them.
    pub options: String,
    /// Device number of the file system.
    pub major_minor: Option<(u32, u32)>,
    /// Whether a block device stands behind it.
    pub device_backed: bool,
    /// Where the device or a part of it is mounted besides. `None`: this is such a place, or no device stands behind it.
    pub also_at: Option<Vec<MountPlace>>,
    /// The answer of statvfs(3); [`ReadError::Stuck`] for one that hangs. `None`: not asked, because it is of the network or
    /// of FUSE and may hang, or because the kernel fills it.
    pub usage: Option<Reading<RawFilesystemUsage>>,
}

impl RawMount {
    /// Mounted read-only here.
    pub fn is_read_only(&self) -> bool {
        self.options.split(',').any(|option| option == "ro")
    }
}

/// One mounted file system.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Filesystem {
    /// Device.
    pub device: String,
    /// Mount point.
    pub mount_point: String,
    /// Type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Mount options.
    pub options: String,
    /// Where the device or a part of it is mounted besides.
    pub also_at: Vec<MountPlace>,
    /// Device number of the file system.
    pub major: Option<u32>,
    /// Device number of the file system.
    pub minor: Option<u32>,
    /// Whether a block device stands behind it.
    pub device_backed: bool,
    /// True while its numbers are unknown because it does not answer.
    pub stuck: bool,
    /// Numbers of statvfs(3).
    pub usage: Option<FilesystemUsage>,
}

impl Filesystem {
    /// Mount point and options of each place where it is mounted.
    pub fn places(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let also = self.also_at.iter().map(|place| (&*place.mount_point, &*place.options));
        std::iter::once((&*self.mount_point, &*self.options)).chain(also)
    }
}

/// What a file system holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct FilesystemUsage {
    /// `f_blocks` x `f_frsize`.
    pub total_bytes: u64,
    /// (`f_blocks` - `f_bfree`) x `f_frsize`. Where `f_bfree` is unknown, what is reserved for root counts as used.
    pub used_bytes: u64,
    /// `f_bavail` x `f_frsize`: free to an unprivileged user.
    pub available_bytes: u64,
    /// `f_bfree` x `f_frsize`: free, with what is reserved for root.
    pub free_bytes: Option<u64>,
    /// used / (used + available), as `df` prints it. `None` when both are 0.
    pub used_ratio: Option<f64>,
    /// Inodes. 0 for a file system that makes them as needed.
    pub inodes_total: Option<u64>,
    /// Free inodes.
    pub inodes_free: Option<u64>,
    /// Inodes in use.
    pub inodes_used: Option<u64>,
    /// used / total. `None` when the total is 0.
    pub inodes_used_ratio: Option<f64>,
    /// Mounted, or fallen back to, read-only.
    pub read_only: bool,
}

/// One file system in bytes: the place at which a device is shown, or the root.
pub(in crate::model) fn derive(raw: &RawMount) -> Option<Filesystem> {
    let also_at = raw.also_at.clone()?;
    Some(Filesystem {
        device: raw.device.clone(),
        mount_point: raw.mount_point.clone(),
        kind: raw.kind.clone(),
        options: raw.options.clone(),
        also_at,
        major: raw.major_minor.map(|(major, _)| major),
        minor: raw.major_minor.map(|(_, minor)| minor),
        device_backed: raw.device_backed,
        stuck: matches!(raw.usage, Some(Err(ReadError::Stuck { .. }))),
        usage: raw.usage.as_ref().and_then(|usage| usage.as_ref().ok()).copied().map(|usage| {
            // As the machine has it mounted: what we see may be read-only for us alone.
            FilesystemUsage { read_only: raw.is_read_only(), ..usage.into() }
        }),
    })
}

impl From<RawFilesystemUsage> for FilesystemUsage {
    fn from(raw: RawFilesystemUsage) -> Self {
        let used_bytes = raw.blocks.saturating_sub(raw.free.unwrap_or(raw.available)).saturating_mul(raw.block_bytes);
        let available_bytes = raw.available.saturating_mul(raw.block_bytes);
        let inodes_used = raw.inodes.zip(raw.inodes_free).map(|(all, free)| all.saturating_sub(free));
        Self {
            total_bytes: raw.blocks.saturating_mul(raw.block_bytes),
            used_bytes,
            available_bytes,
            free_bytes: raw.free.map(|free| free.saturating_mul(raw.block_bytes)),
            used_ratio: ratio(used_bytes, used_bytes.saturating_add(available_bytes)),
            inodes_total: raw.inodes,
            inodes_free: raw.inodes_free,
            inodes_used,
            inodes_used_ratio: inodes_used.zip(raw.inodes).and_then(|(used, all)| ratio(used, all)),
            read_only: raw.read_only,
        }
    }
}

/// The file systems with a device behind them, each device once. Of several mounts of one device (bind mounts) the one
/// with the shortest path stands for it, as in `df`.
pub fn by_device(list: &[Filesystem]) -> Vec<&Filesystem> {
    let mut devices: Vec<&Filesystem> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for mount in list.iter().filter(|mount| mount.device_backed) {
        let place = *places.entry(&mount.device).or_insert(devices.len());
        match devices.get_mut(place) {
            Some(known) if mount.mount_point.len() < known.mount_point.len() => *known = mount,
            Some(_) => {}
            None => devices.push(mount),
        }
    }
    devices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_is_of_what_an_unprivileged_user_may_have() {
        let raw = RawFilesystemUsage {
            block_bytes: 10,
            blocks: 100,
            free: Some(40),
            available: 20,
            inodes: Some(50),
            inodes_free: Some(10),
            read_only: true,
        };
        let usage = FilesystemUsage::from(raw);
        assert_eq!((usage.total_bytes, usage.used_bytes, usage.free_bytes), (1_000, 600, Some(400)));
        assert_eq!((usage.available_bytes, usage.used_ratio), (200, Some(0.75)));
        assert_eq!((usage.inodes_used, usage.inodes_used_ratio, usage.read_only), (Some(40), Some(0.8), true));
        let unknown = RawFilesystemUsage { free: None, inodes: None, inodes_free: None, ..raw };
        let usage = FilesystemUsage::from(unknown);
        assert_eq!((usage.used_bytes, usage.used_ratio, usage.free_bytes), (800, Some(0.8), None));
        assert_eq!((usage.inodes_total, usage.inodes_used, usage.inodes_used_ratio), (None, None, None));
    }

    #[test]
    fn odd_numbers_neither_wrap_nor_divide_by_nothing() {
        let nothing = FilesystemUsage::from(RawFilesystemUsage::default());
        assert_eq!((nothing.used_ratio, nothing.inodes_used_ratio), (None, None));
        let odd = RawFilesystemUsage {
            block_bytes: u64::MAX,
            blocks: 2,
            free: Some(1),
            available: u64::MAX,
            inodes: Some(1),
            inodes_free: Some(2),
            read_only: false,
        };
        let usage = FilesystemUsage::from(odd);
        assert_eq!((usage.total_bytes, usage.used_bytes, usage.available_bytes), (u64::MAX, u64::MAX, u64::MAX));
        assert_eq!((usage.inodes_used, usage.used_ratio), (Some(0), Some(1.0)));
    }
}
