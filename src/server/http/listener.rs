//! Opens the sockets that are listened on: addresses, UNIX sockets by their path, and those that were passed to us.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::config::{Listen, Passed, Way};
use crate::error::StartupError;
use crate::limits::{RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How often another free port is tried when the other address family already uses the one that was given.
const FREE_PORT_TRIES: usize = 16;

/// One socket that is listened on.
pub enum Listener {
    /// On an address.
    Tcp(TcpListener),
    /// On a path.
    Unix(UnixListener),
}

impl Listener {
    /// Its address, if it has one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }
}

/// The file of a UNIX socket that we made. Removed when this is dropped, unless another is there by then.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|now| (now.dev(), now.ino()) == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Listens on every place of every entry. The files of UNIX sockets, which get `mode`, come beside the listeners.
pub fn listen(all: &[Listen], mode: u32) -> Result<(Vec<Listener>, Vec<SocketFile>), StartupError> {
    let (mut listeners, mut files) = (Vec::new(), Vec::new());
    for entry in all {
        match &entry.way {
            Way::Addresses => listeners.extend(listen_entry(entry)?.into_iter().map(Listener::Tcp)),
            Way::Passed(passed) => listeners.push(take(passed)?),
            Way::Path(path) => {
                let wrong = |reason: String| StartupError::Socket { path: path.clone(), reason };
                let (listener, file) = listen_at(path, mode).map_err(wrong)?;
                listeners.push(Listener::Unix(listener));
                files.push(file);
            }
        }
    }
    Ok((listeners, files))
}

/// A socket that somebody else bound.
fn take(passed: &Passed) -> Result<Listener, StartupError> {
    let taken = || -> std::io::Result<Listener> {
        let socket = Socket::from(passed.socket.try_clone()?);
        bound_buffers(&socket)?;
        socket.set_nonblocking(true)?;
        let socket = OwnedFd::from(socket);
        Ok(if passed.is_unix { Listener::Unix(socket.into()) } else { Listener::Tcp(socket.into()) })
    };
    taken().map_err(|source| StartupError::Io { what: "cannot take over the socket that was passed", source })
}

/// A UNIX socket at `path`. A file that a dead server left there goes; that of one that answers stays, and so does
/// everything that is no socket.
fn listen_at(path: &Path, mode: u32) -> Result<(UnixListener, SocketFile), String> {
    if let Ok(old) = std::fs::symlink_metadata(path) {
        if !old.file_type().is_socket() {
            return Err("there is a file that is no socket; remove it or choose another path".to_owned());
        }
        if UnixStream::connect(path).is_ok() {
            return Err("another program listens there; stop it or choose another path".to_owned());
        }
        std::fs::remove_file(path).map_err(|error| format!("the socket of before cannot be removed: {error}"))?;
    }
    let listening = || -> std::io::Result<(UnixListener, SocketFile)> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        bound_buffers(&socket)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let made = std::fs::symlink_metadata(path)?;
        let file = SocketFile { path: path.to_owned(), identity: (made.dev(), made.ino()) };
        // Before it listens: nobody gets in by what the file was made with.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok((OwnedFd::from(socket).into(), file))
    };
    listening().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "its folder does not exist; make it first".to_owned(),
        _ => error.to_string(),
    })
}

/// What is accepted has these as well. Unlimited, the kernel takes megabytes for a client that does not read.
fn bound_buffers(socket: &Socket) -> std::io::Result<()> {
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)
}

/// One name, all its addresses, the same port on each: a name that means two addresses must not mean two programs.
fn listen_entry(entry: &Listen) -> Result<Vec<TcpListener>, StartupError> {
    let mut last_error = None;
    let is_free_port = entry.addresses.iter().any(|address| address.port() == 0);
    for _ in 0..if is_free_port { FREE_PORT_TRIES } else { 1 } {
        match listen_on(&entry.addresses) {
            Ok(listeners) => return Ok(listeners),
            Err(error) => last_error = Some(error),
        }
    }
    Err(last_error.unwrap_or(StartupError::Resolve { host: entry.host.clone(), reason: "it has none".to_owned() }))
}

fn listen_on(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, StartupError> {
    let mut listeners: Vec<TcpListener> = Vec::with_capacity(addresses.len());
    for address in addresses {
        let mut address = *address;
        if address.port() == 0
            && let Some(port) = listeners.first().and_then(|first| first.local_addr().ok()).map(|first| first.port())
        {
            address.set_port(port);
        }
        match listen_one(address) {
            Ok(listener) => listeners.push(listener),
            // A machine without IPv6 is still reachable by the name's other address.
            Err(source) if is_missing_family(&source) && addresses.len() > 1 => {
                log::debug!("not listening on {address}: {source}");
            }
            Err(source) => return Err(StartupError::Listen { address, source }),
        }
    }
    match listeners.is_empty() {
        false => Ok(listeners),
        true => Err(StartupError::Listen {
            address: addresses.first().copied().unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            source: std::io::ErrorKind::AddrNotAvailable.into(),
        }),
    }
}

fn is_missing_family(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        error.raw_os_error().map(Errno::from_raw_os_error),
        Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT)
    )
}

fn listen_one(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    bound_buffers(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn localhost(port: u16) -> Listen {
        let addresses = ["127.0.0.1", "::1"].iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect();
        Listen { host: "localhost".into(), addresses, way: Way::Addresses }
    }

    fn path(path: &Path) -> Listen {
        Listen { host: String::new(), addresses: Vec::new(), way: Way::Path(path.to_owned()) }
    }

    #[test]
    fn a_path_is_taken_from_the_dead_and_from_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("x.sock");
        let error = |place: &Path| listen(&[path(place)], 0o600).err().unwrap().to_string();
        // One that is dead: its file stays behind.
        drop(UnixListener::bind(&place).unwrap());
        let (_listeners, files) = listen(&[path(&place)], 0o640).unwrap();
        assert_eq!(std::fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(UnixStream::connect(&place).is_ok());
        assert!(error(&place).contains("another program listens there"), "{}", error(&place));
        drop(files);
        assert!(!place.exists(), "it is removed");
        std::fs::write(&place, "precious").unwrap();
        assert!(error(&place).contains("no socket"));
        assert_eq!(std::fs::read_to_string(&place).unwrap(), "precious");
        assert!(error(Path::new("/nonexistent/x.sock")).contains("make it first"));
        assert!(error(Path::new(&format!("/tmp/{}", "x".repeat(200)))).contains("unix:/tmp/xxx"));
    }

    #[test]
    fn another_ones_socket_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("x.sock");
        let (listeners, files) = listen(&[path(&place)], 0o600).unwrap();
        std::fs::remove_file(&place).unwrap();
        let _other = UnixListener::bind(&place).unwrap();
        drop((listeners, files));
        assert!(place.exists());
    }

    #[test]
    fn one_name_has_one_port() {
        let (listeners, _) = listen(&[localhost(0)], 0).unwrap();
        let ports: Vec<_> = listeners.iter().map(|l| l.address().unwrap().port()).collect();
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0), "{ports:?}");
    }

    #[test]
    fn a_taken_port_is_told_with_its_address() {
        let (taken, _) = listen(&[localhost(0)], 0).unwrap();
        let port = taken[0].address().unwrap().port();
        let error = listen(&[localhost(port)], 0).err().unwrap();
        assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
        assert_eq!(error.exit_code(), 1);
    }
}
