//! Ears and mouths of the tests: raw frames in a host of the network.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use netident::frame::LinkIndex;
use netident::system::packet::{PacketSocket, room};

use super::Net;

/// How long an event is waited for before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A frame that reached a host, by which link.
pub(crate) type Heard = (LinkIndex, Vec<u8>);

/// Hears ARP and neighbour discovery in a host; ends with its network.
pub(crate) struct Ear {
    heard: Receiver<Heard>,
}

impl Ear {
    pub(crate) fn open(net: &Net, host: &str) -> Self {
        Self { heard: act(net, host, |_, _| Reaction::Silence) }
    }

    /// The next frame that `wanted` says yes to.
    pub(crate) fn next(&self, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let (_, frame) = self.heard.recv_timeout(left).unwrap_or_else(|_| panic!("never heard"));
            if wanted(&frame) {
                return frame;
            }
        }
    }

    /// All that was heard by now.
    pub(crate) fn all(&self) -> Vec<Vec<u8>> {
        self.heard.try_iter().map(|(_, frame)| frame).collect()
    }
}

/// What an actor does about a frame.
pub(crate) enum Reaction {
    Silence,
    Say(Vec<u8>),
}

/// Somebody in a host who hears every frame and may answer: `react` is given the frame and its number, from 1.
pub(crate) fn act(
    net: &Net,
    host: &str,
    react: impl Fn(&[u8], usize) -> Reaction + Send + 'static,
) -> Receiver<Heard> {
    let (tell, heard) = channel();
    let (ready, is_ready) = channel();
    let path = format!("/run/netns/{}", net.host(host));
    std::thread::spawn(move || {
        nix::sched::setns(std::fs::File::open(path).unwrap(), nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        let socket = PacketSocket::open().unwrap();
        socket.listen().unwrap();
        ready.send(()).unwrap();
        let (mut buf, mut number) = (room(), 0);
        loop {
            socket.wait(PATIENCE).unwrap();
            while let Some((link, len)) = socket.receive(&mut buf).unwrap() {
                let frame = buf[..len.min(buf.len())].to_vec();
                number += 1;
                if let Reaction::Say(answer) = react(&frame, number) {
                    socket.send(link, &answer).unwrap();
                }
                if tell.send((link, frame)).is_err() {
                    return;
                }
            }
        }
    });
    is_ready.recv().unwrap();
    heard
}

/// A MAC's bytes.
pub(crate) fn bytes(mac: &str) -> [u8; 6] {
    let all: Vec<u8> = mac.split(':').map(|b| u8::from_str_radix(b, 16).unwrap()).collect();
    all.try_into().unwrap()
}
