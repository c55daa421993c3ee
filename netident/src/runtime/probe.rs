//! Probing on a real socket.

use std::io;
use std::net::IpAddr;

use super::announce::received;
use crate::campaign::{Next, Voice};
use crate::probe::{Found, Pace, Prober};
use crate::system::SystemError;
use crate::system::clock::now;
use crate::system::packet::{PacketSocket, room};

/// Asks whether each of `voices`' addresses is free, from its link's MAC, without claiming it.
///
/// # Errors
/// [`SystemError::Call`] where a probe could not be sent or the socket not be heard: then nothing is known.
pub fn probe(
    socket: &PacketSocket,
    voices: impl IntoIterator<Item = Voice>,
    pace: Pace,
) -> Result<Vec<(IpAddr, Found)>, SystemError> {
    let failed = |e: io::Error| SystemError::Call { doing: "probing".into(), source: e };
    let mut prober = Prober::new(voices, pace);
    let began = now();
    let mut buf = room();
    loop {
        let at = now().saturating_sub(began);
        match prober.next(at) {
            Next::Send(link, frame) => socket.send(link, &frame).map_err(failed)?,
            Next::Wait(until) => socket.wait(until.saturating_sub(at)).map_err(failed)?,
            Next::Done => return Ok(prober.found().collect()),
        }
        while let Some((link, len)) = socket.receive(&mut buf).map_err(failed)? {
            if let Some(frame) = received(&buf[..len.min(buf.len())]) {
                prober.heard(link, frame);
            }
        }
    }
}
