//! PLACEHOLDER.
use super::Paths;
use crate::model::{ReadError, Reading, sample::*};

#[derive(Debug)]
pub struct Reader {}

impl Reader {
    pub fn new(_paths: &Paths) -> Self {
        Self {}
    }

    pub fn read(&mut self) -> Reading<RawHost> {
        Err(ReadError::Unsupported { path: String::new() })
    }
}
