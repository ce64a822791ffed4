//! The depot: EVSEs behind one grid connection, and the cars that come and go.

use std::collections::{BTreeMap, VecDeque};

use super::car::Car;
use super::energy::FineEnergy;
use super::evse::{Layer, Plugged, SimEvse, Touch};
use super::grid::Grid;
use super::meter::{Rise, SiteMeter};
use crate::domain::profile::Profile;
use crate::domain::quantity::Power;
use crate::domain::time::Time;

/// Something a driver or a car did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepotEvent {
    /// When.
    pub at: Time,
    /// The EVSE.
    pub evse: String,
    /// What.
    pub kind: DepotEventKind,
}

/// What happened at an EVSE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DepotEventKind {
    /// A car was plugged in.
    PluggedIn(Car),
    /// A car left.
    Unplugged(Plugged),
}

/// A whole depot. Time moves by [`Depot::advance_to`]; what is done in between happens at the
/// instant where it stands.
#[derive(Clone, Debug)]
pub struct Depot {
    now: Time,
    grid: Grid,
    evses: Vec<SimEvse>,
    index: BTreeMap<String, usize>,
    /// Cars still to come, by arrival; with the EVSE each goes to.
    expected: VecDeque<(usize, Car)>,
    left: Vec<Plugged>,
    /// Cars that found their EVSE occupied.
    turned_away: Vec<Car>,
    meter: SiteMeter,
}

impl Depot {
    /// An empty depot at `now`.
    pub fn new(now: Time, grid: Grid, evses: Vec<SimEvse>) -> Self {
        let index = evses
            .iter()
            .enumerate()
            .map(|(index, evse)| (evse.id.clone(), index))
            .collect();
        Self {
            now,
            grid,
            evses,
            index,
            expected: VecDeque::new(),
            left: Vec::new(),
            turned_away: Vec::new(),
            meter: SiteMeter::new(now),
        }
    }

    /// Lets a car come to an EVSE at its arrival. False if there is no such EVSE.
    pub fn expect(&mut self, evse: &str, car: Car) -> bool {
        let Some(&index) = self.index.get(evse) else {
            return false;
        };
        let place = self
            .expected
            .partition_point(|(_, other)| other.arrival <= car.arrival);
        self.expected.insert(place, (index, car));
        true
    }

    /// Where time stands.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The grid connection.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The meter at the grid connection.
    pub fn meter(&self) -> &SiteMeter {
        &self.meter
    }

    /// The EVSEs.
    pub fn evses(&self) -> &[SimEvse] {
        &self.evses
    }

    /// The EVSE of a name.
    pub fn evse(&self, id: &str) -> Option<&SimEvse> {
        self.index.get(id).map(|index| &self.evses[*index])
    }

    /// Makes an EVSE ignore its profiles, or obey again.
    pub fn set_obedience(&mut self, id: &str, obeys: bool) {
        if let Some(&index) = self.index.get(id) {
            self.evses[index].obeys = obeys;
        }
    }

    /// The cars that have left, and the ones that are still there.
    pub fn stays(&self) -> impl Iterator<Item = &Plugged> {
        let present = self.evses.iter().filter_map(SimEvse::plugged);
        self.left.iter().chain(present)
    }

    /// The cars that have left, in that order.
    pub fn left(&self) -> &[Plugged] {
        &self.left
    }

    /// Cars that found their EVSE occupied and drove on.
    pub fn turned_away(&self) -> &[Car] {
        &self.turned_away
    }

    /// The next instant at which something happens by itself: a car comes, goes or accepts less;
    /// a profile reaches its next period; the grid steps.
    pub fn next_event(&self) -> Option<Time> {
        let evses = self
            .evses
            .iter()
            .filter_map(|evse| evse.next_event(self.now));
        let arrival = self.expected.front().map(|(_, car)| car.arrival);
        evses
            .chain(arrival)
            .chain(self.grid.next_step(self.now))
            .min()
    }

    /// The next instant at which a car comes or goes.
    pub fn next_plug(&self) -> Option<Time> {
        let departures = self.evses.iter().filter_map(SimEvse::plugged);
        departures
            .map(|plugged| plugged.car.departure)
            .chain(self.expected.front().map(|(_, car)| car.arrival))
            .min()
    }

