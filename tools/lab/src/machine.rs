//! One QEMU process: started, frozen, awaited, and ended by its own handle and no other way.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::host::Lab;
use crate::qmp::Qmp;
use crate::setup::{Clock, Setup};

/// QEMU answers its control channel at once, unless the host is very busy.
const CONTROL: Duration = Duration::from_secs(30);

/// No machine runs for so long, and nobody reads a console so old.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);

/// Why a machine ended, as seen from outside it.
#[derive(Debug)]
pub struct Exit {
    /// QEMU's own exit status.
    pub status: ExitStatus,
    /// QEMU's word for it: `guest-reset`, `guest-shutdown`, `guest-panic`, …
    pub reason: Option<String>,
    /// The watchdog card struck (a softdog is none).
    pub watchdog_card: bool,
    /// All that the guest's console said.
    pub console: String,
}

pub(crate) struct Machine {
    process: Process,
    qmp: Qmp,
    /// Holds the console's file and QEMU's complaints.
    folder: TempDir,
}

/// Ends when dropped.
struct Process(Child);

impl Machine {
    /// Starts QEMU; the stream is the guest's serial port, open from the start.
    pub(crate) fn start(lab: &Lab, setup: &Setup, initramfs: &Path) -> Result<(Self, UnixStream)> {
        let folder = own_folder(lab)?;
        let (agent, agent_there) = UnixStream::pair()?;
        let (qmp, qmp_there) = UnixStream::pair()?;
        let child = Command::new(&lab.qemu)
            // So that the paths in the arguments need no escaping.
            .current_dir(folder.path())
            .args(arguments(setup, memory_mib(initramfs)?))
            .arg("-kernel")
            .arg(lab.vmlinux())
            .arg("-initrd")
            .arg(initramfs)
            // Both wires are inherited as standard streams: they end with the process that holds them, on either
            // side, and there is no socket file to clean up or to find too long a name for.
            .stdin(OwnedFd::from(agent_there))
            .stdout(OwnedFd::from(qmp_there))
            .stderr(fs::File::create(folder.path().join("qemu.err"))?)
            .spawn()
            .with_context(|| format!("{}", lab.qemu.display()))?;
        let process = Process(child);
        let qmp = Qmp::start(qmp, CONTROL).with_context(|| said(folder.path()))?;
        Ok((Self { process, qmp, folder }, agent))
    }

    /// Stops the whole machine, its clock included, as a hypervisor's pause does.
    pub(crate) fn pause(&mut self) -> Result<()> {
        self.qmp.execute("stop", CONTROL).map(drop)
    }

    pub(crate) fn resume(&mut self) -> Result<()> {
        self.qmp.execute("cont", CONTROL).map(drop)
    }

    /// Signals the process, unless it has ended: its number may by now be another's.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<()> {
        let Process(child) = &mut self.process;
        if let Some(status) = child.try_wait()? {
            bail!("QEMU has ended: {status}");
        }
        Ok(kill(Pid::from_raw(i32::try_from(child.id())?), signal)?)
    }

    /// Waits for the machine's end.
    pub(crate) fn wait(&mut self, timeout: Duration) -> Result<Exit> {
        if !self.qmp.closed_within(timeout) {
            bail!("the machine still runs after {timeout:?}");
        }
        let status = self.process.0.wait()?;
        let reason = self.qmp.events("SHUTDOWN").last();
        let reason = reason.and_then(|event| event["data"]["reason"].as_str()).map(str::to_owned);
        let watchdog_card = self.qmp.events("WATCHDOG").next().is_some();
        Ok(Exit { status, reason, watchdog_card, console: self.console() })
    }

    /// Power loss.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.end()
    }

    pub(crate) fn console(&self) -> String {
        let bytes = fs::read(self.folder.path().join("console.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What can be told about a machine that does not do as it should.
    pub(crate) fn said(&self) -> String {
        said(self.folder.path())
    }
}

impl Process {
    /// Harmless where the process has ended already.
    fn end(&mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing could be done about a failure.
        let _ = self.end();
    }
}

fn arguments(setup: &Setup, memory_mib: u64) -> Vec<String> {
    let fixed = "-nodefaults -no-user-config -display none -M pc -accel tcg,tb-size=128 -no-reboot \
        -chardev file,id=console,path=console.log -serial chardev:console \
        -device virtio-serial-pci,max_ports=2 -chardev socket,id=agent,fd=0 -device virtserialport,chardev=agent,name=agent \
        -chardev socket,id=qmp,fd=1 -mon chardev=qmp,mode=control";
    let mut arguments: Vec<String> = fixed.split_whitespace().map(str::to_owned).collect();
    // A panic reboots, and a reboot ends QEMU. The kernel's self-tests of its crypto cost a second. Its test whether
    // the timer ticks is at the mercy of a busy host, and would leave the machine with a makeshift.
    let command_line = "console=ttyS0 quiet panic=-1 cryptomgr.notests no_timer_check";
    let variable =
        ["-m", &memory_mib.to_string(), "-smp", &setup.processors.to_string(), "-append", command_line]
            .map(str::to_owned);
    arguments.extend(variable);
    if setup.clock == Clock::Instructions {
        arguments.extend(["-icount", "shift=1,sleep=off"].map(str::to_owned));
    }
    if let Some(watchdog) = setup.watchdog {
        arguments.extend(watchdog.machine_arguments().iter().map(|argument| (*argument).to_owned()));
    }
    arguments
}

/// Unpacking needs the archive and its contents at once, and the disks live in memory too.
fn memory_mib(initramfs: &Path) -> Result<u64> {
    let image_mib = fs::metadata(initramfs)?.len() >> 20;
    Ok((5 * image_mib).max(256))
}

/// A folder that goes when dropped, unless consoles are to be kept.
fn own_folder(lab: &Lab) -> Result<TempDir> {
    let runs = lab.folder("run")?;
    sweep(&runs);
    let kept = std::env::var_os("PALISADE_LAB_KEEP").is_some();
    let prefix = if kept { "kept-" } else { "" };
    let mut folder =
        tempfile::Builder::new().prefix(&format!("{prefix}{}-", std::process::id())).tempdir_in(&runs)?;
    if kept {
        folder.disable_cleanup(true);
        eprintln!("lab: the console is kept in {}", folder.path().display());
    }
    Ok(folder)
}

/// Removes what killed processes left behind. Several may sweep at a time: who comes second finds nothing.
fn sweep(runs: &Path) {
    let Ok(entries) = fs::read_dir(runs) else { return };
    for entry in entries.flatten() {
        let age = entry.metadata().ok().and_then(|data| data.modified().ok()?.elapsed().ok());
        if age.is_some_and(|age| age > FORGOTTEN) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// QEMU's complaints and the end of the console.
fn said(folder: &Path) -> String {
    let text = |file| String::from_utf8_lossy(&fs::read(folder.join(file)).unwrap_or_default()).into_owned();
    let (console, complaints) = (text("console.log"), text("qemu.err"));
    let lines: Vec<_> = console.lines().collect();
    let last = lines[lines.len().saturating_sub(40)..].join("\n");
    format!("--- QEMU said\n{complaints}--- the console's end\n{last}")
}
