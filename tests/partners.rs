//! The vendor's ten minutes as docs/partners.md tells them: the real binary as a service, the real
//! command line, and a CPO that speaks OCPI over loopback.

#[path = "common/installed.rs"]
mod installed;
#[path = "common/served.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod served;

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use evenload::domain::evse::Phase;
use evenload::domain::quantity::{Current, Energy, Power, Price, Voltage};
use evenload::domain::time::Time;
use evenload::sim::cpo::{Cpo, CpoOptions};
use evenload::sim::world::{Car, Depot, Grid, PriceSeries, SimEvse, Taper};
use installed::Installed;
use serde_json::{Value, json};
use served::TOKEN;

#[expect(
    clippy::disallowed_methods,
    reason = "the real binary runs on the machine's clock"
)]
fn now() -> Time {
    Utc::now()
}

/// A platform with two EVSEs; a car comes to E1 at once.
fn platform() -> Arc<Cpo> {
    platform_with(CpoOptions::default())
}

fn platform_with(options: CpoOptions) -> Arc<Cpo> {
    let start = now();
    let volts = Voltage::from_volts(230.0);
    let evse = |name: &str| {
        let wiring = Phase::ALL.to_vec();
        SimEvse::new(name.to_owned(), Current::from_amps(16.0), volts, wiring)
    };
    let prices = PriceSeries::new([(start - TimeDelta::days(1), Price::from_per_kwh(0.2))]);
    let grid = Grid::with_limit(Power::from_kilowatts(20.0), prices);
    let mut depot = Depot::new(start, grid, vec![evse("E1"), evse("E2")]);
    let car = Car {
        id: "car-1".into(),
        arrival: start + TimeDelta::milliseconds(500),
        departure: start + TimeDelta::hours(8),
        need: Energy::from_kilowatt_hours(30.0),
        max: Power::from_kilowatts(11.04),
        phases: 3,
        taper: Taper::None,
    };
    assert!(depot.expect("E1", car));
    let options = CpoOptions {
        meter_interval: TimeDelta::seconds(2),
        ..options
    };
    Arc::new(Cpo::start(options, depot).expect("a free port"))
}

