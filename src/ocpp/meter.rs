//! From sampled values to power and energy, whatever a station sends.

use super::fields::{Fields, read_number};
use crate::domain::quantity::{Energy, Power};
use crate::domain::time::Time;

/// What holds where a station names no voltage: 230 V, phase to neutral.
const ASSUMED_VOLTS: f64 = 230.0;
/// No EVSE reads more than this in either direction: 10 MW. What is beyond is a fault of the meter.
const PLAUSIBLE_W: f64 = 1e7;
/// No register reads more than this: a million `MWh`.
const PLAUSIBLE_WH: f64 = 1e12;
/// Most sampled values read of one message.
const MAX_SAMPLES: usize = 1_000;

/// What a meter said at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// When, by the station's clock; `None` where that cannot be read.
    pub at: Option<Time>,
    /// Power drawn; negative = given back.
    pub power: Option<Power>,
    /// The register of energy drawn.
    pub register: Option<Energy>,
    /// State of charge in percent.
    pub soc_percent: Option<f64>,
    /// Phases that carry more than 1 A, where currents were sent.
    pub active_phases: Option<u8>,
}

impl Sample {
    /// True if it says nothing.
    pub fn is_empty(&self) -> bool {
        self.power.is_none() && self.register.is_none() && self.soc_percent.is_none()
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Phases {
    total: Option<f64>,
    each: [Option<f64>; 3],
}

impl Phases {
    fn note(&mut self, phase: Option<usize>, value: f64) {
        match phase {
            None => self.total = Some(value),
            Some(index) => self.each[index] = Some(value),
        }
    }

    fn sum(&self) -> Option<f64> {
        self.each
            .iter()
            .any(Option::is_some)
            .then(|| self.each.iter().flatten().sum())
    }
}

/// Reads `meterValue`: one sample per element, in order.
pub(super) fn read(payload: &Fields<'_>, list: &str) -> Vec<Sample> {
    payload
        .objects(list)
        .take(MAX_SAMPLES)
        .map(|element| read_one(&element))
        .filter(|sample| !sample.is_empty())
        .collect()
}

fn read_one(element: &Fields<'_>) -> Sample {
    let (mut power, mut current, mut voltage) =
        (Phases::default(), Phases::default(), Phases::default());
    let mut register = Phases::default();
    let (mut exported, mut soc_percent) = (Phases::default(), None);
    for value in element.objects("sampledValue").take(MAX_SAMPLES) {
        let Some((number, unit)) = number_and_unit(&value) else {
            continue;
        };
        let (measurand, named_phase) = measurand(&value);
        // The EVSE's inlet or the cable's other end would be counted twice.
        let elsewhere = matches!(value.text("location"), Some("Inlet" | "Cable" | "Body"));
        let phase = match value.text("phase").or(named_phase) {
            None => None,
            Some(text) => match phase_index(text) {
                Some(index) => Some(index),
                // Line-to-line values and the neutral say nothing about a phase.
                None => continue,
            },
        };
        let kilo = if unit.starts_with('k') { 1000.0 } else { 1.0 };
        match measurand {
            "Power.Active.Import" if !elsewhere => power.note(phase, number * kilo),
            "Power.Active.Export" if !elsewhere => exported.note(phase, number * kilo),
            "Current.Import" if !elsewhere => current.note(phase, number),
            "Voltage" if !elsewhere => voltage.note(phase, number),
            "Energy.Active.Import.Register" if !elsewhere => register.note(phase, number * kilo),
            "SoC" if (0.0..=100.0).contains(&number) => soc_percent = Some(number),
            _ => {}
        }
    }
    Sample {
        at: element.time("timestamp"),
        power: drawn(&power, &exported, &current, &voltage),
        register: register
            .total
            .or_else(|| register.sum())
            .filter(|wh| (0.0..PLAUSIBLE_WH).contains(wh))
            .map(|wh| Energy::from_kilowatt_hours(wh / 1000.0)),
        soc_percent,
        active_phases: active(&current),
    }
}

/// Total power, else the sum of its phases, else currents times voltages.
fn drawn(power: &Phases, exported: &Phases, current: &Phases, voltage: &Phases) -> Option<Power> {
    let given_back = exported.total.or_else(|| exported.sum()).unwrap_or(0.0);
    let import = power.total.or_else(|| power.sum()).or_else(|| {
        let volts = |index: usize| {
            voltage.each[index]
                .or(voltage.total)
                .filter(|v| *v > 0.0)
                .unwrap_or(ASSUMED_VOLTS)
        };
        let phases = (0..3).filter_map(|index| Some(current.each[index]? * volts(index)));
        match (current.sum(), current.total) {
            (Some(_), _) => Some(phases.sum()),
            // One current without a phase: of one phase, as far as anybody knows.
            (None, Some(amps)) => Some(amps * volts(0)),
            (None, None) => None,
        }
    })?;
    let watts = import - given_back;
    (watts.abs() < PLAUSIBLE_W).then(|| Power::from_kilowatts(watts / 1000.0))
}

fn active(current: &Phases) -> Option<u8> {
    current.sum()?;
    let count = current
        .each
        .iter()
        .flatten()
        .filter(|amps| **amps > 1.0)
        .count();
    u8::try_from(count).ok()
}

fn number_and_unit<'a>(value: &Fields<'a>) -> Option<(f64, &'a str)> {
    let number = value.number("value")?;
    // 2.x has the unit in an object of its own, with a power of ten.
    let (unit, multiplier) = match value.object("unitOfMeasure") {
        Some(measure) => (
            measure.text("unit"),
            measure.whole("multiplier").unwrap_or(0).clamp(-12, 12),
        ),
        None => (value.text("unit"), 0),
    };
    let exponent = i32::try_from(multiplier).unwrap_or(0);
    Some((number * 10f64.powi(exponent), unit.unwrap_or("")))
}

/// The measurand without the phase that some stations put into its name.
fn measurand<'a>(value: &Fields<'a>) -> (&'a str, Option<&'a str>) {
    let name = value
        .text("measurand")
        .unwrap_or("Energy.Active.Import.Register");
    for phase in ["L1", "L2", "L3"] {
        if let Some(name) = name.strip_suffix(phase).and_then(|n| n.strip_suffix('.')) {
            return (name, Some(phase));
        }
    }
    (name, None)
}

