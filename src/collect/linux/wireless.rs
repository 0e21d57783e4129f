//! Wi-Fi links, asked of the kernel through nl80211 (generic netlink), as `iw` does; no program is run.
//!
//! Read while somebody watches Wi-Fi. It only asks: it starts no scan and takes part in nothing. Not sysinfo: it knows no
//! Wi-Fi. A kernel without nl80211, or another root than this machine's own, has `/proc/net/wireless`, which knows name and
//! signal; where that is missing too there is no Wi-Fi, and the list is empty.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::netlink;

use super::Paths;
use super::file::{optional, read_error, read_text};
use super::lines::{Taken, named_numbers, number, walk};
use super::netlink::Socket;
use super::nl80211::{self, Interface, Network, Station};
use crate::model::network::Wireless;
use crate::model::{Faults, Reading};

/// Longest wait for an answer. A driver may wait for its firmware.
const LIMIT: Duration = Duration::from_secs(1);

/// How often a kernel without nl80211 is asked whether it has it by now (a USB stick brings the module with it).
const ABSENCE_AGE: Duration = Duration::from_secs(60);

/// How long the network of a link is believed. The list it is found in holds every neighbour; it is large.
const NETWORK_AGE: Duration = Duration::from_secs(60);

/// Reads the Wi-Fi links. Keeps its socket open, and the network of each link while the link stays with it.
#[derive(Debug)]
pub struct Reader {
    file: PathBuf,
    live: bool,
    /// The socket and the number of the family. `None` before the first pass and after a failure.
    line: Option<(Socket, u16)>,
    absent_since: Option<Instant>,
    /// By interface: the access point it was found with, when, and the network, if the last scan knew it.
    networks: HashMap<u32, (String, Instant, Option<Network>)>,
}

impl Reader {
    /// Opens nothing yet.
    pub fn new(paths: &Paths) -> Self {
        Self {
            file: paths.net("wireless"),
            live: paths.is_live(),
            line: None,
            absent_since: None,
            networks: HashMap::new(),
        }
    }

    /// Every Wi-Fi interface that may have a link, those that have one first.
    pub fn read(&mut self, faults: &mut Faults) -> Reading<Vec<Wireless>> {
        let now = Instant::now();
        let line =
            if self.live { self.line(now).map_err(|error| read_error(Path::new("nl80211"), &error))? } else { None };
        let Some((mut socket, family)) = line else {
            let text = optional(read_text(&self.file))?;
            return text.map_or_else(|| Ok(Vec::new()), |text| parse(&self.file, &text, faults));
        };
        // After a failure the socket is dropped: what is left of an answer must not meet the next question.
        let links = self.links(&mut socket, family, now).map_err(|error| read_error(Path::new("nl80211"), &error))?;
        self.line = Some((socket, family));
        Ok(links)
    }

    fn line(&mut self, now: Instant) -> io::Result<Option<(Socket, u16)>> {
        if self.line.is_some() {
            return Ok(self.line.take());
        }
        if self.absent_since.is_some_and(|since| now.saturating_duration_since(since) < ABSENCE_AGE) {
            return Ok(None);
        }
        let opened = Socket::open(netlink::GENERIC, LIMIT)
            .and_then(|mut socket| Ok(socket.family("nl80211")?.map(|family| (socket, family))));
        let line = match opened {
            // A sandbox without netlink sockets is a machine without nl80211.
            Err(error) if is(&error, &[Errno::AFNOSUPPORT, Errno::PROTONOSUPPORT]) => None,
            other => other?,
        };
        self.absent_since = line.is_none().then_some(now);
        Ok(line)
    }

    fn links(&mut self, socket: &mut Socket, family: u16, now: Instant) -> io::Result<Vec<Wireless>> {
        let mut interfaces = Vec::new();
        socket.ask(family, nl80211::GET_INTERFACE, &[], true, |reply| interfaces.extend(nl80211::interface(reply)))?;
        self.networks.retain(|index, _| interfaces.iter().any(|interface| interface.index == *index));
        let mut links = Vec::with_capacity(interfaces.len());
        for interface in interfaces {
            let mut station = None;
            about(socket, family, nl80211::GET_STATION, interface.index, |reply| {
                station = station.take().or_else(|| nl80211::station(reply));
            })?;
            let network = match &station {
                Some(station) => self.network(socket, family, interface.index, &station.mac, now)?,
                None => None,
            };
            links.push(link(interface, station, network));
        }
        links.sort_by_key(|link| link.ssid.is_none());
        Ok(links)
    }

