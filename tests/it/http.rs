//! HTTP and event streams as clients speak them. Heads and bodies are bytes, so that a test can send wrong ones. Waits for
//! nothing for ever. Knows no route and no number.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::support::PATIENCE;

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Without the transfer encoding.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, which must be JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The text under `error`, which every refusal has.
    #[track_caller]
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_else(|| panic!("no error: {}", self.text())).to_owned()
    }
}

/// A connection on which nothing waits for ever.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream.set_write_timeout(Some(PATIENCE)).expect("a time limit");
    stream.set_nodelay(true).expect("no delay");
    stream
}

fn head(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    let has = |name: &str| headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name));
    if !has("host") {
        head.push_str(&format!("Host: {address}\r\n"));
    }
    if !has("content-length") && !has("transfer-encoding") && (length > 0 || method == "POST") {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head
}

/// One request on a connection of its own.
#[track_caller]
pub fn request(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let head = head(address, method, path, headers, body.len()) + "Connection: close\r\n\r\n";
    let answer = exchange(address, &[head.as_bytes(), body].concat());
    parse_response(&answer).unwrap_or_else(|| panic!("{method} {path}: {:?}", String::from_utf8_lossy(&answer)))
}

/// Sends bytes as they are and reads until the server closes the connection.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(bytes);
    read_to_end(&mut stream)
}

/// Everything until the server closes the connection or says nothing more for [`PATIENCE`].
pub fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut piece = [0; 16 * 1024];
    while let Ok(count) = stream.read(&mut piece) {
        if count == 0 {
            break;
        }
        answer.extend_from_slice(&piece[..count]);
    }
    answer
}

/// A whole answer; `None` if it is none.
pub fn parse_response(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (status, headers) = parse_head(std::str::from_utf8(&answer[..end]).ok()?)?;
    let mut response = Response { status, headers, body: answer[end + 4..].to_vec() };
    if response.header("transfer-encoding") == Some("chunked") {
        let mut body = Vec::new();
        let mut rest = BufReader::new(&response.body[..]);
        while let Some(piece) = read_chunk(&mut rest) {
            body.extend_from_slice(&piece);
        }
        response.body = body;
    }
    Some(response)
}

fn parse_head(head: &str) -> Option<(u16, Vec<(String, String)>)> {
    let mut lines = head.lines();
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    Some((status, lines.filter_map(header).collect()))
}

/// The next piece of a chunked body; `None` at its end.
fn read_chunk(body: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut size = String::new();
    body.read_line(&mut size).ok()?;
    let size = usize::from_str_radix(size.trim(), 16).ok().filter(|size| *size > 0)?;
    let mut piece = vec![0; size + 2];
    body.read_exact(&mut piece).ok()?;
    piece.truncate(size);
    Some(piece)
}

/// An event stream.
pub struct Events {
    /// The head of the answer; its body stays empty.
    pub response: Response,
    body: BufReader<TcpStream>,
    text: String,
}

impl Events {
    /// `GET path`; the answer's head is read.
    #[track_caller]
    pub fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut stream = connect(address);
        stream.write_all((head(address, "GET", path, headers, 0) + "\r\n").as_bytes()).expect("the request is sent");
        let mut body = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(body.read_line(&mut head).expect("a head in time") > 0, "the head has no end: {head:?}");
        }
        let (status, headers) = parse_head(&head).unwrap_or_else(|| panic!("no answer: {head:?}"));
        Self { response: Response { status, headers, body: Vec::new() }, body, text: String::new() }
    }

    /// The next event or comment without its blank line; `None` at the end of the stream.
    pub fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(event);
            }
            self.text.push_str(&String::from_utf8(read_chunk(&mut self.body)?).expect("UTF-8"));
        }
    }

    /// The next event's data as JSON; comments are passed over.
    #[track_caller]
    pub fn next_json(&mut self) -> Value {
        loop {
            let event = self.next().expect("the stream goes on");
            if !event.starts_with(':') {
                let data = event.strip_prefix("data: ").unwrap_or_else(|| panic!("no data: {event:?}"));
                return serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"));
            }
        }
    }
}
