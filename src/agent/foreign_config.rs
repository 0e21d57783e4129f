//! System Monitor's `config.json`: `{"system_id": null, "url": "http://127.0.0.1:5000", "interval": 60}`, read, and written
//! back with a system id where it has none, as its own agent does.

use std::path::Path;

use serde_json::{Map, Value};

/// No configuration is larger.
const MOST_BYTES: u64 = 1 << 20;

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignConfig {
    /// This machine's name. Never empty.
    pub system_id: String,
    /// Where reports go, if that is said.
    pub url: Option<String>,
    /// Seconds, or a time with a unit, as it would be typed.
    pub interval: Option<String>,
}

/// Reads the file. One without a system id is written back with what `new_id` makes. The error is one line.
pub fn read(path: &Path, new_id: impl FnOnce() -> String) -> Result<ForeignConfig, String> {
    let wrong = |what: &str| format!("{}: {what}", path.display());
    let size = std::fs::metadata(path).map_err(|error| wrong(&error.to_string()))?.len();
    if size > MOST_BYTES {
        return Err(wrong("it is larger than 1 MiB, so it cannot be the right file"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    let mut all: Map<String, Value> = serde_json::from_str(&text).map_err(|error| {
        wrong(&format!(
            "this is no configuration of System Monitor ({error}); write {{\"system_id\": null, \"url\": \"http://...\", \
             \"interval\": 60}}"
        ))
    })?;
    let url = match all.get("url") {
        None | Some(Value::Null) => None,
        Some(Value::String(url)) => Some(url.clone()),
        Some(_) => return Err(wrong("url must be a text")),
    };
    let interval = match all.get("interval") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(_) => return Err(wrong("interval must be a number of seconds, or a text as \"5s\"")),
    };
    let system_id = match all.get("system_id") {
        Some(Value::String(id)) if !id.is_empty() => id.clone(),
        None | Some(Value::Null | Value::String(_)) => {
            let id = new_id();
            all.insert("system_id".to_owned(), id.clone().into());
            write(path, &all).map_err(|error| wrong(&format!("the new system_id cannot be written back: {error}")))?;
            id
        }
        Some(_) => return Err(wrong("system_id must be a text, or null for a new one")),
    };
    Ok(ForeignConfig { system_id, url, interval })
}

/// On one line, the three keys first, and never half of it.
fn write(path: &Path, all: &Map<String, Value>) -> std::io::Result<()> {
    const FIRST: [&str; 3] = ["system_id", "url", "interval"];
    let known = FIRST.iter().filter_map(|key| all.get_key_value(*key));
    let others = all.iter().filter(|(key, _)| !FIRST.contains(&key.as_str()));
    let members = known.chain(others).map(|(key, value)| format!("{}: {value}", Value::from(key.as_str())));
    let text = format!("{{{}}}", members.collect::<Vec<_>>().join(", "));
    // Beside it first: a crash leaves the old file or the new one. Through a link, to what it leads to.
    let target = std::fs::canonicalize(path)?;
    let mut beside = target.clone().into_os_string();
    beside.push(".new");
    std::fs::write(&beside, text)?;
    std::fs::set_permissions(&beside, std::fs::metadata(&target)?.permissions())?;
    std::fs::File::open(&beside)?.sync_all()?;
    std::fs::rename(&beside, &target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn a_missing_system_id_is_made_and_written_back_as_the_original_does() {
        let (_folder, path) =
            file("{\n  \"system_id\": null,\n  \"url\": \"http://127.0.0.1:5000\",\n  \"interval\": 3\n}");
        let read = |id: &str| read(&path, || id.to_owned()).unwrap();
        let expected = ForeignConfig {
            system_id: "Linux-1".into(),
            url: Some("http://127.0.0.1:5000".into()),
            interval: Some("3".into()),
        };
        assert_eq!(read("Linux-1"), expected);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, r#"{"system_id": "Linux-1", "url": "http://127.0.0.1:5000", "interval": 3}"#);
        assert_eq!(read("Linux-2"), expected, "it has one now");
        let (_folder, path) = file(r#"{"interval": "1m", "other": [1, {"a": null}]}"#);
        assert_eq!(super::read(&path, || "x".into()).unwrap().interval.as_deref(), Some("1m"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, r#"{"system_id": "x", "interval": "1m", "other": [1,{"a":null}]}"#);
    }

    #[test]
    fn what_is_wrong_is_told_and_changes_nothing() {
        for (text, hint) in [
            ("", "no configuration"),
            ("[]", "no configuration"),
            ("port = 1", "no configuration"),
            (r#"{"system_id": 5}"#, "system_id must be"),
            (r#"{"system_id": "a", "url": 5}"#, "url must be"),
            (r#"{"system_id": "a", "interval": []}"#, "interval must be"),
        ] {
            let (_folder, path) = file(text);
            let error = read(&path, || "new".into()).unwrap_err();
            assert!(error.contains(hint) && error.contains("config.json") && !error.contains('\n'), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
