//! The name of a process, from what the kernel kept of it and from its command line.
//!
//! Called by the process tables of both collectors, and for single processes. Pure. A process chooses both texts freely
//! (prctl(2), setproctitle(3)), and many write their whole command line, passwords and all, into one string. A name is shown to
//! whoever may see processes, so no argument may get into it: only the rest of a file's name that the kernel cut is ever
//! taken from a command line.

use crate::model::redact::{HIDDEN, redact};

/// Bytes of a name that the kernel keeps (`TASK_COMM_LEN` without its NUL). A name this long may be a cut one.
const CUT_BYTES: usize = 15;

/// No file's name is longer (`NAME_MAX`), and no process's name.
const MOST_BYTES: usize = 255;

/// Whether the command line may tell more of the name than `comm` does.
pub(super) fn is_cut(comm: &[u8]) -> bool {
    comm.len() == CUT_BYTES
}

/// The name to show: at most [`MOST_BYTES`] of text without secrets and without characters that move a terminal.
pub(super) fn of(comm: &[u8], command_line: &[u8]) -> String {
    let whole = if is_cut(comm) { completed(comm, command_line) } else { comm };
    shown(&String::from_utf8_lossy(whole))
}

/// A cut name with its rest, where the first argument is the path of a file whose name begins with what is left.
///
/// The folders before it hold no blank and the rest neither: behind a blank begins an argument, if all was written into one
/// string. Only `comm` itself vouches for a blank: of `/usr/lib/plex/Plex New Transcoder` the kernel kept `Plex New Transc`.
/// There the rest must reach the end of the first argument. Where the command line is one string that begins with
/// `comm`, blanks and all, the process has written both as a title: the first word is its name.
fn completed<'a>(comm: &'a [u8], command_line: &'a [u8]) -> &'a [u8] {
    let end = command_line.iter().position(|byte| *byte == 0).unwrap_or(command_line.len());
    let (first, others) = command_line.split_at(end);
    let has_blank = String::from_utf8_lossy(comm).contains(is_blank);
    if has_blank && first.len() > comm.len() && first.starts_with(comm) && others.iter().all(|byte| *byte == 0) {
        let word = comm.split(|byte| byte.is_ascii_whitespace()).find(|word| !word.is_empty());
        return word.unwrap_or(comm);
    }
    let word =
        first.iter().position(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control()).unwrap_or(first.len());
    let file = first[..word].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let (folder, file) = first.split_at(file);
    if !file.starts_with(comm) || !is_folder(folder) {
        return comm;
    }
    let length = name_length(file, comm.len());
    let is_whole = !has_blank || (!folder.is_empty() && length == file.len());
    if is_whole && length <= MOST_BYTES { &file[..length] } else { comm }
}

/// How much of `file` is a name, of which the first `known` bytes are one already.
fn name_length(file: &[u8], known: usize) -> usize {
    let mut at = 0;
    for chunk in file.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if at + letter.len_utf8() > known && !is_of_name(letter) {
                return at;
            }
            at += letter.len_utf8();
        }
        at += chunk.invalid().len();
    }
    at
}

fn is_folder(path: &[u8]) -> bool {
    let path = String::from_utf8_lossy(path);
    !path.starts_with('-') && path.chars().all(|letter| is_of_name(letter) || matches!(letter, '/' | '@'))
}

/// What the rest of a file's name is taken to be made of. Real ones may hold more, and are then shown as the kernel cut
/// them; `=`, `:`, `?`, `,` and their like part a word from a value.
fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric()
        || matches!(letter, '-' | '_' | '.' | '+' | '~')
        || (!letter.is_ascii() && !is_blank(letter) && !moves_text(letter))
}

fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control()
}

