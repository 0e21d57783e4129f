//! uname(2), or `/proc/sys/kernel/{ostype,osrelease,version,hostname,domainname,arch}` where another machine's files are
//! watched. `arch` is there since Linux 6.1.

use super::Paths;
use super::file::{optional, read_word};
use super::hostname;
use crate::model::Reading;
use crate::model::system::Uname;

/// Reader without state.
#[derive(Debug)]
pub struct Reader {
    paths: Paths,
}

impl Reader {
    /// Asks nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self { paths: paths.clone() }
    }

    /// The names now.
    pub fn read(&mut self) -> Reading<Uname> {
        if !self.paths.is_live() {
            return self.read_files();
        }
        let uname = rustix::system::uname();
        let text = |value: &std::ffi::CStr| value.to_string_lossy().into_owned();
        Ok(Uname {
            system: text(uname.sysname()),
            release: text(uname.release()),
            version: text(uname.version()),
            machine: text(uname.machine()),
            node: text(uname.nodename()),
            domain: text(uname.domainname()),
        })
    }

    fn read_files(&self) -> Reading<Uname> {
        let word = |name: &str| read_word(&self.paths.proc("sys/kernel").join(name)).map(Option::unwrap_or_default);
        Ok(Uname {
            system: word("ostype")?,
            release: word("osrelease")?,
            version: word("version")?,
            machine: optional(word("arch"))?.unwrap_or_default(),
            node: hostname::read(&self.paths).unwrap_or_default(),
            domain: word("domainname")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_call_agree_on_this_machine() {
        let paths = Paths::host();
        let mut reader = Reader::new(&paths);
        let (called, read) = (reader.read().unwrap(), reader.read_files().unwrap());
        assert_eq!((called.system, called.release, called.version), (read.system, read.release, read.version));
        assert_eq!((called.node, called.domain), (read.node, read.domain));
    }
}
