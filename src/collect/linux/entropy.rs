//! `/proc/sys/kernel/random/entropy_avail` and `poolsize` (random(4)), bits.

use super::Paths;
use super::file::read_number;
use crate::model::Reading;
use crate::model::system::Entropy;

/// Both numbers. The size of the pool may be unknown.
pub fn read(paths: &Paths) -> Reading<Entropy> {
    let number = |file: &str| read_number(&paths.proc("sys/kernel/random").join(file));
    Ok(Entropy { available_bits: number("entropy_avail")?, pool_bits: number("poolsize").ok() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::machine_of;

    #[test]
    fn one_number_or_a_complaint() {
        let told = |available: &str| {
            let (_dir, paths) = machine_of(&[("proc/sys/kernel/random/entropy_avail", available)]);
            read(&paths)
        };
        assert_eq!(told("256\n"), Ok(Entropy { available_bits: 256, pool_bits: None }));
        assert!(told("many\n").is_err());
    }
}
