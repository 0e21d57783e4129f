//! Hosts that are silent: what is left of them in memory, and that they can be taken out.

use super::*;

/// What is stored of `x` of a host, by the second after `START`.
fn of(store: &Store, host: &str) -> Vec<i64> {
    points(store, host, "x", 0, 5_000).into_iter().map(|(time, ..)| time).collect()
}

fn put(values: &mut Values<'_>) {
    values.put(&["x"], Unit::Ratio, Some(1.0));
}

#[test]
fn a_silent_host_rests_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(Some(directory.path()));
    for second in 0..600 {
        record_values(&store, "web1", START + f64::from(second), put);
    }
    // Its writer may have no room just now; then it stays until the next time.
    patiently(|| store.rest("web1").then_some(()));
    assert!(lock(&store.hosts)["web1"].current().ring.oldest().is_none(), "nothing of it is in memory");
    patiently(|| (store.stored("web1") == Some((START as i64 / 10 + 59, 10.0))).then_some(()));
    assert_eq!(of(&store, "web1").len(), 60, "the file has it by ten seconds");
    record_values(&store, "web1", START + 700.0, put);
    assert_eq!(of(&store, "web1").last(), Some(&700));
    store.rest("nobody");
}

#[test]
fn a_host_that_was_removed_is_gone_and_may_come_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(Some(directory.path()));
    for second in 0..300 {
        for host in ["", "web1", "web2", "web3"].iter().take(3) {
            record_values(&store, host, START + f64::from(second), put);
        }
    }
    assert_eq!(store.record("web3", START, None, put), Err(TooManyHosts(3)));
    patiently(|| store.remove("web1").then_some(()));
    assert!(of(&store, "web1").is_empty());
    record_values(&store, "web3", START + 400.0, put);
    store.close();
    drop(store);
    let store = open(Some(directory.path()));
    let mut hosts = store.hosts();
    hosts.sort_unstable();
    assert_eq!(hosts.iter().map(|host| &**host).collect::<Vec<_>>(), ["", "web2", "web3"]);
    assert_eq!((of(&store, "web1").len(), of(&store, "web2").len(), of(&store, "").len()), (0, 30, 30));
    patiently(|| store.remove("web2").then_some(()));
    record_values(&store, "web1", START + 500.0, put);
    assert_eq!(of(&store, "web1"), [500], "what it had before does not come back");
}
