//! A real logical unit, through the Linux SCSI generic driver (SG_IO version 3).
//!
//! | module | is |
//! |---|---|
//! | [`path`] | which node to open for what the operator named |
//! | `ioctl` | the only unsafe code: SG_IO, SG_SCSI_RESET |
//! | [`pool`] | four threads a nexus, so that a command that never ends hangs nobody |
//!
//! The deadline is kept here, in user space. The kernel's own timeout stays long: when it expires the
//! kernel aborts the command and escalates to resets, which is not ours to cause.

mod ioctl;
pub mod path;
pub mod pool;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::open::OpenError;
use super::{
    Completion, Data, Delivery, Escalate, MAX_TRANSFER, Request, ResetError, ResetScope, ScsiDevice,
    TransportError,
};
use crate::clock::now;
use crate::codec::Status;
use crate::time::Instant;
use path::{Resolved, Via};
use pool::{Direction, Job, Pool, Raw, Transport};

/// The least timeout the kernel is given.
const KERNEL_TIMEOUT: Duration = Duration::from_secs(30);

/// An open SCSI device.
pub struct SgDevice {
    name: String,
    resolved: Resolved,
    node: Arc<SgNode>,
    pool: Pool<SgNode>,
}

/// The same nexus on the calling thread, which may be stuck for ever: for a crew.
struct Unguarded {
    name: String,
    resolved: Resolved,
    node: Arc<SgNode>,
    out: Box<[u8]>,
}

/// The open node, shared by the pool's threads.
struct SgNode {
    file: File,
}

impl Transport for SgNode {
    fn run(&self, job: &Job, buf: &mut [u8], sense: &mut [u8; 64]) -> Raw {
        match job {
            Job::Command { cdb, direction, len, timeout } => {
                let timeout = (*timeout).max(KERNEL_TIMEOUT);
                ioctl::sg_io(&self.file, cdb.as_bytes(), *direction, &mut buf[..*len], sense, timeout)
            }
            Job::Reset { scope, escalate } => Raw::errno(ioctl::sg_reset(&self.file, *scope, *escalate)),
        }
    }
}

impl SgDevice {
    /// Opens what the operator named: /dev/sgN, /dev/sdX or a link to one.
    ///
    /// # Errors
    /// [`OpenError`] says what the path is and what to name instead.
    pub fn open(name: &str) -> Result<Self, OpenError> {
        let resolved = path::resolve(Path::new(name), Path::new("/sys"), Path::new("/dev"))?;
        // Read-only and non-blocking: a read-write open of sdX makes udev probe it again. Root may
        // send every command all the same (CAP_SYS_RAWIO).
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&resolved.node)
            .map_err(|e| OpenError::of_io(&resolved.node, &e))?;
        let node = Arc::new(SgNode { file });
        let pool = Pool::new(&node).map_err(|e| OpenError::of_io(&resolved.node, &e))?;
        Ok(Self { name: name.to_owned(), resolved, node, pool })
    }

    /// Which driver the commands go through.
    #[must_use]
    pub const fn via(&self) -> Via {
        self.resolved.via
    }
}

impl ScsiDevice for SgDevice {
    fn name(&self) -> &str {
        &self.name
    }

    fn execute(&mut self, request: Request<'_>) -> Completion {
        self.pool.execute(request, completion)
    }

    fn reset(&mut self, scope: ResetScope, escalate: Escalate, deadline: Instant) -> Result<(), ResetError> {
        match self.pool.reset(scope, escalate, deadline) {
            None => Err(ResetError::Outstanding),
            Some(errno) => reset_end(errno),
        }
    }

    fn unguarded(&self) -> Vec<Box<dyn ScsiDevice>> {
        // One to lead besides those that may be stuck.
        let one = || {
            let (name, resolved, node) = (self.name.clone(), self.resolved.clone(), Arc::clone(&self.node));
            let out = vec![0; MAX_TRANSFER].into_boxed_slice();
            Box::new(Unguarded { name, resolved, node, out }) as Box<dyn ScsiDevice>
        };
        std::iter::repeat_with(one).take(pool::THREADS + 1).collect()
    }

    fn own_transport_id(&self) -> Option<Vec<u8>> {
        path::initiator_port(&self.resolved, Path::new("/sys")).map(|id| id.emit())
    }
}

impl ScsiDevice for Unguarded {
    fn name(&self) -> &str {
        &self.name
    }

    fn execute(&mut self, request: Request<'_>) -> Completion {
        let started = now();
        let (direction, data) = match request.data {
            Data::None => (Direction::None, &mut [][..]),
            Data::In(b) => (Direction::In, b),
            Data::Out(b) => {
                let Some(copy) = self.out.get_mut(..b.len()) else {
                    return Completion::unanswered(Delivery::NotSent(libc::E2BIG), Duration::ZERO);
                };
                copy.copy_from_slice(b);
                (Direction::Out, copy)
            }
        };
        let mut sense = [0; 64];
        let cdb = request.cdb;
        let len = data.len();
        let raw = ioctl::sg_io(&self.node.file, cdb.as_bytes(), direction, data, &mut sense, KERNEL_TIMEOUT);
        completion(&raw, &sense, len, now().since(started))
    }

