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
    };
    match (done, reply.medium) {
        (Ok(()), _) => reply,
        (Err(_), Medium::Write { .. }) => Reply::ended(Answer::WRITE_ERROR),
        (Err(_), _) => Reply::ended(Answer::UNRECOVERED_READ_ERROR),
    }
}
