//! Looking up on a real socket who answers for addresses.

use std::io;

use super::announce::received;
use crate::campaign::{Next, Voice};
use crate::lookup::{Answer, Lookup};
use crate::system::SystemError;
use crate::system::clock::now;
use crate::system::packet::{PacketSocket, room};

/// Asks for each of `voices`' addresses, from its link's MAC, without claiming it: half a second.
///
/// # Errors
/// [`SystemError::Call`] where a question could not be sent or the socket not be heard: then nothing is known.
pub fn lookup(
    socket: &PacketSocket,
    voices: impl IntoIterator<Item = Voice>,
) -> Result<Vec<(Voice, Vec<Answer>)>, SystemError> {
    let failed = |e: io::Error| SystemError::Call { doing: "asking who has the addresses".into(), source: e };
    let mut lookup = Lookup::new(voices);
    let began = now();
    let mut buf = room();
    loop {
        let at = now().saturating_sub(began);
        match lookup.next(at) {
            Next::Send(link, frame) => socket.send(link, &frame).map_err(failed)?,
            Next::Wait(until) => socket.wait(until.saturating_sub(at)).map_err(failed)?,
            Next::Done => return Ok(lookup.answers().map(|(v, a)| (v, a.to_vec())).collect()),
        }
        while let Some((link, len)) = socket.receive(&mut buf).map_err(failed)? {
            if let Some(frame) = received(&buf[..len.min(buf.len())]) {
                lookup.heard(link, frame, now().saturating_sub(began));
            }
        }
    }
}
