//! What is logged, and how.

use super::kind::Choice;
use super::reader::Reader;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// The least important lines that are still written, of our own code. Other crates' lines start
/// at warnings: some of them would write headers, and so tokens, at finer levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// What needs a person.
    Error,
    /// What may need a person.
    Warn,
    /// What happened.
    #[default]
    Info,
    /// Why it happened.
    Debug,
    /// Everything.
    Trace,
}

/// The section `[log]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogConfig {
    /// How a line looks.
    pub format: LogFormat,
    /// What is written.
    pub level: LogLevel,
}

impl LogConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        const FORMATS: Choice<LogFormat> =
            Choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]);
        const LEVELS: Choice<LogLevel> = Choice(&[
            ("error", LogLevel::Error),
            ("warn", LogLevel::Warn),
            ("info", LogLevel::Info),
            ("debug", LogLevel::Debug),
            ("trace", LogLevel::Trace),
        ]);
        let default = Self::default();
        Self {
            format: reader.get("log.format", &FORMATS, default.format),
            level: reader.get("log.level", &LEVELS, default.level),
        }
    }
}
