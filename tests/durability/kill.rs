//! The real binary, killed with -9 at random points under load, against a CPO that speaks OCPI over
//! loopback. After each kill it starts again, and: every write that was acknowledged is there, no
//! charger was raised before the partner was read back; when true power was above the limit is printed.
//!
//! 20 kills here, 220 by `tests/durability/long.sh`.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;

use super::load::Load;
use super::served::serve;
use super::world::{World, now};
use super::{number, world};

/// Kills of the test command.
const ROUNDS: u64 = 20;
/// How long the service may work before it is killed, in milliseconds.
const LIFE_MS: std::ops::Range<u64> = 20..1_200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_however_often_it_is_killed() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (rounds, seed) = (
        number("EVENLOAD_KILL_ROUNDS", ROUNDS),
        number("EVENLOAD_KILL_SEED", 1),
    );
    let mut random = StdRng::seed_from_u64(seed);
    let world = World::new();
    let load = Load::default();
    let served = serve(world.data.path(), world.port);
    world.set_up(&served).await;
    drop(served);
    let (mut starts, mut reads) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let what = format!("seed {seed}, round {round}");
        let installed = world.installed().await;
        let begun = now();
        let served = serve(world.data.path(), world.port);
        starts.push(now() - begun);
        load.check(&world, &served, &what).await;
        let life = random.random_range(LIFE_MS);
        // Often the kill comes while the partner is still being read back.
        let waits_for_partner = random.random_bool(0.5);
        if waits_for_partner {
            world.until_read_back(&served, &installed, &what).await;
            reads.push(now() - begun);
        }
        world
            .living(load.run_for(&world, &served, Duration::from_millis(life)))
            .await;
        // SIGKILL.
        drop(served);
        if rounds > ROUNDS && round % 20 == 0 {
            println!("{round} of {rounds} rounds: {}", load.summary());
        }
    }
    let served = serve(world.data.path(), world.port);
    load.check(&world, &served, "at the end").await;
    drop(served);
    verify(&world);
    let excursions = world.excursions();
    let complaints = world.complaints();
    assert!(complaints.is_empty(), "seed {seed}: {complaints:?}");
    println!(
        "kill -9: {rounds} rounds, seed {seed}: {}; 0 lost, 0 unopenable, 0 raised before read back; \
         start to ready {}; start to partner read back {}; true power above the limit (the cars come \
         within one second, and OCPI cannot limit them beforehand): {excursions:?}",
        load.summary(),
        world::spread(&mut starts),
        world::spread(&mut reads),
    );
}

/// The last kill left a store that an operator can verify.
fn verify(world: &World) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_evenload"))
        .args(["store", "verify", "--json", "--data"])
        .arg(world.data.path())
        .output()
        .expect("runs");
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("an object");
    assert_eq!(report["ok"], true, "{report}");
}
