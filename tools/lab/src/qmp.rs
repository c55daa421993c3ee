//! QEMU's control channel: commands, and the events by which it says why a machine ended.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

pub(crate) struct Qmp {
    wire: UnixStream,
    replies: Receiver<Value>,
    events: Receiver<Value>,
    /// Events taken from the channel.
    seen: Vec<Value>,
}

impl Qmp {
    /// Takes over the wire of a QEMU just started.
    pub(crate) fn start(wire: UnixStream, timeout: Duration) -> Result<Self> {
        let reader = wire.try_clone()?;
        let (reply_to, replies) = channel();
        let (event_to, events) = channel();
        thread::Builder::new().name("lab-qmp".into()).spawn(move || pump(reader, &reply_to, &event_to))?;
        let mut qmp = Self { wire, replies, events, seen: Vec::new() };
        qmp.execute("qmp_capabilities", timeout)?;
        Ok(qmp)
    }

    /// Runs a command that takes no arguments.
    pub(crate) fn execute(&mut self, command: &str, timeout: Duration) -> Result<Value> {
        let line = format!("{}\n", json!({ "execute": command }));
        self.wire.write_all(line.as_bytes()).context("QEMU is gone")?;
        let reply = self.replies.recv_timeout(timeout).with_context(|| format!("no answer to {command}"))?;
        match reply.get("return") {
            Some(value) => Ok(value.clone()),
            None => bail!("{command}: {reply}"),
        }
    }

    /// Waits until QEMU closes the channel, as it does when it ends. False: it has not in that time.
    pub(crate) fn closed_within(&mut self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => self.seen.push(event),
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }

    /// Every event with that name so far.
    pub(crate) fn events(&mut self, name: &str) -> impl Iterator<Item = &Value> {
        self.seen.extend(self.events.try_iter());
        self.seen.iter().filter(move |event| event["event"] == name)
    }
}

/// Ends with the channel; what is not JSON is passed over (there is none).
fn pump(wire: UnixStream, replies: &Sender<Value>, events: &Sender<Value>) {
    let lines = BufReader::new(wire).lines().map_while(Result::ok);
    for message in lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok()) {
        let to = if message.get("event").is_some() {
            events
        } else if message.get("QMP").is_some() {
            continue;
        } else {
            replies
        };
        if to.send(message).is_err() {
            return;
        }
    }
}
