//! What is told of a site while the day is played: a line an hour, and whatever is notable.

use super::{DemoLine, local};
use crate::domain::time::Time;
use crate::sim::methods::LateVehicle;
use crate::sim::recorded::{CURRENCY, TIME_ZONE};
use crate::sim::world::Depot;

/// Looks at one site's depot whenever time has moved.
#[derive(Debug)]
pub(super) struct Watch {
    name: &'static str,
    /// The local hour that was told last.
    hour: String,
    /// Cars that have left so far.
    left: usize,
    excursions: usize,
}

impl Watch {
    /// Begins to look at a depot; the hour in which it begins is not told.
    pub(super) fn new(name: &'static str, depot: &Depot) -> Self {
        Self {
            name,
            hour: hour_of(depot.now()),
            left: depot.left().len(),
            excursions: 0,
        }
    }

    /// What is to be told since the last look.
    pub(super) fn look(&mut self, depot: &Depot) -> Vec<DemoLine> {
        let mut lines = Vec::new();
        let at = local(depot.now());
        for stay in &depot.left()[self.left..] {
            let late = LateVehicle::of(stay);
            if !late.is_ready() {
                lines.push(DemoLine::Notable(format!("{at}  {}: {late}", self.name)));
            }
        }
        self.left = depot.left().len();
        let excursions: Vec<_> = depot.meter().excursions().collect();
        for excursion in &excursions[self.excursions..] {
            lines.push(DemoLine::Notable(format!(
                "{at}  {}: over the limit, by {:?}",
                self.name, excursion.cause
            )));
        }
        self.excursions = excursions.len();
        let hour = hour_of(depot.now());
        if hour != self.hour {
            self.hour = hour;
            lines.push(DemoLine::Hour(self.summary(depot)));
        }
        lines
    }

    fn summary(&self, depot: &Depot) -> String {
        let meter = depot.meter();
        let connected = depot.evses().iter().filter_map(|evse| evse.plugged());
        let (mut cars, mut full) = (0, 0);
        for stay in connected {
            cars += 1;
            full += usize::from(LateVehicle::of(stay).is_ready());
        }
        format!(
            "{}  {:<10} {cars:>2} cars, {full:>2} of them charged; {:>5.1} of {:.0} kW; so far {:>6.1} kWh \
             for {:.2} {CURRENCY}",
            local(depot.now()),
            self.name,
            depot.power().kilowatts(),
            depot.grid().limit.at(depot.now()).kilowatts(),
            meter.energy().kilowatt_hours(),
            meter.cost().amount(),
        )
    }
}

fn hour_of(at: Time) -> String {
    at.with_timezone(&TIME_ZONE).format("%F %H").to_string()
}
