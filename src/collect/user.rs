//! PLACEHOLDER.
use super::Paths;
use std::sync::Arc;

#[derive(Debug)]
pub struct Users {}

impl Users {
    pub fn new(_paths: &Paths) -> Self {
        Self {}
    }

    pub fn name(&mut self, _uid: u32) -> Option<Arc<str>> {
        None
    }
}
