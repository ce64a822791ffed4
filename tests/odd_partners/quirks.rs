//! Every quirk and fault at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use evenload::sim::cpo::{CpoOptions, Faults, Quirk, Quirks, Refusal};

use crate::world::{World, depot, minute};

/// Three cars come after five minutes, a minute apart, and leave after 50.
const CARS: [(usize, i64, i64); 3] = [(0, 5, 50), (1, 6, 50), (2, 7, 50)];

/// All of them; where every request costs its deadline in real time, the first only.
fn cars(quirk: Quirk) -> &'static [(usize, i64, i64)] {
    match quirk {
        Quirk::Hangs => &CARS[..1],
        _ => &CARS,
    }
}

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Counts panics wherever they happen: a task that panics would otherwise end in silence.
fn count_panics() {
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        // The thread of a test has its name, and an assertion of another test is none of ours.
        let thread = std::thread::current();
        let is_test = thread.name().is_some_and(|name| name.contains("::"));
        PANICS.fetch_add(usize::from(!is_test), Ordering::SeqCst);
        shown(info);
    }));
}

/// What the operator of the platform is told.
enum Told {
    /// A deviation with this id and what to change.
    Deviation(&'static str),
    /// What was wrong the last time it did not answer properly.
    Error(&'static str),
    /// That it pushes nothing.
    PullsOnly,
    /// Nothing: the specification leaves it open, or only its EVSEs show it.
    Nothing,
}

/// Every quirk must have its place here.
fn told(quirk: Quirk) -> Told {
    use Quirk as Q;
    use Told::{Deviation, Error, Nothing, PullsOnly};
    match quirk {
        Q::EmptyConnectorId => Deviation("text.empty"),
        Q::BareCdrToken | Q::NoTimeout | Q::BadObjects | Q::EmptyResults => {
            Deviation("field.missing")
        }
        Q::TimesWithOffset => Deviation("datetime.offset"),
        Q::NumbersAsText => Deviation("number.as_text"),
        Q::SingleForList => Deviation("list.single_object"),
        Q::EnergyInWh => Deviation("session.energy_in_wh"),
        Q::PowerInW => Deviation("session.power_in_w"),
        Q::UnknownEnums => Deviation("enum.unknown"),
        Q::LowerCaseResult => Deviation("enum.case"),
        Q::ClockAhead => Deviation("session.last_updated_ahead"),
        Q::RawToken => Deviation("http.token_raw"),
        Q::NoMessageIds => Deviation("http.request_id"),
        Q::EmptyLink | Q::SamePageForEver | Q::LinkElsewhere => Deviation("page.link"),
        Q::TooHighTotal => Deviation("page.link_missing"),
        Q::LineToLine => Deviation("connector.line_to_line_voltage"),
        Q::AnswersInList => Deviation("object.in_list"),
        Q::WrappedResults => Deviation("envelope.unexpected"),
        Q::PushesElsewhere => PullsOnly,
        Q::HtmlLists => Error("not JSON"),
        Q::RedirectsLists => Error("HTTP 301"),
        Q::OwnSchema => Error("HTTP 422"),
        Q::RetriesInAges => Error("HTTP 429"),
        Q::ServerError => Error("HTTP 500"),
        Q::EmptyAnswers => Error("data"),
        Q::FailsInside => Error("3000"),
        Q::TruncatedAnswers | Q::DeepAnswers | Q::NotUtf8 => Error("JSON"),
        Q::LongAnswers => Error("bytes"),
        Q::Hangs => Error("did not answer"),
        Q::LocksOut => Error("HTTP 401"),
        Q::LowerCaseIds
        | Q::PrivateFields
        | Q::NullForLists
        | Q::NoRoutingHeaders
        | Q::PushesTwice
        | Q::OldAfterNew
        | Q::NeverCloses
        | Q::WattsOnly
        | Q::WrongResults
        | Q::ForgedResults
        | Q::LocalLimit => Nothing,
    }
}

/// What goes wrong now and then, or with a delay.
fn faults() -> Vec<(&'static str, Faults)> {
    let none = Faults::default;
    let refuses = |refusal| Faults {
        refuse_every: Some((1, refusal)),
        ..none()
    };
    let every = |change: fn(&mut Faults)| {
        let mut faults = none();
        change(&mut faults);
        faults
    };
    vec![
        ("none", none()),
        ("no-results", every(|f| f.lose_callback_every = Some(1))),
        ("some-results", every(|f| f.lose_callback_every = Some(2))),
        (
            "results-twice",
            every(|f| f.repeat_callback_every = Some(1)),
        ),
        (
            "late-results",
            every(|f| f.callback_later_by = Some(TimeDelta::minutes(7))),
        ),
        (
            "slow-stations",
            every(|f| f.station_slower_by = Some(TimeDelta::seconds(50))),
        ),
        ("rejects", refuses(Refusal::Rejected)),
        ("too-often", refuses(Refusal::TooOften)),
        ("supports-nothing", refuses(Refusal::NotSupported)),
        ("knows-no-session", refuses(Refusal::UnknownSession)),
        ("rejects-later", every(|f| f.reject_later_every = Some(2))),
        (
            "forgets-profiles",
            every(|f| f.forget_profile_every = Some(2)),
        ),
        ("loses-pushes", every(|f| f.lose_push_every = Some(2))),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_its_quirk_no_session_of_a_platform_is_lost_and_nothing_panics() {
    count_panics();
    let mut world = World::start().await;
    for (name, faults) in faults() {
        let options = CpoOptions {
            faults,
            ..CpoOptions::default()
        };
        world.add(name, options, depot(3, &CARS)).await;
    }
    for quirk in Quirk::ALL {
        let options = CpoOptions {
            quirks: Quirks::from([*quirk]),
            ..CpoOptions::default()
        };
        world
            .add(&format!("{quirk:?}"), options, depot(3, cars(*quirk)))
            .await;
    }
    world.play_until(minute(30)).await;
    for (name, _) in &world.platforms {
        let cars = if name == "Hangs" { 1 } else { CARS.len() };
        assert_eq!(world.running(name), cars, "{name}");
    }
    world.play_until(minute(65)).await;
    for (name, cpo) in &world.platforms {
        let cars = if name == "Hangs" { 1 } else { CARS.len() };
        let state = world.snapshot(name);
        assert_eq!(state.excursions.self_caused, 0, "{name}");
        if *name == format!("{:?}", Quirk::NeverCloses) {
            assert_eq!(
                world.running(name),
                CARS.len(),
                "nobody said that they ended"
            );
            continue;
        }
        assert_eq!(world.running(name), 0, "{name}");
        let energies = state
            .history
            .iter()
            .map(|past| past.energy.kilowatt_hours());
        let (count, known) = (state.history.len(), energies.sum::<f64>());
        let drawn = cpo.with_depot(|depot| depot.delivered().kilowatt_hours());
        assert_eq!(count, cars, "{name}");
        assert!(
            (known - drawn).abs() < 0.01,
            "{name}: {known} of {drawn} kWh"
        );
    }
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
    // What their operators are told; all at once, so that one run shows all that is missing.
    let mut untold = Vec::new();
    for quirk in Quirk::ALL {
        let name = format!("{quirk:?}");
        let deviations = world.deviations(&name).await;
        let shown = world.partner(&name).await;
        let error = shown["last_error"].as_str().unwrap_or_default();
        let is_told = match told(*quirk) {
            Told::Deviation(id) => deviations.contains(id),
            Told::Error(part) => error.contains(part),
            Told::PullsOnly => shown["is_pull_only"] == true,
            Told::Nothing => deviations.is_empty(),
        };
        if !is_told {
            untold.push(format!("{name}: {deviations:?}, {error:?}"));
        }
    }
    assert!(untold.is_empty(), "{untold:#?}");
    world.stop().await;
}
