//! Rows of bits: sets of sessions or slots that are searched 64 at a time.

/// Bits in a word.
const WORD: usize = u64::BITS as usize;

/// Words that hold so many bits.
pub(super) fn words(bits: usize) -> usize {
    bits.div_ceil(WORD)
}

#[inline]
pub(super) fn get(row: &[u64], bit: usize) -> bool {
    row[bit / WORD] >> (bit % WORD) & 1 == 1
}

#[inline]
pub(super) fn put(row: &mut [u64], bit: usize, value: bool) {
    let mask = 1 << (bit % WORD);
    if value {
        row[bit / WORD] |= mask;
    } else {
        row[bit / WORD] &= !mask;
    }
}

/// The words a range of bits touches, each with the mask of the range in it.
#[inline]
pub(super) fn spans(from: usize, to: usize) -> impl Iterator<Item = (usize, u64)> {
    (from / WORD..to.div_ceil(WORD)).map(move |word| {
        let mut mask = u64::MAX;
        if word == from / WORD {
            mask &= u64::MAX << (from % WORD);
        }
        if word == to / WORD {
            mask &= (1 << (to % WORD)) - 1;
        }
        (word, mask)
    })
}

/// The bits of a word, lowest first, counted from the first bit of the row.
#[inline]
pub(super) fn ones(word: usize, mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        if bits == 0 {
            return None;
        }
        let bit = word * WORD + bits.trailing_zeros() as usize;
        bits &= bits - 1;
        Some(bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_covered_bit_by_bit_whatever_its_ends() {
        for from in 0..140 {
            for to in from..=140 {
                let found: Vec<usize> = spans(from, to)
                    .flat_map(|(word, mask)| ones(word, mask))
                    .collect();
                assert_eq!(found, (from..to).collect::<Vec<_>>());
            }
        }
    }
}
