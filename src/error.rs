//! What can go wrong at start: one line that says what to do, and an exit code. Made wherever something starts, printed by
//! `main`. What goes wrong in a request is the server's: `server::error`.

use std::net::SocketAddr;

use crate::model::ReadError;

/// Why the program cannot run. Each text is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// A flag, variable or file says something that makes no sense.
    #[error("{0}")]
    Config(String),
    /// A setting has a value that makes no sense.
    #[error("{place} {problem}")]
    Setting {
        /// Where it was set: the flag, the variable, or the file's line and key. As long as nobody knows better, the flag.
        place: String,
        /// The value, and what is wrong with it.
        problem: String,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}; {}", listen_hint(source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A path cannot be listened on.
    #[error("cannot listen on unix:{}: {reason}", path.display())]
    Socket {
        /// The path.
        path: std::path::PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A host name in `--listen` or `--address` has no address.
    #[error("cannot find an address for {host:?}: {reason}; give an address, or a name that this machine knows")]
    Resolve {
        /// The name.
        host: String,
        /// The resolver's answer.
        reason: String,
    },
    /// The machine's numbers cannot be read at all.
    #[error("cannot read the machine's numbers: {0}; is /proc mounted, and is --procfs right?")]
    Unreadable(ReadError),
    /// The history cannot be kept where it should be.
    #[error("--data-dir: {0}")]
    History(#[from] crate::history::HistoryError),
    /// The reports of other machines cannot be kept where they should be.
    #[error("--receive: {0}")]
    Receiver(#[from] crate::receiver::OpenError),
    /// A server that was asked how it is.
    #[error("{url} is not up: {reason}")]
    Down {
        /// The server.
        url: String,
        /// What it said, or that it said nothing.
        reason: String,
    },
    /// Nothing can be sent to others.
    #[error("agent: {0}")]
    Agent(#[from] crate::agent::AgentError),
    /// A receiver was asked, and something is wrong with it.
    #[error("{0}")]
    Check(String),
    /// Anything else of the system.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// What to do about an address that cannot be listened on.
fn listen_hint(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::AddrInUse => "stop whatever uses it or choose another with --listen or --port",
        std::io::ErrorKind::PermissionDenied => "choose a port of 1024 or above with --listen or --port",
        std::io::ErrorKind::AddrNotAvailable => {
            "it is no address of this machine; choose one with --listen or --address"
        }
        _ => "choose another with --listen or --port",
    }
}

impl StartupError {
    /// 2 for what was typed wrong, 1 for what the machine refuses.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Setting { .. } | Self::Resolve { .. } => 2,
            Self::Listen { .. }
            | Self::Socket { .. }
            | Self::Unreadable(_)
            | Self::History(_)
            | Self::Receiver(_)
            | Self::Down { .. }
            | Self::Agent(_)
            | Self::Check(_)
            | Self::Io { .. } => 1,
        }
    }
}
