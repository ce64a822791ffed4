//! What the demo found.

use serde::Serialize;

use super::{Demo, DepotReport};
use crate::sim::cpo::{Cpo, CpoCounts};
use crate::sim::methods::{MethodResult, READY_PERCENT};
use crate::sim::station::Fleet;

/// The result of each method, measured by the same meters.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Methods {
    /// Every car as fast as it can.
    pub unmanaged: MethodResult,
    /// The limit shared equally among the cars.
    pub equal_share: MethodResult,
    /// The service.
    pub evenload: MethodResult,
}

/// What the demo found, as `--json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DemoReport {
    /// The recorded local day.
    pub day: String,
    /// The site's limit.
    pub limit_kw: f64,
    /// Cars that came.
    pub sessions: usize,
    /// Completed OCPI registrations.
    pub registrations: usize,
    /// Profiles that the CPO was sent.
    pub pushes: u64,
    /// Results that the service took from the CPO.
    pub callbacks: u64,
    /// Profiles that stations of our own were told over OCPP.
    pub commands_ocpp: u64,
    /// Messages between the two, by kind.
    pub messages: CpoCounts,
    /// What the service did against the text of OCPI, or did not take.
    pub complaints: Vec<String>,
    /// The comparison.
    pub methods: Methods,
    /// The depot with chargers of its own, if it was played.
    pub depot: Option<DepotReport>,
}

impl DemoReport {
    pub(super) fn with_depot(mut self, demo: &Demo, fleet: Option<&Fleet>) -> Self {
        if let Some(fleet) = fleet {
            self.commands_ocpp = fleet.counts().profiles_set;
            self.complaints.extend(fleet.complaints());
            self.depot = Some(demo.depot_report(fleet));
        }
        self
    }

    pub(super) fn new(demo: &Demo, cpo: &Cpo, registrations: usize, methods: Methods) -> Self {
        let counts = cpo.counts();
        Self {
            day: demo.day.to_string(),
            limit_kw: demo.options.limit.kilowatts(),
            sessions: demo.sessions().len(),
            registrations,
            pushes: counts.profiles_set + counts.profiles_cleared,
            callbacks: counts.callbacks,
            commands_ocpp: 0,
            messages: counts,
            complaints: cpo.complaints(),
            methods,
            depot: None,
        }
    }

    /// What the demo promises and did not keep; empty if all went well.
    pub fn broken_promises(&self) -> Vec<String> {
        let mut broken = Vec::new();
        if self.registrations == 0 {
            broken.push("the service is not registered".to_owned());
        }
        let sites = std::iter::once(("depot", &self.methods));
        let own = self.depot.iter().map(|own| ("own depot", &own.methods));
        for (site, methods) in sites.chain(own) {
            let it = &methods.evenload;
            if it.limit_violations > 0 {
                broken.push(format!(
                    "{site}: over the limit {} times, {} of them self-caused",
                    it.limit_violations, it.self_caused
                ));
            }
            for car in it.late.iter().filter(|car| car.reachable) {
                broken.push(format!("{site}: {car}"));
            }
        }
        broken
    }

    /// What is to be said beside the figures: nothing that was promised, but nothing to hide.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let sites = std::iter::once(("depot", &self.methods));
        let own = self.depot.iter().map(|own| ("own depot", &own.methods));
        for (site, methods) in sites.chain(own) {
            let Methods {
                unmanaged,
                equal_share,
                evenload,
            } = methods;
            let unreachable = evenload.late.iter().filter(|car| !car.reachable);
            remarks.extend(unreachable.map(|car| format!("{site}: {car}")));
            if unmanaged.limit_violations == 0 {
                remarks.push(format!("{site}: unmanaged charging stays within the limit"));
            } else if unmanaged.cost <= evenload.cost {
                remarks.push(format!(
                    "{site}: unmanaged charging is cheaper by {:.2} {}, with power that the \
                     connection does not have: {:.0} s above the limit, by up to {:.1} kW",
                    evenload.cost - unmanaged.cost,
                    unmanaged.currency,
                    unmanaged.seconds_over_limit,
                    unmanaged.worst_overshoot_kw
                ));
            }
            if equal_share.cost <= evenload.cost {
                let missing = equal_share.reachable - equal_share.ready_on_time;
                remarks.push(format!(
                    "{site}: an equal share is cheaper by {:.2} {} and leaves {missing} cars \
                     without their energy",
                    evenload.cost - equal_share.cost,
                    equal_share.currency,
                ));
            }
        }
        remarks
    }

    /// The closing table.
    pub fn table(&self) -> Vec<String> {
        let header = format!(
            "{:<12} {:>12} {:>13} {:>10} {:>12} {:>14}  {}",
            "", "energy cost", "per kWh", "peak", "delivered", "ready on time", "over the limit"
        );
        let mut lines = vec![header];
        lines.extend(rows(&self.methods));
        if let Some(depot) = &self.depot {
            lines.push(format!(
                "own depot: {} cars at {} stations over OCPP, limit {:.0} kW, {} profiles sent",
                depot.sessions, depot.stations, depot.limit_kw, self.commands_ocpp
            ));
            lines.extend(rows(&depot.methods));
        }
        let cars = [
            Some(&self.methods),
            self.depot.as_ref().map(|it| &it.methods),
        ];
        let unreachable: usize = cars
            .into_iter()
            .flatten()
            .map(|methods| methods.evenload.vehicles - methods.evenload.reachable)
            .sum();
        lines.push(format!(
            "ready: {READY_PERCENT} % of its energy when it leaves, of the cars that full power from \
             arrival to departure would make ready; {unreachable} would not"
        ));
        lines
    }
}

fn rows(methods: &Methods) -> [String; 3] {
    [
        row("unmanaged", &methods.unmanaged),
        row("equal share", &methods.equal_share),
        row("evenload", &methods.evenload),
    ]
}

fn row(name: &str, result: &MethodResult) -> String {
    let cost = format!("{:.2} {}", result.cost, result.currency);
    let per_kwh = format!("{:.3} ct", 100.0 * result.cost / result.kwh.max(1e-9));
    let peak = format!("{:.1} kW", result.peak_kw);
    let kwh = format!("{:.1} kWh", result.kwh);
    let ready = format!("{} of {}", result.ready_on_time, result.reachable);
    let over = match result.limit_violations {
        0 => "never".to_owned(),
        count => format!(
            "{count} x, {:.0} s, up to {:.1} kW ({} self-caused)",
            result.seconds_over_limit, result.worst_overshoot_kw, result.self_caused
        ),
    };
    format!("{name:<12} {cost:>12} {per_kwh:>13} {peak:>10} {kwh:>12} {ready:>14}  {over}")
}