    fn reset(&mut self, scope: ResetScope, escalate: Escalate, _: Instant) -> Result<(), ResetError> {
        reset_end(ioctl::sg_reset(&self.node.file, scope, escalate))
    }

    fn own_transport_id(&self) -> Option<Vec<u8>> {
        path::initiator_port(&self.resolved, Path::new("/sys")).map(|id| id.emit())
    }
}

fn reset_end(errno: i32) -> Result<(), ResetError> {
    match errno {
        0 => Ok(()),
        libc::EINVAL | libc::ENOTTY | libc::EOPNOTSUPP => Err(ResetError::Unsupported),
        errno => Err(ResetError::Failed(errno)),
    }
}

/// Linux host bytes that older kernels set beside a status the target really sent
/// (DID_TARGET_FAILURE, DID_NEXUS_FAILURE, DID_ALLOC_FAILURE, DID_MEDIUM_ERROR).
const HOST_BESIDE_STATUS: std::ops::RangeInclusive<u16> = 0x10..=0x13;
/// Linux driver byte of older kernels: there is sense data.
const DRIVER_SENSE: u16 = 0x08;

/// Keeps the four layers apart: errno, host and driver, status, sense.
fn delivery(raw: &Raw) -> Delivery {
    match raw.errno {
        0 => {}
        // Refused before anything was sent. Every other errno may follow a command that left.
        libc::EINVAL
        | libc::EPERM
        | libc::EACCES
        | libc::EBADF
        | libc::EFAULT
        | libc::ENOMEM
        | libc::ENOTTY
        | libc::EDOM
        | libc::E2BIG => return Delivery::NotSent(raw.errno),
        errno => return Delivery::Lost(TransportError { host: 0, driver: 0, errno }),
    }
    let answered = raw.host == 0 || (raw.status != 0 && HOST_BESIDE_STATUS.contains(&raw.host));
    if answered && (raw.driver & 0x0f == 0 || raw.driver & 0x0f == DRIVER_SENSE) {
        Delivery::Answered(Status(raw.status))
    } else {
        Delivery::Lost(TransportError { host: raw.host, driver: raw.driver, errno: 0 })
    }
}

fn completion(raw: &Raw, sense: &[u8; 64], len: usize, took: Duration) -> Completion {
    let most = u32::try_from(len).unwrap_or(u32::MAX);
    let residual = u32::try_from(raw.residual).unwrap_or(0).min(most);
    let sense = super::SenseBytes::new(&sense[..usize::from(raw.sense_len).min(64)]);
    Completion { delivery: delivery(raw), sense, residual, took }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(errno: i32, host: u16, driver: u16, status: u8) -> Raw {
        Raw { errno, host, driver, status, residual: 0, sense_len: 0 }
    }

    #[test]
    fn the_layers_are_kept_apart() {
        assert_eq!(delivery(&raw(0, 0, 0, 0)), Delivery::Answered(Status::GOOD));
        assert_eq!(delivery(&raw(0, 0, DRIVER_SENSE, 2)), Delivery::Answered(Status::CHECK_CONDITION));
        assert_eq!(delivery(&raw(libc::EPERM, 0, 0, 0)), Delivery::NotSent(libc::EPERM));
        for e in [libc::EINTR, libc::EIO, libc::ENODEV, libc::ENXIO] {
            assert!(matches!(delivery(&raw(e, 0, 0, 0)), Delivery::Lost(t) if t.errno == e), "errno {e}");
        }
    }

    #[test]
    fn a_host_error_is_never_a_status() {
        for host in 1..0x20u16 {
            assert!(matches!(delivery(&raw(0, host, 0, 0)), Delivery::Lost(_)), "GOOD beside host {host:#x}");
        }
        assert!(matches!(delivery(&raw(0, 1, 0, 0x18)), Delivery::Lost(_)), "DID_NO_CONNECT");
        assert_eq!(delivery(&raw(0, 0x11, 0, 0x18)), Delivery::Answered(Status::RESERVATION_CONFLICT));
        assert!(matches!(delivery(&raw(0, 0, 6, 0)), Delivery::Lost(_)), "DRIVER_TIMEOUT");
    }

    #[test]
    fn a_residual_that_cannot_be_is_clamped() {
        let mut r = raw(0, 0, 0, 0);
        r.residual = 100;
        assert_eq!(completion(&r, &[0; 64], 8, Duration::ZERO).residual, 8);
        r.residual = -1;
        assert_eq!(completion(&r, &[0; 64], 8, Duration::ZERO).residual, 0);
    }
}
