//! The messages of remote write 1.0, as `prompb/remote.proto` and `types.proto` of Prometheus have them. Fields that are not
//! sent are left out.

/// A request.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WriteRequest {
    /// Its series.
    #[prost(message, repeated, tag = "1")]
    pub(super) timeseries: Vec<TimeSeries>,
}

/// One series with its samples.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TimeSeries {
    /// Sorted by name.
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    /// Oldest first.
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<Sample>,
}

/// A label.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Label {
    /// Its name; `__name__` is the series' own.
    #[prost(string, tag = "1")]
    pub(super) name: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

/// A value at a moment.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Sample {
    /// The value.
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    /// The moment, unix milliseconds.
    #[prost(int64, tag = "2")]
    pub(super) timestamp: i64,
}
