//! Parts of a plugin's answer: one item of it, the rows that one value names, the first rows.
//!
//! Called by the server with the text of the plugin, which the frame keeps. What is not there is `None`.

use serde_json::{Map, Value};

fn parsed(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn object(entries: impl IntoIterator<Item = (String, Value)>) -> String {
    Value::Object(Map::from_iter(entries)).to_string()
}

/// `/{plugin}/{item}`: `{item: value}`, of a list `{item: [value of each row]}`.
pub fn item(text: &str, item: &str) -> Option<String> {
    let value = match parsed(text)? {
        Value::Object(mut keys) => keys.remove(item)?,
        Value::Array(rows) => {
            let values: Vec<Value> = rows.iter().filter_map(|row| row.get(item).cloned()).collect();
            (rows.is_empty() || !values.is_empty()).then_some(Value::Array(values))?
        }
        _ => return None,
    };
    Some(object([(item.to_owned(), value)]))
}

/// `/{plugin}/{item}/{key}`: the item of the row that is called so, `{item: value}`; where rows have `key` as that item, they
/// stand beside it under `key`.
pub fn of_key(text: &str, item: &str, key: &str) -> Option<String> {
    let Value::Array(rows) = parsed(text)? else { return None };
    let called = rows.iter().find(|row| {
        let name = row.get("key").and_then(Value::as_str);
        name.and_then(|name| row.get(name)).is_some_and(|value| reads(value, key))
    });
    let own = called.and_then(|row| row.get(item).cloned());
    let named: Vec<Value> =
        rows.into_iter().filter(|row| row.get(item).is_some_and(|value| reads(value, key))).collect();
    if own.is_none() && named.is_empty() {
        return None;
    }
    let rows = (!named.is_empty()).then(|| (key.to_owned(), Value::Array(named)));
    Some(object(rows.into_iter().chain(own.map(|value| (item.to_owned(), value)))))
}

/// `/{plugin}/{item}/value/{value}`: `{value: [the rows whose item is that]}`.
pub fn of_value(text: &str, item: &str, value: &str) -> Option<String> {
    let Value::Array(rows) = parsed(text)? else { return None };
    if !rows.is_empty() && rows.iter().all(|row| row.get(item).is_none()) {
        return None;
    }
    let named = rows.into_iter().filter(|row| row.get(item).is_some_and(|found| reads(found, value))).collect();
    Some(object([(value.to_owned(), Value::Array(named))]))
}

/// Whether a value is written so: text as it is, a number by its digits.
fn reads(value: &Value, text: &str) -> bool {
    match value {
        Value::String(value) => value == text,
        Value::Number(number) => number.to_string() == text,
        _ => false,
    }
}

/// `/{plugin}/top/{n}`: the first `n` rows. What is no list comes whole.
pub fn top(text: &str, count: usize) -> String {
    match parsed(text) {
        Some(Value::Array(mut rows)) => {
            rows.truncate(count);
            Value::Array(rows).to_string()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"[{"key":"pid","pid":1,"name":"init"},{"key":"pid","pid":12,"name":"sh"},{"key":"pid","pid":13,"name":"sh"}]"#;

    fn is(found: Option<String>, expected: &str) {
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(json(&found.expect("something is found")), json(expected));
    }

    #[test]
    fn one_item() {
        is(item(r#"{"total":12.6,"user":1}"#, "total"), r#"{"total":12.6}"#);
        is(item(LIST, "name"), r#"{"name":["init","sh","sh"]}"#);
        is(item("[]", "name"), r#"{"name":[]}"#);
        for (text, name) in [(r#"{"total":1}"#, "tptal"), (LIST, "nmae"), ("\"0:53:53\"", "x"), ("null", "x")] {
            assert_eq!(item(text, name), None);
        }
    }

    #[test]
    fn rows_by_their_key_and_by_a_value() {
        is(of_key(LIST, "pid", "1"), r#"{"pid":1,"1":[{"key":"pid","pid":1,"name":"init"}]}"#);
        is(of_key(LIST, "name", "12"), r#"{"name":"sh"}"#);
        let shells = r#"{"sh":[{"key":"pid","pid":12,"name":"sh"},{"key":"pid","pid":13,"name":"sh"}]}"#;
        is(of_key(LIST, "name", "sh"), shells);
        is(of_value(LIST, "name", "sh"), shells);
        is(of_value(LIST, "name", "vi"), r#"{"vi":[]}"#);
        for (item, key) in [("pid", "2"), ("nmae", "1"), ("pid", "")] {
            assert_eq!(of_key(LIST, item, key), None);
        }
        assert_eq!(of_value(LIST, "nmae", "1"), None);
        assert_eq!(of_key(r#"{"total":1}"#, "total", "1"), None);
    }

    #[test]
    fn the_first_rows() {
        is(Some(top(LIST, 1)), r#"[{"key":"pid","pid":1,"name":"init"}]"#);
        is(Some(top(LIST, 0)), "[]");
        is(Some(top(LIST, 99)), LIST);
        is(Some(top(r#"{"total":1}"#, 0)), r#"{"total":1}"#);
    }
}
