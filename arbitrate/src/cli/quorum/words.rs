//! What became of each device, and of the race as a whole, in words.

use arbitrate::key::ClusterId;
use arbitrate::protocol::{DefenceEnd, Standing};

use crate::cli::ends;
use crate::cli::exit::Exit;

/// One word a glance understands, and a sentence.
pub(super) fn standing(
    device: &str,
    cluster: ClusterId,
    s: &Standing,
    why: Option<&str>,
) -> (&'static str, String) {
    match s {
        Standing::Untried => ("untried", "nothing was sent that changes it".into()),
        Standing::Missing => ("missing", why.unwrap_or("it does not answer").to_owned()),
        Standing::Challenging => ("unknown", "its challenge was not decided".into()),
        Standing::Held => ("won", "its reservation is ours and is defended".into()),
        Standing::Lost(end) => ("lost", ends::not_won(device, cluster, end).answer),
        Standing::Failed(end) => {
            let f = ends::not_won(device, cluster, end);
            (if f.exit == Exit::Unknown { "unknown" } else { "failed" }, f.answer)
        }
        Standing::Ended(end) => (
            match end {
                DefenceEnd::Deposed { .. } => "lost",
                DefenceEnd::Released => "released",
                DefenceEnd::Expired { .. } | DefenceEnd::ReleaseUnproven => "unknown",
            },
            ends::defence(end, cluster),
        ),
    }
}

/// Whether a registration of ours may still stand on the device.
pub(super) fn leaves_a_doubt(device: &str, cluster: ClusterId, s: &Standing) -> bool {
    standing(device, cluster, s, None).0 == "unknown"
}
