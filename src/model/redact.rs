//! Secrets on command lines: values of options named like one are replaced before anybody sees them.
//!
//! Used wherever a command line leaves the program. Pure. It knows secrets by the names beside them; a bare word that
//! happens to be a password looks like any other word and stays. A process chooses its command line freely: only its
//! beginning is looked at, in time proportional to its length.

mod short_options;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_bounds;

use short_options::{Meaning, Program};

/// What stands in place of a secret.
pub const HIDDEN: &str = "***";

/// Most bytes of a command line that are looked at and shown, one for the end of each argument included.
pub const MOST_BYTES: usize = 4 << 10;

/// What stands in place of the rest.
const CUT: &str = "…";

/// Parts of a name, in lower case and without `-`, `_` and `.`, that make its value a secret.
const SECRET_PARTS: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "token",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "authkey",
    "signingkey",
    "encryptionkey",
    "credential",
    "authorization",
    "bearer",
];

/// Ends of a name's words, between `-`, `_` and `.`, that make its value a secret, and the words that happen to end so.
const SECRET_ENDS: [&str; 2] = ["pass", "pwd"];
const HARMLESS: [&str; 5] = ["bypass", "compass", "encompass", "multipass", "trespass"];

/// A user's name in a URL that is as long as this is a token.
const SHORTEST_TOKEN: usize = 20;

/// The arguments with every secret replaced by `***`.
///
/// Recognised are `--password S`, `--password=S`, `-password S`, `PASSWORD=S`, `password:S`, any other option whose name
/// holds such a word, an assignment of that kind inside of a value (`-e PASSWORD=S`, `user=bob;password=S`, JSON), the
/// password in `scheme://user:password@host`, secret parameters of a URL, `Bearer S`, and what well-known programs take as
/// options of one letter (`curl -u user:S`, `mysql -pS`). The same inside an argument that
/// is a whole command, as `sh -c` takes it.
///
/// Of more than [`MOST_BYTES`] the rest is cut off; `…` then ends the last argument.
pub fn redact(argv: &[String]) -> Vec<String> {
    let mut room = MOST_BYTES;
    let fits = |argument: &&String| {
        let left = room.checked_sub(argument.len() + 1);
        room = left.unwrap_or(room);
        left.is_some()
    };
    let whole = argv.iter().take_while(fits).count();
    let head = argv.get(whole).map(|argument| head_of(argument, room));
    let mut shown = mask(argv[..whole].iter().map(String::as_str).chain(head));
    if head.is_some()
        && let Some(last) = shown.last_mut()
    {
        last.push_str(CUT);
    }
    shown
}

/// At most `room` bytes of an argument. All that makes a secret known stands before it, and may be cut with it, but for one:
/// the password in a URL is known by the `@` behind it. Of a URL that is cut only the scheme is left.
fn head_of(argument: &str, room: usize) -> &str {
    let head = &argument[..argument.floor_char_boundary(room)];
    let word = head.rfind(char::is_whitespace).map_or(0, |blank| blank + 1);
    let end = head.get(word..).and_then(|last| last.find("://")).map_or(head.len(), |scheme| word + scheme + 3);
    &head[..end]
}

/// [`redact`] without a bound.
fn mask<'a>(argv: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut state = State::default();
    argv.map(|argument| {
        if let Meaning::Holds(option) = state.program.meaning(argument)
            && !state.expected
        {
            return format!("{option}{HIDDEN}");
        }
        // `--password=two words` is one argument, so what follows the first word is secret, too.
        if let Some(name) = secret_assignment(argument) {
            // `--password= S` is one with a slip, and its second argument is the secret.
            (state.expected, state.quote) = (name.len() == argument.len(), None);
            return if state.expected { argument.to_owned() } else { format!("{name}{HIDDEN}") };
        }
        let taken = state.take(argument);
        // Quotation marks belong to a shell; between arguments they mean nothing.
        state.quote = None;
        if taken {
            return HIDDEN.to_owned();
        }
        if argument.contains(char::is_whitespace) { command(argument, state.program) } else { state.word(argument) }
    })
    .collect()
}

/// Whether the word to come is the value of a secret option, or a part of it.
#[derive(Debug, Default)]
struct State {
    expected: bool,
    /// The quotation mark up to which a secret goes on.
    quote: Option<char>,
    program: Program,
}

impl State {
    /// Whether `word` is the value that was expected, or a part of it. An option in its place means that the secret had no
    /// value there.
    fn take(&mut self, word: &str) -> bool {
        if let Some(quote) = self.quote {
            self.expected = false;
            self.quote = (!word.contains(quote)).then_some(quote);
            return true;
        }
        let taken = std::mem::take(&mut self.expected) && !word.starts_with("--");
        if taken {
            self.quote = unclosed(word);
            // `Authorization: Basic S`: the secret is yet to come.
            self.expected = is_scheme(word);
        }
        taken
    }

    /// One word that is no awaited value.
    fn word(&mut self, word: &str) -> String {
        match self.program.meaning(word) {
            Meaning::Plain => self.program = self.program.after(unquoted(word)),
            Meaning::Announces => {
                self.expected = true;
                return word.to_owned();
            }
            Meaning::Holds(option) => {
                self.quote = unclosed(word);
                return format!("{option}{HIDDEN}");
            }
        }
        let Some(name) = secret_assignment(word).or_else(|| inner_assignment(word)) else {
            let is_option = unquoted(word).starts_with('-') && !word.contains(['=', ':']);
            self.expected = is_option && is_secret(word) || unquoted(word).eq_ignore_ascii_case("bearer");
            return url(word);
        };
        // `password: S`: the value is the next word. `-H 'Authorization: Basic S'`: all that is left of what is quoted.
        self.expected = name.len() == word.len();
        self.quote = unclosed(word);
        if self.expected { word.to_owned() } else { format!("{name}{HIDDEN}") }
    }
}

