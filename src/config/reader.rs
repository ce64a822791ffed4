//! Reads raw settings into typed ones; collects faults, and what `evenload check` shows.

use serde_json::Value as Json;
use toml::Value;

use super::fault::{ConfigFault, Origin};
use super::kind::Kind;
use super::layers::{Layers, Raw};

/// A setting as it is in effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its key, e.g. `server.listen`.
    pub key: &'static str,
    /// Its value; null = not set, secrets redacted.
    pub value: Json,
    /// Where it came from.
    pub origin: Origin,
}

/// Asks the layers key by key; what nobody asked for is unknown.
#[derive(Debug)]
pub(super) struct Reader {
    layers: Layers,
    settings: Vec<Setting>,
}

impl Reader {
    pub(super) fn new(layers: Layers) -> Self {
        Self {
            layers,
            settings: Vec::new(),
        }
    }

    /// A setting that has a default.
    pub(super) fn get<K: Kind>(
        &mut self,
        key: &'static str,
        kind: &K,
        default: K::Value,
    ) -> K::Value {
        let given = self.given(key, kind);
        let (value, origin) = given.unwrap_or((default, Origin::Default));
        self.show(key, kind.show(&value), origin);
        value
    }

    /// A setting that may be absent.
    pub(super) fn optional<K: Kind>(&mut self, key: &'static str, kind: &K) -> Option<K::Value> {
        let Some((value, origin)) = self.given(key, kind) else {
            self.show(key, Json::Null, Origin::Default);
            return None;
        };
        self.show(key, kind.show(&value), origin);
        Some(value)
    }

    /// Where the value in effect of a setting came from.
    pub(super) fn origin(&self, key: &str) -> Origin {
        let found = self.settings.iter().find(|setting| setting.key == key);
        found.map_or(Origin::Default, |setting| setting.origin.clone())
    }

    /// Records a fault of a setting's value in effect.
    pub(super) fn fault(&mut self, key: &str, detail: String) {
        let origin = self.origin(key);
        self.layers.fault(key, &origin, detail);
    }

    /// All faults, those of unknown keys included, and the settings in effect.
    pub(super) fn finish(mut self) -> (Vec<ConfigFault>, Vec<Setting>) {
        for (key, raw) in std::mem::take(&mut self.layers.values) {
            let detail = unknown(&key, &self.settings);
            self.layers.fault(&key, &raw.origin, detail);
        }
        let mut faults = self.layers.faults;
        faults.sort_by(|a, b| a.key.cmp(&b.key));
        (faults, self.settings)
    }

    fn given<K: Kind>(&mut self, key: &'static str, kind: &K) -> Option<(K::Value, Origin)> {
        let Raw { value, origin } = self.layers.values.remove(key)?;
        if let (Origin::Environment(_), Some("")) = (&origin, value.as_str()) {
            return None;
        }
        let read = match (&origin, value.as_str()) {
            (Origin::File(_), _) | (_, None) => kind.read_toml(&value),
            (_, Some(text)) => kind.read_text(text),
        };
        if let Some(read) = read {
            return Some((read, origin));
        }
        let found = kind.refused(&text_of(&value));
        let detail = format!("{found}; allowed: {}", kind.allowed());
        self.layers.fault(key, &origin, detail);
        None
    }

    fn show(&mut self, key: &'static str, value: Json, origin: Origin) {
        self.settings.push(Setting { key, value, origin });
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Table(_) => "a table".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        other => other.to_string(),
    }
}

/// Names what is known near an unknown key; not its value, which may be a misplaced secret.
fn unknown(key: &str, settings: &[Setting]) -> String {
    let known = settings
        .iter()
        .filter_map(|setting| setting.key.split_once('.'));
    let section = key.split_once('.').map_or(key, |(section, _)| section);
    let keys: Vec<&str> = known
        .clone()
        .filter(|(of, _)| *of == section)
        .map(|(_, key)| key)
        .collect();
    if !keys.is_empty() {
        return format!(
            "is not known; in [{section}] there are: {}",
            keys.join(", ")
        );
    }
    let mut sections: Vec<&str> = known.map(|(section, _)| section).collect();
    sections.dedup();
    format!("is not known; the sections are: {}", sections.join(", "))
}