/// Lets the platform live in real time beside what is done.
async fn living<T>(cpo: &Arc<Cpo>, work: impl Future<Output = T>) -> T {
    let living = cpo.clone();
    let life = tokio::spawn(async move {
        loop {
            living.send(living.advance_to(now()));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let done = work.await;
    life.abort();
    done
}

fn row<'v>(answer: &'v Value, name: &str) -> &'v Value {
    let rows = answer["checks"].as_array().expect("a check list");
    rows.iter()
        .find(|row| row["name"] == name)
        .expect("a row of this name")
}

/// Waits for something to hold, with a deadline.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = now() + TimeDelta::seconds(30);
    while now() < deadline {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    unreachable!("not within 30 s: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_vendor_comes_from_token_a_to_a_live_evse() {
    let service = Installed::start();
    let cpo = platform();
    let versions_url = cpo.versions_url();
    living(&cpo, async {
        let none = service.evenload(&["partner", "list"], None).await;
        assert_eq!(none.0, 0);
        assert_eq!(none.1["partners"].as_array().map(Vec::len), Some(0));

        let add = ["partner", "add", "--name", "acme", "--role", "cpo"];
        let add = [
            &add[..],
            &["--versions-url", &versions_url, "--token-a", "-"],
        ]
        .concat();
        let (exit, added) = service.evenload(&add, Some(&cpo.token_a())).await;
        assert_eq!((exit, &added["ok"]), (0, &Value::Bool(true)), "{added}");
        assert!(!added.to_string().contains(&cpo.token_a()));

        until("the car's session is listed", || async {
            let tested = service.evenload(&["partner", "test", "acme"], None).await;
            row(&tested.1, "sessions")["detail"]
                .as_str()
                .is_some_and(|detail| detail.starts_with("1 active"))
        })
        .await;
        let (exit, tested) = service.evenload(&["partner", "test", "acme"], None).await;
        assert_eq!(exit, 0, "{tested}");
        for name in [
            "versions",
            "credentials",
            "locations",
            "sessions",
            "tariffs",
            "chargingprofiles",
            "response_url",
            "clock",
            "round_trip",
        ] {
            assert_eq!(row(&tested, name)["status"], "ok", "{tested}");
        }
        let came = row(&tested, "response_url")["detail"].as_str().unwrap();
        assert!(came.starts_with("a result came after"), "{came}");

        let import = ["site", "import", "HAM-1", "--partner", "acme"];
        let (exit, shown) = service
            .evenload(&[&import[..], &["--dry-run"]].concat(), None)
            .await;
        assert_eq!(
            (exit, shown["added"].as_array().map(Vec::len)),
            (0, Some(2))
        );
        let (exit, _) = service.evenload(&["site", "show", "HAM-1"], None).await;
        assert_eq!(exit, 3, "a dry run makes no site");
        let (exit, imported) = service.evenload(&import, None).await;
        assert_eq!(exit, 0, "{imported}");
        // 16 A x 230 V x 3 = 11.04 kW
        assert_eq!(imported["added"][0]["max_kw"], 11.04);
        assert_eq!(imported["site"]["status"]["effective_mode"], "observe");

        let set = ["site", "set", "HAM-1", "--limit", "20kW"];
        let (exit, site) = service.evenload(&set, None).await;
        assert_eq!(
            (exit, &site["circuits"][0]["import_limit_kw"]),
            (0, &20.0.into())
        );
        assert_eq!(site["status"]["effective_mode"], "shadow");
        assert_eq!(site["evses"][0]["phase_count"], 3);

        let mode = ["site", "mode", "HAM-1", "live", "--only-evse", "E1"];
        let (exit, mode) = service.evenload(&mode, None).await;
        assert_eq!((exit, &mode["mode"]), (0, &"canary".into()), "{mode}");
        until("the profile is applied", || async {
            cpo.counts().profiles_set > 0
        })
        .await;

        let again = service.evenload(&import, None).await;
        assert_eq!(again.1["added"].as_array().map(Vec::len), Some(0));
        assert_eq!(again.1["skipped"].as_array().map(Vec::len), Some(2));

        let (exit, seen) = service
            .evenload(&["partner", "exchanges", "acme"], None)
            .await;
        assert_eq!(exit, 0);
        let seen = seen.to_string();
        assert!(seen.contains("charging_profile") && !seen.contains(&cpo.token_a()));
        let (exit, rotated) = service.evenload(&["partner", "rotate", "acme"], None).await;
        assert_eq!(exit, 0, "{rotated}");
        // A site names it: nobody could take its profiles back.
        let (exit, kept) = service.evenload(&["partner", "remove", "acme"], None).await;
        assert_eq!(exit, 3, "{kept}");
        let back = ["site", "mode", "HAM-1", "shadow"];
        let (exit, back) = service.evenload(&back, None).await;
        assert_eq!(exit, 0, "{back}");
        let give_up = ["site", "remove", "HAM-1"];
        until("its profiles are cleared", || async {
            service.evenload(&give_up, None).await.0 == 0
        })
        .await;
        let (exit, gone) = service.evenload(&["partner", "remove", "acme"], None).await;
        assert_eq!((exit, &gone["result"]), (0, &"removed".into()), "{gone}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_platform_registers_with_an_invitation_and_its_deviations_are_shown() {
    let service = Installed::start();
    let cpo = platform();
    living(&cpo, async {
        let (exit, invited) = service
            .evenload(&["partner", "invite", "--name", "acme"], None)
            .await;
        assert_eq!(exit, 0, "{invited}");
        let text = |field: &str| invited[field].as_str().unwrap().to_owned();
        let rows = cpo
            .register_at(&text("versions_url"), &text("token_a"))
            .await
            .expect("registered");
        assert!(!rows.is_empty());
        let (exit, shown) = service.evenload(&["partner", "show", "acme"], None).await;
        assert_eq!(
            (exit, &shown["status"]),
            (0, &"registered".into()),
            "{shown}"
        );
        assert!(shown["deviations"].is_array());
        assert!(shown["clock_skew_s"].is_i64(), "{shown}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_wrong_is_in_the_exit_code_and_says_what_to_change() {
    let service = Installed::start();
    let cpo = platform();
    let versions_url = cpo.versions_url();
    let add = [
        "partner",
        "add",
        "--name",
        "acme",
        "--versions-url",
        &versions_url,
    ];
    let add = [&add[..], &["--token-a", "-"]].concat();
    let (exit, refused) = service.evenload(&add, Some("not-the-token")).await;
    assert_eq!(exit, 5, "{refused}");
    let versions = row(&refused, "versions");
    assert_eq!(versions["status"], "failed");
    assert!(
        versions["advice"].as_str().unwrap().contains("token A"),
        "{versions}"
    );

    let (exit, unknown) = service.evenload(&["partner", "test", "nobody"], None).await;
    assert_eq!(
        (exit, &unknown["ok"]),
        (3, &Value::Bool(false)),
        "{unknown}"
    );

    let mut elsewhere = assert_cmd::Command::cargo_bin("evenload").unwrap();
    let output = elsewhere
        .args(["partner", "list", "--url", "http://127.0.0.1:9"])
        .env("EVENLOAD_TOKEN", TOKEN)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");

    let mut nameless = assert_cmd::Command::cargo_bin("evenload").unwrap();
    let output = nameless
        .args(["partner", "list", "--url", &service.served.base])
        .env_remove("EVENLOAD_TOKEN")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("EVENLOAD_TOKEN"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_partner_s_tariff_is_the_price_of_a_site_that_chose_it_and_leaves_with_the_choice() {
    let service = Installed::start();
    let energy = |price: f64, restrictions: Value| {
        json!({"price_components": [{"type": "ENERGY", "price": price, "vat": 25, "step_size": 1}],
            "restrictions": restrictions})
    };
    // The same price at all hours, said in three ways: in Amsterdam's day, its night, and what is
    // left; and one that only those who have drawn much pay.
    let tariff = json!({"country_code": "NL", "party_id": "SIM", "id": "T1", "currency": "EUR",
        "elements": [
            energy(9.0, json!({"min_kwh": 100})),
            energy(0.4, json!({"start_time": "07:00", "end_time": "23:00"})),
            energy(0.4, json!({"start_time": "23:00", "end_time": "07:00"})),
        ], "last_updated": "2026-01-01T00:00:00Z"});
    let cpo = platform_with(CpoOptions {
        tariffs: vec![tariff],
        ..CpoOptions::default()
    });
    let versions_url = cpo.versions_url();
    living(&cpo, async {
        let add = ["partner", "add", "--name", "acme", "--token-a", "-"];
        let add = [&add[..], &["--versions-url", &versions_url]].concat();
        let (exit, added) = service.evenload(&add, Some(&cpo.token_a())).await;
        assert_eq!(exit, 0, "{added}");
        assert_eq!(row(&added, "tariffs")["detail"], "1 listed", "{added}");
        let import = [
            "site",
            "import",
            "S",
            "--partner",
            "acme",
            "--limit",
            "20kW",
        ];
        until("its locations were read back", || async {
            service.evenload(&import, None).await.0 == 0
        })
        .await;
        let choose = async |price: Value| {
            let (_, mut site) = service.evenload(&["site", "show", "S"], None).await;
            site["price"] = price;
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), site.to_string()).expect("written");
            let path = file.path().display().to_string();
            let (exit, set) = service
                .evenload(&["site", "set", "S", "--file", &path], None)
                .await;
            assert_eq!(exit, 0, "{set}");
            set
        };
        let rest = service.served.rest();
        let frame = async || rest.get("/sites/S/frame").await;
        let set = choose(json!({"flat_per_kwh": 0.2,
            "ocpi_tariff": {"partner": "acme", "tariff_id": "T1"}}))
        .await;
        assert_eq!(set["price"]["ocpi_tariff"]["tariff_id"], "t1", "{set}");
        // 0.40 and a quarter of it as tax.
        until("the tariff is the price", || async {
            let frame = frame().await.to_string();
            frame.contains("ocpi-tariff") && frame.contains("0.5")
        })
        .await;
        let (_, shown) = service.evenload(&["partner", "show", "acme"], None).await;
        let seen = shown["deviations"].as_array().expect("a list");
        let told = seen.iter().find(|one| one["id"] == "tariff.not_by_time");
        let told = told.expect("what cannot be known beforehand is said");
        assert_eq!(told["path"], "$.elements[0].restrictions", "{told}");
        assert!(told["advice"].is_string(), "{told}");

        choose(json!({"flat_per_kwh": 0.2})).await;
        until("the flat price is back", || async {
            !frame().await.to_string().contains("ocpi-tariff")
        })
        .await;
    })
    .await;
}
