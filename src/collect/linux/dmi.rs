//! `/sys/class/dmi/id`: maker, model and firmware as the board tells them. Read once: they change with a reboot only.
//!
//! `product_serial`, `product_uuid`, `board_serial` and `chassis_serial` are readable by root only and stay unread, even
//! by root: whoever may read the metrics need not be root.

use std::path::PathBuf;

use super::Paths;
use super::attributes::AttributeDir;
use crate::model::Reading;
use crate::model::hardware::Dmi;

/// Label of the metric and name of the file, by label.
const FIELDS: [(&str, &str); 16] = [
    ("bios_date", "bios_date"),
    ("bios_release", "bios_release"),
    ("bios_vendor", "bios_vendor"),
    ("bios_version", "bios_version"),
    ("board_asset_tag", "board_asset_tag"),
    ("board_name", "board_name"),
    ("board_vendor", "board_vendor"),
    ("board_version", "board_version"),
    ("chassis_asset_tag", "chassis_asset_tag"),
    ("chassis_vendor", "chassis_vendor"),
    ("chassis_version", "chassis_version"),
    ("product_family", "product_family"),
    ("product_name", "product_name"),
    ("product_sku", "product_sku"),
    ("product_version", "product_version"),
    ("system_vendor", "sys_vendor"),
];

/// Keeps what it read.
#[derive(Debug)]
pub struct Reader {
    directory: PathBuf,
    answer: Option<Reading<Dmi>>,
}

impl Reader {
    /// Opens nothing yet.
    pub fn new(paths: &Paths) -> Self {
        Self { directory: paths.sys("class/dmi/id"), answer: None }
    }

    /// The fields that the board tells.
    pub fn read(&mut self) -> Reading<Dmi> {
        let directory = &self.directory;
        self.answer
            .get_or_insert_with(|| {
                let attributes = AttributeDir::open(directory)?;
                let field = |(label, file)| Some((label, attributes.text(file)?.trim().to_owned()));
                Ok(Dmi { fields: FIELDS.into_iter().filter_map(field).collect() })
            })
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_stay_unread() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("class/dmi/id");
        std::fs::create_dir_all(&place).unwrap();
        for (file, text) in [("sys_vendor", "ACME \n"), ("product_serial", "secret\n"), ("board_name", "B1\n")] {
            std::fs::write(place.join(file), text).unwrap();
        }
        let paths = Paths { sysfs: dir.path().into(), ..Paths::host() };
        let dmi = Reader::new(&paths).read().unwrap();
        assert_eq!(dmi.fields, [("board_name", "B1".to_owned()), ("system_vendor", "ACME".to_owned())]);
    }
}
