//! JSON by what is looked for in it, whatever else stands there: what is not of the right kind is unknown, and what nobody
//! asks for is passed over without being kept. So four megabytes of anything take no more memory than they are, where
//! a tree of values would take thirty times as much. Pure; used by [`super`].

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Most rows of a table.
const MOST_ROWS: usize = 64;

/// Most bytes of a text; the rest is cut off. More than a name may have, so that one that is too long is seen to be.
const MOST_TEXT_BYTES: usize = 256;

/// The members that are looked for.
const KEYS: [&str; 11] = [
    "count",
    "percent_used",
    "frequency",
    "total",
    "available",
    "used",
    "free",
    "mount_point",
    "file_system",
    "bytes_sent",
    "bytes_recv",
];

/// A number or a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Scalar {
    /// Anything else.
    #[default]
    Other,
    Number(f64),
    Text(String),
}

impl Scalar {
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The members of an object that are looked for.
#[derive(Debug, Default)]
pub(super) struct Members(Vec<(String, Scalar)>);

impl Members {
    pub(super) fn get(&self, key: &str) -> &Scalar {
        const NONE: &Scalar = &Scalar::Other;
        self.0.iter().find(|(known, _)| known == key).map_or(NONE, |(_, value)| value)
    }
}

/// Objects by name: the first few of an object of objects.
#[derive(Debug, Default)]
pub(super) struct Rows(Vec<(String, Members)>);

impl Rows {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Members)> {
        self.0.iter().map(|(name, row)| (name.as_str(), row))
    }
}

/// How many things a list has; `None` of what is no list.
#[derive(Default)]
pub(super) struct Count(pub(super) Option<u64>);

/// What becomes of a value, by its kind.
trait Kind: Default {
    fn scalar(_: Scalar) -> Self {
        Self::default()
    }

    fn list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    fn object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

impl Kind for Scalar {
    fn scalar(value: Scalar) -> Self {
        value
    }
}

impl Kind for Members {
    fn object<'de, A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        members(object, |key, found| KEYS.contains(&key) && !found.iter().any(|(known, _)| known == key)).map(Self)
    }
}

impl Kind for Rows {
    fn object<'de, A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        members(object, |_, found| found.len() < MOST_ROWS).map(Self)
    }
}

impl Kind for Count {
    fn list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut count = 0;
        while list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Self(Some(count)))
    }
}

/// The members of an object that `is_wanted` says, who sees those that were found.
fn members<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    mut object: A,
    is_wanted: impl Fn(&str, &[(String, T)]) -> bool,
) -> Result<Vec<(String, T)>, A::Error> {
    let mut found = Vec::new();
    while let Some(Scalar::Text(key)) = object.next_key()? {
        if is_wanted(&key, &found) {
            found.push((key, object.next_value()?));
        } else {
            object.next_value::<IgnoredAny>()?;
        }
    }
    Ok(found)
}

/// Visits any value for a [`Kind`].
struct Any<T>(PhantomData<T>);

impl<'de, T: Kind> Visitor<'de> for Any<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        Ok(T::scalar(Scalar::Number(number as f64)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        Ok(T::scalar(Scalar::Number(number as f64)))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        Ok(T::scalar(Scalar::Number(number)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok(T::scalar(Scalar::Text(cut(text, MOST_TEXT_BYTES).to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        T::object(object)
    }
}

macro_rules! deserialize {
    ($($kind:ty),*) => {
        $(impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Any(PhantomData))
            }
        })*
    };
}

deserialize!(Scalar, Members, Rows, Count);

/// The beginning of a text, at most so many bytes.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let end = (0..=text.len().min(most)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}
