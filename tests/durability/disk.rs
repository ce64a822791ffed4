//! The real binary on a disk that fills up, that is full, and that takes no writes. The disk is a small
//! file system in memory, which only root can mount: for others this says MISSING.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};

use super::served::{self, Rest, Served, command, start};
use super::world::{World, now};

const MIB: usize = 1024 * 1024;

/// A file system of its own in memory; unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None` where it cannot be mounted.
    fn mount(at: &Path, mib: usize) -> Option<Self> {
        let size = format!("size={mib}m,mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "evenload-test"])
            .arg(at)
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then(|| Self(at.to_owned()))
    }

    fn free_mib(&self) -> usize {
        let output = Command::new("df").arg("-Pm").arg(&self.0).output();
        let text = String::from_utf8(output.expect("df runs").stdout).expect("text");
        let fields = text.lines().nth(1).expect("a line").split_whitespace();
        fields
            .clone()
            .nth(3)
            .expect("a column")
            .parse()
            .expect("a number")
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Leaves about so much.
    fn leave_mib(&self, left: usize) {
        self.give_back();
        let mut file = fs::File::create(self.filler()).expect("made");
        for _ in left..self.free_mib() {
            file.write_all(&vec![1; MIB]).expect("written");
        }
    }

    fn give_back(&self) {
        // It may not be there.
        let _ = fs::remove_file(self.filler());
    }

    fn remount(&self, how: &str) -> bool {
        let how = format!("remount,{how}");
        let done = Command::new("mount")
            .args(["-o", &how])
            .arg(&self.0)
            .status();
        done.is_ok_and(|status| status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whatever still is there goes with it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn serve(world: &World, min_free_mib: u32) -> Served {
    let mut command = command(world.data.path(), world.port);
    command
        .env("EVENLOAD__DATA__MIN_FREE_MIB", min_free_mib.to_string())
        // What may be raised is raised at once.
        .env("EVENLOAD__PLANNER__MIN_HOLD_S", "0");
    start(&mut command).expect("the service starts")
}

/// A limit of the day; HTTP status of the answer.
async fn limit(rest: &Rest, kw: f64) -> u16 {
    let start = now() - TimeDelta::hours(1);
    let body = json!({
        "kind": "import_limit", "unit": "kW",
        "start": start.to_rfc3339_opts(SecondsFormat::Secs, true), "resolution": "PT24H",
        "values": [kw],
    });
    let answer = rest
        .ask("PUT", "/sites/depot/signals/dso", Some(&body))
        .await;
    answer.expect("an answer").0
}

async fn token(rest: &Rest) -> u16 {
    let body = json!({"name": "x", "scopes": ["read"]});
    let answer = rest.ask("POST", "/tokens", Some(&body)).await;
    answer.expect("an answer").0
}

async fn health(rest: &Rest) -> (u16, Value) {
    let answer = rest
        .ask("GET", "/health/ready", None)
        .await
        .expect("an answer");
    let parts = answer.1["parts"].as_array().cloned().unwrap_or_default();
    let store = parts.into_iter().find(|part| part["name"] == "store");
    (answer.0, store.unwrap_or_default())
}

/// What all chargers may draw now, by what is installed at them, in kW.
fn allowed(world: &World) -> f64 {
    world.cpo.with_depot(|depot| {
        let now = depot.now();
        let evses = depot.evses().iter();
        evses.map(|evse| evse.allowed(now).kilowatts()).sum()
    })
}

/// Lets the partner live until something holds; false after the time.
async fn within(world: &World, time: Duration, holds: impl Fn() -> bool) -> bool {
    let deadline = now() + TimeDelta::from_std(time).expect("short");
    while now() < deadline {
        world.cpo.send(world.cpo.advance_to(now()));
        if holds() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_disk_that_fills_up_limits_are_lowered_never_raised_and_all_that_was_told_is_kept() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let world = World::new();
    let Some(disk) = Disk::mount(world.data.path(), 160) else {
        println!("MISSING: no file system can be mounted here (that takes root); not tested");
        return;
    };
    let mut served = serve(&world, 80);
    world.set_up(&served).await;
    let rest = served.rest();
    assert_eq!((token(&rest).await, health(&rest).await.0), (201, 200));
    let shared = within(&world, Duration::from_secs(30), || allowed(&world) > 10.0).await;
    assert!(shared, "the cars share 20 kW: {}", allowed(&world));

    // Below 80 MiB: what sites need is taken in, lowerings leave, raises do not, the rest is refused.
    disk.leave_mib(50);
    assert_eq!(token(&rest).await, 503);
    let (ready, store) = health(&rest).await;
    assert_eq!(ready, 503, "{store}");
    assert!(store["detail"].to_string().contains("full"), "{store}");
    assert_eq!(limit(&rest, 8.0).await, 201, "a limit is taken in");
    // By the highest voltage that the bound counts (253 V) the chargers may draw 8 kW, by theirs less.
    let lowered = within(&world, Duration::from_secs(30), || allowed(&world) <= 8.0).await;
    assert!(
        lowered,
        "{} kW are allowed under a limit of 8 kW",
        allowed(&world)
    );
    assert_eq!(limit(&rest, 20.0).await, 200);
    let raised = within(&world, Duration::from_secs(4), || allowed(&world) > 8.0).await;
    assert!(!raised, "nothing is raised while the disk is nearly full");

    // Below an eighth of it nothing is taken in any more; what is installed stays.
    disk.leave_mib(5);
    assert_eq!(limit(&rest, 10.0).await, 503);
    assert_eq!(
        rest.get("/sites/depot/signals/dso").await["value_now"],
        20.0
    );
    let raised = within(&world, Duration::from_secs(2), || allowed(&world) > 8.0).await;
    assert!(!raised && served.is_running());

    // There is room again.
    disk.give_back();
    assert_eq!(limit(&rest, 20.0).await, 200);
    let raised = within(&world, Duration::from_mins(1), || allowed(&world) > 10.0).await;
    assert!(raised, "it goes on by itself: {} kW", allowed(&world));
    assert_eq!((token(&rest).await, health(&rest).await.0), (201, 200));
    drop(served);

    // Without a reserve, until the disk itself says no: refused, alive, and nothing told is lost.
    let mut served = serve(&world, 0);
    let rest = served.rest();
    disk.leave_mib(1);
    let mut told = 0.0;
    let mut refused = false;
    for n in 1..20_000 {
        let kw = 20.0 - f64::from(n) / 1000.0;
        match limit(&rest, kw).await {
            200 => told = kw,
            503 => refused = true,
            other => unreachable!("{other}"),
        }
        if refused {
            break;
        }
    }
    assert!(refused, "1 MiB has an end");
    assert!(served.is_running());
    assert_eq!(
        rest.get("/sites/depot/signals/dso").await["value_now"],
        told
    );
    assert_eq!(health(&rest).await.0, 503);
    drop(served);
    disk.give_back();
    let served = serve(&world, 0);
    let kept = served.rest().get("/sites/depot/signals/dso").await["value_now"].clone();
    // What was refused last may be there: whether it was on disk is known only now.
    let kept = kept.as_f64().expect("a number");
    assert!(
        (told - 0.0011..=told).contains(&kept),
        "{kept} is there, {told} was told"
    );
    drop(served);

    // A disk that takes no writes at all.
    if !disk.remount("ro") {
        println!("MISSING: it cannot be mounted read-only here; not tested");
        return;
    }
    let refused = served::try_serve(world.data.path(), world.port);
    let said = refused.err().expect("it does not start");
    assert!(said.contains("exit status: 3"), "{said}");
    assert!(
        said.contains("read-only") && said.contains("writable"),
        "{said}"
    );
}
