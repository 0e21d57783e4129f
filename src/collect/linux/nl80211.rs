//! What the kernel's Wi-Fi messages (nl80211) mean: interfaces, stations, networks and how these are encrypted.
//!
//! Called by [`super::wireless`] with the attributes of replies. Pure: bytes in, values out; the numbers are those of
//! `linux/nl80211.h`, the information elements those of IEEE 802.11, chapter 9.4.2.

use super::file::text_of;
use super::netlink::{find, number_u16, number_u32};

/// `NL80211_CMD_GET_INTERFACE`.
pub const GET_INTERFACE: u8 = 5;
/// `NL80211_CMD_GET_STATION`.
pub const GET_STATION: u8 = 17;
/// `NL80211_CMD_GET_SCAN`: what is left of the last scan. Starts none.
pub const GET_SCAN: u8 = 32;

/// `NL80211_ATTR_IFINDEX`.
pub const INDEX: u16 = 3;
const NAME: u16 = 4;
const TYPE: u16 = 5;
const MAC: u16 = 6;
const STATION_INFO: u16 = 21;
const FREQUENCY: u16 = 38;
const BSS: u16 = 47;
const SSID: u16 = 52;

/// `NL80211_STA_INFO_SIGNAL` and `_SIGNAL_AVG`, one signed byte each.
const STATION_SIGNAL: u16 = 7;
const STATION_SIGNAL_MEAN: u16 = 13;

const BSS_ADDRESS: u16 = 1;
const BSS_FREQUENCY: u16 = 2;
const BSS_CAPABILITY: u16 = 5;
const BSS_ELEMENTS: u16 = 6;
const BSS_SIGNAL: u16 = 7;
const BSS_STATUS: u16 = 9;
const BSS_BEACON_ELEMENTS: u16 = 11;

/// Interfaces that take part in somebody's network: ad hoc, station, peer-to-peer client. An access point's stations are
/// not links of this machine.
const LINK_TYPES: [u32; 3] = [1, 2, 8];

/// One Wi-Fi interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Index.
    pub index: u32,
    /// Name.
    pub name: String,
    /// Name of the network, since Linux 3.14. `None` while there is none.
    pub ssid: Option<String>,
    /// Channel frequency, MHz.
    pub frequency_mhz: Option<u32>,
}

/// Reads a reply to [`GET_INTERFACE`]. `None` for what is no link of this machine.
pub fn interface(reply: &[u8]) -> Option<Interface> {
    if !LINK_TYPES.contains(&find(reply, TYPE).and_then(number_u32)?) {
        return None;
    }
    Some(Interface {
        index: find(reply, INDEX).and_then(number_u32)?,
        name: find(reply, NAME).map(|name| text(name.strip_suffix(&[0]).unwrap_or(name)))?,
        ssid: find(reply, SSID).and_then(ssid),
        frequency_mhz: find(reply, FREQUENCY).and_then(number_u32),
    })
}

/// The other end of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Station {
    /// Its MAC address.
    pub mac: String,
    /// Signal as received here, dBm: the mean where the driver keeps one, else that of the last frame.
    pub signal_dbm: Option<i32>,
}

/// Reads a reply to [`GET_STATION`].
pub fn station(reply: &[u8]) -> Option<Station> {
    let info = find(reply, STATION_INFO).unwrap_or_default();
    let signal = |kind| match find(info, kind) {
        // The byte is signed. 0 is what drivers say that do not know.
        Some(&[byte]) if byte != 0 => Some(i32::from(byte.cast_signed())),
        _ => None,
    };
    Some(Station {
        mac: find(reply, MAC).and_then(mac)?,
        signal_dbm: signal(STATION_SIGNAL_MEAN).or_else(|| signal(STATION_SIGNAL)),
    })
}

/// The network that a link is part of, as the last scan saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// MAC address of the access point.
    pub bssid: String,
    /// Name of the network.
    pub ssid: Option<String>,
    /// Channel frequency, MHz.
    pub frequency_mhz: Option<u32>,
    /// Signal, dBm.
    pub signal_dbm: Option<i32>,
    /// What the access point offers: `WPA3`, `WPA2/WPA3`, `WPA2`, `WPA/WPA2`, `WPA`, `OWE`, `WEP` or `open`. Which of two
    /// a link chose is known to its supplicant only.
    pub encryption: Option<&'static str>,
}

