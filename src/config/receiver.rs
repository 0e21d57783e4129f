//! What the receiver is to do: `--receive` and what belongs to it.
//!
//! Called by [`super::Config`] at the start.

use std::path::Path;
use std::time::Duration;

use crate::error::StartupError;
use crate::receiver::Settings;

/// Most systems, where nothing else is said.
pub const MOST_SYSTEMS: usize = 1_024;

/// After how long a silence a system that registered itself is forgotten.
pub const FORGET_AFTER: Duration = Duration::from_secs(30 * 86_400);

/// Most reports a second of one system.
pub const REPORTS_PER_SECOND: u32 = 20;

/// Most bytes that the last reports may take on the disk.
pub const MOST_BYTES: u64 = 1 << 30;

/// The settings; `None` where this server is no receiver.
pub(super) fn settings(
    receive: Option<bool>,
    auto_register: Option<bool>,
    data_dir: Option<&Path>,
) -> Result<Option<Settings>, StartupError> {
    if !receive.unwrap_or(false) {
        if auto_register == Some(true) {
            log::warn!("--auto-register changes nothing without --receive");
        }
        return Ok(None);
    }
    let Some(data_dir) = data_dir else {
        return Err(StartupError::Config(
            "--receive needs --data-dir FOLDER: a report that is confirmed is on the disk".to_owned(),
        ));
    };
    Ok(Some(Settings {
        data_dir: data_dir.to_owned(),
        systems: Vec::new(),
        auto_register: auto_register.unwrap_or(false),
        most_systems: MOST_SYSTEMS,
        forget_after: FORGET_AFTER,
        reports_per_second: REPORTS_PER_SECOND,
        most_bytes: MOST_BYTES,
    }))
}