    /// The network of interface `index`, which is linked with the station `mac`.
    fn network(
        &mut self,
        socket: &mut Socket,
        family: u16,
        index: u32,
        mac: &str,
        now: Instant,
    ) -> io::Result<Option<Network>> {
        if let Some((station, at, network)) = self.networks.get(&index)
            && station == mac
            && now.saturating_duration_since(*at) < NETWORK_AGE
        {
            return Ok(network.clone());
        }
        let mut network = None;
        about(socket, family, nl80211::GET_SCAN, index, |reply| {
            network = network.take().or_else(|| nl80211::network(reply));
        })?;
        self.networks.insert(index, (mac.to_owned(), now, network.clone()));
        Ok(network)
    }
}

/// Asks for everything of one kind about interface `index`. A driver that cannot tell, or an interface that has gone, has
/// nothing of it.
fn about(socket: &mut Socket, family: u16, command: u8, index: u32, each: impl FnMut(&[u8])) -> io::Result<()> {
    match socket.ask(family, command, &[(nl80211::INDEX, &index.to_ne_bytes())], true, each) {
        Err(error) if is(&error, &[Errno::OPNOTSUPP, Errno::NODEV, Errno::NOENT, Errno::NOTCONN, Errno::NETDOWN]) => {
            Ok(())
        }
        result => result,
    }
}

fn is(error: &io::Error, numbers: &[Errno]) -> bool {
    error.raw_os_error().is_some_and(|number| numbers.contains(&Errno::from_raw_os_error(number)))
}

/// One link of what was told about it. The signal of the station is of now, that of the network of the last scan. A link
/// over several channels has a station address of its own; the network's is that of the access point.
fn link(interface: Interface, station: Option<Station>, network: Option<Network>) -> Wireless {
    let network = network.as_ref();
    Wireless {
        interface: interface.name,
        ssid: interface.ssid.or_else(|| network?.ssid.clone()),
        bssid: network.map(|network| network.bssid.clone()).or_else(|| Some(station.as_ref()?.mac.clone())),
        frequency_mhz: interface.frequency_mhz.or_else(|| network?.frequency_mhz),
        signal_dbm: station.as_ref().and_then(|station| station.signal_dbm).or_else(|| network?.signal_dbm),
        encryption: network.and_then(|network| network.encryption).map(str::to_owned),
        ..Wireless::default()
    }
}

