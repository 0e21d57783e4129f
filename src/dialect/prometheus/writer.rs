//! What collectors write: families of samples with labels and values, into whatever takes them: the text page is one such
//! [`Sink`], what remote write gathers is another.
//!
//! A family is told to the sink with its first sample, so a family without samples leaves nothing behind. All samples of a
//! family come together, as every format demands.

use std::sync::LazyLock;

use crate::model::exclude::Exclusions;

/// What a family's numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until a restart. The name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// One or the other.
    Untyped,
}

/// A sample's number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Unsigned whole number, written in full.
    Unsigned(u64),
    /// Signed whole number.
    Signed(i64),
    /// Anything else.
    Float(f64),
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Unsigned(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Unsigned(number.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Signed(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Unsigned(yes.into())
    }
}

/// Names and values of a sample's labels.
pub type Labels<'a> = [(&'a str, &'a str)];

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// The name that its samples carry.
    pub name: &'a str,
    /// What its numbers mean.
    pub kind: Kind,
    /// A sentence for people.
    pub help: &'a str,
}

/// What is left out where a sink does not say otherwise.
static USUAL: LazyLock<Exclusions> = LazyLock::new(Exclusions::default);

/// What takes families: first a head, then its samples, at least one, then the next head.
pub trait Sink {
    /// What it wants to be left out.
    fn exclusions(&self) -> &Exclusions {
        &USUAL
    }

    /// A family begins.
    fn head(&mut self, head: Head<'_>);

    /// One sample of it. Each set of labels occurs once.
    fn sample(&mut self, head: Head<'_>, labels: &Labels<'_>, value: Value);
}

/// What a collector writes into, whatever becomes of it.
pub type Writer = dyn Sink;

impl Writer {
    /// Begins a family. Nothing is written before its first sample.
    pub fn family<'w>(&'w mut self, name: &'w str, kind: Kind, help: &'w str) -> Family<'w> {
        Family { sink: self, head: Head { name, kind, help }, begun: false }
    }

    /// A gauge without labels; nothing where the value is unknown.
    pub fn gauge<V: Into<Value>>(&mut self, name: &str, help: &str, value: Option<V>) {
        if let Some(value) = value {
            self.family(name, Kind::Gauge, help).sample(&[], value);
        }
    }

    /// A counter without labels; nothing where the value is unknown.
    pub fn counter<V: Into<Value>>(&mut self, name: &str, help: &str, value: Option<V>) {
        if let Some(value) = value {
            self.family(name, Kind::Counter, help).sample(&[], value);
        }
    }
}

/// A family being written.
pub struct Family<'w> {
    sink: &'w mut Writer,
    head: Head<'w>,
    begun: bool,
}

impl Family<'_> {
    /// One sample. Each set of labels may occur once.
    pub fn sample<V: Into<Value>>(&mut self, labels: &Labels<'_>, value: V) {
        if !self.begun {
            self.begun = true;
            self.sink.head(self.head);
        }
        self.sink.sample(self.head, labels, value.into());
    }

    /// One sample where the value is known.
    pub fn maybe<V: Into<Value>>(&mut self, labels: &Labels<'_>, value: Option<V>) {
        if let Some(value) = value {
            self.sample(labels, value);
        }
    }
}
