//! The comparison with the golden files, and with the shapes of what the original systems answered.
//!
//! `UPDATE_GOLDEN=1` rewrites the golden files instead of comparing.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

/// The serialized text.
pub(crate) fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("JSON")
}

fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Compares with `tests/golden/NAME.json`, byte for byte.
#[track_caller]
pub(crate) fn assert_golden(name: &str, found: &str) {
    let path = tests_folder().join("golden").join(format!("{name}.json"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, found).expect("golden file written");
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(found == wanted, "{} differs\nfound:  {found}\nwanted: {wanted}", path.display());
}

fn shape(name: &str) -> Value {
    let path = tests_folder().join("fixtures/recorded-shapes").join(format!("{name}.json"));
    let shape = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&shape).expect("a shape")
}

/// Every key that the original sends is there with the original's type. `tests/fixtures/recorded-shapes/NAME.json` names
/// the types; of a list it shows one element, and the key `*` stands for any key.
#[track_caller]
pub(crate) fn assert_has_shape(name: &str, found: &str) {
    let found: Value = serde_json::from_str(found).expect("JSON");
    check_shape(name, &shape(name), &found, false);
}

/// The same, where every value may be unknown.
#[track_caller]
pub(crate) fn assert_has_keys(name: &str, found: &str) {
    let found: Value = serde_json::from_str(found).expect("JSON");
    assert!(found.is_object(), "{name}: no object: {found}");
    check_shape(name, &shape(name), &found, true);
}

#[track_caller]
fn check_shape(at: &str, shape: &Value, found: &Value, may_be_unknown: bool) {
    if may_be_unknown && found.is_null() {
        return;
    }
    match shape {
        Value::Object(keys) => {
            let object = found.as_object().unwrap_or_else(|| panic!("{at}: no object: {found}"));
            for (key, shape) in keys {
                if key == "*" {
                    assert!(may_be_unknown || !object.is_empty(), "{at}: empty");
                    object.iter().for_each(|(key, v)| check_shape(&format!("{at}.{key}"), shape, v, may_be_unknown));
                } else {
                    let value = object.get(key).unwrap_or_else(|| panic!("{at}: no key {key}"));
                    check_shape(&format!("{at}.{key}"), shape, value, may_be_unknown);
                }
            }
        }
        Value::Array(element) => {
            let list = found.as_array().unwrap_or_else(|| panic!("{at}: no list: {found}"));
            assert!(may_be_unknown || !list.is_empty(), "{at}: an empty list shows nothing");
            list.iter().for_each(|v| check_shape(&format!("{at}[]"), &element[0], v, may_be_unknown));
        }
        kind => {
            // A leaf that ends in `?` is null for some of the rows of the test's snapshot.
            let kind = kind.as_str().expect("a type");
            let (kind, optional) = kind.strip_suffix('?').map_or((kind, false), |kind| (kind, true));
            let fits = match kind {
                "integer" => found.is_u64() || found.is_i64(),
                "number" => found.is_number(),
                "text" => found.is_string(),
                // A list that may be empty.
                "integers" => found.as_array().is_some_and(|list| list.iter().all(Value::is_u64)),
                other => panic!("{at}: no such type: {other}"),
            };
            assert!(fits || optional && found.is_null(), "{at}: {found} is not {kind}");
        }
    }
}

/// No number is NaN or infinite in the text, however its kind would be spelled.
#[track_caller]
pub(crate) fn assert_finite(found: &str) {
    let value: Value = serde_json::from_str(found).expect("JSON holds no NaN and no infinity");
    fn walk(value: &Value) {
        match value {
            Value::Number(number) => assert!(number.as_f64().is_some_and(f64::is_finite), "{number}"),
            Value::Array(list) => list.iter().for_each(walk),
            Value::Object(object) => object.values().for_each(walk),
            _ => {}
        }
    }
    walk(&value);
}
