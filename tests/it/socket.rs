//! A WebSocket client that waits for nothing for ever. Knows no route and no message.
#![allow(dead_code, reason = "each module of the tests uses a part of this")]

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::support::{PATIENCE, connect};

/// A WebSocket.
pub struct Socket(WebSocket<TcpStream>);

impl Socket {
    /// Connects; a refused upgrade is the error.
    pub fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Self, Box<tungstenite::Error>> {
        let mut request = format!("ws://{address}{path}").into_client_request().map_err(Box::new)?;
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
            request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a header value"));
        }
        match tungstenite::client::client(request, connect(address)) {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tungstenite::HandshakeError::Failure(error)) => Err(Box::new(error)),
            Err(tungstenite::HandshakeError::Interrupted(_)) => panic!("no answer to the upgrade within {PATIENCE:?}"),
        }
    }

    /// The connection below.
    pub fn stream(&mut self) -> &mut TcpStream {
        self.0.get_mut()
    }

    /// Sends a message.
    pub fn send(&mut self, message: impl Into<Message>) {
        self.0.send(message.into()).expect("the message is sent");
    }

    /// The next message of any kind.
    pub fn next(&mut self) -> Result<Message, Box<tungstenite::Error>> {
        self.0.read().map_err(Box::new)
    }

    /// What comes within that time, pings aside; `None` is silence.
    pub fn within(&mut self, time: Duration) -> Option<Message> {
        let end = Instant::now() + time;
        let found = loop {
            let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.stream().set_read_timeout(Some(left)).expect("a time limit");
            match self.0.read() {
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(message) => break Some(message),
                Err(tungstenite::Error::Io(error)) if is_timeout(&error) => break None,
                Err(error) => panic!("{error}"),
            }
        };
        self.stream().set_read_timeout(Some(PATIENCE)).expect("a time limit");
        found
    }

    /// The next text; pings are passed over.
    #[track_caller]
    pub fn text(&mut self) -> String {
        loop {
            match self.next() {
                Ok(Message::Text(text)) => return text.as_str().to_owned(),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("no text but {other:?}"),
            }
        }
    }

    /// The next text as JSON.
    #[track_caller]
    pub fn json(&mut self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Reads until the close frame; code and reason of it.
    #[track_caller]
    pub fn closed(&mut self) -> (u16, String) {
        loop {
            match self.next() {
                Ok(Message::Close(Some(CloseFrame { code, reason }))) => return (code.into(), reason.to_string()),
                Ok(Message::Close(None)) => panic!("closed without a code"),
                Ok(_) => {}
                Err(error) => panic!("no close frame but {error}"),
            }
        }
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}
