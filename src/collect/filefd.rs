//! `/proc/sys/fs/file-nr`: open file handles of the whole system, three numbers (`proc_sys_fs`(5)).

use std::path::Path;

use super::Paths;
use super::file::{FileReader, parse_error};
use crate::model::Reading;
use crate::model::system::FileHandles;

/// First and third number.
#[must_use]
pub fn reader(paths: &Paths) -> FileReader<FileHandles> {
    FileReader::new(paths.proc("sys/fs/file-nr"), parse_file_nr)
}

fn parse_file_nr(path: &Path, text: &str) -> Reading<FileHandles> {
    let mut numbers = text.split_ascii_whitespace().map(|word| word.parse::<u64>().ok());
    match (numbers.next().flatten(), numbers.nth(1).flatten()) {
        (Some(allocated), Some(maximum)) => Ok(FileHandles { allocated, maximum }),
        _ => Err(parse_error(path, 1, "expected three numbers")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_third() {
        let handles = FileHandles { allocated: 637, maximum: 2_466_177 };
        assert_eq!(parse_file_nr(Path::new("f"), "637\t0\t2466177\n").unwrap(), handles);
        assert!(parse_file_nr(Path::new("f"), "637 0\n").is_err());
    }
}
