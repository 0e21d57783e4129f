//! Tests of who comes in: tokens, logins, HTTP Basic, files that are read again.

use super::*;

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const SECRET: &str = "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

fn auth(folder: &std::path::Path, tokens: &str, users: &str) -> Auth {
    std::fs::write(folder.join("tokens"), tokens).unwrap();
    std::fs::write(folder.join("users"), users).unwrap();
    let sources =
        Sources { token_file: Some(folder.join("tokens")), token: None, users_file: Some(folder.join("users")) };
    Auth::load(&sources).unwrap()
}

fn who(auth: &Auth, token: &str) -> Option<Identity> {
    auth.identify(Some(token))
}

#[tokio::test]
async fn a_login_gives_a_token_that_identifies() {
    let folder = tempfile::tempdir().unwrap();
    let auth = auth(folder.path(), "0123456789abcdef\n", &format!("ann:{SECRET}\n"));
    let (token, name) = auth.log_in("ann", "secret".into(), ADDRESS).await.unwrap();
    assert_eq!(&*name, "ann");
    assert_eq!(who(&auth, &token), Some(Identity::User("ann".into())));
    assert_eq!(who(&auth, "0123456789abcdef"), Some(Identity::Token));
    assert_eq!(auth.identify(None), None);
    for (name, password) in [("ann", "Secret"), ("eve", "secret"), ("", ""), ("ann", "")] {
        assert_eq!(auth.log_in(name, password.into(), ADDRESS).await, Err(Refused::Wrong), "{name}");
    }
}

#[tokio::test]
async fn wrong_logins_run_out_and_right_ones_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let auth = auth(folder.path(), "0123456789abcdef\n", &format!("ann:{SECRET}\n"));
    for _ in 0..20 {
        auth.log_in("ann", "secret".into(), ADDRESS).await.unwrap();
    }
    for _ in 0..5 {
        assert_eq!(auth.log_in("ann", "wrong".into(), ADDRESS).await, Err(Refused::Wrong));
    }
    assert!(matches!(auth.log_in("ann", "secret".into(), ADDRESS).await, Err(Refused::TooMany(_))));
    let other = IpAddr::from([192, 0, 2, 1]);
    assert!(auth.log_in("ann", "secret".into(), other).await.is_ok());
}

#[tokio::test]
async fn reading_again_takes_effect_at_once_and_what_is_broken_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (tokens, users) = (folder.path().join("tokens"), folder.path().join("users"));
    let auth = auth(folder.path(), "0123456789abcdef\n", &format!("ann:{SECRET}\nbob:{SECRET}\n"));
    let (ann, _) = auth.log_in("ann", "secret".into(), ADDRESS).await.unwrap();

    std::fs::write(&tokens, "fedcba9876543210\n").unwrap();
    std::fs::write(&users, "nonsense\n").unwrap();
    auth.reload(&auth.keys().sources);
    assert_eq!(who(&auth, "0123456789abcdef"), None);
    assert_eq!(who(&auth, "fedcba9876543210"), Some(Identity::Token));
    assert!(who(&auth, &ann).is_some(), "a broken users file changes nothing");

    std::fs::write(&tokens, "short\n").unwrap();
    std::fs::write(&users, format!("bob:{SECRET}\n")).unwrap();
    auth.reload(&auth.keys().sources);
    assert_eq!(who(&auth, "fedcba9876543210"), Some(Identity::Token), "a broken token file changes nothing");
    assert_eq!(who(&auth, &ann), None, "a user who is gone from the file is gone");
    assert!(auth.log_in("bob", "secret".into(), ADDRESS).await.is_ok());
}

#[test]
fn users_without_a_user_need_a_token_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let (users, token) = (folder.path().join("users"), Secret("0123456789abcdef".into()));
    std::fs::write(&users, "# nobody yet\n").unwrap();
    let mut sources = Sources { users_file: Some(users.clone()), ..Sources::default() };
    let error = Auth::load(&sources).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    for word in ["--users-file", "no user", "hash-password", "--token-file"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    sources.token = Some(token);
    assert_eq!(Auth::load(&sources).unwrap().ways(), Ways { token: true, password: false });
    sources.token = None;
    std::fs::write(&users, format!("ann:{SECRET}\n")).unwrap();
    let auth = Auth::load(&sources).unwrap();
    assert_eq!(auth.ways(), Ways { token: false, password: true });
    std::fs::write(&users, "").unwrap();
    auth.reload(&auth.keys().sources);
    assert!(auth.keys().users.is_empty(), "whoever is taken out of the file is out");
}

#[test]
fn other_files_are_taken_over_together_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let auth = auth(folder.path(), "0123456789abcdef\n", &format!("ann:{SECRET}\n"));
    let users_file = Some(folder.path().join("others"));
    let other = Sources { users_file, ..Sources::default() };
    auth.reload(&other);
    assert!(who(&auth, "0123456789abcdef").is_some() && auth.is_on(), "there is no such file: all stays");
    std::fs::write(folder.path().join("others"), format!("bob:{SECRET}\n")).unwrap();
    auth.reload(&other);
    assert!(who(&auth, "0123456789abcdef").is_none() && auth.is_on());
    assert_eq!(auth.keys().sources, other);
    auth.reload(&Sources::default());
    assert!(!auth.is_on());
}

