//! What passes between host and guest (the guest's side is `guest/agent`): bytes in, frames out, no I/O.

use anyhow::{Result, bail};

/// A number the host gave to a command.
pub(crate) type JobId = u64;

/// What the guest says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// It takes commands now.
    Ready,
    /// `pid` leads the job's process group.
    Started { id: JobId, pid: u32 },
    /// The job's first process has ended; 128 + signal where one ended it.
    Exited { id: JobId, status: i32, stdout: Vec<u8>, stderr: Vec<u8> },
}

/// The line that makes the guest run `command`. A NUL, which no command can hold, is refused.
pub(crate) fn encode(id: JobId, command: &str) -> Result<String> {
    if command.contains('\0') {
        bail!("NUL in command {command:?}");
    }
    Ok(format!("{id} {}\n", command.replace('\\', r"\\").replace('\n', r"\n")))
}

/// Cuts the stream into frames, however the bytes arrive.
#[derive(Default)]
pub(crate) struct Decoder {
    pending: Vec<u8>,
}

impl Decoder {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole frame. After an error the stream has lost its place and is of no more use.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>> {
        let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') else {
            return Ok(None);
        };
        let header = String::from_utf8_lossy(&self.pending[..end]).into_owned();
        let mut body = end + 1;
        let frame = match header.split(' ').collect::<Vec<_>>()[..] {
            ["ready", ..] => Frame::Ready,
            ["started", id, pid] => Frame::Started { id: id.parse()?, pid: pid.parse()? },
            ["exited", id, status, out, err] => {
                let (out, err): (usize, usize) = (out.parse()?, err.parse()?);
                let Some(output) = self.pending.get(body..body + out + err) else {
                    return Ok(None);
                };
                body += out + err;
                let (stdout, stderr) = output.split_at(out);
                let (stdout, stderr) = (stdout.to_vec(), stderr.to_vec());
                Frame::Exited { id: id.parse()?, status: status.parse()?, stdout, stderr }
            }
            _ => bail!("the guest said {header:?}"),
        };
        self.pending.drain(..body);
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_whole_however_the_bytes_are_cut() {
        let stream = b"ready 0 0\nstarted 7 123\nexited 7 0 4 3\n\x01\n\x00\xff\nexstarted 8 9\n";
        for size in 1..stream.len() {
            let mut decoder = Decoder::default();
            let mut frames = Vec::new();
            for piece in stream.chunks(size) {
                decoder.push(piece);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    frames.push(frame);
                }
            }
            let exited = Frame::Exited {
                id: 7,
                status: 0,
                stdout: b"\x01\n\x00\xff".to_vec(),
                stderr: b"\nex".to_vec(),
            };
            let started = |id, pid| Frame::Started { id, pid };
            assert_eq!(frames, [Frame::Ready, started(7, 123), exited, started(8, 9)], "pieces of {size}");
        }
    }

    #[test]
    fn a_garbled_header_is_an_error() {
        let mut decoder = Decoder::default();
        decoder.push(b"Kernel panic\n");
        assert!(decoder.next_frame().is_err());
    }

    #[test]
    fn a_command_becomes_one_line() {
        assert_eq!(encode(3, "printf 'a\\n'\ntrue").unwrap(), "3 printf 'a\\\\n'\\ntrue\n");
        assert!(encode(3, "a\0b").is_err());
    }
}
