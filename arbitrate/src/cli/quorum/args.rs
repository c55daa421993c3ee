//! What `challenge` and `defend` take for several quorum devices.

use std::time::Duration;

use arbitrate::protocol::Weight;
use clap::Args;

use crate::cli::node::Node;

#[derive(Args, Debug)]
pub(crate) struct Quorum {
    /// More quorum devices: an odd number in all; owning is a majority of those named
    #[arg(value_name = "DEVICE", conflicts_with_all = ["legacy", "paths"])]
    pub(crate) more: Vec<String>,
    /// 0 to 10; each step below 10 delays the start of a challenge by one tick budget and margin (1 s for
    /// classic), so that of several challengers the heaviest wins; no weight beats a live owner
    #[arg(long, value_name = "N", default_value_t = Weight::MAX, conflicts_with = "legacy",
        value_parser = clap::value_parser!(u8).range(0..=i64::from(Weight::MAX)))]
    weight: u8,
}

impl Quorum {
    pub(crate) const fn is_several(&self) -> bool {
        !self.more.is_empty()
    }

    pub(crate) fn weight(&self) -> Weight {
        Weight::new(self.weight).unwrap_or(Weight::HEAVIEST)
    }

    /// How long the start of a challenge is delayed.
    pub(crate) fn delay(&self, node: &Node) -> Duration {
        self.weight().delay(&node.timing)
    }
}
