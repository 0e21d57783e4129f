//! psiod's socket: several commands on one socket, and everything malformed is answered while the socket stays open.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::fixtures::ask;
use crate::machine::Machine;
use crate::support::{Server, Socket};

/// An error of the documented form; its text and the command's name.
#[track_caller]
pub fn refusal(answer: &Value) -> (String, Value) {
    assert_eq!(answer["type"], "error", "{answer}");
    let data = answer["data"].as_object().unwrap_or_else(|| panic!("no data: {answer}"));
    assert_eq!(data.keys().collect::<Vec<_>>(), ["message", "name"]);
    let message = data["message"].as_str().filter(|text| !text.is_empty()).expect("a message");
    assert!(data["name"].is_string() || data["name"].is_null());
    (message.to_owned(), data["name"].clone())
}

#[track_caller]
fn works(socket: &mut Socket) {
    let answer = ask(socket, json!({"name": "host.getstats"}));
    assert_eq!(answer, json!({"type": "response", "data": {"hostname": "laptop"}}));
}

#[test]
fn a_pid_is_a_number_or_a_text_of_one() {
    let mut server = Server::start(&Machine::original().args());
    let mut socket = server.socket("/");
    let answer = ask(&mut socket, json!({"name": "process.get", "pid": 655}));
    assert_eq!(answer["data"]["name"], "sshd");
    assert_eq!(ask(&mut socket, json!({"name": "process.get", "pid": "655"})), answer);
    // Answers come in the order of the commands, however many are sent before the first is read.
    for pid in [655, 1, 1201] {
        socket.send(json!({"type": "command", "data": {"name": "process.get", "pid": pid}}).to_string());
    }
    for pid in [655, 1, 1201] {
        assert_eq!(socket.json()["data"]["pid"], pid);
    }
    server.assert_well();
}

#[test]
fn garbage_between_good_commands() {
    let mut server = Server::start(&Machine::original().args());
    let mut socket = server.socket("/");
    works(&mut socket);
    let named = |name: &str| Value::from(name);
    let deep = |open: &str, close: &str| open.repeat(10_000) + "1" + &close.repeat(10_000);
    let text = |text: &str| Message::text(text);
    let command = |data: Value| Message::text(json!({"type": "command", "data": data}).to_string());
    let cases = [
        (text(""), Value::Null),
        (text(" "), Value::Null),
        (text("nonsense"), Value::Null),
        (text("[object Object]"), Value::Null),
        (text("{\"type\":\"command\",\"data\":{\"name\":\"cpu.getall\"}"), Value::Null),
        (text("{\"type\":\"command\",\"data\":{\"name\":\"cpu.getall\"}} {}"), Value::Null),
        (text("null"), Value::Null),
        (text("7"), Value::Null),
        (text("\"cpu.getall\""), Value::Null),
        (text("[]"), Value::Null),
        (text("{}"), Value::Null),
        (text("{\"type\":\"command\"}"), Value::Null),
        (text("{\"type\":\"command\",\"data\":null}"), Value::Null),
        (text("{\"type\":\"command\",\"data\":\"cpu.getall\"}"), Value::Null),
        (text("{\"type\":\"command\",\"data\":[\"cpu.getall\"]}"), Value::Null),
        (text("{\"type\":\"question\",\"data\":{\"name\":\"cpu.getall\"}}"), named("cpu.getall")),
        (text("{\"data\":{\"name\":\"cpu.getall\"}}"), named("cpu.getall")),
        (text("{\"type\":7,\"data\":{\"name\":\"cpu.getall\"}}"), named("cpu.getall")),
        (command(json!({})), Value::Null),
        (command(json!({"name": 7})), Value::Null),
        (command(json!({"name": null})), Value::Null),
        (command(json!({"name": ["cpu.getall"]})), Value::Null),
        (command(json!({"name": ""})), named("")),
        (command(json!({"name": "CPU.GETALL"})), named("CPU.GETALL")),
        (command(json!({"name": "cpu.getall\u{0}"})), named("cpu.getall\u{0}")),
        (command(json!({"name": "process.get"})), named("process.get")),
        (command(json!({"name": "process.get", "pid": null})), named("process.get")),
        (command(json!({"name": "process.get", "pid": true})), named("process.get")),
        (command(json!({"name": "process.get", "pid": 1.5})), named("process.get")),
        (command(json!({"name": "process.get", "pid": "one"})), named("process.get")),
        (command(json!({"name": "process.get", "pid": [1]})), named("process.get")),
        (command(json!({"name": "process.get", "pid": -1})), named("process.get")),
        (command(json!({"name": "process.get", "pid": 0})), named("process.get")),
        (command(json!({"name": "process.get", "pid": 4})), named("process.get")),
        (command(json!({"name": "process.get", "pid": u64::MAX})), named("process.get")),
        (command(json!({"name": "process.get", "pid": "9".repeat(400)})), named("process.get")),
        (
            text(&format!(
                "{{\"type\":\"command\",\"data\":{{\"name\":\"process.get\",\"pid\":1{}}}}}",
                "0".repeat(400)
            )),
            Value::Null,
        ),
        (text(&deep("[", "]")), Value::Null),
        (text(&deep("{\"a\":", "}")), Value::Null),
        (text(&"[".repeat(20_000)), Value::Null),
        (Message::binary(vec![0xff, 0x00, 0xfe]), Value::Null),
        (Message::binary(Vec::new()), Value::Null),
    ];
    for (at, (message, name)) in cases.into_iter().enumerate() {
        // Fewer messages than the server takes from one client in a second.
        if at % 40 == 39 {
            socket = server.socket("/");
        }
        let shown: String = format!("{message:?}").chars().take(120).collect();
        socket.send(message);
        let (text, found) = refusal(&socket.json());
        assert_eq!(found, name, "{shown}: {text}");
        works(&mut socket);
    }
    // A command in a binary message is a command.
    socket.send(Message::binary(br#"{"type":"command","data":{"name":"host.getstats"}}"#.to_vec()));
    assert_eq!(socket.json()["data"]["hostname"], "laptop");
    server.assert_well();
}
