//! Counts streams: how many there are in all, from one address, and by kind.
//!
//! Asked before a stream is opened; the pass it gives is dropped with the stream.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::limits::{Limits, holder};

/// What kind of client a stream serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// psmonitor's WebSocket.
    Psmonitor,
    /// Process Monitor's event stream.
    ProcessMonitor,
    /// psiod's WebSocket.
    Psiod,
    /// Our own event stream.
    Native,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Psmonitor, Self::ProcessMonitor, Self::Psiod, Self::Native];

    /// The kind's name, as metrics and logs spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Psmonitor => "psmonitor",
            Self::ProcessMonitor => "process_monitor",
            Self::Psiod => "psiod",
            Self::Native => "native",
        }
    }
}

/// There is no room for another stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The counters.
#[derive(Debug)]
pub struct Gate {
    /// Both are read at each stream and written at SIGHUP. Streams that are open stay, whatever the limits become.
    limit: AtomicUsize,
    limit_per_address: AtomicUsize,
    all: AtomicUsize,
    by_kind: [AtomicUsize; Kind::ALL.len()],
    /// Streams by who holds the address, loopback not counted. Entries go when they reach 0, so it is bounded by `limit`.
    by_address: DashMap<IpAddr, usize>,
    /// Messages that went out to clients.
    pub sent: AtomicU64,
    /// Frames that a client was too slow for.
    pub skipped: AtomicU64,
}

impl Gate {
    /// A gate with these limits.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            limit: AtomicUsize::new(limits.streams),
            limit_per_address: AtomicUsize::new(limits.streams_per_address),
            all: AtomicUsize::new(0),
            by_kind: std::array::from_fn(|_| AtomicUsize::new(0)),
            by_address: DashMap::new(),
            sent: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
        }
    }

    /// From now on these limits count.
    pub fn set_limits(&self, limits: &Limits) {
        self.limit.store(limits.streams, Ordering::Relaxed);
        self.limit_per_address.store(limits.streams_per_address, Ordering::Relaxed);
    }

    /// Lets one stream in.
    pub fn enter(self: &Arc<Self>, kind: Kind, address: IpAddr) -> Result<Pass, Full> {
        let limit = self.limit.load(Ordering::Relaxed);
        let one_more = |count: usize| (count < limit).then_some(count + 1);
        self.all.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).map_err(|_| Full)?;
        let address = holder(address);
        if is_counted(address) {
            let mut count = self.by_address.entry(address).or_insert(0);
            if *count >= self.limit_per_address.load(Ordering::Relaxed) {
                drop(count);
                self.all.fetch_sub(1, Ordering::AcqRel);
                return Err(Full);
            }
            *count += 1;
        }
        self.by_kind[kind as usize].fetch_add(1, Ordering::Relaxed);
        Ok(Pass { gate: Arc::clone(self), kind, address })
    }

    /// Streams of all kinds now.
    #[must_use]
    pub fn all(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }

    /// Streams of one kind now.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.by_kind[kind as usize].load(Ordering::Relaxed)
    }
}

/// Whether streams of this address are counted: not those of this machine, whose proxy serves many. The unspecified address
/// is whoever came over a UNIX socket.
fn is_counted(address: IpAddr) -> bool {
    !address.is_loopback() && !address.is_unspecified()
}

/// One stream's place. Dropping it makes room.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    kind: Kind,
    address: IpAddr,
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.by_kind[self.kind as usize].fetch_sub(1, Ordering::Relaxed);
        if is_counted(self.address)
            && let Entry::Occupied(mut entry) = self.gate.by_address.entry(self.address)
        {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
        self.gate.all.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(streams: usize, streams_per_address: usize) -> Arc<Gate> {
        Arc::new(Gate::new(&Limits { streams, streams_per_address, ..Limits::default() }))
    }

    #[test]
    fn the_limit_holds_for_all_together() {
        let gate = gate(2, 9);
        let local = IpAddr::from([127, 0, 0, 1]);
        let first = gate.enter(Kind::Psmonitor, local).unwrap();
        let _second = gate.enter(Kind::Psmonitor, local).unwrap();
        assert!(gate.enter(Kind::Psmonitor, local).is_err());
        drop(first);
        assert!(gate.enter(Kind::Psmonitor, local).is_ok());
    }

    #[test]
    fn one_address_cannot_take_all_places() {
        let gate = gate(9, 2);
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let passes: Vec<_> = (0..2).map(|_| gate.enter(Kind::Psmonitor, one).unwrap()).collect();
        assert!(gate.enter(Kind::Psmonitor, one).is_err());
        let _other = gate.enter(Kind::Psmonitor, other).unwrap();
        assert_eq!(gate.count(Kind::Psmonitor), 3);
        drop(passes);
        assert_eq!(gate.by_address.len(), 1, "an address without streams leaves nothing behind");
        assert!(gate.enter(Kind::Psmonitor, one).is_ok());
    }

    #[test]
    fn a_network_of_ipv6_cannot_take_all_places_either() {
        let gate = gate(9, 2);
        let at = |network: u16, host: u16| IpAddr::from([0x2001, 0xdb8, 0, network, 0, 0, 0, host]);
        let passes: Vec<_> = (0..2).map(|host| gate.enter(Kind::Native, at(1, host)).unwrap()).collect();
        assert!(gate.enter(Kind::Native, at(1, 9)).is_err());
        assert!(gate.enter(Kind::Native, at(2, 9)).is_ok());
        drop(passes);
        assert!(gate.by_address.is_empty(), "a network without streams leaves nothing behind");
        assert!(gate.enter(Kind::Native, at(1, 9)).is_ok());
    }
}
