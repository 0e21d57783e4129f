//! Families as text, in the Prometheus text format 0.0.4 or in OpenMetrics 1.0: HELP, TYPE, samples, escaping.
//!
//! Made by [`super::encode`]; knows no collector.

use std::io::Write;

use super::writer::{Head, Kind, Labels, Sink, Value};
use crate::model::exclude::Exclusions;

/// Which of the two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The value of the `Content-Type` header.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The format that an `Accept` header asks for: OpenMetrics only where it is named, and the text format not preferred.
    pub fn from_accept(accept: &str) -> Self {
        let weight = |kinds: &[&str]| {
            let weights = accept.split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let kind = parts.next()?;
                kinds.iter().any(|known| kind.eq_ignore_ascii_case(known)).then_some(())?;
                let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
                Some(weight.map_or(1.0, |weight| weight.parse::<f32>().unwrap_or(1.0)))
            });
            weights.fold(0.0, f32::max)
        };
        let named = weight(&["application/openmetrics-text"]);
        let is_preferred = named > 0.0 && named >= weight(&["text/plain", "text/*", "*/*"]);
        if is_preferred { Self::OpenMetrics } else { Self::Text }
    }
}

/// The page being written.
#[derive(Debug)]
pub struct Page {
    out: Vec<u8>,
    format: Format,
    exclusions: Exclusions,
}

impl Page {
    /// An empty page, which leaves out what `exclusions` say.
    pub fn new(format: Format, exclusions: &Exclusions) -> Self {
        Self { out: Vec::with_capacity(64 << 10), format, exclusions: exclusions.clone() }
    }

    /// The finished page.
    pub fn finish(mut self) -> Vec<u8> {
        if self.format == Format::OpenMetrics {
            self.put("# EOF\n");
        }
        self.out
    }

    fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// HELP texts and label values: backslash and line feed are escaped in both, quotes in label values, and in HELP by
    /// OpenMetrics.
    fn put_escaped(&mut self, text: &str, quotes: bool) {
        for &byte in text.as_bytes() {
            match byte {
                b'\\' => self.put("\\\\"),
                b'\n' => self.put("\\n"),
                b'"' if quotes => self.put("\\\""),
                _ => self.out.push(byte),
            }
        }
    }

    fn put_value(&mut self, value: Value) {
        // Writing into a vector cannot fail.
        let _ = match value {
            Value::Unsigned(number) => write!(self.out, "{number}"),
            Value::Signed(number) => write!(self.out, "{number}"),
            Value::Float(number) if number.is_nan() => write!(self.out, "NaN"),
            Value::Float(number) if number.is_infinite() => {
                write!(self.out, "{}", if number > 0.0 { "+Inf" } else { "-Inf" })
            }
            Value::Float(number) => write!(self.out, "{number}"),
        };
    }

    fn put_label(&mut self, before: &str, name: &str, text: &str) {
        self.put(before);
        self.put(name);
        self.put("=\"");
        self.put_escaped(text, true);
        self.put("\"");
    }
}

impl Sink for Page {
    fn exclusions(&self) -> &Exclusions {
        &self.exclusions
    }

    fn head(&mut self, head: Head<'_>) {
        let open = self.format == Format::OpenMetrics;
        // OpenMetrics names a counter's family without the `_total` that its samples carry.
        let stem = head.name.strip_suffix("_total").filter(|_| open && head.kind == Kind::Counter);
        let kind = match (head.kind, open) {
            (Kind::Counter, true) if stem.is_none() => "unknown",
            (Kind::Counter, _) => "counter",
            (Kind::Gauge, _) => "gauge",
            (Kind::Untyped, true) => "unknown",
            (Kind::Untyped, false) => "untyped",
        };
        let name = stem.unwrap_or(head.name);
        self.put("# HELP ");
        self.put(name);
        self.put(" ");
        self.put_escaped(head.help, open);
        self.put("\n# TYPE ");
        self.put(name);
        self.put(" ");
        self.put(kind);
        self.put("\n");
    }

    fn sample(&mut self, head: Head<'_>, labels: &Labels<'_>, value: Value) {
        self.put(head.name);
        if let Some(((first, text), rest)) = labels.split_first() {
            self.put_label("{", first, text);
            for (name, text) in rest {
                self.put_label(",", name, text);
            }
            self.put("}");
        }
        self.put(" ");
        self.put_value(value);
        self.put("\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::prometheus::writer::{Family, Writer};

    fn page(format: Format) -> String {
        let mut page = Page::new(format, &Exclusions::default());
        let writer: &mut Writer = &mut page;
        let mut family = writer.family("node_x_total", Kind::Counter, "A \"b\" \\ c\nd");
        family.sample(&[("device", "a\\b\"c\nd"), ("mode", "é")], 1_u64);
        family.sample(&[], 0.5);
        let _: Family<'_> = writer.family("node_empty", Kind::Gauge, "Never seen");
        writer.gauge("node_y", "Y", Some(-3_i64));
        writer.gauge("node_z", "Z", None::<u64>);
        writer.family("node_u", Kind::Untyped, "U").sample(&[], f64::INFINITY);
        String::from_utf8(page.finish()).unwrap()
    }

    #[test]
    fn text_format() {
        let expected = "# HELP node_x_total A \"b\" \\\\ c\\nd\n# TYPE node_x_total counter\n\
                        node_x_total{device=\"a\\\\b\\\"c\\nd\",mode=\"é\"} 1\nnode_x_total 0.5\n\
                        # HELP node_y Y\n# TYPE node_y gauge\nnode_y -3\n\
                        # HELP node_u U\n# TYPE node_u untyped\nnode_u +Inf\n";
        assert_eq!(page(Format::Text), expected);
    }

    #[test]
    fn open_metrics() {
        let expected = "# HELP node_x A \\\"b\\\" \\\\ c\\nd\n# TYPE node_x counter\n\
                        node_x_total{device=\"a\\\\b\\\"c\\nd\",mode=\"é\"} 1\nnode_x_total 0.5\n\
                        # HELP node_y Y\n# TYPE node_y gauge\nnode_y -3\n\
                        # HELP node_u U\n# TYPE node_u unknown\nnode_u +Inf\n# EOF\n";
        assert_eq!(page(Format::OpenMetrics), expected);
    }

    #[test]
    fn the_accept_header_decides() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        assert_eq!(Format::from_accept(prometheus), Format::OpenMetrics);
        assert_eq!(Format::from_accept("application/openmetrics-text;q=0, text/plain"), Format::Text);
        let text_first = "text/plain;version=0.0.4;q=1,application/openmetrics-text;q=0.5";
        assert_eq!(Format::from_accept(text_first), Format::Text);
        assert_eq!(Format::from_accept("application/openmetrics-text; version=1.0.0"), Format::OpenMetrics);
        assert_eq!(Format::from_accept("application/openmetrics-text;q=0.5,*/*;q=0.1"), Format::OpenMetrics);
        for accept in ["", "*/*", "text/plain;version=0.0.4"] {
            assert_eq!(Format::from_accept(accept), Format::Text);
        }
    }
}
