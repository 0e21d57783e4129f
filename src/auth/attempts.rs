//! Counts logins by address, so that nobody tries passwords in bulk.
//!
//! Each address may try a few times at once; every try comes back after a while, and at once when the password was right.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::holder;

/// Tries that an address has.
const TRIES: u32 = 5;

/// Time after which one try comes back.
const REFILL: Duration = Duration::from_secs(12);

/// Addresses that are counted one by one; all further ones share a count.
const MOST_ADDRESSES: usize = 4096;

/// The count of those who came when [`MOST_ADDRESSES`] were there.
const SHARED: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The counts.
#[derive(Debug, Default)]
pub struct Attempts {
    /// When an address will have all its tries back. Taken and given back at logins, for a few operations; addresses that
    /// have all their tries are removed when room is needed.
    full_at: Mutex<HashMap<IpAddr, Instant>>,
}

impl Attempts {
    /// Takes a try. `Err` says when there will be one.
    pub fn take(&self, address: IpAddr) -> Result<Try, Duration> {
        let now = Instant::now();
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = holder(address);
        if full_at.len() >= MOST_ADDRESSES && !full_at.contains_key(&key) {
            full_at.retain(|_, at| *at > now);
            if full_at.len() >= MOST_ADDRESSES {
                key = SHARED;
            }
        }
        let without = full_at.get(&key).map_or(now, |at| (*at).max(now)) + REFILL;
        let latest = now + REFILL * TRIES;
        if without > latest {
            return Err(without - latest);
        }
        full_at.insert(key, without);
        Ok(Try(key))
    }

    /// Whether there is a try. `Err` says when there will be one.
    pub fn look(&self, address: IpAddr) -> Result<(), Duration> {
        let now = Instant::now();
        let full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let key = holder(address);
        let key = if full_at.len() >= MOST_ADDRESSES && !full_at.contains_key(&key) { SHARED } else { key };
        let without = full_at.get(&key).map_or(now, |at| (*at).max(now)) + REFILL;
        let latest = now + REFILL * TRIES;
        if without > latest { Err(without - latest) } else { Ok(()) }
    }

    /// Gives a try back: the login was right.
    pub fn give_back(&self, Try(key): Try) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = full_at.get_mut(&key) {
            *at -= REFILL;
        }
    }
}

/// A try that was taken, and whose count it was taken from.
#[derive(Debug, PartialEq, Eq)]
pub struct Try(IpAddr);

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tries_run_out_and_come_back() {
        let (attempts, address) = (Attempts::default(), IpAddr::from([192, 0, 2, 1]));
        for _ in 0..TRIES {
            assert!(attempts.take(address).is_ok());
        }
        assert_eq!(attempts.take(address), Err(REFILL));
        assert_eq!(attempts.look(address), Err(REFILL));
        assert!(attempts.take(IpAddr::from([192, 0, 2, 2])).is_ok(), "another address is not affected");
        tokio::time::advance(REFILL - Duration::from_secs(1)).await;
        assert_eq!(attempts.take(address), Err(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        for _ in 0..10 {
            assert_eq!(attempts.look(address), Ok(()), "looking costs nothing");
        }
        assert!(attempts.take(address).is_ok());
        assert!(attempts.take(address).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_right_login_costs_nothing() {
        let (attempts, address) = (Attempts::default(), IpAddr::from([192, 0, 2, 1]));
        for _ in 0..100 {
            let taken = attempts.take(address).unwrap();
            attempts.give_back(taken);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_right_login_costs_nothing_among_many_addresses_either() {
        let attempts = Attempts::default();
        for number in 0..MOST_ADDRESSES as u32 {
            attempts.take(Ipv4Addr::from_bits(0x0a00_0000 + number).into()).unwrap();
        }
        for number in 0..100 {
            let taken = attempts.take(Ipv4Addr::from_bits(0x0b00_0000 + number).into()).unwrap();
            attempts.give_back(taken);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_of_ipv6_is_one_address() {
        let attempts = Attempts::default();
        for host in 0..TRIES as u16 {
            assert!(attempts.take(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host).into()).is_ok());
        }
        assert!(attempts.take(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 9, 9, 9, 9).into()).is_err());
        assert!(attempts.take(Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 1).into()).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn many_addresses_take_bounded_memory() {
        let attempts = Attempts::default();
        for number in 0..20_000_u32 {
            let _ = attempts.take(Ipv4Addr::from_bits(0x0a00_0000 + number).into());
        }
        assert_eq!(attempts.full_at.lock().unwrap().len(), MOST_ADDRESSES + 1);
        assert!(attempts.take(IpAddr::from([192, 0, 2, 1])).is_err(), "the shared count is used up");
        assert!(attempts.look(IpAddr::from([192, 0, 2, 1])).is_err());
        tokio::time::advance(REFILL).await;
        assert!(attempts.take(IpAddr::from([192, 0, 2, 1])).is_ok());
        assert!(attempts.full_at.lock().unwrap().len() <= 2);
    }
}
