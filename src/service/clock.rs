//! The one place that reads the machine's clock.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use chrono::Utc;

use crate::domain::ports::Clock;
use crate::domain::time::Time;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one clock everybody else is given"
    )]
    fn now(&self) -> Time {
        Utc::now()
    }

    fn sleep_until(&self, at: Time) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        // A minute at most in one go: the machine's clock may be set while we sleep, and a timer
        // counts from when it was started.
        const NAP_MAX: Duration = Duration::from_mins(1);
        Box::pin(async move {
            // Whoever waits for what is past again and again still lets others have their turn.
            tokio::task::yield_now().await;
            while let Ok(left) = (at - self.now()).to_std()
                && !left.is_zero()
            {
                tokio::time::sleep(left.min(NAP_MAX)).await;
            }
        })
    }
}

/// Measures how long something takes, whatever happens to the time of day.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts one.
    #[expect(
        clippy::disallowed_methods,
        reason = "a duration is measured, not an instant taken"
    )]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Time since the start, in milliseconds.
    pub fn elapsed_ms(&self) -> f64 {
        self.elapsed().as_secs_f64() * 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_for_a_past_instant_ends_at_once() {
        let clock = SystemClock;
        clock.sleep_until(Time::UNIX_EPOCH).await;
        let soon = clock.now() + chrono::TimeDelta::milliseconds(5);
        clock.sleep_until(soon).await;
        assert!(clock.now() >= soon);
    }
}