/// `/proc/net/wireless`: two head lines, then `wlan0: 0000   54.  -56.  -256  ...` with status, link, level and noise. A dot
/// marks a value that is new since the last read. The level is in dBm where it is negative.
fn parse(path: &Path, text: &str, faults: &mut Faults) -> Reading<Vec<Wireless>> {
    let mut list = Vec::new();
    walk(path, text, faults, |at, line| {
        if at == 1 {
            return Ok(Taken::Nothing);
        }
        if at == 2 && line.contains("link level noise") {
            return Ok(Taken::Head);
        }
        let (name, numbers) = named_numbers(line)?;
        let level = numbers.split_ascii_whitespace().nth(2).map(|level| level.trim_end_matches('.'));
        let level: i32 = number(level, "a level")?;
        list.push(Wireless {
            interface: name.to_owned(),
            // -256 is "unknown".
            signal_dbm: Some(level).filter(|level| (-255..0).contains(level)),
            ..Wireless::default()
        });
        Ok(Taken::Value)
    })?;
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::{self, partial, whole};
    use crate::model::ReadError;

    const HEAD: &str = "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n";

    fn read(text: &str) -> Reading<Vec<Wireless>> {
        whole(|faults| parse(Path::new("wireless"), &format!("{HEAD}{text}"), faults))
    }

    #[test]
    fn the_file_tells_name_and_signal() {
        let list = read(" wlan0: 0000   54.  -56.  -256        0      0      0      0      0        0\n").unwrap();
        assert_eq!((&*list[0].interface, list[0].signal_dbm, &list[0].ssid), ("wlan0", Some(-56), &None));
        let old = read(" wlan0: 0000   54   200    0        0      0      0      0      0        0\n").unwrap();
        assert_eq!(old[0].signal_dbm, None, "200 on a scale of the driver's own");
        assert_eq!(read(" wlan0: 0000    0.  -256.  -256 0 0 0 0 0 0\n").unwrap()[0].signal_dbm, None);
    }

    #[test]
    fn without_interfaces_the_list_is_empty() {
        assert_eq!(read(""), Ok(Vec::new()));
        assert!(whole(|faults| parse(Path::new("wireless"), "", faults)).is_err(), "the head is always there");
    }

    #[test]
    fn garbage_costs_its_own_line() {
        for bad in ["garbage", " wlan0: 0000", " wlan0: 0000 54. -99999999999. 0", " wlan0: 0000 54. \u{fffd} 0"] {
            assert!(matches!(read(bad), Err(ReadError::Parse { line: 3, .. })), "{bad}");
            let text = format!("{HEAD}{bad}\n wlan1: 0000   54.  -56.  -256 0 0 0 0 0 0\n");
            let (list, _) = partial(|faults| parse(Path::new("wireless"), &text, faults));
            assert_eq!(list.len(), 1, "{bad}");
        }
    }

    #[test]
    fn a_link_is_put_together_from_what_is_known() {
        let interface = Interface { index: 3, name: "wlan0".into(), ssid: None, frequency_mhz: None };
        let idle = link(interface.clone(), None, None);
        assert_eq!((idle.ssid, idle.bssid, idle.signal_dbm, idle.encryption), (None, None, None, None));
        let station = Station { mac: "02:00:00:00:00:01".into(), signal_dbm: None };
        let alone = link(interface.clone(), Some(station.clone()), None);
        assert_eq!((alone.bssid.as_deref(), alone.signal_dbm), (Some("02:00:00:00:00:01"), None));
        let network = Network {
            bssid: "02:00:00:00:00:02".into(),
            ssid: Some("home".into()),
            frequency_mhz: Some(2412),
            signal_dbm: Some(-60),
            encryption: Some("WPA2"),
        };
        let whole = link(interface, Some(station), Some(network));
        assert_eq!((whole.bssid.as_deref(), whole.ssid.as_deref()), (Some("02:00:00:00:00:02"), Some("home")));
        assert_eq!(
            (whole.frequency_mhz, whole.signal_dbm, whole.encryption.as_deref()),
            (Some(2412), Some(-60), Some("WPA2"))
        );
    }

    #[test]
    fn another_root_has_its_file_or_no_wireless() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { procfs: dir.path().to_owned(), ..Paths::host() };
        let mut reader = Reader::new(&paths);
        assert_eq!(reader.read(&mut Faults::default()), Ok(Vec::new()));
        std::fs::create_dir(dir.path().join("net")).unwrap();
        std::fs::write(dir.path().join("net/wireless"), format!("{HEAD} w\u{fc}: 0000 70. -40. -256 0 0 0 0 0 0\n"))
            .unwrap();
        assert_eq!(reader.read(&mut Faults::default()).unwrap()[0].interface, "w\u{fc}");
    }

    #[test]
    fn this_machine_is_asked_and_its_answer_agrees_with_sysfs() {
        let mut reader = Reader::new(&Paths::host());
        let list = reader.read(&mut Faults::default()).unwrap();
        for link in &list {
            assert!(Path::new("/sys/class/net").join(&link.interface).exists(), "{link:?}");
        }
        if !Path::new("/sys/class/ieee80211").exists() && !Path::new("/proc/net/wireless").exists() {
            assert!(list.is_empty());
            assert!(reader.line.is_none() && reader.absent_since.is_some(), "not to be asked again on each pass");
            let since = reader.absent_since;
            reader.read(&mut Faults::default()).unwrap();
            assert_eq!(reader.absent_since, since);
        }
    }

    #[test]
    fn the_laptop_has_one_link() {
        let list = Reader::new(&testing::laptop()).read(&mut Faults::default()).unwrap();
        assert_eq!(list.iter().map(|l| (&*l.interface, l.signal_dbm)).collect::<Vec<_>>(), [("wlan0", Some(-56))]);
    }
}
