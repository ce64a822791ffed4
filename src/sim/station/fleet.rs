//! A depot's stations, each on its own WebSocket, on one physics.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::charger::Charger;
use super::client::{Cue, Dial, run};
use super::odd::Oddities;
use crate::domain::profile::{Profile, RateUnit};
use crate::domain::quantity::{Energy, Power};
use crate::domain::time::Time;
use crate::ocpp::version::Version;
use crate::sim::world::{Depot, DepotEventKind, Layer};

/// Most lines and complaints kept.
const MAX_LINES: usize = 100_000;

/// One station of a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StationSpec {
    /// Its identity.
    pub id: String,
    /// Its EVSE in the depot.
    pub evse: String,
    /// The version it speaks.
    pub version: Version,
    /// Its odd ways.
    pub odd: Oddities,
}

/// How a fleet connects.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// Where, without the identity: `ws://127.0.0.1:8080/ocpp`.
    pub url: String,
    /// The password of all its stations.
    pub password: String,
    /// Between two readings; on multiples since the Unix epoch.
    pub meter_interval: TimeDelta,
}

/// What went over the wires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FleetCounts {
    /// Profiles that stations were told.
    pub profiles_set: u64,
    /// Messages from the service, answers included.
    pub messages: u64,
    /// Connections made.
    pub connections: u64,
}

/// What the tasks of the stations share.
pub(super) struct Shared {
    depot: Mutex<Depot>,
    pending: AtomicUsize,
    busy: AtomicUsize,
    begun: AtomicU64,
    counts: Mutex<FleetCounts>,
    lines: Mutex<Vec<String>>,
    complaints: Mutex<Vec<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn now(&self) -> Time {
        lock(&self.depot).now()
    }

    /// What an EVSE's meter shows: energy of the session and power, while a car is there.
    pub(super) fn reading(&self, evse: &str) -> Option<(Energy, Power)> {
        let depot = lock(&self.depot);
        let evse = depot.evse(evse)?;
        Some((evse.plugged()?.drawn.energy(), evse.power()))
    }

    pub(super) fn connected(&self) {
        lock(&self.counts).connections += 1;
    }

    pub(super) fn heard(&self, text: &str) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let mut counts = lock(&self.counts);
        counts.messages += 1;
        counts.profiles_set += u64::from(text.contains("\"SetChargingProfile\""));
    }

    pub(super) fn set_busy(&self, was: &mut bool, is: bool) {
        match (*was, is) {
            (false, true) => {
                self.busy.fetch_add(1, Ordering::SeqCst);
                self.begun.fetch_add(1, Ordering::SeqCst);
            }
            (true, false) => {
                self.busy.fetch_sub(1, Ordering::SeqCst);
            }
            _ => {}
        }
        *was = is;
    }

    pub(super) fn cue_played(&self) {
        self.pending.fetch_sub(1, Ordering::SeqCst);
    }

    pub(super) fn set_profile(&self, evse: &str, layer: Layer, profile: Option<Profile>) {
        let mut depot = lock(&self.depot);
        let now = depot.now();
        if layer == Layer::Session
            && let Some(profile) = &profile
        {
            let limit = profile.limit_at(now).unwrap_or_default();
            let unit = match profile.unit {
                RateUnit::Amps => "A",
                RateUnit::Watts => "W",
            };
            let local = now.with_timezone(&crate::sim::recorded::TIME_ZONE);
            let mut lines = lock(&self.lines);
            if lines.len() < MAX_LINES {
                lines.push(format!(
                    "{}  {evse} TxProfile {}.{} {unit} now, {} periods: Accepted",
                    local.format("%H:%M:%S"),
                    limit.0 / 10,
                    limit.0 % 10,
                    profile.periods.len(),
                ));
            }
        }
        depot.set_profile(evse, layer, profile);
    }

    pub(super) fn set_one_phase(&self, evse: &str) {
        lock(&self.depot).set_phases(evse, 1);
    }

    pub(super) fn complain(&self, what: String) {
        let mut complaints = lock(&self.complaints);
        if complaints.len() < MAX_LINES {
            complaints.push(what);
        }
    }
}

/// A depot's stations. Time moves by [`Fleet::advance_to`].
pub struct Fleet {
    shared: Arc<Shared>,
    /// By EVSE.
    stations: BTreeMap<String, mpsc::UnboundedSender<Cue>>,
    tasks: Vec<JoinHandle<()>>,
    meter_interval: TimeDelta,
    next_reading: Mutex<Time>,
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("stations", &self.stations.len())
            .finish_non_exhaustive()
    }
}