/// Reads a reply to [`GET_SCAN`]. `None` for a network that this machine is no part of.
pub fn network(reply: &[u8]) -> Option<Network> {
    let bss = find(reply, BSS)?;
    // 0 authenticated, 1 associated, 2 joined ad hoc. Absent: a neighbour.
    find(bss, BSS_STATUS).and_then(number_u32).filter(|status| (1..=2).contains(status))?;
    let elements = find(bss, BSS_ELEMENTS).or_else(|| find(bss, BSS_BEACON_ELEMENTS));
    let capability = find(bss, BSS_CAPABILITY).and_then(number_u16);
    // Hundredths of a dBm.
    let signal = find(bss, BSS_SIGNAL).and_then(number_u32).map(|bits| bits.cast_signed() / 100);
    Some(Network {
        bssid: find(bss, BSS_ADDRESS).and_then(mac)?,
        ssid: elements.and_then(|bytes| element(bytes, 0)).and_then(ssid),
        frequency_mhz: find(bss, BSS_FREQUENCY).and_then(number_u32),
        signal_dbm: signal,
        encryption: elements.and_then(|bytes| encryption(bytes, capability)),
    })
}

/// The information elements in `bytes`: one byte each of kind and length, then the value.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&[kind, length], rest) = bytes.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(usize::from(length))?;
        bytes = rest;
        Some((kind, value))
    })
}

fn element(bytes: &[u8], wanted: u8) -> Option<&[u8]> {
    elements(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// Element 48 is RSN (WPA2 and later), element 221 of Microsoft's kind 1 is WPA. Without either, bit 4 of the capability
/// field tells WEP from none.
fn encryption(bytes: &[u8], capability: Option<u16>) -> Option<&'static str> {
    let wpa = elements(bytes).any(|(kind, value)| kind == 221 && value.starts_with(&[0x00, 0x50, 0xf2, 0x01]));
    match (element(bytes, 48).and_then(rsn), wpa) {
        (Some("WPA2"), true) => Some("WPA/WPA2"),
        (Some(name), _) => Some(name),
        (None, true) => Some("WPA"),
        (None, false) => capability.map(|bits| if bits & 0x10 == 0 { "open" } else { "WEP" }),
    }
}

/// The RSN element (IEEE 802.11, 9.4.2.24): version, group cipher, pairwise ciphers, key managements, capabilities; little
/// endian. What is missing at its end has the value of WPA2.
fn rsn(bytes: &[u8]) -> Option<&'static str> {
    let half = |at: usize| Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    if half(0)? == 0 {
        return None;
    }
    let ciphers = usize::from(half(6).unwrap_or(0));
    let at = 8 + 4 * ciphers;
    let managements = usize::from(half(at).unwrap_or(0));
    let suites = bytes.get(at + 2..).unwrap_or_default().chunks_exact(4).take(managements);
    let must_protect_management = half(at + 2 + 4 * managements).is_some_and(|bits| bits & 0x40 != 0);
    let (mut two, mut three, mut owe) = (managements == 0, false, false);
    for suite in suites {
        match suite {
            // SAE and its fast transition, 802.1X suite B, SAE with a group-dependent hash.
            [0x00, 0x0f, 0xac, 8 | 9 | 11..=13 | 24 | 25] => three = true,
            // 802.1X with SHA-256 is WPA3 Enterprise where management frames must be protected.
            [0x00, 0x0f, 0xac, 5] if must_protect_management => three = true,
            [0x00, 0x0f, 0xac, 18] => owe = true,
            _ => two = true,
        }
    }
    Some(match (two, three, owe) {
        (false, false, true) => "OWE",
        (true, true, _) => "WPA2/WPA3",
        (false, true, _) => "WPA3",
        _ => "WPA2",
    })
}

