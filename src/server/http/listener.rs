//! Opens the sockets that are listened on.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Listen;
use crate::error::StartupError;
use crate::limits::{RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How often another free port is tried when the other address family already uses the one that was given.
const FREE_PORT_TRIES: usize = 16;

/// Listens on every address of every entry.
pub fn listen(all: &[Listen]) -> Result<Vec<TcpListener>, StartupError> {
    let mut listeners = Vec::new();
    for entry in all {
        listeners.extend(listen_entry(entry)?);
    }
    Ok(listeners)
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
    // What is accepted has these as well. Unlimited, the kernel takes megabytes for a client that does not read.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
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
        Listen { host: "localhost".into(), addresses }
    }

    #[test]
    fn one_name_has_one_port() {
        let listeners = listen(&[localhost(0)]).unwrap();
        let ports: Vec<_> = listeners.iter().map(|l| l.local_addr().unwrap().port()).collect();
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0), "{ports:?}");
    }

    #[test]
    fn a_taken_port_is_told_with_its_address() {
        let taken = listen(&[localhost(0)]).unwrap();
        let port = taken[0].local_addr().unwrap().port();
        let error = listen(&[localhost(port)]).unwrap_err();
        assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
        assert_eq!(error.exit_code(), 1);
    }
}