/// The quotation mark that is opened in `word` and not closed in it.
fn unclosed(word: &str) -> Option<char> {
    word.chars().filter(|letter| matches!(letter, '"' | '\'')).fold(None, |open, letter| match open {
        None => Some(letter),
        Some(open) => (open != letter).then_some(open),
    })
}

/// Whether `word` says how a credential is made rather than being one (`Authorization`, RFC 9110, 11.6.2).
fn is_scheme(word: &str) -> bool {
    ["basic", "bearer", "digest", "negotiate", "token"].iter().any(|scheme| unquoted(word).eq_ignore_ascii_case(scheme))
}

/// A whole command in one argument: word by word, white space as it was.
fn command(text: &str, program: Program) -> String {
    let mut state = State { program, ..State::default() };
    text.split_inclusive(char::is_whitespace)
        .map(|piece| {
            let word = piece.trim_end();
            let (word, blank) = piece.split_at(word.len());
            if word.is_empty() {
                return blank.to_owned();
            }
            let shown = if state.take(word) { HIDDEN.to_owned() } else { state.word(word) };
            shown + blank
        })
        .collect()
}

/// `NAME=` or `NAME:` at the head of `word`, separator included, when the name is a secret's. A URL's scheme is no name.
fn secret_assignment(word: &str) -> Option<&str> {
    let end = word.find(['=', ':'])?;
    let (name, value) = (&word[..end], &word[end + 1..]);
    let name = name.strip_prefix('/').unwrap_or(name);
    let is_name = !name.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '&'));
    (is_name && is_secret(name) && !value.starts_with("//")).then(|| &word[..=end])
}

/// The head of `word` up to the value of a secret that is assigned inside of it: `--env=PASSWORD=`, `a=1,password=`,
/// `{"a":1,"password":`. A secret may hold what separates others, so it goes on to the end. Inside of a URL only [`url`]
/// looks.
fn inner_assignment(word: &str) -> Option<&str> {
    let end = word.find("://").unwrap_or(word.len());
    // Where the name begins whose assignment may follow. A part of a name is a secret's only if all of it is, so the
    // longest name will do, and each letter is looked at once.
    let (mut start, mut newest) = (None, None);
    for (at, letter) in word[..end].char_indices() {
        let next = at + letter.len_utf8();
        match letter {
            '=' | ':' => {
                let name = start.map(|start| word[start..at].strip_prefix('/').unwrap_or(&word[start..at]));
                if name.is_some_and(is_secret) && !word[next..].starts_with("//") {
                    return Some(&word[..next]);
                }
                start = Some(next);
            }
            ',' | ';' | '{' => start = start.or(Some(next)),
            '&' => start = Some(next),
            // A name may begin with one, as options of other systems do, and hold no other.
            '/' => start = newest.filter(|newest| *newest == at),
            '?' => start = None,
            letter if letter.is_whitespace() => start = None,
            _ => {}
        }
        if matches!(letter, '=' | ':' | ',' | ';' | '{' | '&') {
            newest = Some(next);
        }
    }
    None
}

fn unquoted(word: &str) -> &str {
    word.trim_start_matches(['"', '\''])
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut words = name.split(['-', '_', '.', '"', '\'']);
    let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_' | '.')).collect();
    let is_secret_word = |word: &str| SECRET_ENDS.iter().any(|end| word.ends_with(end)) && !HARMLESS.contains(&word);
    SECRET_PARTS.iter().any(|part| plain.contains(part)) || words.any(is_secret_word)
}

/// `https://user:password@host/path?token=S&x=1`, alone or behind an option's name.
fn url(word: &str) -> String {
    let Some(start) = word.find("://").map(|at| at + 3) else {
        return word.to_owned();
    };
    let (scheme, rest) = word.split_at(start);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // A password may hold an unescaped `/` or `?`; the user part then ends at the last `@` of all.
    let user_end =
        rest[..end].rfind('@').or_else(|| rest.find(':').filter(|at| *at < end).and_then(|_| rest.rfind('@')));
    let (user, rest) = rest.split_at(user_end.unwrap_or(0));
    let user = match user.split_once(':') {
        Some((name, _)) => format!("{name}:{HIDDEN}"),
        None if user.len() >= SHORTEST_TOKEN => HIDDEN.to_owned(),
        None => user.to_owned(),
    };
    let mut shown = format!("{scheme}{user}");
    // Values may hold a `?` of their own.
    let mut goes_on = false;
    for piece in rest.split_inclusive(['?', '&', '#', ';']) {
        let body = piece.trim_end_matches(['?', '&', '#', ';']);
        let name = secret_assignment(body);
        match name {
            _ if goes_on => {}
            Some(name) => {
                shown += name;
                shown += HIDDEN;
            }
            None => shown += body,
        }
        goes_on = (goes_on || name.is_some()) && piece.ends_with('?');
        shown += &piece[body.len()..];
    }
    shown
}
