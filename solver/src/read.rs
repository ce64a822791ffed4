//! A problem from its JSON text, with every fault and its place.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::fault::{Faults, child};
use crate::json;
use crate::problem::default_currency;
use crate::{
    Battery, Circuit, DemandCharge, Fault, GridPhase, PhaseLoads, Problem, Series, SessionNeed,
};

/// Reads a problem. `Err` names every fault found, by JSON pointer; nothing is half-read.
pub fn parse_problem(text: &str) -> Result<Problem, Vec<Fault>> {
    let mut faults = Faults::default();
    let value = match json::read(text, &mut faults) {
        Ok(value) => value,
        Err(error) => {
            let detail = format!("is not valid JSON: {error}");
            return Err(vec![Fault {
                pointer: String::new(),
                detail,
            }]);
        }
    };
    let Some(problem) = problem(&value, &mut faults) else {
        return Err(faults.into_vec());
    };
    // Without a slot count no length can be judged: everything would look wrong.
    if !faults.touches("/slots") {
        faults.merge(problem.faults());
    }
    if faults.is_empty() {
        Ok(problem)
    } else {
        Err(faults.into_vec())
    }
}

fn problem(value: &Value, faults: &mut Faults) -> Option<Problem> {
    let mut it = Reader::open(value, String::new(), faults)?;
    let problem = Problem {
        schema_version: it.required("schema_version", whole).unwrap_or_default(),
        name: it.optional("name", text),
        currency: it
            .optional("currency", text)
            .unwrap_or_else(default_currency),
        start: it.required("start", time).unwrap_or_default(),
        slot_minutes: it.required("slot_minutes", whole).unwrap_or(1),
        slots: it.required("slots", whole).unwrap_or_default(),
        import_price_per_kwh: it
            .required("import_price_per_kwh", series)
            .unwrap_or_default(),
        export_price_per_kwh: it.optional("export_price_per_kwh", series),
        carbon_g_per_kwh: it.optional("carbon_g_per_kwh", series),
        carbon_price_per_kg: it
            .optional("carbon_price_per_kg", number)
            .unwrap_or_default(),
        demand_charge: it.optional("demand_charge", demand_charge),
        circuits: it
            .required("circuits", |v, p, f| list(v, p, f, circuit))
            .unwrap_or_default(),
        sessions: it
            .required("sessions", |v, p, f| list(v, p, f, session))
            .unwrap_or_default(),
        batteries: it
            .optional("batteries", |v, p, f| list(v, p, f, battery))
            .unwrap_or_default(),
        previous: it.optional("previous", previous).unwrap_or_default(),
    };
    it.close();
    Some(problem)
}

fn demand_charge(value: &Value, pointer: &str, faults: &mut Faults) -> Option<DemandCharge> {
    let mut it = Reader::open(value, pointer.to_owned(), faults)?;
    let charge = DemandCharge {
        per_kw: it.required("per_kw", number).unwrap_or_default(),
        peak_so_far_kw: it.optional("peak_so_far_kw", number).unwrap_or_default(),
    };
    it.close();
    Some(charge)
}

fn circuit(value: &Value, pointer: &str, faults: &mut Faults) -> Option<Circuit> {
    let mut it = Reader::open(value, pointer.to_owned(), faults)?;
    let circuit = Circuit {
        id: it.required("id", text).unwrap_or_default(),
        parent: it.optional("parent", text),
        import_limit_kw: it.required("import_limit_kw", series).unwrap_or_default(),
        export_limit_kw: it.optional("export_limit_kw", series),
        base_load_kw: it.optional("base_load_kw", series),
        base_load_phase_kw: it.optional("base_load_phase_kw", phase_loads),
        phase_limit_kw: it.optional("phase_limit_kw", series),
    };
    it.close();
    Some(circuit)
}

