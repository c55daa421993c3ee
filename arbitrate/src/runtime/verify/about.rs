//! Why each check matters, and what to do where it does not pass.

use super::Verdict;

/// What there is to say of a check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct About {
    /// Its name.
    pub id: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub next: &'static str,
}

const DONT_USE: &str = "do not rely on this array for fencing; ask its vendor, look for newer firmware";

/// Every check, in their order.
pub const ABOUT: &[About] = &[
    row(
        "identity",
        "two names of one disk are only two paths if the disk says the same of itself over both",
        "name two paths of the same logical unit",
    ),
    row(
        "nexuses",
        "registrations are counted per nexus: with one nexus nothing about a second can be learned",
        "name paths through two initiators (two hosts), or at least two target ports",
    ),
    row(
        "read-keys",
        "ownership is what READ KEYS shows: it must be one truth over every path",
        "look whether the array's controllers share their reservations (active/active setting)",
    ),
    row(
        "full-status",
        "it tells which host a leftover key belongs to",
        "leftovers are then known by this host's records alone",
    ),
    row(
        "capabilities",
        "type 5 and survival of power loss are what fencing builds on",
        "without APTPL a power cycle of the array removes all fencing: see docs/arbitration.md",
    ),
    row(
        "allocation",
        "other tools ask with little room; an error there looks like a dead disk",
        "mind other tools on this array",
    ),
    row(
        "latency",
        "a tick that does not fit its budget costs the lease",
        "use a slower timing profile, or find what delays the path",
    ),
    row(
        "registrations",
        "a path without a registration of its own loses its writes when it is used",
        DONT_USE,
    ),
    row("wrong-keys", "the key is the compare in compare-and-swap: without it two nodes can win", DONT_USE),
    row(
        "generation",
        "observers tell from it that registrations changed between two reads",
        "harmless for this program, which looks for a fall only",
    ),
    row(
        "full-status-two",
        "it tells whose a registration is, and which nexus holds",
        "use another means to tell leftovers apart",
    ),
    row("short-list", "a key that did not fit must never look like one that is gone", DONT_USE),
    row("type-1", "write fencing by the holder alone", "this program does not use it"),
    row("type-3", "access fencing by the holder alone", "this program does not use it"),
    row("type-5", "THE fence: nobody but registrants may write", DONT_USE),
    row(
        "type-6",
        "the fence for those who cannot accept stale reads (--exclusive-access)",
        "do not use --exclusive-access on this array",
    ),
    row("type-7", "used by other cluster software", "this program does not use it"),
    row("type-8", "used by other cluster software", "this program does not use it"),
    row(
        "no-reservation",
        "registrations without a reservation protect nothing: a disk in that state is not fenced",
        "nothing",
    ),
    row("release", "only its holder may give a reservation up", DONT_USE),
    row(
        "holder-leaves",
        "a clean leave must leave no reservation behind",
        "after a clean leave look with `arbitrate inspect`",
    ),
    row("preempt", "defence and fencing are PREEMPTs: key gone, reservation taken, writes refused", DONT_USE),
    row("preempt-registrant", "GOOD is not victory: the holder must be read back", DONT_USE),
    row(
        "preempt-abort",
        "a write under way when its sender is fenced must not reach the disk afterwards",
        "set drain = \"reset\" so that a LOGICAL UNIT RESET follows each fence, or use another array",
    ),
    row("clear", "leftovers are removed with it", "remove leftovers one by one"),
    row("lun-reset", "hosts reset disks when they boot or time out: that must fence nobody in", DONT_USE),
    row(
        "attentions",
        "who is told of a change acts at once; who is not finds out at its next read",
        "nothing for this program, which reads every tick; other tools may rely on being told",
    ),
    row(
        "aptpl",
        "fencing must survive a power cycle of the array",
        "after a power cycle treat every disk as unfenced",
    ),
    row(
        "power-loss",
        "what a check cannot bring about, it cannot promise",
        "register with --aptpl and reserve, power-cycle the array or fail its controller over, and look with `arbitrate inspect`",
    ),
    row(
        "cleanup",
        "nothing of a test may stay behind",
        "look with `arbitrate full-status`; take the keys that begin with 56455249 off with `arbitrate clear`; restore the blocks named from a backup",
    ),
];

const fn row(id: &'static str, why: &'static str, next: &'static str) -> About {
    About { id, why, next }
}

impl About {
    /// What to do, by how the check ended: a warning is no reason not to use an array.
    #[must_use]
    pub fn advice(&self, verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Warn if self.next == DONT_USE => {
                "take note of what was found; it is no reason not to use it"
            }
            _ => self.next,
        }
    }
}

/// What there is to say of a check by its name.
#[must_use]
pub fn about(id: &str) -> Option<&'static About> {
    ABOUT.iter().find(|a| a.id == id)
}
