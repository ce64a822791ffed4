//! Killed with -9 at any point: nothing that was acknowledged is lost, no batch is torn, and the
//! store opens. The process that is killed is this test binary itself, started again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use evenload::store::sled_store::{SledOptions, SledStore};
use evenload::store::{Batch, Flush, Store};

/// Kills; each is followed by a life that goes on where the last one ended.
const ROUNDS: u32 = 20;
const WRITERS: u32 = 4;
const FOLDER: &str = "EVENLOAD_TEST_STORE_FOLDER";

fn open(dir: &Path) -> SledStore {
    let options = SledOptions {
        min_free_bytes: 0,
        ..SledOptions::default()
    };
    SledStore::open(dir, options).expect("the store opens after a kill")
}

async fn number(store: &dyn Store, key: &str) -> u64 {
    let record = store.get(key).await.expect("a read");
    record.map_or(0, |record| {
        let text = String::from_utf8(record.value).expect("text");
        text.parse().expect("a number")
    })
}

/// Counts up two records in one batch, for ever, and says each number when it is durable. Some
/// numbers are of class state and say nothing.
async fn count_up(store: Arc<SledStore>, writer: u32) {
    let mut count = number(&*store, &format!("left/{writer}")).await;
    loop {
        count += 1;
        let flush = if count.is_multiple_of(3) {
            Flush::State
        } else {
            Flush::Control
        };
        let batch = Batch::new()
            .put(format!("left/{writer}"), count.to_string())
            .put(format!("right/{writer}"), count.to_string())
            .put(format!("log/{writer}/{count:010}"), "x".repeat(200))
            .flush(flush);
        store.commit(batch).await.expect("a commit");
        if flush == Flush::Control {
            let mut out = std::io::stdout().lock();
            writeln!(out, "ack {writer} {count}").expect("the parent reads");
            out.flush().expect("the parent reads");
        }
    }
}

/// Not a test of its own: the process that is killed.
#[test]
#[ignore = "it runs until it is killed; the test below starts it"]
fn the_process_that_is_killed() {
    let Some(dir) = std::env::var_os(FOLDER) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = Arc::new(open(Path::new(&dir)));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| tokio::spawn(count_up(Arc::clone(&store), writer)))
            .collect();
        for writer in writers {
            writer.await.expect("a writer");
        }
    });
}

fn start(dir: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this binary"))
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "the_process_that_is_killed",
        ])
        .env(FOLDER, dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child")
}

/// Reads acknowledgements; kills after `kill_after` of them, and reads what was said before.
fn run_until_killed(dir: &Path, kill_after: u32, acked: &mut [u64]) {
    let mut child = start(dir);
    let out = child.stdout.take().expect("a pipe");
    let mut seen = 0;
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        // The test harness writes its own words before the first line.
        let Some(at) = line.find("ack ") else {
            continue;
        };
        let mut parts = line[at..].split(' ').skip(1);
        let mut next = || parts.next().and_then(|part| part.parse::<u64>().ok());
        let (Some(writer), Some(count)) = (next(), next()) else {
            continue;
        };
        acked[usize::try_from(writer).expect("small")] = count;
        seen += 1;
        if seen == kill_after {
            child.kill().expect("a kill");
        }
    }
    child.wait().expect("the child has ended");
    assert!(seen >= kill_after, "the child ended by itself");
}

#[test]
fn nothing_acknowledged_is_lost_and_no_batch_is_torn_by_kills() {
    let dir = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut acked = vec![0; WRITERS as usize];
    for round in 1..=ROUNDS {
        // 1 to 97 acknowledgements, in no order.
        run_until_killed(dir.path(), round * 37 % 97 + 1, &mut acked);
        let store = open(dir.path());
        runtime.block_on(async {
            for (writer, acked) in acked.iter().enumerate() {
                let left = number(&store, &format!("left/{writer}")).await;
                let right = number(&store, &format!("right/{writer}")).await;
                assert_eq!(left, right, "round {round}: writer {writer} was torn");
                assert!(
                    left >= *acked,
                    "round {round}: {left} found, {acked} acknowledged"
                );
            }
        });
    }
}
