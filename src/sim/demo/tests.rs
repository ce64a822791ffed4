//! The orchestration, with a service that knows one trick: every car gets the same few amperes.

mod simple_service;

use self::simple_service::SimpleService;
use super::*;

fn short(hours: u32) -> DemoOptions {
    DemoOptions {
        hours: Some(hours),
        // The simple service is no CSMS.
        stations: false,
        ..DemoOptions::default()
    }
}

#[test]
fn the_default_day_is_the_fullest_working_day_of_october() {
    let demo = Demo::new(DemoOptions::default()).expect("a day");
    assert_eq!(demo.day().to_string(), "2019-10-02");
    assert_eq!(demo.sessions().len(), 83);
    assert_eq!(demo.start.to_rfc3339(), "2019-10-02T03:00:00+00:00");
}

#[test]
fn a_day_without_sessions_is_refused_with_the_range_of_the_recording() {
    let day = NaiveDate::from_ymd_opt(2019, 12, 25);
    let error = Demo::new(DemoOptions {
        day,
        ..DemoOptions::default()
    });
    let text = error.expect_err("no car on Christmas").to_string();
    assert!(
        text.contains("2019-12-25") && text.contains("2019-09-01"),
        "{text}"
    );
}

#[test]
fn days_differ() {
    let of = |day| {
        let options = DemoOptions {
            day: NaiveDate::from_ymd_opt(2019, 10, day),
            ..DemoOptions::default()
        };
        Demo::new(options).expect("a day").baselines().0
    };
    assert!((of(2).kwh - of(3).kwh).abs() > 1.0);
}

#[actix_web::test]
async fn a_day_is_played_through_a_service_over_http() {
    let demo = Demo::new(short(4)).expect("a day");
    // 10 A x 208 V = 2.08 kW for each of at most 52 cars: 108 kW, within 150 kW.
    let service = SimpleService::start(10.0);
    let mut lines = Vec::new();
    let report = demo
        .run(&service, |line| lines.push(line.to_string()))
        .await
        .expect("played");
    assert_eq!(report.complaints, Vec::<String>::new());
    assert_eq!(report.registrations, 1);
    assert!(report.sessions >= 50, "{}", report.sessions);
    assert_eq!(
        report.pushes,
        u64::try_from(report.sessions).expect("small")
    );
    assert_eq!(report.callbacks, report.pushes);
    assert_eq!(report.messages.failures, 0);
    let evenload = &report.methods.evenload;
    assert_eq!((evenload.limit_violations, evenload.self_caused), (0, 0));
    // 51 cars at 2.08 kW and one that has just come, at 6.656 kW.
    assert!(evenload.peak_kw < 113.0, "{}", evenload.peak_kw);
    assert!(report.methods.unmanaged.limit_violations > 0);
    assert!(lines.iter().any(|line| line.contains("PUT /sites/depot")));
    assert!(lines.iter().any(|line| line.contains("profile 10.0 A now")));
    assert_eq!(report.broken_promises(), Vec::<String>::new());
    assert_eq!(service.prices_published(), 1);
}

#[actix_web::test]
async fn a_service_that_never_rests_is_reported() {
    let demo = Demo::new(DemoOptions {
        settle_limit: Duration::from_millis(50),
        ..short(1)
    });
    let demo = demo.expect("a day");
    let service = SimpleService::start(10.0);
    service.never_rests();
    let error = demo.run(&service, |_| ()).await.expect_err("stuck");
    assert!(matches!(error, DemoError::Stuck { .. }), "{error}");
}
