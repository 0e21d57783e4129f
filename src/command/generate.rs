//! `psmonitor --generate man|bash|zsh|fish`: the manual page and the completions of shells, made of the list of flags and
//! commands that also makes the help. For packages.
//!
//! Called by `main`.

use clap::{Arg, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::cli::Page;
use crate::command;
use crate::config;
use crate::error::StartupError;

/// Sections that the flags do not tell: name, and what stands in bold before each text.
const SECTIONS: [(&str, &[(&str, &str)]); 4] = [
    (
        "ENVIRONMENT",
        &[
            ("PSMONITOR_TOKEN", "One token, where a file is not practical."),
            ("RUST_LOG", "What is logged to standard error, as psmonitor=debug."),
            ("NO_COLOR", "Whatever stands in it: no colours on a terminal."),
        ],
    ),
    (
        "FILES",
        &[
            ("/etc/psmonitor/psmonitor.toml", "The configuration file. Flags and variables win over it."),
            ("/var/lib/psmonitor", "History, where the service is told to keep it."),
        ],
    ),
    (
        "SIGNALS",
        &[
            (
                "SIGHUP",
                "Reads configuration, tokens, users and the certificate again; clients whose token or password counts no more are dropped.",
            ),
            ("SIGTERM, SIGINT", "Ends every stream and stops, within five seconds."),
        ],
    ),
    (
        "EXIT STATUS",
        &[
            ("0", "It was told to stop, or has done what it should."),
            ("1", "The machine refuses something, or the server that was asked is not up."),
            ("2", "Something was typed or configured wrong."),
        ],
    ),
];

/// Prints a page.
///
/// # Errors
/// What the system says to the writing.
pub fn generate(page: Page) -> Result<(), StartupError> {
    let text = match page {
        Page::Man => man(),
        Page::Bash => completions(Shell::Bash),
        Page::Zsh => completions(Shell::Zsh),
        Page::Fish => completions(Shell::Fish),
    };
    let failed = |source| StartupError::Io { what: "cannot make the page", source };
    command::print(&String::from_utf8_lossy(&text.map_err(failed)?))
}

fn completions(shell: Shell) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut config::command(), "psmonitor", &mut text);
    Ok(text)
}

/// One page for the program and all its commands.
fn man() -> std::io::Result<Vec<u8>> {
    let mut command = config::command().disable_help_subcommand(true);
    command.build();
    let page = Man::new(command.clone()).manual("psmonitor");
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    // Ragged on the right: a default may be one long word, which leaves nothing to stretch a line with.
    let mut ragged = Roff::new();
    ragged.control("ad", ["l"]);
    ragged.to_writer(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    let mut further = Roff::new();
    further.control("PP", []);
    further.text([
        roman("Without a command it serves. Each flag has a variable and a key of the configuration file that stand for it; the flag wins, then the variable. What a command is told goes behind its name, all other flags before it."),
    ]);
    further.control("SH", ["COMMANDS"]);
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        told(&mut further, command);
    }
    further.to_writer(&mut text)?;
    page.render_options_section(&mut text)?;
    let mut rest = Roff::new();
    for (section, rows) in SECTIONS {
        rest.control("SH", [section]);
        for (name, meaning) in rows {
            rest.control("TP", []);
            rest.text([bold(*name)]);
            rest.text([roman(*meaning)]);
        }
    }
    rest.control("SH", ["SEE ALSO"]);
    rest.text([roman(env!("CARGO_PKG_REPOSITORY"))]);
    rest.to_writer(&mut text)?;
    Ok(text)
}

/// A command: how it is typed, what it does, and its own flags.
fn told(roff: &mut Roff, command: &Command) {
    let is_own = |arg: &&Arg| !arg.is_hide_set() && !arg.is_global_set() && arg.get_id() != "help";
    let mut typed = vec![bold(format!("psmonitor {}", command.get_name()))];
    for arg in command.get_arguments().filter(is_own) {
        typed.push(roman(" ["));
        typed.extend(name(arg));
        typed.push(roman("]"));
    }
    roff.control("TP", []);
    roff.text(typed);
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    roff.text([roman(about)]);
    let own: Vec<&Arg> = command.get_arguments().filter(is_own).collect();
    if own.is_empty() {
        return;
    }
    roff.control("RS", []);
    for arg in own {
        roff.control("TP", []);
        roff.text(name(arg));
        roff.text([roman(arg.get_help().map(ToString::to_string).unwrap_or_default())]);
    }
    roff.control("RE", []);
}

/// `-w`, `--watch [TIME]`, or the name of what stands without a flag.
fn name(arg: &Arg) -> Vec<Inline> {
    let value = arg.get_value_names().and_then(<[_]>::first).map(ToString::to_string);
    let mut words = Vec::new();
    if let Some(short) = arg.get_short() {
        words.extend([bold(format!("-{short}")), roman(", ")]);
    }
    if let Some(long) = arg.get_long() {
        words.push(bold(format!("--{long}")));
    }
    let takes_value = arg.get_action().takes_values();
    if let Some(value) = value.filter(|_| takes_value) {
        let is_optional = arg.get_num_args().is_some_and(|count| count.min_values() == 0);
        if arg.get_long().is_some() {
            words.push(roman(" "));
        }
        words.extend(is_optional.then(|| roman("[")));
        words.push(italic(value));
        words.extend(is_optional.then(|| roman("]")));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(page: std::io::Result<Vec<u8>>) -> String {
        String::from_utf8(page.unwrap()).unwrap()
    }

    /// The page without its escapes, in which a dash is `\-`.
    fn plain() -> String {
        let page = text(man());
        page.replace("\\-", "-").replace("\\fB", "").replace("\\fI", "").replace("\\fR", "")
    }

    #[test]
    fn the_manual_page_tells_every_flag_with_its_variable_and_every_command() {
        let (page, command) = (plain(), config::command());
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            let long = arg.get_long().unwrap();
            assert!(page.contains(&format!("--{long}")), "{long}");
            if let Some(variable) = arg.get_env() {
                assert!(page.contains(variable.to_str().unwrap()), "{variable:?}");
            }
        }
        for command in command.get_subcommands() {
            assert!(page.contains(&format!("\npsmonitor {}", command.get_name())), "{}: {page}", command.get_name());
        }
        assert!(page.contains("--watch [TIME]") && page.contains("[URL]"), "{page}");
        assert!(!page.contains("generate "), "what is hidden stays so");
        assert!(!page.contains("psmonitor-cpu(1)"), "there is one page for all");
    }

    #[test]
    fn no_line_of_the_page_is_a_request_by_accident() {
        for line in text(man()).lines().filter(|line| line.starts_with(['.', '\''])) {
            let name = line.split([' ', '\n']).next().unwrap_or_default();
            let known =
                [".ie", ".el", ".TH", ".SH", ".TP", ".ad", ".RS", ".RE", ".br", ".SS", ".PP", ".IP", ".B", ".I"];
            assert!(known.contains(&name), "{line}");
        }
    }

    #[test]
    fn each_shell_completes_flags_and_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = text(completions(shell));
            for word in ["max-connections", "generate-system-id", "watch", "status"] {
                assert!(text.contains(word), "{shell}: {word}");
            }
        }
    }
}
