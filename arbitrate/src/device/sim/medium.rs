//! The blocks: what the unit decided to read or write is carried out here.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::answer::Answer;
use super::file::BLOCKS_AT;
use super::reply::{Medium, Reply};

/// Carries out what `reply` intends. A file that fails is a medium that fails: MEDIUM ERROR.
pub(super) fn carry_out(file: &File, reply: Reply, data_out: &[u8], data_in: &mut [u8]) -> Reply {
    let done = match reply.medium {
        Medium::None => return reply,
        Medium::Read { offset } => file.read_exact_at(&mut data_in[..reply.moved], BLOCKS_AT + offset),
        Medium::Write { offset } => file.write_all_at(&data_out[..reply.moved], BLOCKS_AT + offset),
        Medium::CompareAndWrite { offset } => return compare_and_write(file, reply, data_out, offset),
    };
    match (done, reply.medium) {
        (Ok(()), _) => reply,
        (Err(_), Medium::Write { .. }) => Reply::ended(Answer::WRITE_ERROR),
        (Err(_), _) => Reply::ended(Answer::UNRECOVERED_READ_ERROR),
    }
}

/// One command is executed at a time (the file is locked), so nobody writes in between.
fn compare_and_write(file: &File, reply: Reply, data_out: &[u8], offset: u64) -> Reply {
    let (expected, new) = data_out[..reply.moved].split_at(reply.moved / 2);
    let mut found = vec![0; expected.len()];
    if file.read_exact_at(&mut found, BLOCKS_AT + offset).is_err() {
        return Reply::ended(Answer::UNRECOVERED_READ_ERROR);
    }
    match found.iter().zip(expected).position(|(f, e)| f != e) {
        Some(at) => {
            let information = u32::try_from(at).ok();
            Reply { answer: Answer::MISCOMPARE, medium: Medium::None, information, ..reply }
        }
        None if file.write_all_at(new, BLOCKS_AT + offset).is_err() => Reply::ended(Answer::WRITE_ERROR),
        None => reply,
    }
}