    /// Plugs a car in now. False if there is no such EVSE or it is occupied: the car drives on.
    pub fn plug_in(&mut self, evse: &str, car: Car) -> bool {
        match self.index.get(evse) {
            Some(&index) => self.plug_in_at(index, car),
            None => false,
        }
    }

    /// Sets or clears (`None`) the profile of a layer of an EVSE now. False if there is no such
    /// EVSE, or no session for a session's profile.
    pub fn set_profile(&mut self, evse: &str, layer: Layer, profile: Option<Profile>) -> bool {
        let Some(&index) = self.index.get(evse) else {
            return false;
        };
        let evse = &mut self.evses[index];
        if layer == Layer::Session && evse.plugged().is_none() {
            return false;
        }
        evse.set_profile(layer, profile);
        evse.settle(self.now);
        true
    }

    /// Lets an EVSE charge on so many phases from now on.
    pub fn set_phases(&mut self, evse: &str, phases: u8) {
        if let Some(&index) = self.index.get(evse) {
            let evse = &mut self.evses[index];
            evse.phases = phases.clamp(1, 3);
            evse.settle(self.now);
        }
    }

    /// Lets time pass; gives what drivers and cars did, in order.
    pub fn advance_to(&mut self, to: Time) -> Vec<DepotEvent> {
        let mut events = Vec::new();
        self.plug_events(&mut events);
        // Bounded: every turn moves time to an event, and events of one instant are taken at once.
        while self.now < to {
            self.settle();
            let next = self.next_event().map_or(to, |next| next.min(to));
            self.flow(next);
            self.plug_events(&mut events);
        }
        self.settle();
        events
    }

    /// What the EVSEs draw together now.
    pub fn power(&self) -> Power {
        self.evses.iter().map(SimEvse::power).sum()
    }

    /// The energy of all cars, to compare with the meter's.
    pub fn delivered(&self) -> FineEnergy {
        self.stays().map(|plugged| plugged.drawn).sum()
    }

    fn settle(&mut self) {
        for evse in &mut self.evses {
            evse.settle(self.now);
        }
    }

    fn flow(&mut self, to: Time) {
        let rise = self.rise();
        self.meter.flow(to, self.power(), rise, &self.grid);
        for evse in &mut self.evses {
            evse.flow(self.now, to);
        }
        self.now = to;
    }

    fn rise(&self) -> Rise {
        let mut rise = Rise::default();
        for evse in &self.evses {
            let (change, touch) = evse.change();
            rise.net += change;
            match touch {
                Touch::Profile => rise.by_profiles += change.at_least_zero(),
                Touch::Plug => rise.by_plugs += change.at_least_zero(),
                Touch::None => {}
            }
            rise.beyond += evse.beyond(self.now);
        }
        rise
    }

    /// Who leaves leaves before others come, also within one instant.
    fn plug_events(&mut self, events: &mut Vec<DepotEvent>) {
        for evse in &mut self.evses {
            let due = evse
                .plugged()
                .is_some_and(|plugged| plugged.car.departure <= self.now);
            if due && let Some(plugged) = evse.unplug() {
                self.left.push(plugged.clone());
                events.push(DepotEvent {
                    at: self.now,
                    evse: evse.id.clone(),
                    kind: DepotEventKind::Unplugged(plugged),
                });
            }
        }
        while let Some((index, car)) = self
            .expected
            .pop_front_if(|(_, car)| car.arrival <= self.now)
        {
            if self.plug_in_at(index, car.clone()) {
                events.push(DepotEvent {
                    at: self.now,
                    evse: self.evses[index].id.clone(),
                    kind: DepotEventKind::PluggedIn(car),
                });
            }
        }
    }

    fn plug_in_at(&mut self, index: usize, car: Car) -> bool {
        let evse = &mut self.evses[index];
        if evse.plugged().is_some() {
            self.turned_away.push(car);
            return false;
        }
        evse.plug_in(car);
        evse.settle(self.now);
        true
    }
}
