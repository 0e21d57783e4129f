//! `/proc/sys/fs/file-nr`: open file handles of the whole system, three numbers (`proc_sys_fs`(5)).

use std::path::Path;

use crate::collect::linux::lines::{number, one};
use crate::model::system::FileHandles;
use crate::model::{Faults, Reading};

/// First and third number.
pub fn parse_file_nr(path: &Path, text: &str, _: &mut Faults) -> Reading<FileHandles> {
    one(path, text, |line| {
        let mut words = line.split_ascii_whitespace();
        let allocated = number(words.next(), "the number of open files")?;
        Ok(FileHandles { allocated, maximum: number(words.nth(1), "the most open files that there may be")? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_third() {
        let handles = FileHandles { allocated: 637, maximum: 2_466_177 };
        assert_eq!(parse_file_nr(Path::new("f"), "637\t0\t2466177\n", &mut Faults::default()).unwrap(), handles);
        assert!(parse_file_nr(Path::new("f"), "637 0\n", &mut Faults::default()).is_err());
    }
}
