//! Recorded days under every knowledge.

use super::*;

const SESSIONS: &str = include_str!("../../../examples/data/sessions-jpl-2019.csv");
const PRICES: &str = include_str!("../../../examples/data/prices-nl-2019.csv");

fn options(limit_kw: f64, knowledge: Knowledge, day: &str) -> Options {
    let day: NaiveDate = day.parse().expect("a day");
    Options {
        limit: Power::from_kilowatts(limit_kw),
        evse_max: Power::from_kilowatts(6.656),
        evse_min: Power::ZERO,
        time_zone: chrono_tz::Europe::Amsterdam,
        knowledge,
        from: Some(day),
        to: Some(day),
        taper: false,
        policy: Policy::default(),
    }
}

fn replayed(options: Options) -> Report {
    let stays = read_sessions(SESSIONS).expect("sound");
    let prices = read_prices(PRICES).expect("sound");
    let backtest = Backtest::new(stays, prices, options).expect("sessions on that day");
    let jobs = backtest.jobs();
    backtest.report(jobs.iter().flat_map(|job| backtest.play(job)))
}

#[test]
fn no_method_that_keeps_the_limit_beats_the_clairvoyant_plan() {
    // A Saturday at a small limit: few cars, and still not enough for all.
    for knowledge in [Knowledge::Perfect, Knowledge::None] {
        let report = replayed(options(8.0, knowledge, "2019-10-12"));
        let methods = &report.methods;
        assert_eq!((report.days, report.sessions), (1, 9));
        for (name, method) in [
            ("first come", &methods.first_come),
            ("equal share", &methods.equal_share),
            ("evenload", &methods.evenload),
        ] {
            assert_eq!(method.limit_violations, 0, "{knowledge:?} {name}");
            assert!(
                method.peak_kw <= 8.0,
                "{knowledge:?} {name}: {}",
                method.peak_kw
            );
            assert!(
                method.worth >= methods.clairvoyant.worth - 1e-3,
                "{knowledge:?} {name}: {} beats {}",
                method.worth,
                methods.clairvoyant.worth
            );
            let told = method.kwh + method.undelivered_kwh;
            assert!(
                (told - method.needed_kwh).abs() < 0.05,
                "{knowledge:?} {name}"
            );
        }
        assert!(
            methods.clairvoyant.undelivered_kwh > 1.0,
            "the limit is felt"
        );
        assert_eq!(methods.evenload.self_caused, 0);
    }
}

#[test]
fn stretches_are_split_where_nobody_is_connected() {
    let text = "arrival,departure,energy_kwh\n\
                2019-10-02T08:00:00Z,2019-10-02T10:00:00Z,1\n\
                2019-10-02T09:30:00Z,2019-10-02T12:30:00Z,1\n\
                2019-10-02T12:45:00Z,2019-10-02T13:00:00Z,1\n\
                2019-10-02T14:10:00Z,2019-10-02T15:00:00Z,1\n";
    let stays = read_sessions(text).expect("sound");
    // The third comes within the hour in which the second leaves, so it belongs to it.
    assert_eq!(split(&stays), [0..3, 3..4]);
}
