//! `palisade quorum`, as an operator types it, on an embedded disk.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

use std::process::{Command, Stdio};

use arbitrate::codec::block::{Access, BlockIo, Extent, Fua};
use arbitrate::codec::pr::{Aptpl, PrOut};
use arbitrate::device::sim::faults::{Effect, Filter, NewFault};
use arbitrate::device::sim::{CreateOptions, SimDevice};
use arbitrate::device::{Data, Request, ScsiDevice};
use arbitrate::key::Key;
use serde_json::Value;

struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    fn new(blocks: u64, block_size: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = CreateOptions { blocks, block_size, ..Default::default() };
        SimDevice::create(&dir.path().join("disk"), &options).unwrap();
        Self { dir }
    }

    fn spec(&self, initiator: &str) -> String {
        format!("sim:{}?as={initiator}", self.dir.path().join("disk").display())
    }

    /// Exit code, JSON.
    fn quorum(&self, args: &[&str]) -> (i32, Value) {
        let mut all = vec!["quorum", args[0]];
        let spec = self.spec("a");
        all.push(&spec);
        all.extend(&args[1..]);
        all.push("--json");
        let o = Command::new(env!("CARGO_BIN_EXE_palisade")).args(all).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(o.stdout).unwrap();
        let json = serde_json::from_str(&text).unwrap();
        (o.status.code().unwrap(), json)
    }

    fn answer(&self, args: &[&str]) -> (i32, String) {
        let (code, json) = self.quorum(args);
        (code, json["error"]["answer"].as_str().unwrap_or_default().to_owned())
    }

    fn send(&self, cdb: arbitrate::codec::Cdb, data: &[u8]) {
        let mut device = SimDevice::open(&self.spec("other")).unwrap();
        let deadline = arbitrate::clock::now() + std::time::Duration::from_secs(5);
        let done = device.execute(Request { cdb, data: Data::Out(data), deadline });
        assert!(done.sense.as_slice().is_empty(), "{done:?}");
    }

    fn write(&self, lba: u64, data: &[u8]) {
        let extent = Extent::new(lba, 1);
        self.send(BlockIo { access: Access::Write, extent, fua: Fua::Yes }.cdb(), data);
    }
}

#[test]
fn a_blank_disk_becomes_a_quorum_device_and_says_so() {
    for block_size in [512, 4096] {
        let disk = Disk::new(u64::from((16 << 20) / block_size), block_size);
        let (code, json) = disk.quorum(&["show"]);
        assert_eq!((code, &json["content"]["kind"]), (0, &Value::from("blank")));
        let (code, json) = disk.quorum(&["format", "--cluster", "prod", "--yes"]);
        assert_eq!((code, &json["outcome"]), (0, &Value::from("confirmed")), "{json}");
        let (code, json) = disk.quorum(&["show"]);
        assert_eq!((code, &json["content"]["cluster"]), (0, &Value::from("prod")));
        assert_eq!(json["content"]["uuid"].as_str().unwrap().len(), 36);
    }
}

#[test]
fn a_dry_run_and_a_question_nobody_answers_write_nothing() {
    let disk = Disk::new(32_768, 512);
    assert_eq!(disk.quorum(&["format", "--cluster", "prod", "--dry-run"]).0, 0);
    assert_eq!(disk.quorum(&["show"]).1["content"]["kind"], "blank");
    let (code, answer) = disk.answer(&["format", "--cluster", "prod"]);
    assert!(code == 1 && answer.contains("no terminal"), "{code}: {answer}");
    assert_eq!(disk.quorum(&["show"]).1["content"]["kind"], "blank");
}

