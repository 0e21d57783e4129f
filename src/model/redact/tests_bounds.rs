//! Redaction of text that somebody chose in order to hold the program up, or to get a secret past the cut.

use super::*;
use crate::model::hostile_text;

fn shown(argv: &[&str]) -> Vec<String> {
    redact(&argv.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
}

#[test]
fn any_text_takes_time_by_its_length() {
    let forms: [fn(&str) -> Vec<String>; 4] = [
        |text| mask(text.split('\0')),
        |text| mask(["--x", text].into_iter()),
        |text| mask([format!("--env={text}").as_str()].into_iter()),
        |text| mask([format!("'{text} b").as_str()].into_iter()),
    ];
    for form in forms {
        hostile_text::assert_linear("a command line without a bound", |bytes| {
            drop(form(&String::from_utf8_lossy(bytes)));
        });
    }
    hostile_text::assert_linear("a command line", |bytes| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let shown: usize = redact(&[text.clone(), text]).iter().map(String::len).sum();
        // Each letter can become three stars.
        assert!(shown <= 4 * MOST_BYTES, "{shown}");
    });
}

#[test]
fn what_fits_is_whole_and_the_rest_is_cut() {
    let fits = "x".repeat(MOST_BYTES - 5 - 2 - 1);
    assert_eq!(shown(&["tool", &fits, "y"]), ["tool", &fits, "y"]);
    let long = fits + "xx";
    assert_eq!(shown(&["tool", &long, "y"]), ["tool", &long, "…"]);
    assert_eq!(shown(&["tool", &long, "y", "z"]), ["tool", &long, "…"]);
    let cut = shown(&["tool", &"x".repeat(1 << 20), "z"]);
    assert_eq!(cut, ["tool", &format!("{}…", "x".repeat(MOST_BYTES - 5))]);
    let letters = shown(&[&"ä".repeat(MOST_BYTES)]);
    assert_eq!(letters, [format!("{}…", "ä".repeat(MOST_BYTES / 2))]);
    let empty = vec![String::new(); 2 * MOST_BYTES];
    let cut = redact(&empty);
    assert_eq!((cut.len(), cut.last().map(String::as_str)), (MOST_BYTES + 1, Some("…")));
}

/// Whatever the place of the cut, nothing of the secret is seen: neither in arguments of their own nor in one string.
#[test]
fn no_cut_shows_a_secret() {
    const SECRET: &str = "CORRECT/HORSE?BATTERY:STAPLE";
    let forms = [
        format!("--password={SECRET}"),
        format!("--password\0{SECRET}"),
        format!("--env=DB_PASSWORD={SECRET}"),
        format!("Authorization: Basic {SECRET}"),
        format!("--header=Authorization: Bearer {SECRET}"),
        format!("https://alice:{SECRET}@host/p"),
        format!("--url=https://alice:{SECRET}@host/p"),
        format!("postgres://h/p?password={SECRET}"),
        format!("{{\"a\":1,\"password\":\"{SECRET}\"}}"),
        format!("sh\0-c\0x --token '{SECRET} {SECRET}' y"),
        format!("PASSWORD:{SECRET}"),
        format!("curl\0-u\0{SECRET}"),
        format!("mysql\0-p{SECRET}"),
    ];
    for form in forms {
        for filler in ["x ", "x\0"] {
            for before in MOST_BYTES - 2 * form.len()..=MOST_BYTES {
                let form = form.replace('\0', &filler[1..]);
                let line = filler.repeat(before / 2) + &"y".repeat(before % 2) + filler + &form + " z z";
                let argv: Vec<String> = line.split('\0').map(str::to_owned).collect();
                let shown = redact(&argv).join(" ");
                for part in SECRET.split(['/', '?', ':']).map(|part| &part[..2]) {
                    assert!(!shown.contains(part), "{form} after {before}: {}", &shown[shown.len() - 90..]);
                }
            }
        }
    }
}

/// The walk over a word finds the same assignment as trying from each separator.
#[test]
fn inner_assignments_are_those_of_every_start() {
    let tried = |word: &str| -> Option<usize> {
        let end = word.find("://").unwrap_or(word.len());
        let starts = word[..end].char_indices().filter(|(_, c)| matches!(c, '=' | ',' | ';' | '&' | '{' | ':'));
        let mut found = starts.map(|(at, _)| at + 1).filter_map(|at| Some(at + secret_assignment(&word[at..])?.len()));
        found.next()
    };
    let pieces = [
        "password", "bypass", "pass", "=", ":", "'", "\"", "é", "/", "//", "?", "://", "@", "-", "&", "{", ",", ";",
        "S", "x",
    ];
    let mut random = 1_u64;
    for _ in 0..40_000 {
        let word: String = (0..9)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                pieces[(random >> 33) as usize % pieces.len()]
            })
            .collect();
        assert_eq!(inner_assignment(&word).map(str::len), tried(&word), "{word}");
    }
}

#[test]
fn no_argument_makes_it_stumble() {
    let pieces = [
        "password", "=", ":", "'", "\"", "é", "\u{fffd}", " ", "/", "://", "@", "-", "&", "{", ",", "S", "\n", "Basic",
    ];
    let mut random = 1_u64;
    for _ in 0..20_000 {
        let argv: Vec<String> = (0..3)
            .map(|_| {
                (0..8)
                    .map(|_| {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        pieces[(random >> 33) as usize % pieces.len()]
                    })
                    .collect()
            })
            .collect();
        assert_eq!(redact(&argv).len(), 3, "{argv:?}");
    }
}
