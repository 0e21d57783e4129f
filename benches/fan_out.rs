//! What one delivered frame costs the server, beside the least that actix-ws can do, measured in the same run.
//!
//! `cargo bench --bench fan_out [-- CLIENTS SECONDS]`. Starts the release binary and a bare server (one shared text a
//! second to every client, nothing else) as processes of their own, connects the same number of clients to each in turn,
//! and compares CPU time and memory. Loopback only; stops by itself.
//!
//! `cargo bench --bench fan_out -- idle [SECONDS]`: the same two with nobody connected, and how soon they answer.
#![expect(clippy::disallowed_types, clippy::print_stdout, reason = "a benchmark starts programs and prints")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on stops")]

mod server;

use std::process::Command;
use std::time::{Duration, Instant};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytestring::ByteString;
use futures_util::StreamExt;
use tokio::sync::watch;

use server::Server;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if words.first().is_some_and(|word| word == "bare") {
        let bytes = words[1].parse().unwrap();
        return actix_rt::System::new().block_on(bare(bytes));
    }
    if words.first().is_some_and(|word| word == "idle") {
        return idle(words.get(1).map_or(60, |word| word.parse().expect("SECONDS is a number")));
    }
    let clients = words.first().map_or(500, |word| word.parse().expect("CLIENTS is a number"));
    let seconds = words.get(1).map_or(20, |word| word.parse().expect("SECONDS is a number"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

    // Each is gone before the other one is measured.
    let measured = |command: &mut Command| runtime.block_on(measure(&Server::start(command), clients, seconds));
    let ours = measured(&mut Server::ours());
    println!("psmonitor: {ours}");
    let bytes = ours.frame_bytes.to_string();
    let bare = measured(Command::new(std::env::current_exe().unwrap()).args(["bare", &bytes]));
    println!("bare actix-ws: {bare}");
    println!(
        "ratio: {:.2} in CPU a frame, {:.2} in memory a client",
        ours.frame_microseconds / bare.frame_microseconds,
        ours.client_kibibytes / bare.client_kibibytes
    );
}

/// Two of ours and two bare ones with nobody connected, and twenty starts of each.
fn idle(seconds: u64) {
    let bare = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["bare", "1500"]);
        command
    };
    let mut commands = [Server::ours(), bare(), bare(), Server::ours()];
    let servers = commands.each_mut().map(|command| {
        // One that ticks right after another finds the processor's caches warm and costs less.
        std::thread::sleep(Duration::from_millis(230));
        Server::start(command)
    });
    std::thread::sleep(Duration::from_secs(3));
    let before = servers.each_ref().map(|server| server.cpu_seconds(None));
    std::thread::sleep(Duration::from_secs(seconds));
    let after = servers.each_ref().map(|server| server.cpu_seconds(None));
    let memory = servers.each_ref().map(|server| server.resident_kibibytes() / 1024.0);
    drop(servers);
    for (name, [one, other]) in [("psmonitor", [0, 3]), ("bare actix", [1, 2])] {
        let percent = |at: usize| (after[at] - before[at]) * 100.0 / seconds as f64;
        let mut starts: Vec<Duration> = (0..20).map(|_| first_answer(&mut commands[one])).collect();
        starts.sort_unstable();
        println!(
            "{name}, nobody connected: {:.3} and {:.3} % of a core, {:.1} MiB; first answer {:.1} ms after the start, at most {:.1} ms",
            percent(one),
            percent(other),
            (memory[one] + memory[other]) / 2.0,
            starts[10].as_secs_f64() * 1e3,
            starts[19].as_secs_f64() * 1e3
        );
    }
}

fn first_answer(command: &mut Command) -> Duration {
    let begin = Instant::now();
    let server = Server::start(command);
    server.get("/");
    begin.elapsed()
}

struct Measured {
    frames: u64,
    frame_bytes: usize,
    frame_microseconds: f64,
    core_percent: f64,
    client_kibibytes: f64,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { frames, frame_bytes, frame_microseconds, core_percent, client_kibibytes } = self;
        write!(
            f,
            "{frames} frames of {frame_bytes} bytes, {frame_microseconds:.1} us of CPU each, {core_percent:.2} % of a core; \
             {client_kibibytes:.1} KiB a client"
        )
    }
}

