//! Carries psiod's words: commands and answers over the WebSocket at `/`, and the one command that does something.

use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use actix_ws::CloseCode;
use bytestring::ByteString;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::auth::{Auth, Identity, Secret};
use crate::dialect::json_text;
use crate::dialect::psiod as words;
use crate::dialect::psiod::{Command, Refusal};
use crate::dialect::psmonitor::AT_CAPACITY;
use crate::sampler::Sampler;
use crate::server::error::ApiError;
use crate::server::http::bearer;
use crate::server::http::client;
use crate::server::machine::Machine;
use crate::server::stream::Streams;
use crate::server::stream::stream_limits::{Kind, Pass};
use crate::server::stream::websocket::{self, Event, Gone, Socket};

/// The client at the other end, as far as the log and `process.kill` care.
struct Client {
    address: String,
    /// The token that it came with, if it was asked for one. Asked again at each kill: a token that is taken back or has
    /// run out must not live on in a socket that stays open.
    token: Option<Secret>,
}

/// What psiod's commands ask. One instance for all worker threads.
pub struct Psiod {
    /// Numbers.
    pub sampler: web::Data<Sampler>,
    /// Who somebody is.
    pub auth: web::Data<Auth>,
    /// Whose processes they are.
    pub machine: web::Data<dyn Machine>,
    /// Whether `process.kill` works. Read at each, written at SIGHUP.
    pub allow_kill: AtomicBool,
}

/// `WS /`.
pub fn connect(
    req: &HttpRequest,
    payload: web::Payload,
    psiod: web::Data<Psiod>,
    streams: &Streams,
) -> Result<HttpResponse, ApiError> {
    let asking = client::Client::of_request(req);
    let client = Client {
        address: asking.to_string(),
        token: bearer(req.headers())
            .filter(|_| req.extensions().get::<Identity>().is_some())
            .map(|token| Secret(token.to_owned())),
    };
    let address = asking.address;
    let (response, mut socket) = websocket::accept(req, &mut payload.into_inner(), streams)?;
    let pass = streams.gate.enter(Kind::Psiod, address);
    actix_rt::spawn(async move {
        match pass {
            Ok(pass) => {
                let _ = serve(&mut socket, &psiod, &client, pass).await;
            }
            Err(_) => {
                let _ = socket.say(AT_CAPACITY).await;
                socket.close_with(CloseCode::Again, "at capacity");
            }
        }
    });
    Ok(response)
}

async fn serve(socket: &mut Socket, psiod: &Psiod, client: &Client, _pass: Pass) -> Result<(), Gone> {
    loop {
        let answer = match socket.next().await? {
            Event::Text(text) => answer(&text, psiod, client).await,
            Event::Binary(bytes) => answer(&String::from_utf8_lossy(&bytes), psiod, client).await,
        };
        if let Some(answer) = answer {
            socket.answer(answer).await?;
        }
    }
}

/// The text to send back, if any.
async fn answer(text: &str, psiod: &Psiod, client: &Client) -> Option<ByteString> {
    let refused = |refusal: &Refusal| Some(json_text(refusal).into());
    let command = match words::parse(text, std::process::id()) {
        Ok(command) => command,
        Err(refusal) => return refused(&refusal),
    };
    let needs = match command {
        Command::Kill { pid, signal } => {
            return end_process(pid, signal, psiod, client).err().and_then(|why| refused(&Refusal::of(command, why)));
        }
        Command::Shared(answer) => answer.needs,
        Command::Process { .. } => words::PROCESS_NEEDS,
    };
    let frame = match psiod.sampler.latest(needs).await {
        Ok(frame) => frame,
        Err(error) => return refused(&Refusal::of(command, error.to_string())),
    };
    match command {
        Command::Kill { .. } => None,
        Command::Shared(answer) => Some(frame.encoded(answer)),
        Command::Process { pid } => match words::process(pid, frame.snapshot()) {
            Ok(text) => Some(text.into()),
            Err(refusal) => refused(&refusal),
        },
    }
}

/// Sends a signal, if the operator allows it and the client proved who it is. The PID is at least 2 and not our own: a
/// negative one would address a group, -1 everybody. Through a descriptor of the process (Linux 5.3), since kill(2) takes
/// the number of any thread for its process, our own threads' for us.
fn end_process(pid: i64, signal: words::Signal, psiod: &Psiod, client: &Client) -> Result<(), String> {
    if !psiod.allow_kill.load(Ordering::Relaxed) {
        return Err("process.kill is switched off; the server must be started with --allow-kill".to_owned());
    }
    let Some(Secret(token)) = &client.token else {
        return Err("process.kill needs a token; start the server with --token-file and connect with \
                    `Authorization: Bearer TOKEN`"
            .to_owned());
    };
    let Some(identity) = psiod.auth.identify(Some(token)) else {
        return Err(
            "the token that this socket was opened with is not valid any more; connect again with another".into()
        );
    };
    if !psiod.machine.is_own() {
        return Err(
            "process.kill works on this machine's own processes only, and --procfs shows those of another".into()
        );
    }
    let is_ours = pid == i64::from(std::process::id());
    let target = i32::try_from(pid).ok().filter(|pid| *pid > 1 && !is_ours).and_then(Pid::from_raw);
    let Some(target) = target else { return Err(format!("process {pid} is never ended")) };
    let who = identity.name();
    let process = pidfd_open(target, PidfdFlags::empty()).map_err(|error| match error {
        Errno::SRCH | Errno::INVAL | Errno::NOENT => format!("there is no process {pid}; process.getall lists them"),
        error => format!("process {pid} cannot be ended: {error}"),
    })?;
    match pidfd_send_signal(process, kernels(signal)) {
        Ok(()) => {
            log::warn!("process.kill: SIG{} to {pid}, asked by {} ({who})", signal.name(), client.address);
            Ok(())
        }
        Err(error) => {
            log::warn!("process.kill: {pid} refused by the kernel ({error}), asked by {} ({who})", client.address);
            Err(format!("the kernel refuses to end process {pid}: {error}"))
        }
    }
}

/// The kernel's number of a signal.
fn kernels(signal: words::Signal) -> Signal {
    match signal {
        words::Signal::Hup => Signal::HUP,
        words::Signal::Int => Signal::INT,
        words::Signal::Quit => Signal::QUIT,
        words::Signal::Kill => Signal::KILL,
        words::Signal::Usr1 => Signal::USR1,
        words::Signal::Usr2 => Signal::USR2,
        words::Signal::Term => Signal::TERM,
        words::Signal::Cont => Signal::CONT,
        words::Signal::Stop => Signal::STOP,
    }
}
