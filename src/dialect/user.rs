//! The user of a process as psutil says it: the name, or the number as text for a user that the system has no name for.
//!
//! Called by the dialects of systems that ask psutil.

use serde::{Serialize, Serializer};

use crate::model::process::Process;

/// A user's name, or number.
pub(super) enum User<'a> {
    Named(&'a str),
    Number(u32),
}

impl<'a> User<'a> {
    /// Whose process it is, if that is known.
    pub(super) fn of(process: &'a Process) -> Option<Self> {
        let number = || process.uid.map(Self::Number);
        process.user.as_deref().map(Self::Named).or_else(number)
    }
}

impl Serialize for User<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Named(name) => serializer.serialize_str(name),
            Self::Number(uid) => serializer.collect_str(uid),
        }
    }
}
