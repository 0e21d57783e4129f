//! Options whose value is a secret though their name does not say so: those of one letter, which mean something else to every
//! program. Asked by [`super`] for each word of a command line, in time proportional to its length.

/// Programs, and the options whose values are secrets to them. The value is the next word, or stands right behind a letter.
const SEPARATE: [(&[&str], &[&str]); 8] = [
    (&["curl"], &["-u", "-U", "--user", "--proxy-user"]),
    (&["sshpass", "mongo", "mongosh", "mongodump", "mongorestore"], &["-p"]),
    (&["redis-cli", "valkey-cli"], &["-a"]),
    (&["ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldapwhoami"], &["-w"]),
    (&["mosquitto_pub", "mosquitto_sub", "ipmitool", "zip", "unzip"], &["-P"]),
    (&["snmpget", "snmpwalk", "snmpbulkwalk", "snmpset"], &["-A", "-X", "-c"]),
    (&["smbclient", "rpcclient"], &["-U"]),
    (&["sqlcmd", "bcp"], &["-P"]),
];

/// Programs to which `-pSECRET` is one, and a `-p` alone asks at the terminal.
const JOINED: [&str; 3] = ["mysql", "mariadb", "7z"];

/// What a word means to the program before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning<'a> {
    /// Nothing that is hidden.
    Plain,
    /// The next word is a secret.
    Announces,
    /// All behind this is a secret.
    Holds(&'a str),
}

/// The program that was named last on a command line, if it takes such options.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Program {
    #[default]
    Other,
    Separate(&'static [&'static str]),
    Joined,
}

impl Program {
    /// The program that `word` names, or else this one: what stands before it, as `sudo`, `env` or `sh -c`, changes nothing.
    pub fn after(self, word: &str) -> Self {
        let name = word.rsplit('/').next().unwrap_or_default();
        // `mysqldump`, `mariadb-admin`, `7za`.
        if JOINED.iter().any(|known| name.starts_with(known)) {
            return Self::Joined;
        }
        let found = SEPARATE.iter().find(|(names, _)| names.contains(&name));
        found.map_or(self, |(_, options)| Self::Separate(options))
    }

    /// What an option means to this program.
    pub fn meaning(self, word: &str) -> Meaning<'_> {
        match self {
            Self::Joined if word.len() > 2 && word.starts_with("-p") => Meaning::Holds(&word[..2]),
            Self::Separate(options) => {
                let all = options.iter().map(|option| meaning(option, word));
                all.into_iter().find(|meaning| *meaning != Meaning::Plain).unwrap_or(Meaning::Plain)
            }
            _ => Meaning::Plain,
        }
    }
}

fn meaning<'a>(option: &str, word: &'a str) -> Meaning<'a> {
    let is_letter = option.len() == 2;
    match word.strip_prefix(option) {
        Some("") => Meaning::Announces,
        Some(rest) if is_letter || rest.starts_with('=') => {
            Meaning::Holds(&word[..option.len() + usize::from(!is_letter)])
        }
        // `-sSu`: several options of one letter, the last of which takes the value.
        None if is_letter && is_cluster(word) && word.ends_with(&option[1..]) => Meaning::Announces,
        _ => Meaning::Plain,
    }
}

fn is_cluster(word: &str) -> bool {
    (3..9).contains(&word.len()) && word.starts_with('-') && word[1..].bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use crate::model::redact::redact;

    fn shown(line: &str) -> String {
        redact(&line.split('|').map(str::to_owned).collect::<Vec<_>>()).join("|")
    }

    #[test]
    fn what_a_letter_means_is_the_programs_business() {
        for (line, expected) in [
            ("curl|-u|ann:S|https://h", "curl|-u|***|https://h"),
            ("/usr/bin/curl|-sSu|ann:S|h", "/usr/bin/curl|-sSu|***|h"),
            ("curl|-uann:S|h", "curl|-u***|h"),
            ("curl|--user|ann:S|--proxy-user=ann:S|h", "curl|--user|***|--proxy-user=***|h"),
            ("curl|--user-agent|x|-U|ann:S", "curl|--user-agent|x|-U|***"),
            ("mysql|-uann|-pS|db", "mysql|-uann|-p***|db"),
            ("mysqldump|-p|db", "mysqldump|-p|db"),
            ("/usr/bin/mariadb-dump|-pS S|db", "/usr/bin/mariadb-dump|-p***|db"),
            ("sudo|-u|ann|sshpass|-p|S|ssh|-p|22|h", "sudo|-u|ann|sshpass|-p|***|ssh|-p|***|h"),
            ("sshpass|-pS|ssh|h", "sshpass|-p***|ssh|h"),
            ("mysql|-pPassword=S|db", "mysql|-p***|db"),
            ("redis-cli|-h|h|-a|S|ping", "redis-cli|-h|h|-a|***|ping"),
            ("env|PGPASSWORD=S|psql|-U|ann", "env|PGPASSWORD=***|psql|-U|ann"),
            ("sh|-c|cd x && curl -u 'ann:S S' h", "sh|-c|cd x && curl -u *** *** h"),
            ("sh|-c|mysql -p'S S' db -h x", "sh|-c|mysql -p*** *** db -h x"),
            ("docker|run|-u|1000:1000|-p|80:80", "docker|run|-u|1000:1000|-p|80:80"),
            ("ssh|-p|22|h", "ssh|-p|22|h"),
            ("curl|-v|-o|u|é|-é", "curl|-v|-o|u|é|-é"),
        ] {
            assert_eq!(shown(line), expected, "{line}");
        }
    }

    #[test]
    fn a_token_in_the_place_of_a_user_is_hidden() {
        assert_eq!(shown("git|clone|https://ghp_0123456789abcdefABCDEF@host/x"), "git|clone|https://***@host/x");
        assert_eq!(shown("git|clone|https://alice@host/x"), "git|clone|https://alice@host/x");
    }
}
