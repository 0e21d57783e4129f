//! What actix runs: for each listener a service that turns an accepted socket into a connection at its client's pace, with
//! TLS where there is a certificate, and serves every route on it. Started by [`super::Bound::serve`]; knows no route.
//!
//! `actix_web::HttpServer` does the same but takes the sockets as they are.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol};
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_tls::accept::{TlsError, max_concurrent_tls_connect};
use actix_web::App;
use actix_web::body::BoxBody;
use actix_web::dev::AppConfig;
use actix_web::middleware::{Next, from_fn};
use actix_web::rt::net::TcpStream;
use futures_util::future::FutureExt;
use rustls::server::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::http::connection::Connection;
use super::http::connection_list::{self, HANDSHAKES_AT_ONCE};
use super::http::guard;
use super::http::listener::Listener;
use super::http::paced::{Paced, Socket};
use super::http::tls::Certificates;
use super::http::transport::Transport;
use super::{STOP_SECONDS, Shared, routes};
use crate::error::StartupError;
use crate::limits::ANSWER_PIECE_BYTES;

/// How long a client has to end a connection that is over.
const DISCONNECT_TIME: Duration = Duration::from_secs(1);

/// How many bytes of a client that speaks no TLS are read after it was told.
const MOST_IGNORED: u64 = 64 * 1024;

/// Serves every route on every listener, with `workers` threads of which each takes `room` connections.
pub fn run(
    listeners: Vec<Listener>,
    shared: &Shared,
    certificates: Option<&Arc<Certificates>>,
    workers: usize,
    room: usize,
) -> Result<actix_server::Server, StartupError> {
    max_concurrent_tls_connect(HANDSHAKES_AT_ONCE);
    let mut builder = actix_server::Server::build()
        .workers(workers)
        .max_concurrent_connections(room)
        .shutdown_timeout(STOP_SECONDS)
        .disable_signals();
    for listener in listeners {
        let shared = shared.clone();
        let listening = match (listener, certificates) {
            (Listener::Tcp(listener), Some(certificates)) => {
                let mut config = certificates.server_config()?;
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                builder.listen("https", listener, move || encrypted(&shared, room, config.clone()))
            }
            (Listener::Tcp(listener), None) => {
                builder.listen("http", listener, move || plain(&shared, room, Transport::Tcp))
            }
            // Never encrypted: nobody is between a process and its neighbour.
            (Listener::Unix(listener), _) => {
                builder.listen_uds("unix", listener, move || plain(&shared, room, Transport::Unix))
            }
        };
        builder = listening.map_err(|source| StartupError::Io { what: "cannot listen", source })?;
    }
    Ok(builder.run())
}

fn plain<S: 'static>(
    shared: &Shared,
    room: usize,
    transport: fn(S) -> Transport,
) -> impl ServiceFactory<S, Config = ()> + use<S> {
    let stalled_time = shared.limits.stalled_time;
    fn_service(move |stream: S| {
        let socket = Socket::new(connection_list::open(transport(stream), stalled_time, room));
        let connection = Rc::clone(&socket.connection);
        ready(Ok::<_, DispatchError>(ready_for_http(socket, connection)))
    })
    .and_then(http(shared))
}

fn encrypted(
    shared: &Shared,
    room: usize,
    config: ServerConfig,
) -> impl ServiceFactory<TcpStream, Config = ()> + use<> {
    let stalled_time = shared.limits.stalled_time;
    let mut acceptor = Acceptor::new(config);
    acceptor.set_handshake_timeout(shared.limits.request_time);
    let time = shared.limits.request_time;
    fn_service(move |stream: TcpStream| {
        let socket = Socket::new(connection_list::open(Transport::Tcp(stream), stalled_time, room));
        socket.place.begin_handshake();
        async move {
            match timeout(time, unless_plain(socket)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(socket) => Ok(socket),
                Err(error) => Err(TlsError::<io::Error, Infallible>::Tls(error)),
            }
        }
    })
    .and_then(acceptor)
    .map_err(TlsError::into_service_error)
    .map(|tls: TlsStream<Socket>| {
        let socket = tls.get_ref().0;
        socket.place.end_handshake();
        let connection = Rc::clone(&socket.connection);
        ready_for_http(tls, connection)
    })
    .and_then(http(shared).map_err(TlsError::Service))
}

/// The socket, unless its client speaks HTTP without TLS: that one is told, and gone. A TLS record begins with no letter.
async fn unless_plain(mut socket: Socket) -> io::Result<Socket> {
    if !socket.first_byte().await?.is_some_and(|byte| byte.is_ascii_alphabetic()) {
        return Ok(socket);
    }
    let body = r#"{"error":"this server speaks TLS; ask for https:// instead of http://"}"#;
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    socket.write_all(format!("{head}{body}").as_bytes()).await?;
    socket.connection.finish();
    // What the client has sent must be read: the kernel would take the answer back.
    let _ =
        timeout(DISCONNECT_TIME, tokio::io::copy(&mut (&mut socket).take(MOST_IGNORED), &mut tokio::io::sink())).await;
    Err(io::Error::new(io::ErrorKind::InvalidData, "HTTP without TLS"))
}

/// What actix's HTTP wants to know of a connection.
type Opened<T> = (Paced<T>, Protocol, Option<SocketAddr>);

fn ready_for_http<T>(io: T, connection: Rc<Connection>) -> Opened<T> {
    let peer = connection.peer;
    (Paced::new(io, connection), Protocol::Http1, peer)
}

fn http<T: AsyncRead + AsyncWrite + Unpin + 'static>(
    shared: &Shared,
) -> impl ServiceFactory<Opened<T>, Config = (), Response = (), Error = DispatchError, InitError = ()> + use<T> {
    // In a box: actix keeps room for the whole future in each connection, twice.
    let guard = from_fn(|request, next: Next<BoxBody>| guard::guard(request, next).boxed_local());
    let app = App::new().configure(|app| shared.install(app)).wrap(guard).configure(routes::configure);
    let app = app.into_factory().map_err(|error: actix_web::Error| error.error_response());
    let events = shared.streams.events.clone();
    HttpService::build()
        // An answer that is on its way when the server stops is its connection's last one.
        .graceful_shutdown_signal(move || {
            let mut events = events.clone();
            async move { drop(events.wait_for(|events| events.is_stopping).await) }
        })
        // Without actix's timer: it runs while the end of an answer waits for a slow client, too. The sweep knows better.
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(shared.limits.request_time)
        .client_disconnect_timeout(DISCONNECT_TIME)
        .h1_write_buffer_size(ANSWER_PIECE_BYTES)
        .on_connect_ext(|io: &Paced<T>, data| {
            data.insert(Rc::clone(&io.connection));
        })
        .finish(map_config(app, |()| AppConfig::default()))
}
