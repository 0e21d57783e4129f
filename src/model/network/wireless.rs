//! Wi-Fi links: raw from nl80211, derived with the channel and the quality of the signal.

use serde::Serialize;

/// One Wi-Fi link, as nl80211 tells it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Wireless {
    /// Interface.
    pub interface: String,
    /// Name of the network (SSID).
    pub ssid: Option<String>,
    /// MAC address of the access point.
    pub bssid: Option<String>,
    /// Channel number; derived.
    pub channel: Option<u32>,
    /// Channel frequency, MHz.
    pub frequency_mhz: Option<u32>,
    /// Signal, dBm.
    pub signal_dbm: Option<i32>,
    /// Derived: 0 at -110 dBm to 1 at -40 dBm, the scale of the kernel's own `link/70`.
    pub quality_ratio: Option<f64>,
    /// `WPA2`, `WPA3`, `open`, ... as far as the link tells.
    pub encryption: Option<String>,
}

/// dBm of the worst and the best link on the kernel's own scale of 70 steps.
const WORST_DBM: f64 = -110.0;

const BEST_DBM: f64 = -40.0;

/// One link with its channel and quality.
pub(in crate::model) fn derive(raw: &Wireless) -> Wireless {
    let quality = |dbm: i32| ((f64::from(dbm) - WORST_DBM) / (BEST_DBM - WORST_DBM)).clamp(0.0, 1.0);
    Wireless { channel: raw.frequency_mhz.and_then(channel), quality_ratio: raw.signal_dbm.map(quality), ..raw.clone() }
}

/// Channel number of a Wi-Fi frequency (IEEE 802.11, annex E).
fn channel(mhz: u32) -> Option<u32> {
    match mhz {
        2484 => Some(14),
        2412..=2472 => Some((mhz - 2407) / 5),
        5000..=5895 => Some((mhz - 5000) / 5),
        5935 => Some(2),
        5950..=7115 => Some((mhz - 5950) / 5),
        58_320..=70_200 => Some((mhz - 56_160) / 2_160),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_of_all_bands() {
        let channels = [(2412, 1), (2472, 13), (2484, 14), (5180, 36), (5825, 165), (5935, 2), (5955, 1), (58_320, 1)];
        for (mhz, expected) in channels {
            assert_eq!(channel(mhz), Some(expected), "{mhz}");
        }
        for mhz in [0, 2411, 2473, 4999, 5900, 7116, u32::MAX] {
            assert_eq!(channel(mhz), None, "{mhz}");
        }
    }

    #[test]
    fn the_quality_ends_at_both_ends_and_is_unknown_without_a_signal() {
        let quality = |signal_dbm| derive(&Wireless { signal_dbm, ..Wireless::default() }).quality_ratio;
        assert_eq!(
            [Some(-200), Some(-110), Some(-75), Some(-40), Some(0)].map(quality),
            [0.0, 0.0, 0.5, 1.0, 1.0].map(Some)
        );
        assert_eq!(quality(None), None);
    }
}
