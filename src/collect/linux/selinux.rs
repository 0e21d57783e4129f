//! Whether SELinux is on: `/sys/fs/selinux/enforce`, and `SELINUX=` of `etc/selinux/config`. Off is an answer, not a lack.

use super::Paths;
use super::file::{optional, read_number};
use crate::model::Reading;
use crate::model::system::Selinux;

/// The modes now.
pub fn read(paths: &Paths) -> Reading<Selinux> {
    let Some(current) = optional(read_number::<i64>(&paths.sys("fs/selinux/enforce")))? else {
        return Ok(Selinux::default());
    };
    let config = optional(paths.root("etc/selinux/config").read_text())?;
    let configured_mode = config.as_deref().and_then(parse_mode);
    Ok(Selinux { enabled: true, configured_mode, current_mode: Some(current) })
}

fn parse_mode(text: &str) -> Option<i64> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix("SELINUX="))?;
    match value.trim() {
        "enforcing" => Some(1),
        "permissive" => Some(0),
        "disabled" => Some(-1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_and_off() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { sysfs: dir.path().into(), rootfs: dir.path().into(), ..Paths::host() };
        assert_eq!(read(&paths).unwrap(), Selinux::default());
        std::fs::create_dir_all(dir.path().join("fs/selinux")).unwrap();
        std::fs::create_dir_all(dir.path().join("etc/selinux")).unwrap();
        std::fs::write(dir.path().join("fs/selinux/enforce"), "0").unwrap();
        std::fs::write(dir.path().join("etc/selinux/config"), "# SELINUX=\nSELINUX=enforcing\n").unwrap();
        let expected = Selinux { enabled: true, configured_mode: Some(1), current_mode: Some(0) };
        assert_eq!(read(&paths).unwrap(), expected);
    }
}
