//! Works through many items on all cores and hands the answers back in order.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, mpsc};

/// How far the workers may run ahead of the answer that is due next, per worker: bounds what waits
/// in memory.
const AHEAD_PER_WORKER: usize = 4;

/// Does `work` on each item, on all cores, and gives the answers to `each` in the order of the
/// items, each as soon as it and all before it are there.
pub(super) fn in_order<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    mut each: impl FnMut(R),
) {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let workers = cores.min(items.len());
    if workers <= 1 {
        return items.iter().for_each(|item| each(work(item)));
    }
    let next = AtomicUsize::new(0);
    let handed_out = Mutex::new(0_usize);
    let moved_on = Condvar::new();
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..workers {
            let sender = sender.clone();
            let (work, next, handed_out, moved_on) = (&work, &next, &handed_out, &moved_on);
            scope.spawn(move || {
                while let index = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(item) = items.get(index)
                {
                    // The item that is due next never waits, so somebody always goes on.
                    let due = handed_out.lock().unwrap_or_else(PoisonError::into_inner);
                    let too_far = |due: &mut usize| index >= *due + workers * AHEAD_PER_WORKER;
                    drop(moved_on.wait_while(due, too_far));
                    if sender.send((index, work(item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut due = 0;
        for (index, answer) in receiver {
            waiting.insert(index, answer);
            while let Some(answer) = waiting.remove(&due) {
                each(answer);
                due += 1;
                *handed_out.lock().unwrap_or_else(PoisonError::into_inner) = due;
                moved_on.notify_all();
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_order_however_long_each_takes() {
        let items: Vec<u64> = (0..200).collect();
        let mut seen = Vec::new();
        // Early items take longest, so their answers are ready last.
        let work = |item: &u64| {
            let spin = |sum: u64, round: u64| std::hint::black_box(sum ^ round);
            (0..(200 - item) * 500).fold(0, spin);
            *item
        };
        in_order(&items, work, |answer| seen.push(answer));
        assert_eq!(seen, items);
    }
}