#[test]
fn a_cluster_is_given_up_by_its_name_only() {
    let disk = Disk::new(32_768, 512);
    assert_eq!(disk.quorum(&["format", "--cluster", "prod", "--yes"]).0, 0);
    let first = disk.quorum(&["show"]).1["content"]["uuid"].clone();
    let (code, answer) = disk.answer(&["format", "--cluster", "prod", "--yes"]);
    assert!(code == 1 && answer.contains("quorum device of cluster 'prod'"), "{code}: {answer}");
    let (code, answer) = disk.answer(&["format", "--cluster", "new", "--replace", "test", "--yes"]);
    assert!(code == 1 && answer.contains("no quorum device of cluster 'test'"), "{code}: {answer}");
    assert_eq!(disk.quorum(&["show"]).1["content"]["uuid"], first);
    assert_eq!(disk.quorum(&["format", "--cluster", "new", "--replace", "prod", "--yes"]).0, 0);
    let (_, json) = disk.quorum(&["show"]);
    assert!(json["content"]["cluster"] == "new" && json["content"]["uuid"] != first, "{json}");
}

#[test]
fn a_filesystem_and_what_nobody_knows_are_refused() {
    let disk = Disk::new(32_768, 512);
    let mut block = [0; 512];
    block[56..58].copy_from_slice(&[0x53, 0xef]);
    disk.write(2, &block);
    let (code, answer) = disk.answer(&["format", "--cluster", "prod", "--yes"]);
    assert!(code == 1 && answer.contains("ext4") && answer.contains("byte 1080"), "{code}: {answer}");
    disk.write(2, &[0; 512]);
    disk.write(32_767, &[1; 512]);
    let (code, answer) = disk.answer(&["format", "--cluster", "prod", "--replace-unfinished", "--yes"]);
    assert!(code == 1 && answer.contains("does not know"), "{code}: {answer}");
    disk.write(32_767, &[0; 512]);
    assert_eq!(disk.quorum(&["format", "--cluster", "prod", "--yes"]).0, 0);
}

/// Without superblocks it is neither blank nor a quorum device.
#[test]
fn a_formatting_cut_short_is_taken_up_when_told() {
    let disk = Disk::new(32_768, 512);
    assert_eq!(disk.quorum(&["format", "--cluster", "prod", "--yes"]).0, 0);
    for lba in 8..24 {
        disk.write(lba, &[0; 512]);
    }
    assert_eq!(disk.quorum(&["show"]).1["content"]["kind"], "unfinished");
    let (code, answer) = disk.answer(&["format", "--cluster", "prod", "--yes"]);
    assert!(code == 1 && answer.contains("cut short"), "{code}: {answer}");
    assert_eq!(disk.quorum(&["format", "--cluster", "prod", "--replace-unfinished", "--yes"]).0, 0);
}

#[test]
fn a_disk_somebody_is_registered_on_is_left_alone() {
    let disk = Disk::new(32_768, 512);
    let out = PrOut::register(Key::default(), Key::from_u64(0x77), Aptpl::No);
    disk.send(out.basic_cdb(), &out.list.emit());
    let (code, answer) = disk.answer(&["format", "--cluster", "prod", "--yes"]);
    assert!(code == 1 && answer.contains("0000000000000077"), "{code}: {answer}");
    assert_eq!(disk.quorum(&["show"]).1["content"]["kind"], "blank");
}

#[test]
fn what_is_too_small_or_not_there_is_no_device() {
    let disk = Disk::new(1024, 512);
    let (code, answer) = disk.answer(&["show"]);
    assert!(code == 15 && answer.contains("1024 blocks"), "{code}: {answer}");
    std::fs::remove_file(disk.dir.path().join("disk")).unwrap();
    let (code, answer) = disk.answer(&["format", "--cluster", "prod", "--yes"]);
    assert!(code == 15 && !answer.is_empty(), "{code}: {answer}");
}

/// A target that loses the answer to a WRITE: whether it is formatted is not known, and not called done.
#[test]
fn an_unanswered_write_is_unknown() {
    let disk = Disk::new(32_768, 512);
    let filter = Filter { opcode: Some(0x2a), ..Filter::default() };
    let fault = NewFault { effect: Effect::DropAnswer, filter, times: Some(1), chance: None };
    SimDevice::inject(&disk.dir.path().join("disk"), fault).unwrap();
    let (code, answer) = disk.answer(&["format", "--cluster", "prod", "--yes", "--timeout-ms", "500"]);
    assert!(code == 3 && answer.contains("WRITE of units"), "{code}: {answer}");
}
