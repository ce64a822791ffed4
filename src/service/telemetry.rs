//! The log of the service.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogConfig, LogFormat, LogLevel};

/// Begins to log to standard error. A second call changes nothing.
pub fn start_log(config: &LogConfig) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(config.level))
        .with_writer(std::io::stderr)
        .with_target(true);
    let begun = match config.format {
        LogFormat::Text => builder
            .with_ansi(std::io::stderr().is_terminal())
            .finish()
            .try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    if begun.is_err() {
        tracing::debug!("the log has already begun");
    }
}

/// Our own crates at the level asked for, all others at warnings: some of them would write
/// headers, and so tokens, at finer levels.
fn filter(level: LogLevel) -> EnvFilter {
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let others = if level == "error" { "error" } else { "warn" };
    let ours = ["evenload", "evenload_solver", "ocpi_client"].map(|name| format!("{name}={level}"));
    EnvFilter::new(format!("{others},{}", ours.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_crates_never_log_below_warnings() {
        let text = filter(LogLevel::Trace).to_string();
        assert!(text.contains("evenload=trace"), "{text}");
        assert!(text.contains("warn") && !text.contains(",trace"), "{text}");
    }
}
