//! The reports that events ask for (`reportDescriptors`): which are due, over which intervals, and what
//! they say. What was measured and what is planned comes from outside as [`Figure`]s.
//!
//! A report looks back from its interval (`historical`) or ahead from it. It is due when that interval
//! begins, or at the end of the last one; the next one `frequency` intervals later, `repeat` times.
//!
//! Ours, where the standard leaves it open: an event without an end has no last interval, so its reports
//! begin with the first interval that is over (looking back), or with the first (looking ahead); "all"
//! intervals are then those of the last two days, or of the next. Of forecasts only the newest is of any
//! use, so each takes the place of the one before; what was measured is a report of its own each time.
//!
//! Source: `OpenADR` 3.1.0 Definition, `reportDescriptor`, `report` and the enumerations of payloads.

mod asked;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

pub use self::asked::{Schedule, schedule};
use crate::domain::dispatch::{Measured, Quality};
use crate::domain::quantity::Power;
use crate::domain::time::Time;

/// Less than this does not count as charging: 100 W.
const IDLE: Power = Power::from_watts(100);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Energy drawn, kWh.
    Usage,
    /// Mean or highest power drawn, kW.
    Demand,
    /// What would be drawn if nobody asked: charging at once.
    Baseline,
    /// Energy that is planned, kWh.
    UsageForecast,
    /// Load that can be shed, kW.
    Up,
    /// Load that can be added, kW.
    Down,
    /// Whether it charges, and whether less than it would.
    OperatingState,
}

impl Content {
    fn of(type_: &str) -> Option<Self> {
        let found = match type_ {
            "USAGE" => Self::Usage,
            "DEMAND" => Self::Demand,
            "BASELINE" => Self::Baseline,
            "USAGE_FORECAST" => Self::UsageForecast,
            "LOAD_SHED_DELTA_AVAILABLE" | "UP_REGULATION_AVAILABLE" => Self::Up,
            "DOWN_REGULATION_AVAILABLE" => Self::Down,
            "OPERATING_STATE" => Self::OperatingState,
            _ => return None,
        };
        Some(found)
    }

    /// Powers are asked for in kW, energies in kWh, where nobody says.
    fn units(self, asked: Option<&str>) -> Option<&'static str> {
        let usual = match self {
            Self::Usage | Self::UsageForecast => "KWH",
            Self::Demand | Self::Baseline | Self::Up | Self::Down => "KW",
            Self::OperatingState => return None,
        };
        // A baseline is power or energy, as is asked for.
        Some(match (self, asked) {
            (Self::Baseline, Some("KWH")) => "KWH",
            _ => usual,
        })
    }
}

/// Who reports.
#[derive(Clone, Copy, Debug)]
pub struct Reporter<'r> {
    /// The VEN's name, as the report's `clientName`.
    pub client: &'r str,
    /// The resource: the site.
    pub resource: &'r str,
    /// What else we are called: a request for other targets is not for us.
    pub targets: &'r [String],
    /// As in [`super::Question`].
    pub salt: &'r str,
}

/// One interval of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The event's own number of it.
    pub id: i64,
    /// Inclusive start.
    pub start: Time,
    /// Exclusive end.
    pub end: Time,
}

/// A report that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Of which event.
    pub event: String,
    /// Its name: the same for the same report, also after a restart.
    pub name: String,
    /// One of this name may be there already and is replaced.
    pub replaces: bool,
    /// What is asked for, in the VTN's word and ours.
    pub payload: String,
    /// What that means.
    pub content: Content,
    /// `readingType`, as is asked for.
    pub reading: Option<String>,
    units: Option<&'static str>,
    aggregate: bool,
    /// The intervals it is about.
    pub windows: Vec<Window>,
}

/// What is known of a window; `None` where nothing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figure {
    /// What was drawn.
    pub measured: Option<Measured>,
    /// The highest minute of it.
    pub peak: Option<Power>,
    /// What is planned.
    pub planned: Option<Power>,
    /// What would be drawn if nobody asked.
    pub baseline: Option<Power>,
    /// Load that can be shed.
    pub up: Option<Power>,
    /// Load that can be added.
    pub down: Option<Power>,
    /// Somebody keeps the site below its own limit.
    pub is_curtailed: bool,
}

