//! The shared disks of a machine, and the map from nodes to device files.

use anyhow::{Context, Result, bail};

/// How the disks come about. One kernel serves and uses them; each node is an I_T nexus of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// No disks.
    Plain,
    /// LIO over iSCSI on the loopback interface, one session for each node. Everything works, PREEMPT AND ABORT
    /// included; a target reset is refused and drops the session, which returns; no bus or host reset.
    Iscsi {
        /// How many nodes: n1, n2, …
        nodes: u32,
        /// How many logical units each of them sees.
        luns: u32,
    },
    /// LIO over iSCSI with two target ports and a session to each for every node: two nexuses a node. A node's
    /// disks are its paths, in the order of the ports. In the guest, `path-down NODE PORT`, `path-up NODE PORT` and
    /// `multipath-map NAME DISK...`, which makes a dm-multipath device.
    Multipath {
        /// How many nodes: n1, n2, …
        nodes: u32,
    },
    /// LIO through tcm_loop. Quick, but PREEMPT AND ABORT deadlocks inside the kernel, for good: for deadlines.
    Loop {
        /// How many nodes: n1, n2, …
        nodes: u32,
        /// How many logical units each of them sees.
        luns: u32,
    },
    /// Disks without persistent reservations, seen by a single node n1; bus and host resets work.
    ScsiDebug {
        /// How many logical units.
        luns: u32,
    },
}

impl Layout {
    /// Three nodes on one logical unit over iSCSI.
    #[must_use]
    pub const fn iscsi() -> Self {
        Self::Iscsi { nodes: 3, luns: 1 }
    }

    /// Three nodes on one logical unit through tcm_loop.
    #[must_use]
    pub const fn tcm_loop() -> Self {
        Self::Loop { nodes: 3, luns: 1 }
    }

    /// One disk without reservations.
    #[must_use]
    pub const fn scsi_debug() -> Self {
        Self::ScsiDebug { luns: 1 }
    }

    /// The command that sets it up in the guest.
    pub(crate) fn command(self) -> Option<String> {
        let mebibytes = 64;
        let (name, nodes, luns) = match self {
            Self::Plain => return None,
            Self::Iscsi { nodes, luns } => ("iscsi", nodes, luns),
            Self::Multipath { nodes } => ("multipath", nodes, 1),
            Self::Loop { nodes, luns } => ("loop", nodes, luns),
            Self::ScsiDebug { luns } => ("scsi-debug", 1, luns),
        };
        Some(format!("/lab/layout-{name} {nodes} {luns} {mebibytes}"))
    }

    /// How many lines the map must have.
    pub(crate) fn disks(self) -> u32 {
        match self {
            Self::Plain => 0,
            Self::Iscsi { nodes, luns } | Self::Loop { nodes, luns } => nodes * luns,
            Self::Multipath { nodes } => nodes * 2,
            Self::ScsiDebug { luns } => luns,
        }
    }
}

/// What resets the machine when nobody feeds `/dev/watchdog`. It is armed by the first open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watchdog {
    /// The kernel's own timer. It also strikes when a machine frozen by SIGSTOP is thawed.
    Softdog {
        /// From the last feeding to the reset.
        margin_s: u32,
    },
    /// An emulated Intel 6300ESB card: works when the kernel no longer does. Its clock stands still while the
    /// machine is frozen.
    I6300esb {
        /// From the last feeding to the reset, in the card's two stages together.
        margin_s: u32,
    },
}

impl Watchdog {
    pub(crate) fn command(self) -> String {
        match self {
            Self::Softdog { margin_s } => format!("modprobe softdog soft_margin={margin_s}"),
            Self::I6300esb { margin_s } => format!("modprobe i6300esb heartbeat={margin_s}"),
        }
    }

    pub(crate) fn machine_arguments(self) -> &'static [&'static str] {
        match self {
            Self::Softdog { .. } => &[],
            Self::I6300esb { .. } => &["-device", "i6300esb", "-action", "watchdog=reset"],
        }
    }
}

/// A node's view of the shared storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// `n1`, `n2`, …
    pub name: String,
    /// The initiator port's name, as READ FULL STATUS shows it: an iSCSI name, or `naa.…`.
    pub initiator: String,
    /// In the order of their LUNs; the same index is the same logical unit on every node.
    pub disks: Vec<Disk>,
}

/// The two device files of a logical unit on one nexus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// `/dev/sda`
    pub block: String,
    /// `/dev/sg0`
    pub sg: String,
}

/// Reads the map a layout script prints: `nexus NODE INITIATOR LUN BLOCK SG` lines, in any order;
/// several of one node and LUN are its paths, in the order printed.
pub(crate) fn parse_nodes(text: &str) -> Result<Vec<Node>> {
    let mut lines = Vec::new();
    for (order, line) in text.lines().enumerate() {
        let ["nexus", node, initiator, lun, block, sg] = line.split_whitespace().collect::<Vec<_>>()[..]
        else {
            bail!("not a nexus: {line:?}");
        };
        let number: u32 =
            node.strip_prefix('n').and_then(|digits| digits.parse().ok()).context("node number")?;
        lines.push((number, lun.parse::<u32>().context("LUN")?, order, node, initiator, block, sg));
    }
    lines.sort_unstable();
    let mut nodes: Vec<Node> = Vec::new();
    for (_, _, _, name, initiator, block, sg) in lines {
        let disk = Disk { block: block.to_owned(), sg: sg.to_owned() };
        match nodes.last_mut() {
            Some(node) if node.name == name => node.disks.push(disk),
            _ => {
                nodes.push(Node { name: name.to_owned(), initiator: initiator.to_owned(), disks: vec![disk] })
            }
        }
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_is_sorted_by_node_and_lun() {
        let text = "nexus n10 iqn:n10 0 /dev/sdd /dev/sg3\nnexus n2 iqn:n2 1 /dev/sdb /dev/sg1\n\
                    nexus n2 iqn:n2 0 /dev/sdc /dev/sg2\n";
        let nodes = parse_nodes(text).unwrap();
        assert_eq!(nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["n2", "n10"]);
        assert_eq!(nodes[0].initiator, "iqn:n2");
        assert_eq!(nodes[0].disks[0].block, "/dev/sdc");
        assert_eq!(nodes[0].disks[1].sg, "/dev/sg1");
    }

    #[test]
    fn a_line_that_is_no_nexus_is_refused() {
        assert!(parse_nodes("nexus n1 iqn:n1 0 /dev/sda\n").is_err());
        assert!(parse_nodes("lab: gave up\n").is_err());
    }
}
