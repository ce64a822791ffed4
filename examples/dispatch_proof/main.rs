//! A dispatch on the demo, and its proof: at the busiest time of the recorded day the site is asked
//! for so many kilowatts less for one hour. What the simulated chargers really draw is logged, raw,
//! beside the service's own settlement, so that a program that knows neither can compare them:
//!
//! ```sh
//! cargo run --release --example dispatch_proof -- --kw 40 --at 9 --out /tmp/proof
//! python3 examples/dispatch_proof/check.py /tmp/proof
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use async_trait::async_trait;
use chrono::{NaiveTime, TimeDelta};
use evenload::domain::time::Time;
use evenload::sim::cpo::Cpo;
use evenload::sim::demo::{Demo, DemoOptions, Onlooker, OwnService, ServiceUnderTest};
use evenload::sim::recorded::TIME_ZONE;
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

/// What is asked, and where what came of it goes.
struct Wish {
    kw: f64,
    hour: u32,
    out: PathBuf,
}

fn wish() -> Result<Wish, Failure> {
    let mut wish = Wish {
        kw: 40.0,
        hour: 9,
        out: PathBuf::from("proof"),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or("every option has a value")?;
        match name.as_str() {
            "--kw" => wish.kw = value.parse()?,
            "--at" => wish.hour = value.parse()?,
            "--out" => wish.out = value.into(),
            _ => return Err(format!("{name} is not known; known are --kw, --at, --out").into()),
        }
    }
    Ok(wish)
}

/// Logs every change of power, and sends the dispatch half an hour before it begins.
struct Witness {
    log: BufWriter<File>,
    last: BTreeMap<String, i64>,
    start: Time,
    kw: f64,
    url: String,
    token: String,
    http: reqwest::Client,
    answer: Option<Value>,
}

#[async_trait]
impl Onlooker for Witness {
    async fn look(&mut self, now: Time, cpo: &Cpo) {
        let powers: Vec<(String, i64)> = cpo.with_depot(|depot| {
            let evses = depot.evses().iter();
            evses
                .map(|evse| (evse.id.clone(), evse.power().watts()))
                .collect()
        });
        for (evse, watts) in powers {
            if self.last.insert(evse.clone(), watts) != Some(watts) {
                let line = format!("{},{evse},{watts}", now.to_rfc3339());
                writeln!(self.log, "{line}").expect("the log can be written");
            }
        }
        if self.answer.is_none() && now >= self.start - TimeDelta::minutes(30) {
            let body = json!({
                "id": "proof", "target": {"site": "depot"}, "direction": "up", "delta_kw": self.kw,
                "start": self.start, "end": self.start + TimeDelta::hours(1),
            });
            self.answer = Some(
                self.call(reqwest::Method::POST, "/dispatches", Some(body))
                    .await,
            );
        }
    }
}

impl Witness {
    async fn call(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self
            .http
            .request(method, format!("{}/api/v1{path}", self.url))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("the service answers");
        answer.json().await.expect("JSON")
    }
}

#[expect(clippy::print_stdout, reason = "an example's output")]
fn say(text: &str) {
    println!("{text}");
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let wish = wish()?;
    std::fs::create_dir_all(&wish.out)?;
    let demo = Demo::new(DemoOptions {
        stations: false,
        ..DemoOptions::default()
    })?;
    let at = NaiveTime::from_hms_opt(wish.hour, 0, 0).ok_or("--at is an hour, 0 to 23")?;
    let start = demo
        .day()
        .and_time(at)
        .and_local_timezone(TIME_ZONE)
        .single()
        .ok_or("that hour does not come on that day")?
        .to_utc();
    let service = OwnService::start(demo.clock(), 0).await?;
    let mut log = BufWriter::new(File::create(wish.out.join("meter.csv"))?);
    writeln!(log, "at,evse,power_w")?;
    let mut witness = Witness {
        log,
        last: BTreeMap::new(),
        start,
        kw: wish.kw,
        url: service.base_url(),
        token: service.admin_token(),
        http: reqwest::Client::builder().no_proxy().build()?,
        answer: None,
    };
    let report = demo.run_watched(&service, |_| (), &mut witness).await?;
    witness.log.flush()?;
    let settlement = witness
        .call(reqwest::Method::GET, "/dispatches/proof/settlement", None)
        .await;
    std::fs::write(wish.out.join("settlement.json"), settlement.to_string())?;
    service.stop().await;
    let answer = witness.answer.unwrap_or_default();
    say(&format!(
        "asked for {} kW less from {start}: {} ({}), achievable {}",
        wish.kw, answer["status"], answer["reason"], answer["achievable_kw"]
    ));
    say(&format!("settlement: {}", settlement["totals"]));
    say(&format!("rebound: {}", settlement["rebound"]));
    let evenload = serde_json::to_value(&report)?["methods"]["evenload"].clone();
    say(&format!("the day: {evenload}"));
    Ok(())
}
