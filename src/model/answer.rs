//! What a dialect has to say that is the same for everybody who asks: a row of data. The dialects list their rows, a frame
//! keeps the text of each, the server carries it. Knows no dialect.

use std::fmt;

use super::{Snapshot, Subjects};

/// One answer. Always a `static`: a frame keeps its text by the row's place in memory, so that neither a new dialect nor a
/// new answer needs an entry anywhere else.
pub struct Answer {
    /// The route or the command that is answered with it.
    pub name: &'static str,
    /// What a snapshot must hold for it, besides the vitals.
    pub needs: Subjects,
    /// The text.
    pub encode: fn(&Snapshot) -> String,
}

impl Answer {
    /// A row.
    pub const fn new(name: &'static str, needs: Subjects, encode: fn(&Snapshot) -> String) -> Self {
        Self { name, needs, encode }
    }
}

/// The same row is the same answer; two rows are two, whatever stands in them.
impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Answer {}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({:?})", self.name)
    }
}
