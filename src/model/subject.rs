//! The subjects that can be gathered, as a small set, so that nothing is read that nobody watches.
//!
//! The sampler unites what its watchers want; the collector reads that and no more.

/// A set of subjects beyond the vitals. The vitals (CPU, memory, load, pressure, network and disk counters, uptime) are
/// in every sample and therefore have no bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Subjects(u16);

impl Subjects {
    /// The vitals alone.
    pub const VITALS: Self = Self(0);
    /// Memory of every process, and name, user and the rest of the ten largest.
    pub const TOP_PROCESSES: Self = Self(1);
    /// Everything about every process. Includes [`Self::TOP_PROCESSES`].
    pub const ALL_PROCESSES: Self = Self(1 << 1 | 1);
    /// TCP, UDP and UNIX sockets with their owners.
    pub const SOCKETS: Self = Self(1 << 2);
    /// Wi-Fi links.
    pub const WIRELESS: Self = Self(1 << 3);
    /// Flags, MTU, MAC and speed of the interfaces (their counters are vitals).
    pub const INTERFACES: Self = Self(1 << 4);
    /// Size and use of the file systems.
    pub const FILESYSTEMS: Self = Self(1 << 5);
    /// Temperatures and fans.
    pub const SENSORS: Self = Self(1 << 6);
    /// Current clock of the cores.
    pub const FREQUENCY: Self = Self(1 << 7);
    /// The tables that only `/metrics` tells: network stack, scheduler, clock, firmware, power. Each has a reader of its own.
    pub const TABLES: Self = Self(1 << 8);

    /// What each process reads and writes, its command line, and what it waited for disks. Includes [`Self::ALL_PROCESSES`].
    pub const PROCESS_DETAILS: Self = Self(1 << 9 | 1 << 1 | 1);

    /// Limits of the container that this program runs in.
    pub const CONTAINER: Self = Self(1 << 10);

    /// Addresses of the interfaces: of thousands the kernel tells them slowly. Includes [`Self::INTERFACES`].
    pub const ADDRESSES: Self = Self(1 << 11 | 1 << 4);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every subject of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any subject of `other` is in this set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// What is in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The single subjects of this set, smallest bit first.
    pub fn bits(self) -> impl Iterator<Item = usize> {
        (0..u16::BITS as usize).filter(move |bit| self.0 >> bit & 1 == 1)
    }

    /// The set with exactly the subject of one bit, as [`Self::bits`] yields it.
    pub const fn from_bit(bit: usize) -> Self {
        Self(1 << bit)
    }

    /// How many bits a table indexed by [`Self::bits`] needs.
    pub const COUNT: usize = u16::BITS as usize;
}

#[cfg(test)]
mod tests {
    use super::Subjects;

    #[test]
    fn all_processes_include_the_top() {
        assert!(Subjects::ALL_PROCESSES.contains(Subjects::TOP_PROCESSES));
        assert!(!Subjects::TOP_PROCESSES.contains(Subjects::ALL_PROCESSES));
    }

    #[test]
    fn a_set_falls_apart_into_its_bits() {
        let set = Subjects::SOCKETS.with(Subjects::SENSORS);
        let parts: Vec<_> = set.bits().map(Subjects::from_bit).collect();
        assert_eq!(parts, [Subjects::SOCKETS, Subjects::SENSORS]);
        assert_eq!(set.without(Subjects::SENSORS), Subjects::SOCKETS);
    }
}
