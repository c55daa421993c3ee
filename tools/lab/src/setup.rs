//! What a machine shall be: its disks, its watchdog, and which of our programs it carries.

use std::path::PathBuf;

use crate::layout::{Layout, Watchdog};

/// The wish for a machine; [`crate::Lab::boot`] fulfils it.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(crate) layout: Layout,
    pub(crate) watchdog: Option<Watchdog>,
    /// (file here, absolute path there)
    pub(crate) files: Vec<(PathBuf, String)>,
    pub(crate) processors: u32,
    pub(crate) clock: Clock,
}

/// What the guest's time is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The host's time: what runs slowly here takes long there.
    Host,
    /// Two nanoseconds for each instruction executed, idle time skipped: a measurement comes out the same on
    /// a busy host.
    Instructions,
}

impl Setup {
    /// A machine with these disks, one processor and no watchdog.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self { layout, watchdog: None, files: Vec::new(), processors: 1, clock: Clock::Host }
    }

    /// Adds a watchdog: `/dev/watchdog`.
    #[must_use]
    pub fn watchdog(mut self, watchdog: Watchdog) -> Self {
        self.watchdog = Some(watchdog);
        self
    }

    /// Puts a program of the host in the guest's `/bin`, under its own name, with the libraries it loads and
    /// without its debug information.
    #[must_use]
    pub fn program(self, file: impl Into<PathBuf>) -> Self {
        let file = file.into();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.file(file, format!("/bin/{name}"))
    }

    /// Puts a file of the host at an absolute path of the guest. One that is executable gets the libraries it
    /// loads as well.
    #[must_use]
    pub fn file(mut self, here: impl Into<PathBuf>, there: impl Into<String>) -> Self {
        self.files.push((here.into(), there.into()));
        self
    }

    /// What time is made of there.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Emulated processors. More than one is slower on a small host; it is for what needs true concurrency.
    #[must_use]
    pub fn processors(mut self, number: u32) -> Self {
        self.processors = number;
        self
    }
}
