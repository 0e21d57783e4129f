//! Carries psiod's words: commands and answers over the WebSocket at `/`, and the one command that does something, which
//! has a route of its own as well.

use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use actix_ws::CloseCode;
use bytestring::ByteString;
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use crate::auth::{Auth, Identity, Secret};
use crate::dialect::json_text;
use crate::dialect::psiod as words;
use crate::dialect::psiod::{Command, Refusal};
use crate::dialect::psmonitor::AT_CAPACITY;
use crate::limits::Limits;
use crate::sampler::Sampler;
use crate::server::error::ApiError;
use crate::server::http::client;
use crate::server::http::{bearer, body};
use crate::server::machine::Machine;
use crate::server::routes::systems::Reports;
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

impl Client {
    fn of(req: &HttpRequest) -> Self {
        Self {
            address: client::Client::of_request(req).to_string(),
            token: bearer(req.headers())
                .filter(|_| req.extensions().get::<Identity>().is_some())
                .map(|token| Secret(token.to_owned())),
        }
    }
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
    let client = Client::of(req);
    let address = client::Client::of_request(req).address;
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

/// Why nobody who comes with this token may end a process here, if so.
fn refuses(psiod: &Psiod, token: Option<&Secret>) -> Result<Identity, String> {
    if !psiod.allow_kill.load(Ordering::Relaxed) {
        return Err("process.kill is switched off; the server must be started with --allow-kill".to_owned());
    }
    let Some(Secret(token)) = token else {
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
    Ok(identity)
}

/// Sends a signal, if the operator allows it and the client proved who it is. The PID is at least 2 and not our own: a
/// negative one would address a group, -1 everybody. Through a descriptor of the process (Linux 5.3), since kill(2) takes
/// the number of any thread for its process, our own threads' for us.
fn end_process(pid: i64, signal: words::Signal, psiod: &Psiod, client: &Client) -> Result<(), String> {
    let identity = refuses(psiod, client.token.as_ref())?;
    let is_ours = pid == i64::from(std::process::id());
    let target = i32::try_from(pid).ok().filter(|pid| *pid > 1 && !is_ours).and_then(Pid::from_raw);
    let Some(target) = target else { return Err(format!("process {pid} is never ended")) };
    let who = identity.name();
    match deliver(target, kernels(signal)) {
        Ok(()) => {
            log::warn!("process.kill: SIG{} to {pid}, asked by {} ({who})", signal.name(), client.address);
            Ok(())
        }
        Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => {
            Err(format!("there is no process {pid}; process.getall lists them"))
        }
        Err(error) => {
            log::warn!("process.kill: {pid} refused by the kernel ({error}), asked by {} ({who})", client.address);
            Err(format!("the kernel refuses to end process {pid}: {error}"))
        }
    }
}

/// `GET /api/v1/about`: the program's version, what whoever asks may do with it, and whether others report to it.
pub async fn about(req: HttpRequest, psiod: web::Data<Psiod>, reports: web::Data<Reports>) -> HttpResponse {
    let reason = refuses(&psiod, Client::of(&req).token.as_ref()).err();
    let kill = json!({ "allowed": reason.is_none(), "reason": reason });
    HttpResponse::Ok().json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "kill": kill,
        "receiver": reports.receiver().is_some(),
    }))
}

/// `POST /api/v1/kill`: psiod's `process.kill` for those who cannot send a header with a WebSocket: pages in a browser.
pub async fn kill(
    req: HttpRequest,
    payload: web::Payload,
    limits: web::Data<Limits>,
    psiod: web::Data<Psiod>,
) -> Result<HttpResponse, ApiError> {
    let body = body::read(&req, payload, &limits).await?;
    let wrong = || ApiError::BadRequest("send JSON: {\"pid\": 1234, \"signal\": \"TERM\"}".to_owned());
    let Ok(Value::Object(mut data)) = serde_json::from_slice(&body) else { return Err(wrong()) };
    data.insert("name".to_owned(), "process.kill".into());
    let command = json!({ "type": "command", "data": data }).to_string();
    match words::parse(&command, std::process::id()) {
        Ok(Command::Kill { pid, signal }) => {
            end_process(pid, signal, &psiod, &Client::of(&req)).map_err(ApiError::Forbidden)?;
            Ok(HttpResponse::NoContent().finish())
        }
        Ok(_) => Err(wrong()),
        Err(refusal) => Err(ApiError::BadRequest(refusal.message)),
    }
}

/// Through a descriptor of the process (Linux 5.3), since kill(2) of Linux takes the number of any thread for its process, our
/// own threads' for us.
#[cfg(target_os = "linux")]
fn deliver(target: Pid, signal: Signal) -> Result<(), Errno> {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
    pidfd_send_signal(pidfd_open(target, PidfdFlags::empty())?, signal)
}

/// Elsewhere the number of a thread is none of a process.
#[cfg(not(target_os = "linux"))]
fn deliver(target: Pid, signal: Signal) -> Result<(), Errno> {
    rustix::process::kill_process(target, signal)
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
