//! `/proc/sys/kernel/random/entropy_avail` and `poolsize` (random(4)), bits.

use super::Paths;
use super::file::{KeptFile, parse_error};
use crate::model::Reading;
use crate::model::system::Entropy;

/// Keeps both files open.
#[derive(Debug)]
pub struct Reader {
    available: KeptFile,
    pool: KeptFile,
}

impl Reader {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self {
            available: KeptFile::new(paths.proc("sys/kernel/random/entropy_avail")),
            pool: KeptFile::new(paths.proc("sys/kernel/random/poolsize")),
        }
    }

    /// Both numbers.
    pub fn read(&mut self) -> Reading<Entropy> {
        Ok(Entropy { available_bits: number(&mut self.available)?, pool_bits: number(&mut self.pool).ok() })
    }
}

/// The one number of a kept file.
pub fn number(file: &mut KeptFile) -> Reading<u64> {
    let parsed = file.read()?.trim().parse();
    parsed.map_err(|_| parse_error(file.path(), 1, "expected a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_or_a_complaint() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("n");
        std::fs::write(&path, "256\n").unwrap();
        assert_eq!(number(&mut KeptFile::new(path.clone())), Ok(256));
        std::fs::write(&path, "many\n").unwrap();
        assert!(number(&mut KeptFile::new(path)).is_err());
    }
}