fn phase_loads(value: &Value, pointer: &str, faults: &mut Faults) -> Option<PhaseLoads> {
    let mut it = Reader::open(value, pointer.to_owned(), faults)?;
    let loads = PhaseLoads {
        l1: it.required("L1", series).unwrap_or_default(),
        l2: it.required("L2", series).unwrap_or_default(),
        l3: it.required("L3", series).unwrap_or_default(),
    };
    it.close();
    Some(loads)
}

fn session(value: &Value, pointer: &str, faults: &mut Faults) -> Option<SessionNeed> {
    let mut it = Reader::open(value, pointer.to_owned(), faults)?;
    let session = SessionNeed {
        id: it.required("id", text).unwrap_or_default(),
        circuit: it.required("circuit", text).unwrap_or_default(),
        arrival_slot: it.required("arrival_slot", whole).unwrap_or_default(),
        departure_slot: it.required("departure_slot", whole).unwrap_or_default(),
        energy_kwh: it.required("energy_kwh", number).unwrap_or_default(),
        min_kw: it.optional("min_kw", number).unwrap_or_default(),
        max_kw: it.required("max_kw", number).unwrap_or_default(),
        phases: it.optional("phases", |v, p, f| list(v, p, f, phase)),
        priority: it.optional("priority", number).unwrap_or(1.0),
        efficiency: it.optional("efficiency", number).unwrap_or(1.0),
        discharge_max_kw: it.optional("discharge_max_kw", number).unwrap_or_default(),
        energy_max_kwh: it.optional("energy_max_kwh", number),
    };
    it.close();
    Some(session)
}

fn battery(value: &Value, pointer: &str, faults: &mut Faults) -> Option<Battery> {
    let mut it = Reader::open(value, pointer.to_owned(), faults)?;
    let battery = Battery {
        id: it.required("id", text).unwrap_or_default(),
        circuit: it.required("circuit", text).unwrap_or_default(),
        capacity_kwh: it.required("capacity_kwh", number).unwrap_or_default(),
        soc_kwh: it.required("soc_kwh", number).unwrap_or_default(),
        min_soc_kwh: it.optional("min_soc_kwh", number).unwrap_or_default(),
        charge_max_kw: it.required("charge_max_kw", number).unwrap_or_default(),
        discharge_max_kw: it.required("discharge_max_kw", number).unwrap_or_default(),
        efficiency: it.optional("efficiency", number).unwrap_or(1.0),
        cycle_cost_per_kwh: it
            .optional("cycle_cost_per_kwh", number)
            .unwrap_or_default(),
    };
    it.close();
    Some(battery)
}

fn previous(
    value: &Value,
    pointer: &str,
    faults: &mut Faults,
) -> Option<BTreeMap<String, Vec<f64>>> {
    let Value::Object(map) = value else {
        faults.add(pointer, wrong_type("an object of session ids", value));
        return None;
    };
    let rows = map.iter().map(|(id, row)| {
        let row = list(row, &child(pointer, id), faults, number);
        (id.clone(), row.unwrap_or_default())
    });
    Some(rows.collect())
}

/// Reads one JSON object key by key; on closing, every key not asked for is a fault.
struct Reader<'a> {
    map: &'a Map<String, Value>,
    pointer: String,
    known: Vec<&'static str>,
    faults: &'a mut Faults,
}

impl<'a> Reader<'a> {
    fn open(value: &'a Value, pointer: String, faults: &'a mut Faults) -> Option<Self> {
        let Value::Object(map) = value else {
            faults.add(pointer, wrong_type("an object", value));
            return None;
        };
        Some(Self {
            map,
            pointer,
            known: Vec::new(),
            faults,
        })
    }

