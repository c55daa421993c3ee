//! A timing profile in a file: TOML, durations in milliseconds.
//!
//! Pure: text to a [`Timing`] that keeps the rules, or the reason why not.

use std::time::Duration;

use arbitrate::protocol::{Timing, TimingError, TimingSpec};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    tick_ms: u64,
    tick_budget_ms: u64,
    margin_ms: u64,
    window_ms: u64,
    watchdog_ms: Option<u64>,
}

/// Why a text is no timing profile.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    /// Not the five values, or not TOML.
    #[error(transparent)]
    Text(#[from] toml::de::Error),
    /// Values that break a rule.
    #[error(transparent)]
    Rule(#[from] TimingError),
}

/// Reads a profile.
pub(crate) fn parse(text: &str) -> Result<Timing, ProfileError> {
    let f: ProfileFile = toml::from_str(text)?;
    Ok(Timing::new(TimingSpec {
        tick: Duration::from_millis(f.tick_ms),
        tick_budget: Duration::from_millis(f.tick_budget_ms),
        margin: Duration::from_millis(f.margin_ms),
        window: Duration::from_millis(f.window_ms),
        watchdog: f.watchdog_ms.map(Duration::from_millis),
    })?)
}
