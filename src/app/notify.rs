//! What systemd is told (`sd_notify(3)`): that we are ready, read again or stop, a line for `systemctl status`, and that the
//! sampler lives. Used by [`super::run`]; without `NOTIFY_SOCKET` nothing is sent, and nothing runs.
//!
//! The watchdog hears of us as long as ticks come. A sampler that stands still is restarted; a reader that hangs holds up
//! no tick, so a dead mount restarts nobody.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::model::Subjects;
use crate::sampler::Sampler;
use crate::server::Gate;

/// How often the line of the status is made anew, and the watchdog fed, where it does not want it more often.
const EVERY: Duration = Duration::from_secs(5);

/// Whether a service manager listens.
fn is_listened_to() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("the service manager cannot be told: {error}");
    }
}

/// The configuration is being read again. [`ready`] ends this.
pub(super) fn reloading() {
    // systemd of 253 and newer wants the time beside it, in the same message.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(_) => send(&[NotifyState::Reloading]),
    }
}

/// There is a sample, and clients are served.
pub(super) fn ready() {
    send(&[NotifyState::Ready]);
}

/// No client is served any more.
pub(super) fn stopping() {
    send(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Says that we are ready once there is a sample, then tells and feeds, for ever.
pub(super) async fn keep_telling(sampler: Sampler, gate: Arc<Gate>) {
    if !is_listened_to() {
        return;
    }
    // A first sample that takes longer than a request waits is still waited for.
    while sampler.latest(Subjects::VITALS).await.is_err() {}
    ready();
    let watchdog = sd_notify::watchdog_enabled();
    let pause = watchdog.map_or(EVERY, |time| (time / 3).min(EVERY));
    let mut told = String::new();
    loop {
        let line = status(gate.all(), sampler.punctuality().lateness_seconds, sampler.is_alive());
        send(&due(&line, &mut told, watchdog.is_some(), sampler.is_alive()));
        tokio::time::sleep(pause).await;
    }
}

/// The line of the status.
fn status(streams: usize, late_seconds: f64, is_alive: bool) -> String {
    let streams = if streams == 1 { "1 stream".to_owned() } else { format!("{streams} streams") };
    match is_alive {
        // In steps, so that it does not change all the time.
        true => format!("{streams}, samples up to {} ms late", (late_seconds * 100.0).ceil() * 10.0),
        false => format!("{streams}, the sampler stands still"),
    }
}

/// What is to be sent now: the line where it is another than the one that was `told`, and that we live if we do.
fn due<'a>(line: &'a str, told: &mut String, has_watchdog: bool, is_alive: bool) -> Vec<NotifyState<'a>> {
    let mut states = Vec::new();
    if line != told {
        line.clone_into(told);
        states.push(NotifyState::Status(line));
    }
    if has_watchdog && is_alive {
        states.push(NotifyState::Watchdog);
    }
    states
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(line: &str, told: &mut String, has_watchdog: bool, is_alive: bool) -> Vec<String> {
        due(line, told, has_watchdog, is_alive).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_watchdog_is_fed_as_long_as_the_sampler_lives() {
        let mut told = String::new();
        assert_eq!(sent("a", &mut told, true, true), ["STATUS=a", "WATCHDOG=1"]);
        assert_eq!(sent("a", &mut told, true, true), ["WATCHDOG=1"], "the same line is not told again");
        assert_eq!(sent("b", &mut told, true, false), ["STATUS=b"], "one that stands still is to be restarted");
        assert!(sent("b", &mut told, false, true).is_empty());
    }

    #[test]
    fn the_line_says_streams_and_lateness() {
        assert_eq!(status(1, 0.000_2, true), "1 stream, samples up to 10 ms late");
        assert_eq!(status(0, 0.0, true), "0 streams, samples up to 0 ms late");
        assert_eq!(status(12, 0.123, true), "12 streams, samples up to 130 ms late");
        assert_eq!(status(2, 0.1, false), "2 streams, the sampler stands still");
    }
}
