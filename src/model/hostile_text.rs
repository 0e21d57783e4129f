//! Text that somebody chose in order to hold a program up, for tests of every function that looks at such text.
//!
//! Used by tests only. A process chooses its name and command line, a mount its path, a socket its address; whatever they
//! choose, looking at it takes time in proportion to its length.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Lengths of each text. The last is twice the longest argument that Linux takes (`MAX_ARG_STRLEN`); the others are there to
/// fail in seconds where that would take minutes.
const LENGTHS: [usize; 3] = [8 << 10, 32 << 10, 256 << 10];

/// Time of a processor that one text may cost, without optimisation. Linear code needs a twentieth. A search from
/// each byte to the end, at the ten bytes a nanosecond of the fastest one, needs several times as much; one that looks at
/// characters needs many minutes.
const LIMIT: Duration = Duration::from_secs(2);

/// What is repeated, and what stands at the end.
const PATTERNS: [(&[u8], &[u8]); 24] = [
    (b",", b"="),
    (b"\"", b"="),
    (b"'", b"password='"),
    (b"'\"", b" password=S"),
    (b"\\", b"="),
    (b"\\0", b"40"),
    (b" ", b"="),
    (b"-", b" --password"),
    (b"-", b"="),
    (b"--password ", b"S"),
    (b"password", b"="),
    (b"=", b""),
    (b":", b"//"),
    (b"://", b"@"),
    (b"://:", b"/@"),
    (b"/", b"="),
    (b"?&;#", b"token=S"),
    (b"\0", b"--token\0S"),
    (b"a\0", b""),
    (b"\xff", b"="),
    (b"\xc3\xa4\xe2\x80", b":"),
    (b"%2", b"="),
    (b"{[(", b")]}="),
    (b"\x01\n\t", b"="),
];

/// What this thread used of the processor. What else runs on the machine does not count.
fn used() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

/// Fails unless `look` is done with each of the texts in time.
#[track_caller]
pub(crate) fn assert_linear(what: &str, look: impl Fn(&[u8])) {
    let tries = LENGTHS.iter().flat_map(|length| PATTERNS.map(|(piece, end)| (*length, piece, end)));
    for (length, piece, end) in tries {
        let text = [&piece.repeat(length / piece.len()), end].concat();
        let before = used();
        look(&text);
        let took = used().saturating_sub(before);
        assert!(took <= LIMIT, "{what}: {length} bytes of {} took {took:?}", piece.escape_ascii());
    }
}
