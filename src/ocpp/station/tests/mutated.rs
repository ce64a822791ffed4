//! Messages gone wrong: the walks of `tests/station_fuzz/seeds`, changed here and there, of all versions.

use proptest::prelude::*;

use super::script::play;

const SEEDS: [&str; 3] = [
    include_str!("../../../../tests/station_fuzz/seeds/station/walk_16"),
    include_str!("../../../../tests/station_fuzz/seeds/station/walk_201"),
    include_str!("../../../../tests/station_fuzz/seeds/station/walk_21"),
];
/// What takes the place of something.
const PIECES: [&str; 16] = [
    "",
    "null",
    "-1",
    "0",
    "1e999",
    "9223372036854775807",
    "1.5",
    "\"\"",
    "[]",
    "{}",
    "]",
    "}",
    ",",
    "\"tx-1\"",
    "\"9999-12-31T23:59:59Z\"",
    "\n@40\n",
];

/// One change of a script.
#[derive(Clone, Debug)]
enum Change {
    /// A value, from one of `:,[` to the next of `,]}`, becomes a piece.
    Value(usize, usize),
    /// A line takes another's place.
    Line(usize, usize),
    /// A line is said once more.
    Repeat(usize, usize),
    /// A byte becomes another.
    Byte(usize, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<usize>;
    prop_oneof![
        4 => (place(), 0..PIECES.len()).prop_map(|(at, piece)| Change::Value(at, piece)),
        1 => (place(), place()).prop_map(|(at, from)| Change::Line(at, from)),
        1 => (place(), place()).prop_map(|(at, to)| Change::Repeat(at, to)),
        1 => (place(), 0..128_u8).prop_map(|(at, byte)| Change::Byte(at, byte)),
    ]
}

fn changed(script: &str, change: &Change) -> String {
    let lines: Vec<&str> = script.lines().collect();
    match *change {
        Change::Value(at, piece) => {
            let at = at % script.len();
            let start = script[..at].rfind([':', ',', '[']).map_or(0, |at| at + 1);
            let rest = &script[start..];
            let end = rest.find([',', ']', '}']).unwrap_or(rest.len());
            format!("{}{}{}", &script[..start], PIECES[piece], &rest[end..])
        }
        Change::Line(at, from) => {
            let mut lines = lines.clone();
            let (at, from) = (at % lines.len(), from % lines.len());
            lines[at] = lines[from];
            lines.join("\n")
        }
        Change::Repeat(at, to) => {
            let mut lines = lines.clone();
            let line = lines[at % lines.len()];
            lines.insert(to % lines.len(), line);
            lines.join("\n")
        }
        Change::Byte(at, byte) => {
            let at = at % script.len();
            let byte = char::from(byte);
            format!("{}{byte}{}", &script[..at], &script[at + 1..])
        }
    }
}

#[test]
fn the_walks_themselves_hold() {
    for seed in SEEDS {
        play(seed);
    }
}

#[test]
fn an_order_that_waits_for_a_stations_settings_ends_with_its_connection() {
    let boot = r#"[2,"m","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]"#;
    play(&format!(
        "1.6\n{boot}\n={{\"status\":\"Unknown\"}}\n!default 160 x\n"
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_a_station_says_each_call_is_answered_once_and_nothing_grows_without_end(
        seed in 0..SEEDS.len(),
        changes in proptest::collection::vec(change(), 1..8),
    ) {
        // All of it is ASCII: no character is ever cut.
        let script = changes.iter().fold(SEEDS[seed].to_owned(), |script, change| {
            if script.is_empty() { script } else { changed(&script, change) }
        });
        play(&script);
    }
}
