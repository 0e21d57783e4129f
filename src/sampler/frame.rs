//! One published moment: the snapshot and every answer made of it, each encoded at most once.
//!
//! Made by the sampler, shared by all streams and requests; the texts are filled in by whoever needs them first.

use std::sync::OnceLock;
use std::time::Duration;

use bytestring::ByteString;
use tokio::time::Instant;

use crate::model::{Answer, Snapshot, Subjects};

/// A snapshot with the texts made of it. Immutable but for the texts, which are each set once.
pub struct Frame {
    snapshot: Snapshot,
    tick: u64,
    made_at: Instant,
    answered: [Option<Instant>; Subjects::COUNT],
    texts: OnceLock<Text>,
}

/// The text of one answer, and behind it those of the others that this frame was asked for: a list that only grows, as
/// long as there are different answers at most (about twenty; two or three in most frames).
struct Text {
    answer: &'static Answer,
    /// Written once by the first thread that needs the text; others that come meanwhile wait for it (microseconds).
    encoded: OnceLock<ByteString>,
    next: OnceLock<Box<Text>>,
}

impl Text {
    fn of(answer: &'static Answer) -> Self {
        Self { answer, encoded: OnceLock::new(), next: OnceLock::new() }
    }
}

impl Frame {
    pub(super) fn new(snapshot: Snapshot, tick: u64, answered: [Option<Instant>; Subjects::COUNT]) -> Self {
        Self { snapshot, tick, made_at: Instant::now(), answered, texts: OnceLock::new() }
    }

    /// The numbers.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Number of the tick whose vitals these are, counted from 1.
    #[must_use]
    pub fn tick(&self) -> u64 {
        self.tick
    }

    /// Time since this frame was made.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.made_at.elapsed()
    }

    /// Whether each of `subjects` was answered since `oldest`: read, found missing, or given up.
    #[must_use]
    pub fn answers(&self, subjects: Subjects, oldest: Instant) -> bool {
        subjects.bits().all(|bit| self.answered[bit].is_some_and(|at| at >= oldest))
    }

    /// The text of an answer. Made by the first caller; every later one shares its bytes.
    pub fn encoded(&self, answer: &'static Answer) -> ByteString {
        let mut text = self.texts.get_or_init(|| Text::of(answer));
        while text.answer != answer {
            text = text.next.get_or_init(|| Box::new(Text::of(answer)));
        }
        text.encoded.get_or_init(|| (answer.encode)(&self.snapshot).into()).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    static CALLS: AtomicUsize = AtomicUsize::new(0);

    fn counted(_: &Snapshot) -> String {
        CALLS.fetch_add(1, Ordering::Relaxed).to_string()
    }

    static ONE: Answer = Answer { name: "one", needs: Subjects::VITALS, encode: counted };
    static LIKE_ONE: Answer = Answer { name: "one", needs: Subjects::VITALS, encode: counted };
    static OTHER: Answer = Answer { name: "other", needs: Subjects::VITALS, encode: |_| "other".to_owned() };

    #[test]
    fn each_answer_is_encoded_once_a_frame_whoever_asks_first() {
        let frame = || Frame::new(Snapshot::default(), 1, [None; Subjects::COUNT]);
        let (first, second) = (frame(), frame());
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let first = &first;
                scope.spawn(move || {
                    // In every order, so that each row is at times the one that begins the list.
                    let mut answers = [&ONE, &OTHER, &LIKE_ONE];
                    answers.rotate_left(thread % 3);
                    for answer in answers {
                        let (once, again) = (first.encoded(answer), first.encoded(answer));
                        assert_eq!(once.as_ptr(), again.as_ptr(), "the bytes are shared");
                        assert_eq!(&*once == "other", answer == &OTHER);
                    }
                });
            }
        });
        assert_eq!(CALLS.load(Ordering::Relaxed), 2, "two rows with one function are two answers");
        assert_ne!(first.encoded(&ONE), first.encoded(&LIKE_ONE));
        let _ = second.encoded(&ONE);
        assert_eq!(CALLS.load(Ordering::Relaxed), 3, "another frame, another text");
    }
}
