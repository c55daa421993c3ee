//! One command's hold on one device: opened, identified, watched.

use std::time::Duration;

use arbitrate::device::ScsiDevice;
use arbitrate::device::open::{OpenError, open};
use arbitrate::runtime::executor::{Executor, Observer, Sent};
use arbitrate::runtime::identify::{self, Identity, Known, identify};
use arbitrate::runtime::pacer::Pacer;

use super::exit::Exit;
use super::output::{Failure, Output};
use super::{recording, words};

/// How long a command of a one-shot verb may take.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

/// What every command is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) out: Output,
    pub(crate) timeout: Option<Duration>,
}

impl Options {
    pub(crate) fn command_timeout(self) -> Duration {
        self.timeout.unwrap_or(DEFAULT_TIMEOUT)
    }
}

/// Opens the device named on the command line.
pub(crate) fn device(spec: &str) -> Result<Box<dyn ScsiDevice>, Failure> {
    open(spec).map(recording::wrap).map_err(|e| {
        let next = match e {
            OpenError::Sim(_) => "name it sim:PATH?as=NAME[&port=N]; `arbitrate sim create PATH` makes one",
            _ => "name /dev/sgN, /dev/sdX or a link to one; `lsblk -S` lists the SCSI disks",
        };
        Failure::new(Exit::File, format!("opening {spec}"), e.to_string(), next)
    })
}

/// Who the device says it is.
pub(crate) fn identity(
    spec: &str,
    on: &mut Executor<'_>,
    timeout: Duration,
    pacer: &mut dyn Pacer,
) -> Result<Identity, Failure> {
    identify(on, timeout, pacer).map_err(|e| {
        let (exit, answer) = words::class(&e.class, false);
        Failure::new(exit, format!("identifying {spec} ({})", e.command), answer, exit.row().next)
    })
}

/// What a registration has to know of the device's reservations. Where the target does not say whether it
/// keeps them, nothing is registered.
pub(crate) fn reservations(
    spec: &str,
    on: &mut Executor<'_>,
    timeout: Duration,
    pacer: &mut dyn Pacer,
) -> Result<Known, Failure> {
    identify::reservations(on, timeout, pacer).map_err(|class| {
        let (exit, answer) = words::class(&class, false);
        Failure::new(
            exit,
            format!("asking {spec} whether it keeps registrations through power loss (REPORT CAPABILITIES)"),
            format!(
                "{answer}; nothing was registered: a registration that does not ask for it takes it from all"
            ),
            exit.row().next,
        )
    })
}

/// Shows each command on stderr where --verbose asks for it.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) out: Output,
    pub(crate) device: String,
}

impl Observer for Talk {
    fn sent(&mut self, s: &Sent) {
        if self.out.verbose {
            self.out.talk(&words::sent(&self.device, s));
        }
    }
}
