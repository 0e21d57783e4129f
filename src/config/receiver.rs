//! What the receiver is to do: `--receive` and what belongs to it.
//!
//! Called by [`super::Config`] at the start.

use super::{complaint, contradiction, defaults, parse_time};
use crate::cli::Args;
use crate::error::StartupError;
use crate::receiver::{Settings, report};

/// Most systems that can be asked for.
const MOST_SYSTEMS: usize = 100_000;

/// The settings; `None` where this server is no receiver.
pub(super) fn settings(args: &Args) -> Result<Option<Settings>, StartupError> {
    let most_systems = args.max_systems.unwrap_or(defaults::MOST_SYSTEMS);
    if !(1..=MOST_SYSTEMS).contains(&most_systems) {
        return Err(complaint("--max-systems", &most_systems.to_string(), "it must be between 1 and 100000"));
    }
    let typed = args.forget_after.as_deref().unwrap_or(defaults::FORGET_AFTER);
    let forget_after = parse_time(typed).map_err(|reason| complaint("--forget-after", typed, &reason))?;
    if forget_after.as_secs() < 60 {
        return Err(complaint("--forget-after", typed, "it must be a minute at least"));
    }
    let mib = args.receiver_mib.unwrap_or(defaults::RECEIVER_MIB);
    if !(1..=1 << 24).contains(&mib) {
        return Err(complaint("--receiver-mib", &mib.to_string(), "it must be between 1 and 16777216"));
    }
    let systems = args.register_system.clone().unwrap_or_default();
    if let Some(wrong) = systems.iter().find(|name| !report::is_name(name)) {
        let why = "a system's name has 1 to 128 bytes, no slashes, and no spaces at its ends";
        return Err(complaint("--register-system", wrong, why));
    }
    if !args.receive.unwrap_or(false) {
        if args.auto_register == Some(true) || !systems.is_empty() {
            log::warn!("--auto-register and --register-system change nothing without --receive");
        }
        return Ok(None);
    }
    let Some(data_dir) = &args.data_dir else {
        return Err(contradiction("--receive", "needs --data-dir FOLDER: a report that is confirmed is on the disk"));
    };
    let auto_register = args.auto_register.unwrap_or(false);
    if !auto_register && systems.is_empty() {
        log::warn!("--receive: nobody may report; name systems with --register-system, or give --auto-register");
    }
    Ok(Some(Settings {
        data_dir: data_dir.clone(),
        systems,
        auto_register,
        most_systems,
        forget_after,
        reports_per_second: defaults::REPORTS_PER_SECOND,
        most_bytes: mib << 20,
    }))
}
