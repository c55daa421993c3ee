//! A watch on real sockets: hears, looks, sends, puts back.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::Failure;
use super::announce::received;
use crate::host::Host;
use crate::identity::{Address, Identity};
use crate::plan::{self, Speaker, Step};
use crate::system::SystemError;
use crate::system::clock::now;
use crate::system::filter;
use crate::system::keeper::Keeper;
use crate::system::monitor::Monitor;
use crate::system::netlink::Netlink;
use crate::system::packet::{PacketSocket, room};
use crate::watch::{Action, Event, Next, Report, Rules, Watch};

/// Looked at again by then although nothing was heard: a belt beside the kernel's messages.
const LOOK: Duration = Duration::from_secs(30);
/// After a look that failed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Frames taken before something else gets its turn.
const FRAMES: u32 = 256;

/// What a watch tells upward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// What the watch found, or did.
    Of(Report),
    /// The kernel's messages were lost or not understood; the host was looked at instead.
    Lost(String),
    /// The host could not be looked at; tried again in a second.
    Blind(String),
    /// A frame could not be sent, and why; told once until one is sent on that link again.
    Unsent(String, String),
}

/// How a watch came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop. The identity stands as it stood.
    Stopped,
    /// At its beginning nothing of the identity stood here.
    NotHere,
}

/// Watches over `identity` until `stop` is readable, telling every piece of news.
///
/// # Errors
/// [`Failure::System`] where the sockets cannot be had, or fail for good.
pub fn watch(
    identity: &Identity,
    rules: Rules,
    stop: BorrowedFd<'_>,
    tell: &mut dyn FnMut(&News),
) -> Result<Ended, Failure> {
    let socket = PacketSocket::open()?;
    let ours: Vec<_> = identity.addresses().iter().map(Address::ip).collect();
    // Too many for a filter of their own: then everything of both protocols is heard, which is slower.
    if let Some(program) = filter::concerning(&ours) {
        socket.narrow(&program)?;
    }
    socket.listen()?;
    // Before the first look: what changes in between is told.
    let monitor = Monitor::open()?;
    let keeper = Keeper::open()?;
    let mut netlink = Netlink::open()?;
    let mut watch = Watch::new(identity, rules);
    watch.handle(Event::Seen(netlink.sight()?), now());
    if watch.nothing_here() {
        return Ok(Ended::NotHere);
    }
    let mut run = Run {
        identity,
        socket,
        monitor,
        keeper,
        netlink,
        watch,
        tell,
        look: now() + LOOK,
        unsent: Vec::new(),
    };
    run.until(stop).map(|()| Ended::Stopped)
}

struct Run<'a> {
    identity: &'a Identity,
    socket: PacketSocket,
    monitor: Monitor,
    keeper: Keeper,
    netlink: Netlink,
    watch: Watch,
    tell: &'a mut dyn FnMut(&News),
    look: Duration,
    /// Links on which the last frame could not be sent.
    unsent: Vec<crate::frame::LinkIndex>,
}

