//! Who has to leave when places are short: the oldest idle connection of the address with the most of them.
//!
//! Asked by [`super::connection_list`] for the connections of one worker thread. Knows no socket.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::IpAddr;
use std::time::Instant;

use crate::limits::{LOOPBACK_SHARE, holder};

/// A connection, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// Whose it is.
    pub address: IpAddr,
    /// Since when nothing happens on it; `None` while a request is being answered.
    pub idle_since: Option<Instant>,
}

/// Idle connections with their positions, the one that has been idle for longest on top.
type OldestFirst = BinaryHeap<Reverse<(Instant, usize)>>;

/// How many of `room` places may be taken before idle connections have to leave. The rest is for those who come meanwhile.
#[must_use]
pub fn comfortable(room: usize) -> usize {
    (room - room / 8).max(1)
}

/// The positions of those who leave so that at most `comfortable` stay. A few more than that, so that not every newcomer
/// makes all be counted again.
#[must_use]
pub fn to_leave(seats: &[Seat], comfortable: usize) -> Vec<usize> {
    if seats.len() <= comfortable {
        return Vec::new();
    }
    let wanted = seats.len() - comfortable + comfortable / 32;
    let mut by_owner: HashMap<IpAddr, (usize, OldestFirst)> = HashMap::new();
    for (at, seat) in seats.iter().enumerate() {
        let (count, idle) = by_owner.entry(holder(seat.address)).or_default();
        *count += 1;
        idle.extend(seat.idle_since.map(|since| Reverse((since, at))));
    }
    // The unspecified address is whoever came over a UNIX socket, a proxy most often.
    let is_here = |address: IpAddr| address.is_loopback() || address.is_unspecified();
    let share = |address: IpAddr, count: usize| if is_here(address) { count / LOOPBACK_SHARE } else { count };
    let mut owners: BinaryHeap<(usize, IpAddr)> =
        by_owner.iter().map(|(address, (count, _))| (share(*address, *count), *address)).collect();
    let mut leaving = Vec::with_capacity(wanted);
    while leaving.len() < wanted
        && let Some((_, address)) = owners.pop()
    {
        let Some((count, idle)) = by_owner.get_mut(&address) else { continue };
        // One whose connections are all busy is out of the question.
        if let Some(Reverse((_, at))) = idle.pop() {
            leaving.push(at);
            *count -= 1;
            owners.push((share(address, *count), address));
        }
    }
    leaving
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn seats(of: &[(&str, usize)]) -> Vec<Seat> {
        let begin = Instant::now();
        let one = |(address, count): &(&str, usize)| vec![address.parse::<IpAddr>().unwrap(); *count];
        let at = |(at, address)| Seat { address, idle_since: Some(begin + Duration::from_secs(at as u64)) };
        of.iter().flat_map(one).enumerate().map(at).collect()
    }

    #[test]
    fn nobody_leaves_while_there_is_room() {
        assert!(to_leave(&seats(&[("192.0.2.1", 10)]), 10).is_empty());
    }

    #[test]
    fn the_oldest_of_the_address_with_most_leaves_first() {
        let all = seats(&[("192.0.2.1", 2), ("192.0.2.2", 5), ("192.0.2.3", 1)]);
        assert_eq!(to_leave(&all, 7), [2]);
        assert_eq!(to_leave(&all, 5), [2, 3, 4], "it comes down to what the others have");
        assert_eq!(to_leave(&all, 1).len(), 7);
    }

    #[test]
    fn whoever_is_being_answered_stays() {
        let mut all = seats(&[("192.0.2.1", 4), ("192.0.2.2", 1)]);
        all[..3].iter_mut().for_each(|seat| seat.idle_since = None);
        assert_eq!(to_leave(&all, 4), [3]);
        assert_eq!(to_leave(&all, 2), [3, 4]);
    }

    #[test]
    fn loopback_has_a_larger_share() {
        let all = seats(&[("127.0.0.1", 2 * LOOPBACK_SHARE), ("192.0.2.2", 5)]);
        assert_eq!(to_leave(&all, all.len() - 1), [2 * LOOPBACK_SHARE]);
    }

    #[test]
    fn a_network_of_ipv6_is_one_owner() {
        let all = seats(&[("192.0.2.1", 2), ("2001:db8::1", 1), ("2001:db8::2", 1), ("2001:db8::3", 1)]);
        assert_eq!(to_leave(&all, 4), [2]);
    }
}
