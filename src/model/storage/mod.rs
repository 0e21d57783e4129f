//! Storage: block devices, file systems and where they are mounted.
//!
//! Raw values are filled by [`crate::collect`]; the `derive` functions are called by [`super::derive()`].

pub(super) mod disk;
pub(super) mod filesystem;

pub use disk::{Disk, RawDisk, UdevDevice};
pub use filesystem::{Filesystem, FilesystemUsage, MountPlace, RawFilesystemUsage, RawMount, by_device};