    /// A key that must be there; `null` counts as missing.
    fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value, &str, &mut Faults) -> Option<T>,
    ) -> Option<T> {
        self.known.push(key);
        let Some(value) = self.map.get(key) else {
            self.faults
                .add(child(&self.pointer, key), "is missing; it is required");
            return None;
        };
        read(value, &child(&self.pointer, key), self.faults)
    }

    /// A key that may be left out or `null`.
    fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value, &str, &mut Faults) -> Option<T>,
    ) -> Option<T> {
        self.known.push(key);
        let value = self.map.get(key).filter(|value| !value.is_null())?;
        read(value, &child(&self.pointer, key), self.faults)
    }

    fn close(self) {
        for key in self.map.keys() {
            if !self.known.contains(&key.as_str()) {
                let allowed = self.known.join(", ");
                let detail = format!("is not a known key; known here: {allowed}");
                self.faults.add(child(&self.pointer, key), detail);
            }
        }
    }
}

fn list<T>(
    value: &Value,
    pointer: &str,
    faults: &mut Faults,
    read: impl Fn(&Value, &str, &mut Faults) -> Option<T>,
) -> Option<Vec<T>> {
    let Value::Array(items) = value else {
        faults.add(pointer, wrong_type("an array", value));
        return None;
    };
    let mut complete = true;
    let mut read_items = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match read(item, &child(pointer, index), faults) {
            Some(item) => read_items.push(item),
            None => complete = false,
        }
    }
    complete.then_some(read_items)
}

fn text(value: &Value, pointer: &str, faults: &mut Faults) -> Option<String> {
    if let Value::String(text) = value {
        return Some(text.clone());
    }
    faults.add(pointer, wrong_type("a string", value));
    None
}

fn time(value: &Value, pointer: &str, faults: &mut Faults) -> Option<DateTime<Utc>> {
    let text = text(value, pointer, faults)?;
    match DateTime::parse_from_rfc3339(&text) {
        Ok(time) => Some(time.with_timezone(&Utc)),
        Err(error) => {
            let detail = format!("is {text:?}, not an RFC 3339 time with offset or Z: {error}");
            faults.add(pointer, detail);
            None
        }
    }
}

fn phase(value: &Value, pointer: &str, faults: &mut Faults) -> Option<GridPhase> {
    match value.as_str() {
        Some("L1") => Some(GridPhase::L1),
        Some("L2") => Some(GridPhase::L2),
        Some("L3") => Some(GridPhase::L3),
        _ => {
            faults.add(
                pointer,
                format!("is {}; allowed: \"L1\", \"L2\", \"L3\"", found(value)),
            );
            None
        }
    }
}

fn number(value: &Value, pointer: &str, faults: &mut Faults) -> Option<f64> {
    let number = value.as_f64();
    if number.is_none() {
        faults.add(pointer, wrong_type("a number", value));
    }
    number
}

fn series(value: &Value, pointer: &str, faults: &mut Faults) -> Option<Series> {
    if value.is_array() {
        return list(value, pointer, faults, number).map(Series::PerSlot);
    }
    if value.is_number() {
        return number(value, pointer, faults).map(Series::Constant);
    }
    faults.add(
        pointer,
        wrong_type("a number or an array with one number per slot", value),
    );
    None
}

fn whole<T: TryFrom<u64>>(value: &Value, pointer: &str, faults: &mut Faults) -> Option<T> {
    let whole = value.as_u64().and_then(|number| T::try_from(number).ok());
    if whole.is_none() {
        faults.add(pointer, wrong_type("a whole number, not negative", value));
    }
    whole
}

fn wrong_type(wanted: &str, value: &Value) -> String {
    format!("is {}; wanted {wanted}", found(value))
}

/// The value as found, cut to a readable length.
fn found(value: &Value) -> String {
    const SHOWN_CHARS_MAX: usize = 40;
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(items) => format!("an array of {}", items.len()),
        other => {
            let text = other.to_string();
            if text.chars().count() > SHOWN_CHARS_MAX {
                format!(
                    "{}...",
                    text.chars().take(SHOWN_CHARS_MAX).collect::<String>()
                )
            } else {
                text
            }
        }
    }
}
