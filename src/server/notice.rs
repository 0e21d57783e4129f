//! What happens to the server, for whatever goes on for long: WebSockets, event streams, the connections under them. Told by
//! [`super::Server`] and its reloader to all of them at once; knows nobody who waits.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, Waker};

use tokio::sync::watch;

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// The server stops.
    pub is_stopping: bool,
    /// How often tokens and users were read again.
    pub reloads: u64,
}

/// Where it is told.
#[derive(Clone)]
pub struct Notices(watch::Receiver<Notice>);

impl Notices {
    /// Who tells, and what waits for it.
    #[must_use]
    pub fn new() -> (watch::Sender<Notice>, Self) {
        let (sender, receiver) = watch::channel(Notice::default());
        (sender, Self(receiver))
    }

    /// Done when `is_it` says so of what happened; `None` when the server is gone.
    ///
    /// tokio takes a lock whenever it is asked, one that all streams of all threads share; a stream asks at each frame, more
    /// than once. As long as nothing new was told, whoever is to be woken already is, and tokio is not asked.
    pub fn wait_for(&self, mut is_it: impl FnMut(&Notice) -> bool) -> impl Future<Output = Option<Notice>> {
        let (mut seen, mut receiver) = (self.0.clone(), self.0.clone());
        async move {
            // Unconstrained: a task whose turn is used up would be told to come again, without being registered to be woken.
            let mut wait = pin!(tokio::task::unconstrained(receiver.wait_for(|notice| is_it(notice))));
            let mut to_be_woken: Option<Waker> = None;
            poll_fn(|cx| {
                let is_known = to_be_woken.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
                if is_known && matches!(seen.has_changed(), Ok(false)) {
                    return Poll::Pending;
                }
                // Before it is asked: what is told meanwhile is new the next time.
                seen.mark_unchanged();
                to_be_woken = Some(cx.waker().clone());
                wait.as_mut().poll(cx).map(|notice| notice.ok().map(|notice| *notice))
            })
            .await
        }
    }

    /// Done when the server stops.
    pub fn stopping(&self) -> impl Future<Output = ()> + use<> {
        let notices = self.clone();
        async move {
            notices.wait_for(|notice| notice.is_stopping).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};

    use futures_util::future::{FutureExt, LocalBoxFuture};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Count {
        fn get(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn poll(stopped: &mut LocalBoxFuture<'static, ()>, count: &Arc<Count>) -> Poll<()> {
        stopped.poll_unpin(&mut Context::from_waker(&Arc::clone(count).into()))
    }

    #[test]
    fn who_asked_last_is_woken_however_often_it_asked_and_whatever_else_was_told() {
        let (sender, notices) = Notices::new();
        let (before, now) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let mut stopped = notices.stopping().boxed_local();
        assert!(poll(&mut stopped, &before).is_pending());
        for round in 0..3 {
            for _ in 0..3 {
                assert!(poll(&mut stopped, &now).is_pending());
            }
            assert_eq!(now.get(), round);
            sender.send_modify(|notice| notice.reloads += 1);
            assert_eq!((before.get(), now.get()), (0, round + 1), "woken by each");
        }
        assert!(poll(&mut stopped, &now).is_pending());
        sender.send_modify(|notice| notice.is_stopping = true);
        assert_eq!((before.get(), now.get()), (0, 4));
        assert!(poll(&mut stopped, &now).is_ready());
        assert!(poll(&mut notices.stopping().boxed_local(), &now).is_ready(), "who comes later is told at once");
    }

    #[test]
    fn a_server_that_is_gone_has_stopped() {
        let (sender, notices) = Notices::new();
        let count = Arc::new(Count::default());
        let mut stopped = notices.stopping().boxed_local();
        assert!(poll(&mut stopped, &count).is_pending());
        drop(sender);
        assert_eq!(count.get(), 1);
        assert!(poll(&mut stopped, &count).is_ready());
    }
}