impl Run<'_> {
    fn until(&mut self, stop: BorrowedFd<'_>) -> Result<(), Failure> {
        loop {
            if self.look <= now() {
                self.look();
            }
            match self.watch.next(now()) {
                Next::Do(action) => self.perform(action),
                Next::Wait(until) => {
                    let for_ = until.min(self.look).saturating_sub(now());
                    if self.wait(stop, for_)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Waits for whatever comes first and takes it; whether it is the end.
    fn wait(&mut self, stop: BorrowedFd<'_>, d: Duration) -> Result<bool, Failure> {
        use std::os::fd::AsFd;
        let mut fds = [stop, self.socket.as_fd(), self.monitor.as_fd(), self.keeper.as_fd()]
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match ppoll(&mut fds, Some(TimeSpec::from_duration(d)), None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(SystemError::Call { doing: "watching".into(), source: e.into() }.into()),
        }
        let [stopped, frames, changes, orders] = fds.map(|f| f.any().unwrap_or(true));
        if stopped {
            return Ok(true);
        }
        if orders {
            self.orders();
        }
        // What became of links comes first: it says whose frames are heard.
        if changes {
            self.changes()?;
        }
        if frames {
            self.frames()?;
        }
        Ok(false)
    }

    /// What is to be released goes by itself from here on; only then is the release told to go on.
    fn orders(&mut self) {
        if let Some(order) = self.keeper.order() {
            for address in &order.addresses {
                self.watch.handle(Event::Released(address.clone()), now());
            }
            order.obeyed();
        }
    }

    fn changes(&mut self) -> Result<(), Failure> {
        let notice = self.monitor.take()?;
        if let Some(why) = notice.lost {
            (self.tell)(&News::Lost(why));
        }
        if notice.look {
            self.look();
        }
        for link in notice.failovers {
            self.watch.handle(Event::Failover(link), now());
        }
        Ok(())
    }

    fn look(&mut self) {
        match self.netlink.sight() {
            Ok(sight) => {
                self.watch.handle(Event::Seen(sight), now());
                self.look = now() + LOOK;
            }
            Err(e) => {
                (self.tell)(&News::Blind(e.to_string()));
                self.look = now() + LOOK_AGAIN;
            }
        }
    }

    fn frames(&mut self) -> Result<(), Failure> {
        let mut buf = room();
        for _ in 0..FRAMES {
            match self.socket.receive(&mut buf) {
                Ok(None) => break,
                Ok(Some((link, len))) => {
                    if let Some(frame) = received(&buf[..len.min(buf.len())]) {
                        self.watch.handle(Event::Frame(link, frame), now());
                    }
                }
                // A link went down or away: the monitor tells the rest.
                Err(e) if matches!(e.raw_os_error(), Some(libc::ENETDOWN | libc::ENODEV | libc::ENXIO)) => {}
                Err(e) => {
                    return Err(SystemError::Call { doing: "hearing other hosts".into(), source: e }.into());
                }
            }
        }
        Ok(())
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Report(report) => (self.tell)(&News::Of(report)),
            Action::Send(link, frame) => match self.socket.send(link, &frame) {
                Ok(()) => self.unsent.retain(|l| *l != link),
                Err(e) => {
                    if !self.unsent.contains(&link) {
                        self.unsent.push(link);
                        let name = self.watch.name(link).to_owned();
                        (self.tell)(&News::Unsent(name, e.to_string()));
                    }
                }
            },
            Action::Announce(addresses) => {
                let speakers = match self.netlink.host() {
                    Ok(host) => speakers(&host, self.identity, &addresses),
                    Err(e) => {
                        (self.tell)(&News::Blind(e.to_string()));
                        Vec::new()
                    }
                };
                self.watch.handle(Event::Speakers(speakers), now());
            }
            Action::Restore(address) => {
                let end = restore(&mut self.netlink, self.identity, &address);
                self.watch.handle(Event::Restored(address, end), now());
                // What stands is what a look shows, not what was acknowledged.
                self.look();
            }
        }
    }
}

/// Whom each address asks. One that cannot speak now is left out: the next look tells why.
fn speakers(host: &Host, identity: &Identity, addresses: &[Address]) -> Vec<Speaker> {
    let plans = addresses.iter().filter_map(|a| plan::take(host, &identity.alone(a)).ok());
    // An address speaks although a route of it is missing.
    plans.filter(|p| p.steps.iter().all(is_route)).flat_map(|p| p.speakers).collect()
}

/// One of ours comes, or goes to come anew. Not one that replaces another's: that is for a take.
fn is_route(step: &Step) -> bool {
    matches!(step, Step::AddRoute(_) | Step::RemoveRoute(_))
}

/// Puts an address back as `take` would have put it.
fn restore(netlink: &mut Netlink, identity: &Identity, address: &Address) -> Result<(), String> {
    let host = netlink.host().map_err(|e| e.to_string())?;
    let plan = plan::take(&host, &identity.alone(address)).map_err(|e| e.to_string())?;
    // The kernel takes the routes that prefer an address along with it; what removes these is recorded since the take.
    // More than that would have to be recorded first, so that it can be undone: not for a watch to rebuild.
    let rebuilt = |s: &Step| matches!(s, Step::Add { .. } | Step::Remove { .. }) || is_route(s);
    if !plan.steps.iter().all(rebuilt) {
        return Err("more than the address is missing; `netident take` rebuilds it".into());
    }
    let ends = netlink.change(&plan.steps).map_err(|e| e.to_string())?;
    let refused = ends.into_iter().find_map(Result::err);
    refused.map_or(Ok(()), |e: io::Error| Err(e.to_string()))
}
