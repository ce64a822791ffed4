//! Time that moves only when told.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::domain::ports::Clock;
use crate::domain::time::Time;

/// A clock for simulations. It stands still until [`VirtualClock::advance_to`]; those who sleep
/// are woken in the order of their instants, equal instants in the order of their first wait.
#[derive(Clone, Debug)]
pub struct VirtualClock {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    now: Time,
    next_id: u64,
    /// Who waits, by instant and order of arrival.
    sleepers: BTreeMap<(Time, u64), Waker>,
    /// Woken, but not yet polled by their executor.
    woken: u64,
}

impl VirtualClock {
    /// A clock that stands at `now`.
    pub fn new(now: Time) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                now,
                next_id: 0,
                sleepers: BTreeMap::new(),
                woken: 0,
            })),
        }
    }

    /// Moves time forward and wakes everyone whose instant has come. Time never goes back: an
    /// earlier instant only wakes who is due.
    pub fn advance_to(&self, to: Time) {
        let due: Vec<Waker> = {
            let mut inner = self.lock();
            let now = inner.now.max(to);
            inner.now = now;
            let later = inner.sleepers.split_off(&(now, u64::MAX));
            let due = std::mem::replace(&mut inner.sleepers, later);
            inner.woken += u64::try_from(due.len()).unwrap_or(u64::MAX);
            due.into_values().collect()
        };
        due.into_iter().for_each(Waker::wake);
    }

    /// The instant of the earliest sleeper: time may jump until then without anyone noticing.
    pub fn next_wakeup(&self) -> Option<Time> {
        self.lock().sleepers.keys().next().map(|(at, _)| *at)
    }

    /// How many were woken and have not run since: while it is above 0, time should stand still.
    pub fn woken(&self) -> u64 {
        self.lock().woken
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Time {
        self.lock().now
    }

    fn sleep_until(&self, at: Time) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Sleep {
            clock: self,
            at,
            id: None,
        })
    }
}

/// One wait. Dropped early, it leaves no trace.
struct Sleep<'a> {
    clock: &'a VirtualClock,
    at: Time,
    id: Option<u64>,
}

impl Sleep<'_> {
    /// Leaves the clock's books, whether still waiting or woken.
    fn leave(&mut self, inner: &mut Inner) {
        if let Some(id) = self.id.take()
            && inner.sleepers.remove(&(self.at, id)).is_none()
        {
            inner.woken = inner.woken.saturating_sub(1);
        }
    }
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock;
        let mut inner = clock.lock();
        if inner.now >= self.at {
            self.leave(&mut inner);
            return Poll::Ready(());
        }
        let id = self.id.unwrap_or_else(|| {
            inner.next_id += 1;
            inner.next_id
        });
        self.id = Some(id);
        inner
            .sleepers
            .insert((self.at, id), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        let clock = self.clock;
        self.leave(&mut clock.lock());
    }
}

/// Looks without a pause before the first nap.
const EAGER_LOOKS: u32 = 20;

/// Nap between two looks.
const NAP: Duration = Duration::from_millis(1);

/// Waits until all is settled, so that virtual time may go on. `look` gives `None` while something
/// is under way, else how much ever began: what is the same in two looks stands still.
pub async fn settled<B: PartialEq>(mut look: impl AsyncFnMut() -> Option<B>) {
    let (mut before, mut looks) = (None, 0_u32);
    loop {
        let begun = look().await;
        if begun.is_some() && begun == before {
            return;
        }
        before = begun;
        looks += 1;
        if looks < EAGER_LOOKS {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(NAP).await;
        }
    }
}

/// How fast virtual time may run against the wall.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pacing {
    /// Virtual seconds per real second; 0 = as fast as possible.
    pub speed: f64,
}

impl Pacing {
    /// How long to wait in real time for a span of virtual time. At most an hour.
    pub fn real_span(self, from: Time, to: Time) -> Duration {
        let span_s = (to - from).to_std().unwrap_or_default().as_secs_f64();
        if self.speed.is_finite() && self.speed > 0.0 {
            Duration::from_secs_f64((span_s / self.speed).min(3600.0))
        } else {
            Duration::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use chrono::TimeDelta;
    use futures_util::future::{Either, select};

    use super::*;

    fn start() -> Time {
        "2019-10-02T00:00:00Z".parse().expect("valid")
    }

    fn second(seconds: i64) -> Time {
        start() + TimeDelta::seconds(seconds)
    }

    #[tokio::test]
    async fn sleepers_wake_in_the_order_of_their_instants() {
        let clock = VirtualClock::new(start());
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for seconds in [30, 10, 20] {
            let (clock, order) = (clock.clone(), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                clock.sleep_until(second(seconds)).await;
                order.lock().expect("not poisoned").push(seconds);
            }));
        }
        tokio::task::yield_now().await;
        assert_eq!(clock.next_wakeup(), Some(second(10)));
        clock.advance_to(second(60));
        assert_eq!(clock.woken(), 3);
        for task in tasks {
            task.await.expect("no panic");
        }
        assert_eq!(*order.lock().expect("not poisoned"), [10, 20, 30]);
        assert_eq!((clock.woken(), clock.next_wakeup()), (0, None));
    }

    #[tokio::test]
    async fn nobody_wakes_before_time_is_moved() {
        let clock = VirtualClock::new(start());
        let woken = Arc::new(AtomicUsize::new(0));
        let task = {
            let (clock, woken) = (clock.clone(), Arc::clone(&woken));
            tokio::spawn(async move {
                clock.sleep_until(second(10)).await;
                woken.fetch_add(1, Ordering::SeqCst);
            })
        };
        tokio::task::yield_now().await;
        clock.advance_to(second(9));
        tokio::task::yield_now().await;
        assert_eq!(woken.load(Ordering::SeqCst), 0);
        clock.advance_to(second(10));
        task.await.expect("no panic");
        assert_eq!(woken.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_dropped_sleep_is_forgotten() {
        let clock = VirtualClock::new(start());
        let sleep = clock.sleep_until(second(10));
        let Either::Right(((), sleep)) = select(sleep, Box::pin(std::future::ready(()))).await
        else {
            panic!("time stands still");
        };
        assert_eq!(clock.next_wakeup(), Some(second(10)));
        drop(sleep);
        assert_eq!(clock.next_wakeup(), None);
    }

    #[test]
    fn time_never_goes_back() {
        let clock = VirtualClock::new(second(5));
        clock.advance_to(second(1));
        assert_eq!(clock.now(), second(5));
    }

    #[test]
    fn pacing_divides_by_the_speed_and_zero_means_no_wait() {
        // 3,600 s at 600 virtual seconds per real second = 6 s
        let pacing = Pacing { speed: 600.0 };
        assert_eq!(
            pacing.real_span(start(), second(3600)),
            Duration::from_secs(6)
        );
        assert_eq!(
            Pacing::default().real_span(start(), second(3600)),
            Duration::ZERO
        );
    }
}