fn phase_index(phase: &str) -> Option<usize> {
    match phase {
        "L1" | "L1-N" => Some(0),
        "L2" | "L2-N" => Some(1),
        "L3" | "L3-N" => Some(2),
        _ => None,
    }
}

/// A register's number alone, as 1.6 sends `meterStart`.
pub(super) fn watt_hours(value: Option<&serde_json::Value>) -> Option<Energy> {
    let wh = value.and_then(read_number)?;
    (0.0..PLAUSIBLE_WH)
        .contains(&wh)
        .then(|| Energy::from_kilowatt_hours(wh / 1000.0))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "the cases read better")]
    fn samples(values: Value) -> Vec<Sample> {
        let payload = json!({ "meterValue": [{
            "timestamp": "2026-11-22T12:00:00Z", "sampledValue": values,
        }] });
        read(
            &Fields::of(payload.as_object().expect("an object")),
            "meterValue",
        )
    }

    fn watts(values: Value) -> Option<i64> {
        samples(values)
            .first()
            .and_then(|s| s.power)
            .map(Power::watts)
    }

    #[test]
    fn power_is_taken_as_it_comes() {
        let total = json!([{"value": "7.4", "measurand": "Power.Active.Import", "unit": "kW"}]);
        assert_eq!(watts(total), Some(7400));
        let two = json!([{"value": 7.4, "measurand": "Power.Active.Import",
            "unitOfMeasure": {"unit": "W", "multiplier": 3}}]);
        assert_eq!(watts(two), Some(7400));
        let phases = json!([
            {"value": "1000", "measurand": "Power.Active.Import", "phase": "L1"},
            {"value": "500", "measurand": "Power.Active.Import", "phase": "L2-N"},
        ]);
        assert_eq!(watts(phases), Some(1500));
    }

    #[test]
    fn without_power_currents_and_voltages_give_it() {
        // 10 A x 240 V + 6 A x 230 V = 3,780 W
        let values = json!([
            {"value": "10", "measurand": "Current.Import", "phase": "L1"},
            {"value": "6", "measurand": "Current.Import.L2"},
            {"value": "240", "measurand": "Voltage", "phase": "L1-N"},
        ]);
        assert_eq!(watts(values.clone()), Some(3780));
        assert_eq!(samples(values)[0].active_phases, Some(2));
    }

    #[test]
    fn nonsense_is_passed_over() {
        for value in ["NaN", "inf", "1e400", "12,5", "", "99999999999"] {
            let values = json!([{"value": value, "measurand": "Power.Active.Import"}]);
            assert_eq!(watts(values), None, "{value}");
        }
        assert!(samples(json!([])).is_empty());
        assert!(samples(json!([{"value": 1, "measurand": "Current.Offered"}])).is_empty());
        assert!(samples(json!("x")).is_empty());
    }

    #[test]
    fn a_value_without_measurand_is_the_energy_register() {
        let sample = samples(json!([{"value": "1500"}]))[0];
        assert_eq!(sample.register, Some(Energy::from_kilowatt_hours(1.5)));
    }
}
