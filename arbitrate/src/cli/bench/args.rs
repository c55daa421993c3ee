//! What `bench` is told.

use std::path::PathBuf;

use clap::Args;

#[derive(Args, Debug)]
#[command(
    after_help = "Without --yes only READ KEYS and a tick are measured: nothing on the device changes. With it, a challenge \
and a fence are measured as well, on a device on which nobody is registered; it is left as it was found.\n\n\
EXAMPLES\n  arbitrate bench /dev/sdb\n  arbitrate bench /dev/sdb --victim /dev/sdc --yes --plot bench.svg\n  \
arbitrate bench 'sim:/tmp/disk?as=a' --yes"
)]
pub(crate) struct Bench {
    /// The device
    pub(crate) device: String,
    /// How often each part is measured; challenges a hundredth as often, 3 at least (each waits its window)
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) count: u32,
    /// Another path to the same disk, from another initiator port, to be fenced; a sim: device needs none
    #[arg(long, value_name = "DEVICE")]
    pub(crate) victim: Option<String>,
    /// Measure what changes the reservation too: REGISTER, RESERVE, PREEMPT AND ABORT
    #[arg(long)]
    pub(crate) yes: bool,
    /// Draw the percentiles into this SVG file
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
}
