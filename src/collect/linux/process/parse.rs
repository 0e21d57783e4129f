//! Parsers of `/proc/PID/{stat,statm,status}`. They take bytes, allocate nothing and touch no file.
//!
//! Called by the process table. A name may hold anything but NUL: spaces, parentheses, newlines, invalid UTF-8.

/// What a file should have held.
pub(in crate::collect) type Complaint = &'static str;

/// The fields of `/proc/PID/stat` that are used (`proc_pid_stat(5)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat<'a> {
    /// Field 2, without its parentheses.
    pub(super) comm: &'a [u8],
    /// Field 3.
    pub(super) state: char,
    /// Field 4.
    pub(super) parent: u32,
    /// Field 14, ticks.
    pub(super) user_ticks: u64,
    /// Field 15, ticks.
    pub(super) system_ticks: u64,
    /// Fields 16 and 17, ticks: of children that ended and were waited for.
    pub(super) children_ticks: Option<[u64; 2]>,
    /// Field 19.
    pub(super) nice: i32,
    /// Field 20.
    pub(super) threads: u32,
    /// Field 22, ticks since boot.
    pub(super) start_ticks: u64,
    /// The fields behind it.
    pub(super) rest: &'a [u8],
}

impl Stat<'_> {
    /// Field 42, ticks waited for disks; since Linux 2.6.18. Apart, because few want it and it is far behind.
    pub(super) fn waiting_ticks(&self) -> Option<u64> {
        Words(self.rest).number(19, "field 42").ok()
    }
}

/// One line of `/proc/PID/stat`: `1 (systemd) S 0 1 1 0 -1 4194560 ...`. The name ends at the last parenthesis.
pub(super) fn parse_stat(text: &[u8]) -> Result<Stat<'_>, Complaint> {
    let open = text.iter().position(|byte| *byte == b'(').ok_or("no name in parentheses")?;
    let close = text.iter().rposition(|byte| *byte == b')').filter(|at| *at > open).ok_or("no end of the name")?;
    let mut words = Words(&text[close + 1..]);
    let state = match words.next().ok_or("no state")? {
        [letter] if letter.is_ascii_alphabetic() => char::from(*letter),
        _ => return Err("the state is not a letter"),
    };
    let parent = words.number(0, "field 4")?;
    let user_ticks = words.number(9, "field 14")?;
    let system_ticks = words.number(0, "field 15")?;
    let children = [words.next().and_then(decimal), words.next().and_then(decimal)];
    let nice = words.signed(1, "field 19")?;
    let threads = words.number(0, "field 20")?;
    let start_ticks = words.number(1, "field 22")?;
    Ok(Stat {
        comm: &text[open + 1..close],
        state,
        parent: u32::try_from(parent).map_err(|_| "field 4")?,
        user_ticks,
        system_ticks,
        children_ticks: children[0].zip(children[1]).map(|(user, system)| [user, system]),
        nice: i32::try_from(nice).map_err(|_| "field 19")?,
        threads: u32::try_from(threads).map_err(|_| "field 20")?,
        start_ticks,
        rest: words.0,
    })
}

/// The seven numbers of `/proc/PID/statm`, in pages: `3110 1742 1100 220 0 700 0`.
pub(super) fn parse_statm(text: &[u8]) -> Result<[u64; 7], Complaint> {
    let mut words = Words(text);
    let mut pages = [0; 7];
    for slot in &mut pages {
        *slot = words.number(0, "expected seven numbers")?;
    }
    Ok(pages)
}

/// The real, effective, saved and file system user of the `Uid:` line of `/proc/PID/status`.
pub(in crate::collect) fn parse_uids(text: &[u8]) -> Result<[u32; 4], Complaint> {
    let mut words = Words(status_line(text, b"Uid:").ok_or("no line Uid")?);
    let mut uids = [0; 4];
    for uid in &mut uids {
        *uid = words.id()?;
    }
    Ok(uids)
}

/// The real, effective and saved group of the `Gid:` line of `/proc/PID/status`.
pub(super) fn parse_gids(text: &[u8]) -> Option<[u32; 3]> {
    let mut words = Words(status_line(text, b"Gid:")?);
    Some([words.id().ok()?, words.id().ok()?, words.id().ok()?])
}

/// Bytes that the process had read from and written to storage: `read_bytes` and `write_bytes` of `/proc/PID/io`
/// (`proc_pid_io(5)`).
pub(super) fn parse_io(text: &[u8]) -> Result<[u64; 2], Complaint> {
    let number = |key: &[u8]| {
        let line = status_line(text, key).ok_or("no line read_bytes or write_bytes")?;
        Words(line).number(0, "a number is missing after read_bytes or write_bytes")
    };
    Ok([number(b"read_bytes:")?, number(b"write_bytes:")?])
}

/// The `Tgid:` line of `/proc/PID/status`: the process that the thread `PID` belongs to.
pub(super) fn parse_group(text: &[u8]) -> Option<u32> {
    u32::try_from(Words(status_line(text, b"Tgid:")?).number(0, "").ok()?).ok()
}

/// What follows `key`. The kernel escapes newlines in the name, the first line, so no name can forge another.
fn status_line<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(key))
}

