//! A name's change on real sockets: the update, then the queries that read it back.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use crate::dns::{
    self, Answer, Change, Event, Goal, Key, Move, Reply, Request, Shown, Talk, Verdict, judge, read,
};
use crate::identity::name::Naming;
use crate::system::clock::{now, unix_s};
use crate::system::{SystemError, secret};

/// The longest DNS message.
const LONGEST: usize = 65_535;

/// A name's change, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// What came of it.
    pub verdict: Verdict,
    /// What reading back showed.
    pub shown: Shown,
    /// From the first message to the last answer.
    pub took: Duration,
}

/// Reads `naming`'s key.
///
/// # Errors
/// [`SystemError::Call`]: the file cannot be read, may be read by others, or holds no key.
pub fn load_key(naming: &Naming) -> Result<Key, SystemError> {
    let text = secret::read(&naming.key_file)?;
    Key::parse(&text).map_err(|e| SystemError::Call {
        doing: format!("reading the key file {}", naming.key_file.display()),
        source: io::Error::other(e.to_string()),
    })
}

/// Makes `naming`'s name lead to `addresses`, or away from them, and reads it back. Never fails: what is not proven is
/// [`Verdict::Unknown`]. Takes 5 s at the most, where the server is silent.
#[must_use]
pub fn rename(naming: &Naming, key: &Key, addresses: impl IntoIterator<Item = IpAddr>, goal: Goal) -> Named {
    let began = now();
    let change = Change::new(naming, addresses, goal);
    let server = naming.server;
    let made = dns::update(&change, key, id(), unix_s());
    let update = made.and_then(|request| exchange(server, key, &request));
    let shown = match &update {
        // A server that does not know the key cannot sign what it shows: nothing would be learnt.
        Ok(a) if a.trust == dns::Trust::Unproven && a.code != hickory_proto::op::ResponseCode::NoError => {
            Shown::Nothing("it was not asked for".into())
        }
        _ => change
            .families()
            .map(|family| {
                dns::query(&change.name, family, key, id(), unix_s())
                    .and_then(|request| exchange(server, key, &request))
                    .map_or_else(Shown::Nothing, Shown::from_answer)
            })
            .reduce(Shown::and)
            .unwrap_or_else(|| Shown::Addresses(Vec::new())),
    };
    let verdict = judge(&change, update.as_ref().map_err(String::as_str), &shown);
    Named { verdict, shown, took: now().saturating_sub(began) }
}

/// Sends a request until it is answered or [`Talk`] gives up; the reason in words.
fn exchange(server: SocketAddr, key: &Key, request: &Request) -> Result<Answer, String> {
    let (mut talk, mut step) = Talk::begin(request.bytes.len());
    let mut socket = None;
    let mut why = String::new();
    loop {
        let end = match step {
            Move::Datagram(patience) => datagram(&mut socket, server, key, request, now() + patience),
            Move::Stream(patience) => stream(server, key, request, now() + patience),
            Move::GiveUp => return Err(format!("{server}: {why}")),
        };
        let event = match end {
            Ok(Reply::Answer(a)) => return Ok(a),
            Ok(Reply::Cut) => Event::Cut,
            Ok(Reply::Noise(what)) => {
                why = format!("what came back is no answer: {what}");
                Event::Nothing
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                why = "no answer in time".into();
                Event::Nothing
            }
            Err(e) => {
                why = e.to_string();
                Event::Nothing
            }
        };
        step = talk.next(event);
    }
}

/// A datagram, and the first that answers it before `deadline`. The socket is kept: a late answer to the first copy
/// of a request answers the second too.
fn datagram(
    kept: &mut Option<UdpSocket>,
    server: SocketAddr,
    key: &Key,
    request: &Request,
    deadline: Duration,
) -> io::Result<Reply> {
    let socket = match kept {
        Some(socket) => socket,
        None => {
            let any: IpAddr = match server {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let socket = UdpSocket::bind((any, 0))?;
            // Connected: the kernel drops what others send, and tells of a closed port.
            socket.connect(server)?;
            kept.insert(socket)
        }
    };
    socket.send(&request.bytes)?;
    let mut room = vec![0; LONGEST];
    loop {
        socket.set_read_timeout(Some(left(deadline)?))?;
        let len = socket.recv(&mut room)?;
        match read(request, key, room.get(..len).unwrap_or_default(), unix_s()) {
            Reply::Noise(_) => {}
            reply => return Ok(reply),
        }
    }
}

/// The same by a connection of its own (RFC 7766).
fn stream(server: SocketAddr, key: &Key, request: &Request, deadline: Duration) -> io::Result<Reply> {
    let mut stream = TcpStream::connect_timeout(&server, left(deadline)?)?;
    stream.set_nodelay(true)?;
    // Length and message in one segment (RFC 7766 section 8).
    let len = u16::try_from(request.bytes.len()).map_err(io::Error::other)?;
    let framed = [&len.to_be_bytes()[..], &request.bytes].concat();
    stream.set_write_timeout(Some(left(deadline)?))?;
    stream.write_all(&framed)?;
    let mut len = [0; 2];
    fill(&mut stream, &mut len, deadline)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(len))];
    fill(&mut stream, &mut answer, deadline)?;
    Ok(read(request, key, &answer, unix_s()))
}

/// Reads until `room` is full; a server that sends a byte a second gets no more time for it.
fn fill(stream: &mut TcpStream, mut room: &mut [u8], deadline: Duration) -> io::Result<()> {
    while !room.is_empty() {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(room)? {
            0 => return Err(io::Error::other("the server closed the connection without an answer")),
            n => room = room.get_mut(n..).unwrap_or_default(),
        }
    }
    Ok(())
}

fn left(deadline: Duration) -> io::Result<Duration> {
    match deadline.saturating_sub(now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

/// A message's number that others cannot guess: the hasher is seeded by the kernel, and anew for each.
fn id() -> u16 {
    let [a, b, ..] = RandomState::new().build_hasher().finish().to_le_bytes();
    u16::from_le_bytes([a, b])
}