impl Due {
    /// The report as it is posted; a figure for each window, in order.
    pub fn body(&self, reporter: Reporter<'_>, figures: &[Figure], now: Time) -> Value {
        let intervals: Vec<Value> = self
            .windows
            .iter()
            .zip(figures)
            .map(|(window, figure)| {
                json!({
                    "id": window.id,
                    "intervalPeriod": {
                        "start": window.start.format("%FT%TZ").to_string(),
                        "duration": format!("PT{}S", (window.end - window.start).num_seconds()),
                    },
                    "payloads": self.payloads(window, figure, now),
                })
            })
            .collect();
        let mut descriptor = json!({
            "objectType": "REPORT_PAYLOAD_DESCRIPTOR",
            "payloadType": self.payload,
            "readingType": self.reading_type(now),
        });
        if let Some(units) = self.units {
            descriptor["units"] = json!(units);
        }
        let resource = if self.aggregate {
            "AGGREGATED_REPORT"
        } else {
            reporter.resource
        };
        json!({
            "objectType": "REPORT",
            "eventID": self.event,
            "clientName": reporter.client,
            "reportName": self.name,
            "payloadDescriptors": [descriptor],
            "resources": [{ "resourceName": resource, "intervals": intervals }],
        })
    }

    fn reading_type(&self, now: Time) -> &str {
        let is_ahead = self.windows.iter().any(|window| window.end > now);
        match (self.content, self.reading.as_deref()) {
            (Content::Usage | Content::Demand, _) if is_ahead => "FORECAST",
            (Content::Demand, Some("PEAK")) => "PEAK",
            (Content::Demand, _) => "MEAN",
            (Content::Usage | Content::OperatingState, _) => "DIRECT_READ",
            (Content::Baseline, _) => "ESTIMATED",
            (Content::UsageForecast | Content::Up | Content::Down, _) => "FORECAST",
        }
    }

    fn payloads(&self, window: &Window, figure: &Figure, now: Time) -> Vec<Value> {
        let span = window.end - window.start;
        let one = |value: Value| vec![json!({ "type": self.payload, "values": [value] })];
        // Only what is over is measured.
        let measured = figure.measured.filter(|_| window.end <= now);
        let used = measured.map(|it| it.energy.mean_power(span));
        if self.content == Content::OperatingState {
            let power = used.or(figure.planned).unwrap_or_default();
            let state = match (power > IDLE, figure.is_curtailed) {
                (true, true) => "RUNNING_CURTAILED",
                (true, false) => "RUNNING_NORMAL",
                (false, true) => "IDLE_CURTAILED",
                (false, false) => "IDLE_NORMAL",
            };
            return one(json!(state));
        }
        let wants_peak = self.reading.as_deref() == Some("PEAK");
        let power = match self.content {
            Content::Demand if wants_peak && window.end <= now => figure.peak.or(used),
            Content::Usage | Content::Demand if window.end <= now => used,
            Content::Usage | Content::Demand | Content::UsageForecast => figure.planned,
            Content::Baseline => figure.baseline,
            Content::Up => figure.up,
            Content::Down => figure.down,
            Content::OperatingState => None,
        };
        let quality = match (power, measured.map(|it| it.quality)) {
            (None, _) | (_, Some(Quality::Missing)) => "MISSING",
            (_, Some(Quality::Estimated)) => "ESTIMATED",
            _ => "OK",
        };
        let quality = json!({ "type": "DATA_QUALITY", "values": [quality] });
        let Some(power) = power else {
            return vec![quality];
        };
        let value = match self.units {
            Some("KWH") => power.over(span).kilowatt_hours(),
            _ => power.kilowatts(),
        };
        let mut payloads = one(json!(value));
        if matches!(self.content, Content::Usage | Content::Demand) {
            payloads.push(quality);
        }
        payloads
    }
}
