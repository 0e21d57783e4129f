//! `check-url` and `check-system-id`: asks a receiver what System Monitor's two buttons ask, and says what it answered.

use serde_json::json;

use super::client::{Answer, Client, Destination};

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check<'a> {
    /// Is there a receiver?
    Url,
    /// Is this name known there?
    SystemId(&'a str),
}

/// What was found, or why nothing was.
pub fn check(destination: &Destination, check: Check<'_>) -> Result<String, String> {
    let client = Client::new(destination.clone()).map_err(|error| error.to_string())?;
    let body = match check {
        Check::Url => json!({ "action": "check_url" }),
        Check::SystemId(name) => json!({ "action": "check_system_id", "system_id": name }),
    };
    let answer = client.post(&[("Content-Type", "application/json")], body.to_string().as_bytes());
    let answer = answer.map_err(|error| format!("{} does not answer: {error}", destination.shown()))?;
    found(&destination.shown(), check, &answer)
}

fn found(url: &str, check: Check<'_>, answer: &Answer) -> Result<String, String> {
    match (check, answer.status) {
        (Check::Url, 202) => Ok(format!("URL is OK! {url} takes reports")),
        (Check::SystemId(name), 200) => Ok(format!("the system id {name} is registered at {url}")),
        (Check::SystemId(name), 204) => Ok(format!("the system id {name} is NOT registered at {url}: it is free")),
        (Check::Url, status) => Err(wrong(url, status, "202", answer)),
        (Check::SystemId(_), status) => Err(wrong(url, status, "200 or 204", answer)),
    }
}

fn wrong(url: &str, status: u16, expected: &str, answer: &Answer) -> String {
    let hint = match status {
        _ if answer.wants_tls => "; it speaks TLS, so write https:// in its address",
        300..=399 => "; it leads elsewhere, so give the address that it leads to",
        401 => "; it needs a token, give --token-file FILE",
        404 | 405 => "; is the path right, and is that server a receiver?",
        _ => "",
    };
    let told = if answer.text.is_empty() { String::new() } else { format!(" ({})", answer.text) };
    format!("Connection Error: {url} answered {status}{told}, not {expected}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_told() {
        let of = |check, status| {
            let answer = Answer { status, retry_after: None, takes_gzip: false, wants_tls: false, text: String::new() };
            found("http://a/", check, &answer)
        };
        let name = Check::SystemId("x");
        assert!(of(Check::Url, 202).unwrap().contains("OK"));
        assert!(of(name, 200).unwrap().contains("is registered"));
        assert!(of(name, 204).unwrap().contains("NOT registered"));
        assert!(of(Check::Url, 200).unwrap_err().contains("200, not 202"));
        for (status, hint) in [(301, "leads"), (401, "--token-file"), (404, "receiver"), (500, "500")] {
            assert!(of(name, status).unwrap_err().contains(hint), "{status}");
            assert!(of(Check::Url, status).unwrap_err().contains(hint), "{status}");
        }
    }
}
