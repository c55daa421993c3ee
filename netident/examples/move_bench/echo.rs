//! The client: an echo request each half millisecond, and when each answer came.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::net::{CLIENT, Net};

const EVERY: Duration = Duration::from_micros(500);

/// Echoes to one address while it is wanted.
pub(crate) struct Echo {
    on: Arc<AtomicBool>,
    answers: Receiver<Instant>,
}

impl Echo {
    pub(crate) fn start(net: &Arc<Net>, to: IpAddr) -> Self {
        let (on, (tell, answers)) = (Arc::new(AtomicBool::new(false)), channel());
        let (ready, is_ready) = channel();
        let (theirs, net) = (on.clone(), net.clone());
        std::thread::spawn(move || {
            net.enter(CLIENT);
            let socket = match to {
                IpAddr::V4(_) => Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)),
                IpAddr::V6(_) => Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)),
            }
            .unwrap();
            socket.connect(&SocketAddr::new(to, 0).into()).unwrap();
            let receiving = socket.try_clone().unwrap();
            std::thread::spawn(move || receive(&receiving, to, &tell));
            ready.send(()).unwrap();
            send(&socket, to, &theirs);
        });
        is_ready.recv().unwrap();
        Self { on, answers }
    }

    pub(crate) fn turn(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }

    /// The first answer that comes after `since`, within `patience` of now.
    pub(crate) fn first_after(&self, since: Instant, patience: Duration) -> Option<Duration> {
        let end = Instant::now() + patience;
        loop {
            let at = self.answers.recv_timeout(end.saturating_duration_since(Instant::now())).ok()?;
            if at > since {
                return Some(at - since);
            }
        }
    }
}

fn send(socket: &Socket, to: IpAddr, on: &AtomicBool) {
    let request: [u8; 16] = match to {
        // Type, code, checksum over the rest, which is nothing but zeros.
        IpAddr::V4(_) => [8, 0, 0xf7, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        IpAddr::V6(_) => [128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    };
    let mut due = Instant::now();
    loop {
        due += EVERY;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if on.load(Ordering::Relaxed) {
            // Unreachable is what is measured.
            let _ = socket.send(&request);
        } else {
            due = Instant::now();
        }
    }
}

fn receive(socket: &Socket, to: IpAddr, tell: &Sender<Instant>) {
    let mut room = [0; 256];
    // IPv4 comes with its header.
    let (kind, answer) = if to.is_ipv4() { (20, 0) } else { (0, 129) };
    loop {
        let Ok(len) = Read::read(&mut &*socket, &mut room) else { continue };
        let at = Instant::now();
        if len > kind && room[kind] == answer && tell.send(at).is_err() {
            return;
        }
    }
}