/// Six bytes as lower case hexadecimal with colons.
fn mac(bytes: &[u8]) -> Option<String> {
    let [a, b, c, d, e, f] = bytes.try_into().ok()?;
    Some(format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"))
}

/// A network may hide its name: no bytes, or zeros.
fn ssid(bytes: &[u8]) -> Option<String> {
    bytes.iter().any(|byte| *byte != 0).then(|| text(bytes))
}

fn text(bytes: &[u8]) -> String {
    text_of(bytes.to_vec())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::collect::linux::netlink::put;

    /// Attributes as bytes.
    pub fn reply(list: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        list.iter().for_each(|(kind, value)| put(&mut bytes, *kind, value));
        bytes
    }

    const AP: [u8; 6] = [0x02, 0, 0, 0xaa, 0xbb, 0xcc];

    /// An RSN element with CCMP and the key managements `suites` of 00-0f-ac.
    fn rsn_element(suites: &[u8], capabilities: u8) -> Vec<u8> {
        let mut body = vec![1, 0, 0, 0x0f, 0xac, 4, 1, 0, 0, 0x0f, 0xac, 4, suites.len() as u8, 0];
        suites.iter().for_each(|suite| body.extend([0, 0x0f, 0xac, *suite]));
        body.extend([capabilities, 0]);
        let mut element = vec![48, body.len() as u8];
        element.extend(body);
        element
    }

    const WPA: [u8; 8] = [221, 6, 0x00, 0x50, 0xf2, 0x01, 1, 0];

    #[test]
    fn an_interface_is_read() {
        let (index, station, mhz) = (3_u32.to_ne_bytes(), 2_u32.to_ne_bytes(), 5180_u32.to_ne_bytes());
        let whole = [(3, &index[..]), (4, b"wlan0\0"), (5, &station), (6, &AP), (38, &mhz), (52, b"caf\xe9")];
        let wlan = interface(&reply(&whole)).unwrap();
        assert_eq!((wlan.index, &*wlan.name, wlan.ssid.as_deref()), (3, "wlan0", Some("caf\u{fffd}")));
        assert_eq!(wlan.frequency_mhz, Some(5180));
        let idle = interface(&reply(&whole[..3])).unwrap();
        assert_eq!((idle.ssid, idle.frequency_mhz), (None, None));
        let access_point = 3_u32.to_ne_bytes();
        assert_eq!(interface(&reply(&[(3, &index), (4, b"ap0\0"), (5, &access_point)])), None);
        assert_eq!(interface(b"garbage"), None);
    }

    #[test]
    fn a_stations_signal_is_signed_and_the_mean_is_preferred() {
        let info = reply(&[(7, &[0xc6]), (13, &[0xc8])]);
        let read = |info: &[u8]| station(&reply(&[(6, &AP), (21, info)])).unwrap();
        assert_eq!(read(&info), Station { mac: "02:00:00:aa:bb:cc".into(), signal_dbm: Some(-56) });
        assert_eq!(read(&info[..8]).signal_dbm, Some(-58));
        assert_eq!(read(&[]).signal_dbm, None);
        assert_eq!(read(&reply(&[(7, &[0])])).signal_dbm, None);
        assert_eq!(station(&reply(&[(6, &AP[..5])])), None);
    }

    #[test]
    fn the_network_of_the_link_is_told_from_its_neighbours() {
        let mut ies = vec![0, 4, b'h', b'o', b'm', b'e'];
        ies.extend(rsn_element(&[2], 0));
        let (mhz, dbm, status) = (2437_u32.to_ne_bytes(), (-5650_i32).to_ne_bytes(), 1_u32.to_ne_bytes());
        let capability = 0x0411_u16.to_ne_bytes();
        let neighbour = [(1, &AP[..]), (2, &mhz), (5, &capability), (6, &ies), (7, &dbm)];
        assert_eq!(network(&reply(&[(47, &reply(&neighbour))])), None);
        let mut ours = neighbour.to_vec();
        ours.push((9, &status));
        let home = Network {
            bssid: "02:00:00:aa:bb:cc".into(),
            ssid: Some("home".into()),
            frequency_mhz: Some(2437),
            signal_dbm: Some(-56),
            encryption: Some("WPA2"),
        };
        assert_eq!(network(&reply(&[(47, &reply(&ours))])), Some(home));
        let bare = network(&reply(&[(47, &reply(&[(1, &AP), (9, &status)]))])).unwrap();
        assert_eq!((bare.ssid, bare.encryption, bare.signal_dbm), (None, None, None));
    }

    #[test]
    fn each_kind_of_encryption_has_its_name() {
        let open = Some(0x0401);
        let private = Some(0x0411);
        assert_eq!(encryption(&[], open), Some("open"));
        assert_eq!(encryption(&[], private), Some("WEP"));
        assert_eq!(encryption(&[], None), None);
        assert_eq!(encryption(&WPA, private), Some("WPA"));
        let rsn = |suites: &[u8], capabilities| encryption(&rsn_element(suites, capabilities), private);
        assert_eq!(rsn(&[2], 0), Some("WPA2"));
        assert_eq!(rsn(&[1, 5], 0), Some("WPA2"));
        assert_eq!(rsn(&[8], 0xc0), Some("WPA3"));
        assert_eq!(rsn(&[5], 0xc0), Some("WPA3"));
        assert_eq!(rsn(&[2, 8], 0x80), Some("WPA2/WPA3"));
        assert_eq!(rsn(&[18], 0xc0), Some("OWE"));
        let mut both = WPA.to_vec();
        both.extend(rsn_element(&[2], 0));
        assert_eq!(encryption(&both, private), Some("WPA/WPA2"));
    }

    #[test]
    fn a_cut_element_never_panics() {
        let whole = rsn_element(&[2, 8], 0);
        for cut in 2..whole.len() {
            let mut bytes = whole[..cut].to_vec();
            assert_eq!(encryption(&bytes, Some(0x10)), Some("WEP"), "the element does not fit");
            bytes[1] = (cut - 2) as u8;
            let _ = rsn(&bytes[2..]);
        }
        assert_eq!(rsn(&[1, 0]), Some("WPA2"), "the shortest that the standard allows");
        assert_eq!(rsn(&[1, 0, 0, 0x0f, 0xac, 4, 0xff, 0xff]), Some("WPA2"));
    }
}
