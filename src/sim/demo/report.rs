//! What the demo found.

use serde::Serialize;

use super::{Demo, DepotReport};
use crate::sim::cpo::{Cpo, CpoCounts};
use crate::sim::methods::MethodResult;
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
        let Methods {
            unmanaged,
            equal_share,
            evenload,
        } = &self.methods;
        let mut broken = Vec::new();
        let mut promise = |kept: bool, text: String| {
            if !kept {
                broken.push(text);
            }
        };
        promise(
            self.registrations > 0,
            "the service is not registered".into(),
        );
        promise(
            unmanaged.limit_violations > 0,
            "unmanaged charging does not break the limit on this day".into(),
        );
        promise(
            evenload.self_caused == 0,
            format!("{} violations are self-caused", evenload.self_caused),
        );
        promise(
            evenload.limit_violations == 0,
            format!("the limit was broken {} times", evenload.limit_violations),
        );
        promise(
            evenload.ready_on_time == evenload.reachable,
            format!(
                "{} of {} reachable cars were ready",
                evenload.ready_on_time, evenload.reachable
            ),
        );
        for (name, other) in [("unmanaged", unmanaged), ("equal share", equal_share)] {
            promise(
                evenload.cost < other.cost,
                format!("it costs no less than {name}"),
            );
        }
        if let Some(depot) = &self.depot {
            let own = &depot.methods.evenload;
            let mut promise = |kept: bool, text: String| {
                if !kept {
                    broken.push(format!("own depot: {text}"));
                }
            };
            promise(
                own.limit_violations == 0,
                format!("the limit was broken {} times", own.limit_violations),
            );
            promise(
                own.ready_on_time == own.reachable,
                format!(
                    "{} of {} reachable cars were ready",
                    own.ready_on_time, own.reachable
                ),
            );
        }
        broken
    }

    /// The closing table.
    pub fn table(&self) -> Vec<String> {
        let header = format!(
            "{:<12} {:>14} {:>10} {:>12} {:>14}  {}",
            "", "energy cost", "peak", "delivered", "ready on time", "over the limit"
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
    let peak = format!("{:.1} kW", result.peak_kw);
    let kwh = format!("{:.1} kWh", result.kwh);
    let ready = format!("{} of {}", result.ready_on_time, result.vehicles);
    let over = match result.limit_violations {
        0 => "never".to_owned(),
        count => format!(
            "{count} x, {:.0} s, up to {:.1} kW ({} self-caused)",
            result.seconds_over_limit, result.worst_overshoot_kw, result.self_caused
        ),
    };
    format!("{name:<12} {cost:>14} {peak:>10} {kwh:>12} {ready:>14}  {over}")
}
