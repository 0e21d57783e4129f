//! PLACEHOLDER.
use super::Paths;
use crate::model::{ReadError, Reading, sample::*};

#[derive(Debug)]
pub struct Reader {}

impl Reader {
    pub fn new(_paths: &Paths) -> Self {
        Self {}
    }

    pub fn read_all(&mut self) -> Reading<RawProcesses> {
        Err(ReadError::Unsupported { path: String::new() })
    }

    pub fn read_top(&mut self) -> Reading<RawProcesses> {
        Err(ReadError::Unsupported { path: String::new() })
    }
}
