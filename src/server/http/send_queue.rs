//! How many bytes of a connection its client has not taken yet, as the kernel knows it. Asked by [`super::connection`] about a
//! WebSocket or a stream: a client that takes its bytes is alive, whatever it says. Over TLS the bytes are those on the wire.

use std::io;
use std::os::fd::AsFd;

/// Bytes that were handed to the kernel and are not acknowledged by the other side, `SIOCOUTQ` of tcp(7).
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "SIOCOUTQ has no safe wrapper: neither rustix, nix nor socket2 have one")]
pub fn waiting_bytes(socket: impl AsFd) -> io::Result<u64> {
    use rustix::ioctl::{Getter, Opcode, ioctl};
    // The number of TIOCOUTQ, which `linux/sockios.h` gives to sockets as SIOCOUTQ.
    const SIOCOUTQ: Opcode = libc::TIOCOUTQ as Opcode;
    // SAFETY: SIOCOUTQ writes one int to the place that it is given (tcp(7)), which is what a getter of an int has for it. On
    // any other descriptor it fails, or writes the same int (ioctl_tty(2)).
    let waiting = unsafe { ioctl(socket, Getter::<SIOCOUTQ, libc::c_int>::new()) }?;
    Ok(u64::try_from(waiting).unwrap_or(0))
}

/// Other kernels have other words for it. There, answers to pings decide.
#[cfg(not(target_os = "linux"))]
pub fn waiting_bytes(_: impl AsFd) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn what_nobody_reads_waits_and_what_is_read_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert_eq!(waiting_bytes(&server).unwrap(), 0);
        server.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(count) = server.write(&[0; 64 * 1024]) {
            sent += count;
        }
        assert!(waiting_bytes(&server).unwrap() > 0, "{sent} bytes were taken and none waits");
        client.read_exact(&mut vec![0; sent]).unwrap();
        let begin = Instant::now();
        while waiting_bytes(&server).unwrap() > 0 {
            assert!(begin.elapsed() < Duration::from_secs(20), "it was read and waits all the same");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(waiting_bytes(std::fs::File::open("/dev/null").unwrap()).is_err());
    }
}