/// Controls, separators of lines, and what turns the direction of a text (UAX #9).
fn moves_text(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` as it may be shown. `comm` can hold a title, too: it ends before its first option and before what a URL names, and
/// its secrets are masked.
fn shown(text: &str) -> String {
    let text = before_option(cut(text));
    let text = match text.split_once("://") {
        // The kernel may have cut it before the `@` that tells a password.
        Some((scheme, _)) => format!("{scheme}://{HIDDEN}"),
        None => redact(&[text.to_owned()]).concat(),
    };
    let text: String = text.chars().map(|letter| if moves_text(letter) { '\u{fffd}' } else { letter }).collect();
    cut(&text).to_owned()
}

fn before_option(text: &str) -> &str {
    let starts = text.match_indices('-').map(|(at, _)| at).find(|at| {
        let follows = text[at + 1..].chars().next().is_some_and(|letter| !is_blank(letter));
        follows && *at > 0 && text[..*at].ends_with(is_blank)
    });
    starts.map_or(text, |at| text[..at].trim_end_matches(is_blank))
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MOST_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hostile_text;

    #[test]
    fn a_cut_name_gets_the_rest_of_its_file() {
        for (comm, line, expected) in [
            ("gnome-terminal-", "/usr/libexec/gnome-terminal-server\0--x\0", "gnome-terminal-server"),
            ("gnome-terminal-", "gnome-terminal-server", "gnome-terminal-server"),
            ("gnome-terminal-", "/usr/bin/python3\0/usr/bin/gnome-terminal-x\0", "gnome-terminal-"),
            ("gnome-terminal-", "", "gnome-terminal-"),
            ("gnome-terminal-", "./gnome-terminal-server\0", "gnome-terminal-server"),
            ("gnome-terminal-", "/opt/a@1.2/gnome-terminal-server\0", "gnome-terminal-server"),
            ("Plex New Transc", "/usr/lib/plex/Plex New Transcoder\0-i\0x\0", "Plex New Transcoder"),
            ("Plex New Transc", "/usr/lib/plex/Plex New Transcoder", "Plex New Transcoder"),
            ("Web Content", "/opt/firefox/firefox\0-contentproc\0", "Web Content"),
            ("tab) R 1 (2 of ", "/opt/chromium\0", "tab) R 1 (2 of "),
            ("größter-diens", "/bin/größter-dienst-ü\0", "größter-dienst-ü"),
            ("kworker/0:1-events", "", "kworker/0:1-events"),
            ("bash", "-bash\0", "bash"),
        ] {
            assert_eq!(of(comm.as_bytes(), line.as_bytes()), expected, "{comm} of {line}");
        }
        // The kernel cuts between bytes, not between characters.
        assert_eq!(of(b"a-long-name-ab\xc3", "a-long-name-ab\u{fc}rz\0".as_bytes()), "a-long-name-ab\u{fc}rz");
        assert_eq!(of(b"a-long-name-ab\xc3", "a-long-name-ab\u{e0}\u{a0}S".as_bytes()), "a-long-name-ab\u{e0}");
        assert_eq!(of(b"a-long-name-ab\xc2", "a-long-name-ab\u{a0}S".as_bytes()), "a-long-name-ab");
    }

    #[test]
    fn no_argument_is_part_of_a_name() {
        for (comm, line, expected) in [
            ("element-desktop", "/opt/Element/element-desktop --password=S --token S", "element-desktop"),
            ("my-backup-daemo", "my-backup-daemon: pg_dump --password=S\0", "my-backup-daemon"),
            ("my-backup-daemo", "my-backup-daemon\t--password=S\0", "my-backup-daemon"),
            ("my-backup-daemo", "my-backup-daemon\u{1}S\0", "my-backup-daemon"),
            ("my-backup-daemo", "my-backup-daemon\u{2003}S\0", "my-backup-daemon"),
            ("my-backup-daemo", "my-backup-daemon\u{a0}S\0", "my-backup-daemon"),
            ("my-backup-daemo", "my-backup-daemon=S\0", "my-backup-daemon"),
            ("my-backup-daemo", "my-backup-daemon?token=S\0", "my-backup-daemon"),
            ("my-backup-daemo", "my-backup-daemon,S", "my-backup-daemon"),
            ("my-backup-daemo", "my-backup-daemon@S", "my-backup-daemon"),
            ("my-backup-daemo", "my-backup-daemon/S", "my-backup-daemo"),
            ("my-backup-daemo", "/x/y --into=/z/my-backup-daemonS", "my-backup-daemo"),
            ("my-backup-daemo", "--into=/z/my-backup-daemonS", "my-backup-daemo"),
            ("my-backup-daemo", "-x/my-backup-daemonS", "my-backup-daemo"),
            ("my-backup-daemo", "y\u{2003}/z/my-backup-daemonS", "my-backup-daemo"),
            ("my-backup-daemo", "/usr/bin/python3 a/my-backup-daemonS", "my-backup-daemo"),
            ("my-backup-daemo", "\0my-backup-daemonS", "my-backup-daemo"),
            ("psql user hunte", "psql user hunter2 db\0\0\0", "psql"),
            ("psql user hunte", "psql user hunter2\0", "psql"),
            ("psql user hunte", "/bin/psql user hunter2 db\0", "psql user hunte"),
            ("element-d --pas", "element-d --password=S\0", "element-d"),
            ("mysqldump -phun", "", "mysqldump"),
            ("x\t-pS", "", "x"),
            ("a - b", "", "a - b"),
            ("--token abc123", "", "--token ***"),
            ("password=hunte", "", "password=***"),
            ("x token=hunter", "", "x token=***"),
            ("http://a:hunter", "", "http://***"),
        ] {
            assert_eq!(of(comm.as_bytes(), line.as_bytes()), expected, "{comm} of {line:?}");
        }
    }

    #[test]
    fn a_name_is_bounded_text_that_moves_nothing() {
        assert_eq!(of(b"two\nlines\x1b[2J\x7f", b""), "two\u{fffd}lines\u{fffd}[2J\u{fffd}");
        assert_eq!(of("a\u{202e}b\u{9b}c".as_bytes(), b""), "a\u{fffd}b\u{fffd}c");
        assert_eq!(of(b"a\xffb", b""), "a\u{fffd}b");
        assert_eq!(of(b"", b""), "");
        let long = [b"/bin/my-backup-daemo".as_slice(), &[b'x'; 400], b"\0"].concat();
        assert_eq!(of(b"my-backup-daemo", &long), "my-backup-daemo", "no file has such a name");
        assert_eq!(of(b"my-backup-daemo", &long[..5 + MOST_BYTES]).len(), MOST_BYTES);
        assert_eq!(of(&[0xff; 2_000], b"").len(), MOST_BYTES);
    }

    #[test]
    fn any_text_takes_time_by_its_length() {
        hostile_text::assert_linear("a name", |text| {
            for comm in [&text[..CUT_BYTES.min(text.len())], b"my-backup-daemo"] {
                for head in [&b""[..], b"my-backup-daemo", b"/x/my-backup-daemo", b"/x/", comm] {
                    assert!(of(comm, &[head, text].concat()).len() <= MOST_BYTES);
                }
            }
            assert!(of(text, b"").len() <= MOST_BYTES);
        });
    }
}