#[tokio::test]
async fn a_password_with_each_request_is_checked_once() {
    let folder = tempfile::tempdir().unwrap();
    let auth = auth(folder.path(), "0123456789abcdef\n", &format!("ann:{SECRET}\n"));
    let ann = Ok(Identity::User("ann".into()));
    // As many at once as a dashboard with many tiles sends: more than there are tries.
    let all = (0..40).map(|_| auth.identify_basic("ann", "secret", ADDRESS));
    assert!(futures_util::future::join_all(all).await.iter().all(|who| *who == ann));
    let one = std::time::Instant::now();
    assert!(auth.keys().users.candidate("ann").unwrap().hash.verify("secret"));
    let (one, many) = (one.elapsed(), std::time::Instant::now());
    for _ in 0..200 {
        assert_eq!(auth.identify_basic("ann", "secret", ADDRESS).await, ann);
    }
    assert!(many.elapsed() < 50 * one, "200 requests take {:?}, one check {one:?}", many.elapsed());
}

#[tokio::test]
async fn a_token_is_a_password_whatever_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let auth = auth(folder.path(), "0123456789abcdef\n", &format!("ann:{SECRET}\n"));
    let (session, _) = auth.log_in("ann", "secret".into(), ADDRESS).await.unwrap();
    for number in 0..20 {
        let _ = auth.identify_basic("eve", &number.to_string(), ADDRESS).await;
    }
    for name in ["", "glances", "ann"] {
        let who = auth.identify_basic(name, "0123456789abcdef", ADDRESS).await;
        assert_eq!(who, Ok(Identity::Token), "whatever others try at this address");
        assert_eq!(auth.identify_basic(name, &session, ADDRESS).await, Ok(Identity::User("ann".into())));
    }
}

#[tokio::test]
async fn wrong_passwords_of_requests_run_out_as_those_of_logins() {
    let folder = tempfile::tempdir().unwrap();
    let auth = auth(folder.path(), "0123456789abcdef\n", &format!("ann:{SECRET}\n"));
    assert!(auth.identify_basic("ann", "secret", ADDRESS).await.is_ok());
    // One and the same wrong password, again and again, is one try.
    for _ in 0..50 {
        assert_eq!(auth.identify_basic("undefined", "undefined", ADDRESS).await, Err(Refused::Wrong));
    }
    for number in 0..4 {
        assert_eq!(auth.identify_basic("ann", &number.to_string(), ADDRESS).await, Err(Refused::Wrong));
    }
    // The right one is remembered, and is not told either: who guesses must not be able to ask for it.
    for password in ["4", "secret", "undefined"] {
        let refused = auth.identify_basic("ann", password, ADDRESS).await;
        assert!(matches!(refused, Err(Refused::TooMany(_))), "{password}");
    }
    assert!(matches!(auth.log_in("ann", "secret".into(), ADDRESS).await, Err(Refused::TooMany(_))));
    assert!(auth.identify_basic("ann", "secret", IpAddr::from([192, 0, 2, 1])).await.is_ok());
}

#[tokio::test]
async fn what_is_remembered_goes_with_the_users() {
    let folder = tempfile::tempdir().unwrap();
    let auth = auth(folder.path(), "0123456789abcdef\n", &format!("ann:{SECRET}\n"));
    assert!(auth.identify_basic("ann", "secret", ADDRESS).await.is_ok());
    assert_eq!(auth.identify_basic("bob", "secret", ADDRESS).await, Err(Refused::Wrong));
    std::fs::write(folder.path().join("users"), format!("bob:{SECRET}\n")).unwrap();
    auth.reload(&auth.keys().sources);
    assert_eq!(auth.identify_basic("ann", "secret", ADDRESS).await, Err(Refused::Wrong));
    assert_eq!(auth.identify_basic("bob", "secret", ADDRESS).await, Ok(Identity::User("bob".into())));
}

#[tokio::test]
async fn without_users_a_wrong_password_counts_too() {
    let sources = Sources { token: Some(Secret("0123456789abcdef".into())), ..Sources::default() };
    let auth = Auth::load(&sources).unwrap();
    for number in 0..5 {
        assert_eq!(auth.identify_basic("", &number.to_string(), ADDRESS).await, Err(Refused::Wrong));
    }
    assert!(matches!(auth.identify_basic("", "5", ADDRESS).await, Err(Refused::TooMany(_))));
    assert_eq!(auth.identify_basic("", "0123456789abcdef", ADDRESS).await, Ok(Identity::Token));
}

#[tokio::test]
async fn without_a_users_file_there_is_no_login() {
    let auth = Auth::load(&Sources::default()).unwrap();
    assert_eq!(auth.log_in("ann", "secret".into(), ADDRESS).await, Err(Refused::NoUsers));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_behind_a_crowd_of_wrong_passwords_is_told_so_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let auth = auth(folder.path(), "0123456789abcdef\n", &format!("ann:{SECRET}\n"));
    let (keys, mark) = (auth.keys(), auth.sessions.mark("ann", "secret"));
    let _others = keys.verdicts.turn(&mark).await;
    let asked = tokio::time::timeout(10 * TURN, auth.identify_basic("ann", "secret", ADDRESS));
    assert_eq!(asked.await.expect("an answer"), Err(Refused::Busy));
}
