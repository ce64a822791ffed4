//! A picture of one instant, read page by page while commits go on: what a commit overwrites behind
//! the place that was read so far is kept until it is read.

use std::collections::BTreeMap;

/// Most bytes kept for a picture: beyond, whoever takes it is too slow and it is given up.
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;

/// Records of a picture with the bytes of their envelopes, in the order of keys.
pub(super) type Page = BTreeMap<Vec<u8>, Vec<u8>>;

/// A picture that is being read.
#[derive(Debug, Default)]
pub(super) struct Picture {
    /// What was there when it began, of keys that were changed since and not read yet; `None` =
    /// there was nothing.
    before: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    kept_bytes: usize,
    read_to: Option<Vec<u8>>,
    is_read: bool,
}

impl Picture {
    /// The last key that was read.
    pub(super) fn read_to(&self) -> Option<&[u8]> {
        self.read_to.as_deref()
    }

    /// All of it was read.
    pub(super) fn is_read(&self) -> bool {
        self.is_read
    }

    /// It has become too large to keep.
    pub(super) fn is_too_old(&self) -> bool {
        self.kept_bytes > MAX_KEPT_BYTES
    }

    /// A commit has overwritten a key; `old` is what was there.
    pub(super) fn keep(&mut self, key: String, old: Option<Vec<u8>>) {
        let key = key.into_bytes();
        let was_read = self.read_to.as_ref().is_some_and(|read| key <= *read);
        if was_read || self.is_read || self.is_too_old() || self.before.contains_key(&key) {
            return;
        }
        self.kept_bytes += key.len() + old.as_ref().map_or(0, Vec::len);
        self.before.insert(key, old);
    }

    /// The next page as it was when the picture began. `now`: what is there now behind the last
    /// key read, in full up to its own last key; empty = there is nothing more.
    pub(super) fn lay_over(&mut self, now: Page) -> Page {
        let later = if let Some(last) = now.keys().next_back() {
            let mut later = self.before.split_off(last);
            // The last key itself belongs to this page.
            if let Some(old) = later.remove(last) {
                self.before.insert(last.clone(), old);
            }
            self.read_to = Some(last.clone());
            later
        } else {
            self.is_read = true;
            BTreeMap::new()
        };
        let changed = std::mem::replace(&mut self.before, later);
        let mut page = now;
        for (key, old) in changed {
            match old {
                Some(old) => page.insert(key, old),
                None => page.remove(&key),
            };
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Store = BTreeMap<String, Vec<u8>>;

    proptest! {
        #[test]
        fn a_picture_is_of_one_instant_whatever_is_written_while_it_is_read(
            begin in proptest::collection::btree_map("[a-e]{1,2}", proptest::collection::vec(any::<u8>(), 0..3), 0..30),
            writes in proptest::collection::vec(("[a-e]{1,2}", proptest::option::of(any::<u8>())), 0..60),
            page in 1usize..5,
            between in 0usize..7,
        ) {
            let mut store: Store = begin.clone();
            let mut picture = Picture::default();
            let mut read = Page::new();
            let mut writes = writes.into_iter();
            while !picture.is_read() {
                for (key, value) in writes.by_ref().take(between) {
                    let old = store.get(&key).cloned();
                    match value {
                        Some(byte) => store.insert(key.clone(), vec![byte; 4]),
                        None => store.remove(&key),
                    };
                    picture.keep(key, old);
                }
                let after = picture.read_to().map(<[u8]>::to_vec);
                let now = store
                    .iter()
                    .map(|(key, value)| (key.clone().into_bytes(), value.clone()))
                    .filter(|(key, _)| after.as_ref().is_none_or(|after| key > after))
                    .take(page)
                    .collect();
                for (key, value) in picture.lay_over(now) {
                    prop_assert!(read.insert(key, value).is_none());
                }
            }
            let begin: Page = begin.into_iter().map(|(k, v)| (k.into_bytes(), v)).collect();
            prop_assert_eq!(read, begin);
        }
    }

    #[test]
    fn who_takes_it_too_slowly_does_not_fill_the_memory() {
        let mut picture = Picture::default();
        for number in 0..10 {
            picture.keep(format!("{number}"), Some(vec![0; MAX_KEPT_BYTES / 4]));
        }
        assert!(picture.is_too_old());
        assert!(picture.kept_bytes < MAX_KEPT_BYTES * 2);
    }
}
