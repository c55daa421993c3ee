//! One word from each address of an identity that stands, so that no switch forgets its MAC.

use std::io;

use super::Failure;
use crate::host::Host;
use crate::identity::Identity;
use crate::plan;
use crate::refresh::round;
use crate::system::SystemError;
use crate::system::packet::PacketSocket;

/// Sends one frame from each address of `identity` that stands on `host`, from the MAC it is at; how many were
/// sent. What does not stand is not spoken for. When to call it is for [`crate::refresh::Refresh`] to say.
///
/// # Errors
/// [`Failure::Obstacle`] where the identity cannot stand here, [`Failure::System`] where a frame was not taken.
pub fn refresh(socket: &PacketSocket, host: &Host, identity: &Identity) -> Result<usize, Failure> {
    let plan = plan::take(host, identity)?;
    let mut voices: Vec<_> = plan.speakers.into_iter().map(|(v, _)| v).collect();
    voices.retain(|v| {
        let at = |l: &&crate::host::Link| l.index == v.link && l.mac == Some(v.mac);
        host.holding(v.ip).any(|h| h.link == v.link) && host.links.iter().any(|l| at(&l))
    });
    let failed = |e: io::Error| SystemError::Call { doing: "refreshing".into(), source: e };
    for (link, frame) in round(&voices) {
        socket.send(link, &frame).map_err(failed)?;
    }
    Ok(voices.len())
}
