//! The host's end of the wire: hands commands to the guest and each answer to whoever asked. One thread owns the
//! reading side; its end, which comes when QEMU ends, ends all waiting.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result};

use crate::wire::{Decoder, Frame, JobId, encode};

/// Who waits for which job. `None` once the wire is closed: nobody may wait any more.
type Waiting = Arc<Mutex<Option<HashMap<JobId, Sender<Frame>>>>>;

pub(crate) struct Agent {
    wire: Mutex<UnixStream>,
    waiting: Waiting,
    next: AtomicU64,
}

/// The frame [`Frame::Ready`] is waited for under this number, which no job gets.
const READY: JobId = 0;

impl Agent {
    /// Takes over the wire. The receiver gets one frame when the guest is ready.
    pub(crate) fn start(wire: UnixStream) -> Result<(Self, Receiver<Frame>)> {
        let (ready, is_ready) = channel();
        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::from([(READY, ready)]))));
        let reader = wire.try_clone()?;
        let shared = Arc::clone(&waiting);
        thread::Builder::new().name("lab-agent".into()).spawn(move || {
            if let Err(error) = pump(reader, &shared) {
                eprintln!("lab: agent: {error:#}");
            }
            // Dropping the senders wakes everyone who waits.
            *locked(&shared) = None;
        })?;
        Ok((Self { wire: Mutex::new(wire), waiting, next: AtomicU64::new(READY + 1) }, is_ready))
    }

    /// Sends a command. Its frames arrive at the receiver; a receiver cut off means that the guest is gone.
    pub(crate) fn send(&self, command: &str) -> Result<(JobId, Receiver<Frame>)> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let line = encode(id, command)?;
        let (sender, receiver) = channel();
        locked(&self.waiting).as_mut().context("the guest is gone")?.insert(id, sender);
        locked(&self.wire).write_all(line.as_bytes()).context("the guest is gone")?;
        Ok((id, receiver))
    }
}

fn pump(mut wire: UnixStream, waiting: &Waiting) -> Result<()> {
    let mut decoder = Decoder::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        // A QEMU that was killed may leave a reset connection instead of an end of file: the same to us.
        let Ok(length @ 1..) = wire.read(&mut buffer) else { return Ok(()) };
        decoder.push(&buffer[..length]);
        while let Some(frame) = decoder.next_frame()? {
            deliver(frame, waiting);
        }
    }
}

fn deliver(frame: Frame, waiting: &Waiting) {
    let mut waiting = locked(waiting);
    let Some(waiting) = waiting.as_mut() else { return };
    // The last frame of a job takes its sender along. Nobody listening any more is no error.
    let _ = match frame {
        Frame::Ready => waiting.remove(&READY).map(|to| to.send(frame)),
        Frame::Started { id, .. } => waiting.get(&id).map(|to| to.send(frame)),
        Frame::Exited { id, .. } => waiting.remove(&id).map(|to| to.send(frame)),
    };
}

/// A thread that panicked while it held the lock has left nothing half done here.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
