//! The machine that the server may ask about single processes: this one, through the readers of `collect`.

use crate::collect::{self, Paths, limit};
use crate::model::Reading;
use crate::server::machine::Machine;

/// What is below these paths.
#[derive(Debug)]
pub struct Local {
    paths: Paths,
    container: Option<&'static str>,
}

impl Local {
    /// The machine below these paths.
    pub fn new(paths: Paths) -> Self {
        Self { container: collect::container(&paths), paths }
    }

    /// What keeps the container whose view is shown, if it is one.
    pub fn container(&self) -> Option<&'static str> {
        self.container
    }
}

impl Machine for Local {
    fn process_name(&self, pid: u32) -> Reading<String> {
        collect::process_name(&self.paths, pid)
    }

    fn command_line(&self, pid: u32) -> Reading<Vec<String>> {
        collect::command_line(&self.paths, pid)
    }

    fn is_own(&self) -> bool {
        self.paths.is_live()
    }

    fn is_container(&self) -> bool {
        self.container.is_some()
    }

    fn descriptors(&self) -> (u64, usize) {
        (limit::descriptor_limit(), collect::descriptor_budget(&self.paths))
    }
}