impl Fleet {
    /// Switches the stations of a depot on: they dial until they get through, then say that they
    /// have started.
    pub fn start(options: &FleetOptions, stations: Vec<StationSpec>, mut depot: Depot) -> Self {
        for spec in &stations {
            depot.set_obedience(&spec.evse, !spec.odd.ignores_profiles);
        }
        let now = depot.now();
        let interval_s = options.meter_interval.num_seconds().max(1);
        let next = (now.timestamp().div_euclid(interval_s) + 1) * interval_s;
        let shared = Arc::new(Shared {
            depot: Mutex::new(depot),
            pending: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            begun: AtomicU64::new(0),
            counts: Mutex::default(),
            lines: Mutex::default(),
            complaints: Mutex::default(),
        });
        let mut fleet = Self {
            shared: shared.clone(),
            stations: BTreeMap::new(),
            tasks: Vec::new(),
            meter_interval: options.meter_interval,
            next_reading: Mutex::new(chrono::DateTime::from_timestamp(next, 0).unwrap_or(now)),
        };
        for spec in stations {
            // Bounded by the physics: a cue per reading, and a station's readings do not pile up
            // while time waits for them.
            let (cues, receiver) = mpsc::unbounded_channel();
            let dial = Dial {
                url: options.url.clone(),
                id: spec.id,
                password: options.password.clone(),
                evse: spec.evse.clone(),
            };
            let charger = Charger::new(spec.version, spec.odd);
            let task = run(dial, charger, receiver, shared.clone());
            fleet.tasks.push(tokio::spawn(task));
            fleet.stations.insert(spec.evse.clone(), cues);
            fleet.cue(&spec.evse, Cue::Boot(now));
        }
        fleet
    }

    fn cue(&self, evse: &str, cue: Cue) {
        if let Some(station) = self.stations.get(evse) {
            self.shared.begun.fetch_add(1, Ordering::SeqCst);
            self.shared.pending.fetch_add(1, Ordering::SeqCst);
            if station.send(cue).is_err() {
                self.shared.pending.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    /// Makes a station lose its connection and dial again.
    pub fn drop_connection(&self, evse: &str) {
        self.cue(evse, Cue::Drop);
    }

    /// Looks at the depot.
    pub fn with_depot<T>(&self, look: impl FnOnce(&mut Depot) -> T) -> T {
        look(&mut lock(&self.shared.depot))
    }

    /// The next instant at which something happens by itself.
    pub fn next_event(&self) -> Time {
        let reading = *lock(&self.next_reading);
        let plug = self.with_depot(|depot| depot.next_plug());
        plug.map_or(reading, |plug| plug.min(reading))
    }

    /// Lets time pass; stations say what happened.
    pub fn advance_to(&self, to: Time) {
        // Bounded: every turn moves to the next event, whose work is then done.
        loop {
            let next = self.next_event();
            let (step, events) = self.with_depot(|depot| {
                let step = next.min(to).max(depot.now());
                (step, depot.advance_to(step))
            });
            for event in events {
                let (evse, at) = (event.evse, event.at);
                let cue = match event.kind {
                    DepotEventKind::PluggedIn(car) => Cue::Start { token: car.id, at },
                    DepotEventKind::Unplugged(stay) => Cue::Stop {
                        energy: stay.drawn.energy(),
                        at,
                    },
                };
                self.cue(&evse, cue);
            }
            let is_due = *lock(&self.next_reading) <= step;
            if is_due {
                self.read_meters(step);
                *lock(&self.next_reading) = step + self.meter_interval;
            }
            if next > to || step >= to {
                return;
            }
        }
    }

    fn read_meters(&self, at: Time) {
        let readings: Vec<_> = self.with_depot(|depot| {
            let evses = depot.evses().iter();
            evses
                .filter_map(|evse| {
                    let energy = evse.plugged()?.drawn.energy();
                    Some((evse.id.clone(), energy, evse.power()))
                })
                .collect()
        });
        for (evse, energy, power) in readings {
            self.cue(&evse, Cue::Read { energy, power, at });
        }
    }

    /// Messages under way or to be sent.
    pub fn in_flight(&self) -> usize {
        self.shared.pending.load(Ordering::SeqCst) + self.shared.busy.load(Ordering::SeqCst)
    }

    /// How many things ever began.
    pub fn begun(&self) -> u64 {
        self.shared.begun.load(Ordering::SeqCst)
    }

    /// What went over the wires.
    pub fn counts(&self) -> FleetCounts {
        *lock(&self.shared.counts)
    }

    /// What happened since the last call, for people.
    pub fn take_lines(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.shared.lines))
    }

    /// What the service did against the standard, or did not take.
    pub fn complaints(&self) -> Vec<String> {
        lock(&self.shared.complaints).clone()
    }

    /// Switches all stations off.
    pub async fn stop(self) {
        drop(self.stations);
        for task in self.tasks {
            task.abort();
            // An aborted task is what is wanted.
            let _ = task.await;
        }
    }
}
