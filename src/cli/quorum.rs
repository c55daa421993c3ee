//! `palisade quorum`: quorum devices, formatted and shown.

use std::io::Read;
use std::time::Duration;

use arbitrate::codec::quorum::{ClusterUuid, Superblock};
use clap::{Args, Subcommand};
use palisade::quorum::content::Content;
use palisade::quorum::disk::{Disk, DiskError, Survey};
use palisade::quorum::formatting::{FormatError, Replace, admit, format, superblock};
use palisade::quorum::held;
use serde_json::{Value, json};

use super::output::{Done, Exit, Failure, Form, ask, finish, talk};

/// Quorum devices: format one, show what stands on one.
#[derive(Args)]
pub(crate) struct QuorumArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Make a blank disk the quorum device of a cluster
    ///
    /// Shows first who the disk is and what stands on it. Refuses a disk this host uses, one somebody is registered
    /// on, and whatever is neither blank nor ours.
    #[command(after_help = EXITS)]
    Format(FormatArgs),
    /// Show who a disk is and what stands on it; changes nothing
    #[command(after_help = EXITS)]
    Show(ShowArgs),
}

const EXITS: &str = "EXIT STATUS\n  0   done and read back, or shown\n  1   refused; nothing was written\n  2   the command line is wrong\n  3   something was written, and reading back did not prove it\n  15  the disk could not be opened or read; nothing was written\n\nEXAMPLES\n  palisade quorum format /dev/sdb --cluster prod\n  palisade quorum show sim:/tmp/disk?as=a --json";

