//! Secrets by the names beside them: options, assignments, URLs, headers.

use super::*;

fn shown(argv: &[&str]) -> Vec<String> {
    redact(&argv.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
}

#[test]
fn options_named_like_a_secret_lose_their_value() {
    let names = [
        "--password",
        "-password",
        "--passwd",
        "--token",
        "--secret",
        "--api-key",
        "--apikey",
        "--API_KEY",
        "--auth-token",
        "--access-key",
        "--client-secret",
        "--private-key",
        "--db.Password",
        "--pass",
        "--http_pass",
        "--dbpass",
        "--requirepass",
        "--oauth2-bearer",
        "--signing-key",
    ];
    for name in names {
        assert_eq!(shown(&["tool", name, "S", "x"]), ["tool", name, "***", "x"], "{name}");
        assert_eq!(shown(&["tool", &format!("{name}=S s"), "x"]), ["tool", &format!("{name}=***"), "x"], "{name}");
        assert_eq!(shown(&["tool", &format!("{name}:S")]), ["tool", &format!("{name}:***")], "{name}");
    }
    assert_eq!(shown(&["env", "PASSWORD=S", "PGPASSWORD=a=b", "x"]), ["env", "PASSWORD=***", "PGPASSWORD=***", "x"]);
    assert_eq!(shown(&["java", "-Dkey.storePassword=S"]), ["java", "-Dkey.storePassword=***"]);
    assert_eq!(shown(&["x", "--password"]), ["x", "--password"]);
    assert_eq!(shown(&["x", "--password", "--host", "h"]), ["x", "--password", "--host", "h"]);
    assert_eq!(shown(&["x", "--password", "-S-", "h"]), ["x", "--password", "***", "h"]);
    assert_eq!(shown(&["x", "--password", "two words"]), ["x", "--password", "***"]);
    assert_eq!(shown(&["x", "--token", "password=S"])[2], "password=***");
    assert_eq!(shown(&["x", "--token=", "S", "y"]), ["x", "--token=", "***", "y"]);
    assert_eq!(shown(&["x", "/password:S", "/p:1"]), ["x", "/password:***", "/p:1"]);
}

#[test]
fn assignments_inside_of_a_value_are_found() {
    for (word, expected) in [
        ("--env=MYSQL_PASSWORD=S,S", "--env=MYSQL_PASSWORD=***"),
        ("a=1,db.password=S", "a=1,db.password=***"),
        ("user=bob;password=S;host=x", "user=bob;password=***"),
        ("{\"a\":1,\"password\":\"S\"}", "{\"a\":1,\"password\":***"),
        ("jdbc:x:password=S", "jdbc:x:password=***"),
        ("--url=https://alice:S@h/p?token=S&x=1", "--url=https://alice:***@h/p?token=***&x=1"),
        ("a=1,b=2", "a=1,b=2"),
        ("--mount=type=bind,source=/a,target=/b", "--mount=type=bind,source=/a,target=/b"),
    ] {
        assert_eq!(shown(&["x", word])[1], expected);
        assert_eq!(shown(&["sh", "-c", &format!("x {word} y")])[2], format!("x {expected} y"));
    }
}

#[test]
fn everything_else_stays_as_it_is() {
    let plain = [
        "ssh",
        "-p",
        "22",
        "--bypass",
        "all",
        "--compass=north",
        "password",
        "a=b",
        "--key",
        "x",
        "https://h/p?a=b&c",
        "a b  c ",
        "",
        "::1",
    ];
    assert_eq!(shown(&plain), plain);
    assert!(redact(&[]).is_empty());
}

#[test]
fn urls_lose_their_password() {
    assert_eq!(shown(&["https://alice:S@h/p"]), ["https://alice:***@h/p"]);
    assert_eq!(shown(&["--url=postgres://alice:S@h:5432/db"]), ["--url=postgres://alice:***@h:5432/db"]);
    assert_eq!(shown(&["redis://:S@h"]), ["redis://:***@h"]);
    assert_eq!(shown(&["amqp://a:S/S?S@h/v"]), ["amqp://a:***@h/v"]);
    assert_eq!(shown(&["http://h/p?password=S?S/S?&x=1"]), ["http://h/p?password=***??&x=1"]);
    assert_eq!(shown(&["https://alice@h/a:b"]), ["https://alice@h/a:b"]);
    assert_eq!(shown(&["http://h:80/p?x=1&access_token=S&y=2#z"]), ["http://h:80/p?x=1&access_token=***&y=2#z"]);
}

#[test]
fn a_quoted_secret_is_hidden_to_its_end() {
    assert_eq!(shown(&["sh", "-c", "x --password=\"S S S\" y"])[2], "x --password=*** *** *** y");
    assert_eq!(shown(&["sh", "-c", "x --password 'S S' y"])[2], "x --password *** *** y");
    assert_eq!(shown(&["x", "--password", "'S", "y"]), ["x", "--password", "***", "y"]);
}

#[test]
fn a_command_in_one_argument_is_looked_through() {
    assert_eq!(
        shown(&["sh", "-c", "mysql --password=S  -h db; PGPASSWORD=S psql --token S end"]),
        ["sh", "-c", "mysql --password=***  -h db; PGPASSWORD=*** psql --token *** end"]
    );
    assert_eq!(shown(&["curl", "-H", "Authorization: Bearer S"]), ["curl", "-H", "Authorization:***"]);
    assert_eq!(
        shown(&["sh", "-c", "curl -H 'Authorization: Basic S' h; wget --header \"X-Token: S\" h"])[2],
        "curl -H 'Authorization: *** *** h; wget --header \"X-Token: *** h"
    );
}

#[test]
fn headers_are_hidden_to_their_end_however_they_are_given() {
    for (argv, expected) in [
        (&["--header=X-Api-Key: S"][..], &["--header=X-Api-Key: ***"][..]),
        (&["--header=Authorization: Basic S"], &["--header=Authorization: *** ***"]),
        (&["--env=PASSWORD=", "S", "y"], &["--env=PASSWORD=", "***", "y"]),
        (&["Authorization:", "Bearer", "S", "y"], &["Authorization:", "***", "***", "y"]),
        (&["x -H\"Authorization: Bearer S\" h"], &["x -H\"Authorization: *** *** h"]),
        (&["x -H \"Authorization:Basic S\" h"], &["x -H \"Authorization:*** *** h"]),
        (&["x --header='Authorization: Basic S' h"], &["x --header='Authorization: *** *** h"]),
        (
            &["{\"user\": \"bob\", \"passphrase\": \"correct horse battery\"}"],
            &["{\"user\": \"bob\", \"passphrase\": *** *** ***"],
        ),
        (
            &["{\"Accept\": \"x\", \"Authorization\": \"Bearer S\"}"],
            &["{\"Accept\": \"x\", \"Authorization\": *** ***"],
        ),
    ] {
        assert_eq!(shown(argv), expected);
    }
    assert_eq!(shown(&["curl", "-H", "X-Api-Key: S"])[2], "X-Api-Key:***");
}