/// Words between white space.
struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0.trim_ascii_start();
        if rest.is_empty() {
            return None;
        }
        let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.0 = rest;
        Some(word)
    }

    /// The number after `skip` words.
    fn number(&mut self, skip: usize, complaint: Complaint) -> Result<u64, Complaint> {
        for _ in 0..skip {
            self.next();
        }
        self.next().and_then(decimal).ok_or(complaint)
    }

    /// A user's number.
    fn id(&mut self) -> Result<u32, Complaint> {
        let complaint = "a number is missing after Uid";
        u32::try_from(self.number(0, complaint)?).map_err(|_| complaint)
    }

    fn signed(&mut self, skip: usize, complaint: Complaint) -> Result<i64, Complaint> {
        for _ in 0..skip {
            self.next();
        }
        let word = self.next().ok_or(complaint)?;
        let (digits, sign) = word.strip_prefix(b"-").map_or((word, 1), |digits| (digits, -1));
        let size = decimal(digits).and_then(|size| i64::try_from(size).ok()).ok_or(complaint)?;
        Ok(size * sign)
    }
}

/// A decimal number without sign. `None` when empty, when any byte is no digit, and past 64 bits.
pub(in crate::collect) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { number.checked_mul(10)?.checked_add(u64::from(digit)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &[u8] = b" S 1 42 42 0 -1 4194560 100 200 3 4 11 22 5 6 20 -5 7 0 4711 1000 200 18446744073709551615\n";

    fn line(name: &[u8]) -> Vec<u8> {
        [b"42 (", name, b")", REST].concat()
    }

    #[test]
    fn every_used_field_has_its_place() {
        let text = line(b"bash");
        let stat = parse_stat(&text).unwrap();
        assert_eq!(
            stat,
            Stat {
                comm: b"bash",
                state: 'S',
                parent: 1,
                user_ticks: 11,
                system_ticks: 22,
                children_ticks: Some([5, 6]),
                nice: -5,
                threads: 7,
                start_ticks: 4711,
                rest: b" 1000 200 18446744073709551615\n",
            }
        );
        assert_eq!(stat.waiting_ticks(), None, "this kernel has no field 42");
        let newer = [line(b"x").trim_ascii_end(), b" 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43\n"].concat();
        assert_eq!(parse_stat(&newer).unwrap().waiting_ticks(), Some(42));
    }

    #[test]
    fn a_name_may_hold_anything() {
        for name in
            [&b"a) R 1 ("[..], b"", b")", b"(", b"(sd-pam)", b"two\nlines", b"Web Content", b"\xff\xfe", b") S 7"]
        {
            let text = line(name);
            let stat = parse_stat(&text).unwrap();
            assert_eq!(stat.comm, name);
            assert_eq!((stat.state, stat.start_ticks), ('S', 4711));
        }
    }

    #[test]
    fn what_is_no_stat_line_is_refused() {
        for text in
            [&b""[..], b"\n", b"42 bash S 1", b"42 )bash( S 1", b"42 (bash)", b"42 (bash) S", b"42 (bash) 5 1 2 3"]
        {
            assert!(parse_stat(text).is_err(), "{text:?}");
        }
        let whole = line(b"bash");
        // Cut anywhere before the start time, the line is no longer one.
        let end = whole.windows(4).position(|w| w == b"4711").unwrap();
        for length in 0..end {
            assert!(parse_stat(&whole[..length]).is_err(), "{length}");
        }
        assert!(parse_stat(b"1 (x) S 99999999999 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1").is_err());
    }

    #[test]
    fn statm_is_seven_numbers() {
        assert_eq!(parse_statm(b"3110 1742 1100 220 0 700 0\n"), Ok([3110, 1742, 1100, 220, 0, 700, 0]));
        for text in
            [&b""[..], b"1 2 3 4 5 6\n", b"1 2 3 x 5 6 7\n", b"-1 2 3 4 5 6 7", b"99999999999999999999 2 3 4 5 6 7"]
        {
            assert!(parse_statm(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_users_are_four_numbers() {
        let forged = b"Name:\tUid:\\nUid:\t7\nUmask:\t0022\nUid:\t1000\t0\t0\t0\nGid:\t5\n";
        assert_eq!(parse_uids(forged), Ok([1000, 0, 0, 0]));
        for text in [&b""[..], b"Name:\tx\n", b"Uid:\n", b"Uid:\tx\n", b"Uid:\t4294967296\n"] {
            assert!(parse_uids(text).is_err(), "{text:?}");
        }
        assert_eq!(parse_uids(b"Name:\tx\nUid:\t0\t33\t5\t34\nGid:\t5\n"), Ok([0, 33, 5, 34]));
        assert!(parse_uids(b"Uid:\t1000\t0\t0\n").is_err());
    }

    #[test]
    fn the_groups_are_the_first_three_numbers() {
        assert_eq!(parse_gids(b"Name:\tx\nUid:\t0\t33\t5\t34\nGid:\t5\t6\t7\t8\n"), Some([5, 6, 7]));
        for text in [&b""[..], b"Gid:\n", b"Gid:\t1\t2\n", b"Gid:\tx\t2\t3\n", b"Name:\tGid:\\t1\\t2\\t3\n"] {
            assert_eq!(parse_gids(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_went_to_storage_is_told_by_two_lines() {
        let text =
            b"rchar: 9\nwchar: 8\nsyscr: 7\nsyscw: 6\nread_bytes: 4096\nwrite_bytes: 512\ncancelled_write_bytes: 5\n";
        assert_eq!(parse_io(text), Ok([4096, 512]));
        for text in [&b""[..], b"read_bytes: 1\n", b"read_bytes: x\nwrite_bytes: 1\n", b"cancelled_write_bytes: 5\n"] {
            assert!(parse_io(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_thread_tells_its_process() {
        assert_eq!(parse_group(b"Name:\tTgid:\\t1\nTgid:\t412\nPid:\t413\n"), Some(412));
        assert_eq!(parse_group(b"Name:\tx\nPid:\t413\n"), None);
    }
}
