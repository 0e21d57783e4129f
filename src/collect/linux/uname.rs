//! uname(2), or `/proc/sys/kernel/{ostype,osrelease,version,hostname,domainname,arch}` where another machine's files are
//! watched. `arch` is there since Linux 6.1. The reader of the host's facts takes its names from here.

use super::Paths;
use super::file::{optional, read_word};
use super::hostname;
use crate::model::Reading;
use crate::model::system::Uname;

/// The names now.
pub fn read(paths: &Paths) -> Reading<Uname> {
    let word = |file: &str| word(paths, file).map(Option::unwrap_or_default);
    Ok(Uname {
        system: word("ostype")?,
        release: word("osrelease")?,
        version: word("version")?,
        machine: optional(word("arch"))?.unwrap_or_default(),
        node: hostname::read(paths).unwrap_or_default(),
        domain: word("domainname")?,
    })
}

/// One of the names, called as its file is. Empty is `None`.
pub(super) fn word(paths: &Paths, file: &str) -> Reading<Option<String>> {
    if !paths.is_live() {
        return word_of_file(paths, file);
    }
    let uname = rustix::system::uname();
    let value = match file {
        "ostype" => uname.sysname(),
        "osrelease" => uname.release(),
        "version" => uname.version(),
        "hostname" => uname.nodename(),
        "domainname" => uname.domainname(),
        _ => uname.machine(),
    };
    Ok(Some(value.to_string_lossy().into_owned()).filter(|value| !value.is_empty()))
}

fn word_of_file(paths: &Paths, file: &str) -> Reading<Option<String>> {
    read_word(&paths.proc("sys/kernel").join(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_call_agree_on_this_machine() {
        let paths = Paths::host();
        for file in ["ostype", "osrelease", "version", "hostname", "domainname"] {
            assert_eq!(word(&paths, file), word_of_file(&paths, file), "{file}");
        }
        let machine = rustix::system::uname().machine().to_str().unwrap().to_owned();
        assert_eq!(read(&paths).unwrap().machine, machine);
    }
}