async fn measure(server: &Server, clients: usize, seconds: u64) -> Measured {
    // One client first, so that what the first one costs is not counted as a client's share.
    let mut first = connect(server).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let memory = server.resident_kibibytes();
    let mut sockets = Vec::with_capacity(clients);
    for _ in 0..clients {
        sockets.push(connect(server).await);
    }
    let (begin, end) = (Instant::now() + Duration::from_secs(3), Duration::from_secs(seconds + 3));
    let end = Instant::now() + end;
    let mut tasks = tokio::task::JoinSet::new();
    for mut socket in sockets {
        tasks.spawn(async move {
            let (mut frames, mut bytes) = (0_u64, 0_usize);
            while let Ok(Some(Ok(message))) = tokio::time::timeout_at(end.into(), socket.next()).await {
                if message.is_text() && Instant::now() >= begin {
                    frames += 1;
                    bytes = message.len();
                }
            }
            (frames, bytes)
        });
    }
    tokio::time::sleep_until(begin.into()).await;
    let cpu = server.cpu_seconds(None);
    let drain = async { while first.next().await.is_some() {} };
    let _ = tokio::time::timeout_at(end.into(), drain).await;
    let cpu = server.cpu_seconds(None) - cpu;
    let grown = server.resident_kibibytes() - memory;
    let (mut frames, mut frame_bytes) = (0, 0);
    while let Some(Ok((count, bytes))) = tasks.join_next().await {
        frames += count;
        frame_bytes = frame_bytes.max(bytes);
    }
    Measured {
        frames,
        frame_bytes,
        frame_microseconds: cpu / frames as f64 * 1e6,
        core_percent: cpu / seconds as f64 * 100.0,
        client_kibibytes: grown / clients as f64,
    }
}

type Client = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn connect(server: &Server) -> Client {
    let answer = server.ask("POST", "/");
    let id = answer.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("none");
    let (socket, _) =
        tokio_tungstenite::connect_async(format!("ws://{}/connect?id={id}", server.address)).await.unwrap();
    socket
}

/// The least: a text of `bytes` once a second to every client, straight from a `watch` into actix-ws. `GET /` answers with
/// as many bytes, for whoever compares requests a second.
async fn bare(bytes: usize) {
    let (sender, receiver) = watch::channel(ByteString::new());
    let serve = move || {
        let receiver = receiver.clone();
        let hello = web::Bytes::from("x".repeat(bytes));
        App::new()
            .app_data(web::Data::new(receiver))
            .route("/", web::post().to(HttpResponse::Ok))
            .route("/", web::get().to(move || std::future::ready(hello.clone())))
            .route(
                "/connect",
                web::get().to(
                    |req: HttpRequest, body: web::Payload, frames: web::Data<watch::Receiver<ByteString>>| async move {
                        let (response, mut session, mut messages) = actix_ws::handle(&req, body)?;
                        let mut frames = frames.get_ref().clone();
                        actix_rt::spawn(async move {
                            loop {
                                tokio::select! {
                                    changed = frames.changed() => {
                                        let frame = frames.borrow_and_update().clone();
                                        if changed.is_err() || session.text(frame).await.is_err() {
                                            break;
                                        }
                                    }
                                    message = messages.next() => if !matches!(message, Some(Ok(_))) { break },
                                }
                            }
                        });
                        Ok::<_, actix_web::Error>(response)
                    },
                ),
            )
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let server = HttpServer::new(serve).workers(workers).bind(("127.0.0.1", 0)).unwrap();
    println!("http://{}/", server.addrs()[0]);
    let server = actix_rt::spawn(server.run());
    let mut ticker = tokio::time::interval(Duration::from_secs(1));
    while !server.is_finished() {
        ticker.tick().await;
        sender.send_replace("x".repeat(bytes).into());
    }
}
