//! A row of blocks that shows a quantity over time.

use std::ops::Range;

/// Most columns of a strip; longer horizons put several slots into one column.
const COLUMNS_MAX: usize = 48;

/// Eight heights.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// How many slots one column stands for.
pub(super) fn slots_per_column(slots: usize) -> usize {
    slots.div_ceil(COLUMNS_MAX).max(1)
}

/// The columns of a horizon, as ranges of slots.
pub(super) fn columns(slots: usize) -> impl Iterator<Item = Range<usize>> {
    let width = slots_per_column(slots);
    let starts = (0..slots).step_by(width);
    starts.map(move |start| start..(start + width).min(slots))
}

/// One block a column; a column shows the highest share among its slots. `share(slot)` is the
/// part of the scale (1 = full), or `None` where nothing is to be shown.
pub(super) fn strip(slots: usize, share: impl Fn(usize) -> Option<f64>) -> String {
    columns(slots)
        .map(|column| {
            let shares = column.filter_map(&share);
            shares
                .reduce(|a, b| if b.abs() > a.abs() { b } else { a })
                .map_or(' ', block)
        })
        .collect()
}

/// Over the scale: `!`; nothing: `·`; negative (feeding back): `v`.
fn block(share: f64) -> char {
    const HAIR: f64 = 1e-6;
    if share > 1.0 + HAIR {
        '!'
    } else if share < -HAIR {
        'v'
    } else if share <= HAIR {
        '·'
    } else {
        // Eight equal steps, the lowest for anything above nothing.
        let steps = [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875];
        let step = steps.iter().filter(|step| share > **step + HAIR).count();
        BLOCKS[step]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strip_shows_height_nothing_absence_and_excess() {
        let shares = [
            None,
            Some(0.0),
            Some(0.1),
            Some(0.5),
            Some(1.0),
            Some(1.1),
            Some(-0.3),
        ];
        assert_eq!(strip(7, |slot| shares[slot]), " ·▁▄█!v");
    }

    #[test]
    fn a_long_horizon_shows_the_peak_of_each_column() {
        // 96 slots in 48 columns: two slots a column.
        let text = strip(96, |slot| Some(if slot == 3 { 1.0 } else { 0.0 }));
        assert_eq!(text.chars().count(), 48);
        assert!(text.starts_with("·█·"), "{text}");
    }
}
