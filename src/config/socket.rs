//! Sockets that are no address: UNIX sockets by their path, and those that a service manager passes to us
//! (`sd_listen_fds(3)`). Called by [`super::Config`] and by `main` before anything runs.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use listenfd::ListenFd;

use super::{Config, Listen, Typed, complaint, contradiction};
use crate::error::StartupError;

/// What stands before the path of a UNIX socket.
const UNIX: &str = "unix:";

/// How a place to listen on comes to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Its addresses are bound.
    Addresses,
    /// A UNIX socket is made at this path.
    Path(PathBuf),
    /// Somebody else bound it and passed it to us.
    Passed(Passed),
}

/// A listening socket that was passed to us.
#[derive(Clone, Debug)]
pub struct Passed {
    /// The socket; it is closed with the last holder of this.
    pub socket: Arc<OwnedFd>,
    /// Whether it is a UNIX socket.
    pub is_unix: bool,
}

impl PartialEq for Passed {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.socket, &other.socket)
    }
}

impl Eq for Passed {}

impl Listen {
    /// Where it listens, as `--listen` spells it.
    pub fn names(&self) -> Vec<String> {
        match &self.way {
            Way::Path(path) => vec![format!("{UNIX}{}", path.display())],
            Way::Passed(passed) if passed.is_unix => vec![self.host.clone()],
            Way::Addresses | Way::Passed(_) => self.addresses.iter().map(ToString::to_string).collect(),
        }
    }
}

/// `unix:PATH`; `None` where it is something else.
pub(super) fn parse_unix(text: &str) -> Option<Result<Listen, StartupError>> {
    let path = Path::new(text.trim().strip_prefix(UNIX)?);
    if !path.is_absolute() {
        return Some(Err(complaint(
            "--listen",
            text,
            "it must be an absolute path, as unix:/run/psmonitor/psmonitor.sock",
        )));
    }
    Some(Ok(Listen { host: text.trim().to_owned(), addresses: Vec::new(), way: Way::Path(path.to_owned()) }))
}

/// Who may open a UNIX socket, as chmod(1) takes it in octal.
pub(super) fn parse_mode(text: &str) -> Result<u32, StartupError> {
    let mode = u32::from_str_radix(text.trim(), 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| complaint("--socket-mode", text, "it must be permissions in octal, as 0660 or 0666"))
}

/// The sockets that a service manager passed to this process. To be called once, before anything else runs.
pub fn passed() -> Result<Vec<Listen>, StartupError> {
    let mut sockets = ListenFd::from_env();
    let mut all = Vec::new();
    for at in 0..sockets.len() {
        let strange = || {
            StartupError::Config(format!(
                "socket {} that the service manager passes is no listening stream socket; give ListenStream= in the socket unit",
                at + 1
            ))
        };
        if let Ok(Some(socket)) = sockets.take_tcp_listener(at) {
            let address = socket.local_addr().map_err(|_| strange())?;
            let passed = Passed { socket: Arc::new(socket.into()), is_unix: false };
            all.push(Listen { host: address.ip().to_string(), addresses: vec![address], way: Way::Passed(passed) });
        } else if let Ok(Some(socket)) = sockets.take_unix_listener(at) {
            let address = socket.local_addr().map_err(|_| strange())?;
            let path = address.as_pathname().map(|path| path.display().to_string()).unwrap_or_default();
            let passed = Passed { socket: Arc::new(socket.into()), is_unix: true };
            all.push(Listen { host: format!("{UNIX}{path}"), addresses: Vec::new(), way: Way::Passed(passed) });
        } else {
            return Err(strange());
        }
    }
    Ok(all)
}

impl Config {
    /// The same with the sockets that were passed, in place of the default address. Where an address was set, it must be
    /// the same: of two places that say where to listen, neither may be silently ignored.
    pub fn with_passed(mut self, typed: &Typed, passed: Vec<Listen>) -> Result<Self, StartupError> {
        if passed.is_empty() {
            return Ok(self);
        }
        let names = |all: &[Listen]| {
            let mut names: Vec<String> = all.iter().flat_map(Listen::names).collect();
            names.sort_unstable();
            names
        };
        let args = &typed.args;
        let set = [
            ("--listen", args.listen.is_some()),
            ("--address", args.address.is_some()),
            ("--port", args.port.is_some()),
        ];
        if let Some((flag, _)) = set.iter().find(|(_, is_set)| *is_set)
            && names(&self.listen) != names(&passed)
        {
            let (wanted, given) = (names(&self.listen).join(", "), names(&passed).join(", "));
            let problem = format!("says {wanted}, but the socket unit passes {given}; leave one of them out");
            return Err(typed.locate(contradiction(flag, &problem)));
        }
        self.listen = passed;
        self.check_exposure().map_err(StartupError::Config)?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_absolute() {
        let parse = |text: &str| parse_unix(text).map(|listen| listen.map_err(|error| error.to_string()));
        assert_eq!(parse("127.0.0.1:80"), None);
        assert!(parse("unix:psmonitor.sock").unwrap().unwrap_err().contains("absolute path"));
        let listen = parse(" unix:/run/x.sock ").unwrap().unwrap();
        assert_eq!(
            (listen.way.clone(), listen.names()),
            (Way::Path("/run/x.sock".into()), vec!["unix:/run/x.sock".into()])
        );
    }

    #[test]
    fn permissions_are_octal() {
        assert_eq!((parse_mode("0660").unwrap(), parse_mode("600").unwrap()), (0o660, 0o600));
        for text in ["", "0680", "1777", "rw", "-1"] {
            assert!(parse_mode(text).unwrap_err().to_string().contains("octal"), "{text}");
        }
    }
}
