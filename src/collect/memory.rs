//! PLACEHOLDER.
use super::Paths;
use crate::model::{ReadError, Reading, sample::*};

#[derive(Debug)]
pub struct Reader {}

impl Reader {
    pub fn new(_paths: &Paths) -> Self {
        Self {}
    }

    pub fn read(&mut self) -> Reading<RawMemory> {
        Err(ReadError::Unsupported { path: String::new() })
    }
}

#[derive(Debug)]
pub struct SwapIoReader {}

impl SwapIoReader {
    pub fn new(_paths: &Paths) -> Self {
        Self {}
    }

    pub fn read(&mut self) -> Reading<RawSwapIo> {
        Err(ReadError::Unsupported { path: String::new() })
    }
}
