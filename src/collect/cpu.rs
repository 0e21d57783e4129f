//! PLACEHOLDER.
use super::Paths;
use crate::model::{ReadError, Reading, sample::*};

#[derive(Debug)]
pub struct Reader {}

impl Reader {
    pub fn new(_paths: &Paths) -> Self {
        Self {}
    }

    pub fn read(&mut self) -> Reading<RawCpu> {
        Err(ReadError::Unsupported { path: String::new() })
    }
}

#[derive(Debug)]
pub struct FrequencyReader {}

impl FrequencyReader {
    pub fn new(_paths: &Paths) -> Self {
        Self {}
    }

    pub fn read(&mut self) -> Reading<Vec<RawFrequency>> {
        Err(ReadError::Unsupported { path: String::new() })
    }
}
