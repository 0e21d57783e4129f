//! `psmonitor hash-password`: asks for a password and makes its hash, for the users file.
//!
//! Called by the program only, which prints it. The password comes from the terminal without being shown, or from standard input; never from
//! the command line, which every user of the machine can read.

use std::io::{self, BufRead, IsTerminal};

use super::password;
use crate::error::StartupError;

/// Longest password.
const LONGEST: u64 = 1024;

/// Reads a password and gives its hash.
pub fn hash_password() -> Result<String, StartupError> {
    let stdin = io::stdin();
    let password = if stdin.is_terminal() { ask()? } else { first_line(stdin.lock())? };
    password::hash(&password).map_err(StartupError::Config)
}

/// Asks twice at the terminal.
fn ask() -> Result<String, StartupError> {
    let prompt = |text| {
        rpassword::prompt_password(text)
            .map_err(|source| StartupError::Io { what: "cannot read from the terminal", source })
    };
    let password = checked(prompt("Password: ")?)?;
    if prompt("Again: ")? != password {
        return Err(StartupError::Config("the two passwords differ; try again".to_owned()));
    }
    Ok(password)
}

fn first_line(input: impl BufRead) -> Result<String, StartupError> {
    let mut line = String::new();
    input
        .take(LONGEST + 3)
        .read_line(&mut line)
        .map_err(|source| StartupError::Io { what: "cannot read the password", source })?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    checked(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

fn checked(password: String) -> Result<String, StartupError> {
    match password.len() as u64 {
        0 => Err(StartupError::Config("the password is empty; type one, or give it on standard input".to_owned())),
        length if length > LONGEST => Err(StartupError::Config(format!("the password is longer than {LONGEST} bytes"))),
        _ => Ok(password),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password() {
        for (input, password) in [("secret\n", "secret"), ("secret", "secret"), (" a b \r\nmore\n", " a b ")] {
            assert_eq!(first_line(input.as_bytes()).unwrap(), password);
        }
        assert_eq!(first_line("x".repeat(1024).as_bytes()).unwrap().len(), 1024);
        for (input, hint) in [(String::new(), "empty"), ("\n".to_owned(), "empty"), ("x".repeat(1025), "1024")] {
            let error = first_line(input.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        }
    }
}
