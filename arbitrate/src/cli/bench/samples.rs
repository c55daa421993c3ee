//! Samples and what is said of them.

use std::time::Duration;

use serde_json::{Value, json};

/// The times of one part, sorted.
pub(super) struct Samples {
    pub(super) name: &'static str,
    /// What one sample is.
    pub(super) what: &'static str,
    sorted: Vec<Duration>,
}

impl Samples {
    /// None without a sample.
    pub(super) fn new(name: &'static str, what: &'static str, mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        (!times.is_empty()).then_some(Self { name, what, sorted: times })
    }

    /// The smallest sample that `percent` of all do not exceed (nearest rank).
    pub(super) fn percentile(&self, percent: u32) -> Duration {
        let n = self.sorted.len();
        let rank = (n * usize::try_from(percent).unwrap_or(100)).div_ceil(100).clamp(1, n);
        self.sorted.get(rank - 1).copied().unwrap_or_default()
    }

    pub(super) fn max(&self) -> Duration {
        self.sorted.last().copied().unwrap_or_default()
    }

    pub(super) fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The marks shown, with their names.
    pub(super) fn marks(&self) -> [(&'static str, Duration); 4] {
        [
            ("p50", self.percentile(50)),
            ("p90", self.percentile(90)),
            ("p99", self.percentile(99)),
            ("max", self.max()),
        ]
    }

    pub(super) fn row(&self) -> String {
        let marks: String = self.marks().iter().map(|(_, d)| format!("{:>12.1}", us(*d))).collect();
        format!("{:<10}{:>8}{marks}  {}", self.name, self.count(), self.what)
    }

    pub(super) fn json(&self) -> Value {
        let mut v = json!({ "name": self.name, "what": self.what, "count": self.count() });
        for (mark, d) in self.marks() {
            v[format!("{mark}_us")] = json!(us(d));
        }
        v
    }
}

pub(super) const HEADER: &str = "part         count      p50, us     p90, us     p99, us     max, us";

pub(super) fn us(d: Duration) -> f64 {
    d.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_by_nearest_rank() {
        let times = (1..=200u64).rev().map(Duration::from_micros).collect();
        let s = Samples::new("x", "y", times).unwrap();
        assert_eq!(s.marks().map(|(_, d)| d.as_micros()), [100, 180, 198, 200]);
        let one = Samples::new("x", "y", vec![Duration::from_micros(7)]).unwrap();
        assert_eq!(one.marks().map(|(_, d)| d.as_micros()), [7; 4]);
        assert!(Samples::new("x", "y", Vec::new()).is_none());
    }
}
