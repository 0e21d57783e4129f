//! What one delivered frame costs the server, beside the least that actix-ws can do, measured in the same run.
//!
//! `cargo bench --bench fan_out [-- CLIENTS SECONDS]`. Starts the release binary and a bare server (one shared text a
//! second to every client, nothing else) as processes of their own, connects the same number of clients to each in turn,
//! and compares CPU time and memory. Loopback only; stops by itself.
#![expect(clippy::disallowed_types, clippy::print_stdout, reason = "a benchmark starts programs and prints")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on stops")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytestring::ByteString;
use futures_util::StreamExt;
use tokio::sync::watch;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if words.first().is_some_and(|word| word == "bare") {
        let bytes = words[1].parse().unwrap();
        return actix_rt::System::new().block_on(bare(bytes));
    }
    let clients = words.first().map_or(500, |word| word.parse().expect("CLIENTS is a number"));
    let seconds = words.get(1).map_or(20, |word| word.parse().expect("SECONDS is a number"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

    let ours = Server::start(Command::new(env!("CARGO_BIN_EXE_psmonitor")).args(["--listen", "127.0.0.1:0"]));
    let ours = runtime.block_on(measure(&ours, clients, seconds));
    println!("psmonitor: {ours}");
    let bytes = ours.frame_bytes.to_string();
    let bare = Server::start(Command::new(std::env::current_exe().unwrap()).args(["bare", &bytes]));
    let bare = runtime.block_on(measure(&bare, clients, seconds));
    println!("bare actix-ws: {bare}");
    println!(
        "ratio: {:.2} in CPU a frame, {:.2} in memory a client",
        ours.frame_microseconds / bare.frame_microseconds,
        ours.client_kibibytes / bare.client_kibibytes
    );
}

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut child = command.env("RUST_LOG", "warn").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).unwrap().trim().trim_end_matches('/').to_owned();
        Self { child, address }
    }

    fn cpu_seconds(&self) -> f64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanoseconds = |task: std::fs::DirEntry| {
            let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<f64>().ok()
        };
        tasks.filter_map(|task| nanoseconds(task.ok()?)).sum::<f64>() / 1e9
    }

    fn resident_kibibytes(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Measured {
    frames: u64,
    frame_bytes: usize,
    frame_microseconds: f64,
    client_kibibytes: f64,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { frames, frame_bytes, frame_microseconds, client_kibibytes } = self;
        write!(
            f,
            "{frames} frames of {frame_bytes} bytes, {frame_microseconds:.1} us of CPU each; \
             {client_kibibytes:.1} KiB a client"
        )
    }
}

async fn measure(server: &Server, clients: usize, seconds: u64) -> Measured {
    // One client first, so that what the first one costs is not counted as a client's share.
    let mut first = connect(&server.address).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let memory = server.resident_kibibytes();
    let mut sockets = Vec::with_capacity(clients);
    for _ in 0..clients {
        sockets.push(connect(&server.address).await);
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
    let cpu = server.cpu_seconds();
    let drain = async { while first.next().await.is_some() {} };
    let _ = tokio::time::timeout_at((end - Duration::from_millis(50)).into(), drain).await;
    let cpu = server.cpu_seconds() - cpu;
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
        client_kibibytes: grown / clients as f64,
    }
}

type Client = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn connect(address: &str) -> Client {
    let mut post = TcpStream::connect(address).unwrap();
    write!(post, "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut answer = String::new();
    post.read_to_string(&mut answer).unwrap();
    let id = answer.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("none");
    let (socket, _) = tokio_tungstenite::connect_async(format!("ws://{address}/connect?id={id}")).await.unwrap();
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