#[derive(Args)]
struct Common {
    /// A whole SCSI disk, or sim:PATH?as=NAME
    device: String,
    /// Milliseconds for each command
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=600_000))]
    timeout_ms: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct ShowArgs {
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct FormatArgs {
    #[command(flatten)]
    common: Common,
    /// The cluster's name, 1 to 64 bytes
    #[arg(long)]
    cluster: String,
    /// The disk is the quorum device of the cluster of this name, which is given up
    #[arg(long, value_name = "NAME", conflicts_with = "replace_unfinished")]
    replace: Option<String>,
    /// The disk holds a formatting that was cut short
    #[arg(long)]
    replace_unfinished: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Look, say what would be done, write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(crate) fn run(args: &QuorumArgs) -> Exit {
    match &args.verb {
        Verb::Format(a) => finish(a.common.form(), "quorum format", run_format(a)),
        Verb::Show(a) => finish(a.common.form(), "quorum show", run_show(&a.common)),
    }
}

impl Common {
    const fn form(&self) -> Form {
        if self.json { Form::Json } else { Form::Text }
    }

    fn look(&self) -> Result<(Disk, Survey, Vec<String>), Failure> {
        let failed = |e: DiskError| {
            Failure {
            exit: Exit::NoDevice,
            tried: format!("looking at {}", self.device),
            answer: e.to_string(),
            next: "name a whole SCSI disk with persistent reservations (`arbitrate inspect` shows what it offers); nothing was written".into(),
        }
        };
        let timeout = Duration::from_millis(self.timeout_ms.into());
        let mut disk = Disk::open(&self.device, timeout).map_err(|e| failed(e.into()))?;
        let survey = disk.survey().map_err(failed)?;
        Ok((disk, survey, held::users(&self.device)))
    }
}

fn run_show(args: &Common) -> Result<Done, Failure> {
    let (_, survey, users) = args.look()?;
    let text = to_text(&args.device, &survey, &users);
    Ok(Done { exit: Exit::Confirmed, text, fields: to_json(&args.device, &survey, &users) })
}

fn run_format(args: &FormatArgs) -> Result<Done, Failure> {
    let device = &args.common.device;
    let tried = format!("formatting {device} for cluster '{}'", args.cluster);
    let refused = |answer: String, next: String| Failure {
        exit: Exit::Refused,
        tried: tried.clone(),
        answer: format!("{answer}; nothing was written"),
        next,
    };
    let (mut disk, survey, users) = args.common.look()?;
    if args.common.form() == Form::Text {
        talk(&to_text(device, &survey, &users));
    }
    admit(&survey, &users, &args.replaced()).map_err(|e| refused(e.to_string(), e.next()))?;
    let uuid = fresh_uuid()
        .map_err(|e| refused(format!("no random UUID to be had: {e}"), "see the error".into()))?;
    let new = superblock(&args.cluster, uuid).ok_or_else(|| {
        refused("a cluster's name has 1 to 64 bytes".into(), "choose another --cluster".into())
    })?;
    let mut fields = to_json(device, &survey, &users);
    if args.dry_run {
        fields["dry_run"] = json!(true);
        let text = format!("dry run: {device} would become the quorum device of cluster '{}'", args.cluster);
        return Ok(Done { exit: Exit::Confirmed, text, fields });
    }
    if !args.yes {
        ask(&format!("{tried}: what stands on its first 4 MiB is lost"))?;
    }
    format(&mut disk, survey.block_len, &new).map_err(|e| unproven(&tried, device, &e))?;
    fields["content"] = content(&Content::Quorum(new));
    let text = format!(
        "{device} is now the quorum device of cluster '{}', read back\n  uuid {}",
        new.name,
        hex(&new)
    );
    Ok(Done { exit: Exit::Confirmed, text, fields })
}

fn unproven(tried: &str, device: &str, e: &FormatError) -> Failure {
    Failure {
        exit: Exit::Unknown,
        tried: tried.to_owned(),
        answer: e.to_string(),
        next: format!(
            "look with `palisade quorum show {device}`; then repeat with --replace or --replace-unfinished, as it says"
        ),
    }
}

impl FormatArgs {
    fn replaced(&self) -> Replace {
        match &self.replace {
            Some(name) => Replace::Cluster(name.clone()),
            None if self.replace_unfinished => Replace::Unfinished,
            None => Replace::Nothing,
        }
    }
}

/// A random UUID (RFC 9562 5.4, version 4).
fn fresh_uuid() -> std::io::Result<ClusterUuid> {
    let mut b = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut b)?;
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    Ok(ClusterUuid(b))
}

fn to_text(device: &str, s: &Survey, users: &[String]) -> String {
    let what = match &s.content {
        Content::Blank => "blank".to_owned(),
        Content::Quorum(q) => format!("the quorum device of cluster '{}', uuid {}", q.name, hex(q)),
        Content::Unfinished => "part of a quorum device: a formatting that was cut short, or damage".into(),
        Content::Foreign(f) => f.to_string(),
    };
    let keys: Vec<_> = s.keys.iter().map(ToString::to_string).collect();
    let registered = match (keys.is_empty(), s.reserved) {
        (true, false) => "nobody, no reservation".to_owned(),
        (true, true) => "nobody, and yet a reservation is in force".to_owned(),
        (false, held) => format!("{}{}", keys.join(", "), if held { "; reserved" } else { "" }),
    };
    let used = if users.is_empty() { String::new() } else { format!("\n  in use     {}", users.join(", ")) };
    format!(
        "{device}\n  identity   {} ({})\n  size       {} MiB\n  registered {registered}\n  holds      {what}{used}",
        s.identity,
        s.product,
        s.bytes >> 20
    )
}

fn to_json(device: &str, s: &Survey, users: &[String]) -> Value {
    let keys: Vec<_> = s.keys.iter().map(ToString::to_string).collect();
    json!({
        "device": device, "identity": s.identity, "product": s.product, "bytes": s.bytes,
        "keys": keys, "reserved": s.reserved, "used_by": users, "content": content(&s.content),
    })
}

fn content(c: &Content) -> Value {
    match c {
        Content::Blank => json!({ "kind": "blank" }),
        Content::Quorum(q) => json!({ "kind": "quorum", "cluster": q.name.as_str(), "uuid": hex(q) }),
        Content::Unfinished => json!({ "kind": "unfinished" }),
        Content::Foreign(f) => json!({ "kind": "foreign", "known": f.known, "first_byte": f.first_byte }),
    }
}

/// The UUID as RFC 9562 writes it.
fn hex(s: &Superblock) -> String {
    let b: Vec<_> = s.uuid.0.iter().map(|v| format!("{v:02x}")).collect();
    [&b[..4], &b[4..6], &b[6..8], &b[8..10], &b[10..]].map(<[String]>::concat).join("-")
}
