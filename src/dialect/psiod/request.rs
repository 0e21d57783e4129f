//! What a psiod client asks for, out of its text; and the refusal of what makes no sense.
//!
//! Called through [`super`]. The text comes from anybody: it is bounded in length by the server and in depth by the JSON
//! parser, and nothing in it is trusted.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::answer::ANSWERS;
use crate::model::Answer;

/// All names, for whoever wrote another.
fn names() -> String {
    ANSWERS.iter().map(|answer| answer.name).chain(["process.get", "process.kill"]).collect::<Vec<_>>().join(", ")
}

/// One command, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// One that everybody is answered alike.
    Shared(&'static Answer),
    /// `process.get`.
    Process {
        /// The process asked for; may be any number.
        pid: i64,
    },
    /// `process.kill`. The server carries it out, or refuses.
    Kill {
        /// The process to end: from 2 to the largest PID a kernel can have, and not our own.
        pid: i64,
        /// What is sent to it.
        signal: Signal,
    },
}

/// The signals that may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP.
    Hup,
    /// SIGINT.
    Int,
    /// SIGQUIT.
    Quit,
    /// SIGKILL, psiod's own.
    Kill,
    /// SIGUSR1.
    Usr1,
    /// SIGUSR2.
    Usr2,
    /// SIGTERM.
    Term,
    /// SIGCONT.
    Cont,
    /// SIGSTOP.
    Stop,
}

impl Signal {
    const ALL: [Self; 9] =
        [Self::Hup, Self::Int, Self::Quit, Self::Kill, Self::Usr1, Self::Usr2, Self::Term, Self::Cont, Self::Stop];

    /// Its name without SIG.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hup => "HUP",
            Self::Int => "INT",
            Self::Quit => "QUIT",
            Self::Kill => "KILL",
            Self::Usr1 => "USR1",
            Self::Usr2 => "USR2",
            Self::Term => "TERM",
            Self::Cont => "CONT",
            Self::Stop => "STOP",
        }
    }

    /// SIGKILL where nothing is said, as psiod; else the one of that name, with or without SIG.
    fn parse(value: Option<&Value>) -> Result<Self, String> {
        let Some(value) = value else { return Ok(Self::Kill) };
        let name = value.as_str().unwrap_or_default().to_ascii_uppercase();
        let name = name.strip_prefix("SIG").unwrap_or(&name);
        Self::ALL.into_iter().find(|signal| signal.name() == name).ok_or_else(|| {
            format!("\"signal\" must be one of {}, or left out for KILL", Self::ALL.map(Self::name).join(", "))
        })
    }
}

impl Command {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shared(answer) => answer.name,
            Self::Process { .. } => "process.get",
            Self::Kill { .. } => "process.kill",
        }
    }
}

/// Why a command is not carried out. Serialized, it is the answer to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was wrong and what to do.
    pub message: String,
    /// The name of the command, as the client wrote it; `None` when it named none.
    pub name: Option<String>,
}

impl Refusal {
    /// A refusal of a command that was understood.
    pub fn of(command: Command, message: impl Into<String>) -> Self {
        Self { message: message.into(), name: Some(command.name().to_owned()) }
    }

    fn unnamed(message: impl Into<String>) -> Self {
        Self { message: message.into(), name: None }
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { message, name } = self;
        object! { r#type: "error", data: object! { message, name } }.serialize(serializer)
    }
}

/// What a client's text asks for. `own_pid` is the server's, which no client may end.
///
/// # Errors
/// A refusal for anything that is not a whole and harmless command.
pub fn parse(text: &str, own_pid: u32) -> Result<Command, Refusal> {
    let request: Value = serde_json::from_str(text).map_err(|error| {
        Refusal::unnamed(format!(
            "this is not JSON: {error}. Send text such as {{\"type\":\"command\",\"data\":{{\"name\":\"cpu.getall\"}}}}; \
             in a browser, JSON.stringify makes it"
        ))
    })?;
    let Some(request) = request.as_object() else {
        return Err(Refusal::unnamed("a command is an object with the keys \"type\" and \"data\""));
    };
    let data = request.get("data").and_then(Value::as_object);
    let name = data.and_then(|data| data.get("name")).and_then(Value::as_str);
    let refusal = |message: String| Refusal { message, name: name.map(ToOwned::to_owned) };
    if request.get("type").and_then(Value::as_str) != Some("command") {
        return Err(refusal("\"type\" must be \"command\"".into()));
    }
    let Some(data) = data else {
        return Err(refusal("\"data\" must be an object with the command's \"name\"".into()));
    };
    let Some(name) = name else {
        return Err(refusal(format!("\"data\" must hold the command's \"name\" as text; known are {}", names())));
    };
    match name {
        "process.get" => Ok(Command::Process { pid: pid(data.get("pid")).map_err(refusal)? }),
        "process.kill" => {
            let pid = pid(data.get("pid")).map_err(refusal)?;
            may_be_ended(pid, own_pid).map_err(refusal)?;
            Ok(Command::Kill { pid, signal: Signal::parse(data.get("signal")).map_err(refusal)? })
        }
        _ => match ANSWERS.iter().find(|answer| answer.name == name) {
            Some(answer) => Ok(Command::Shared(answer)),
            None => Err(refusal(format!("no such command; known are {}", names()))),
        },
    }
}

/// A PID as a whole number, or as a text of one.
fn pid(value: Option<&Value>) -> Result<i64, String> {
    let number = match value {
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| "\"data\" must hold the process's \"pid\", a whole number".to_owned())
}

/// kill(2) takes 0 and negative numbers for whole groups and -1 for everybody; 1 is the system itself.
fn may_be_ended(pid: i64, own_pid: u32) -> Result<(), String> {
    if pid < 2 {
        Err(format!("pid {pid} is refused: 1 is the system itself, 0 and negative numbers are groups of processes"))
    } else if pid == i64::from(own_pid) {
        Err(format!("pid {pid} is refused: it is this server"))
    } else if pid > i64::from(i32::MAX) {
        Err(format!("no process has the pid {pid}"))
    } else {
        Ok(())
    }
}
