//! The database panics on files that are damaged. Its panics are caught and become errors of ours;
//! what they would print on the way is of no use to an operator.

use std::cell::Cell;
use std::panic;
use std::sync::Once;

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a call whose panics are caught.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> T {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            IS_GUARDED.set(self.0);
        }
    }
    let _reset = Reset(IS_GUARDED.replace(true));
    work()
}

/// From now on a panic of the database prints nothing; all others are reported as before. For
/// programs: called once, at their start.
pub fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let of_database = std::thread::current()
                .name()
                .is_some_and(|name| name.starts_with("sled"));
            if !of_database && !IS_GUARDED.get() {
                before(info);
            }
        }));
    });
}
