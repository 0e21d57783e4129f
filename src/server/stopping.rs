//! That the server stops, for whatever goes on for long: WebSockets, event streams, the connections under them. Made by
//! [`super::Bound::serve`], which tells all of them at once; knows nobody who waits.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, Waker};

use tokio::sync::watch;

/// Tells that the server stops, once and for ever.
#[derive(Clone)]
pub struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// What tells, and what waits for it.
    #[must_use]
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Done when the server stops.
    ///
    /// tokio takes a lock whenever it is asked, one that all streams of all threads share; a stream asks at each frame, more
    /// than once. As long as nothing was told, whoever is to be woken already is, and tokio is not asked.
    pub fn wait(&self) -> impl Future<Output = ()> + use<> {
        let (told, mut receiver) = (self.0.clone(), self.0.clone());
        async move {
            let mut wait = pin!(receiver.wait_for(|is_stopping| *is_stopping));
            let mut to_be_woken: Option<Waker> = None;
            poll_fn(|cx| {
                let is_known = to_be_woken.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
                if is_known && matches!(told.has_changed(), Ok(false)) {
                    return Poll::Pending;
                }
                to_be_woken = Some(cx.waker().clone());
                wait.as_mut().poll(cx).map(drop)
            })
            .await;
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

    fn poll(stopped: &mut LocalBoxFuture<'static, ()>, count: &Arc<Count>) -> Poll<()> {
        stopped.poll_unpin(&mut Context::from_waker(&Arc::clone(count).into()))
    }

    #[test]
    fn who_asked_last_is_woken_however_often_it_asked() {
        let (sender, stopping) = Stopping::new();
        let (before, now) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let mut stopped = stopping.wait().boxed_local();
        assert!(poll(&mut stopped, &before).is_pending());
        for _ in 0..3 {
            assert!(poll(&mut stopped, &now).is_pending());
        }
        sender.send_replace(true);
        assert_eq!((before.0.load(Ordering::Relaxed), now.0.load(Ordering::Relaxed)), (0, 1));
        assert!(poll(&mut stopped, &now).is_ready());
        assert!(poll(&mut stopping.wait().boxed_local(), &now).is_ready(), "who comes later is told at once");
    }

    #[test]
    fn a_server_that_is_gone_has_stopped() {
        let (sender, stopping) = Stopping::new();
        let count = Arc::new(Count::default());
        let mut stopped = stopping.wait().boxed_local();
        assert!(poll(&mut stopped, &count).is_pending());
        drop(sender);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(poll(&mut stopped, &count).is_ready());
    }
}
