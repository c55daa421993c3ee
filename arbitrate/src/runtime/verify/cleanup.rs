//! The end of a destructive run: nothing of it stays.

use super::registering::WERO;
use super::side::Fate;
use super::{Area, Bench, Found, fail, pass};
use crate::codec::pr::{Aptpl, PrOut};
use crate::key::Key;

const NONE: Key = Key::from_u64(0);

impl Bench<'_> {
    /// Takes every key of this run off, then writes the saved blocks back; all read back.
    pub(super) fn clean_up(&mut self, area: Area, saved: &[u8]) -> Found {
        let mut wrong = Vec::new();
        if let Err(e) = self.take_off().or_else(|_| self.clear_own()) {
            wrong.push(format!("registrations: {e}"));
        }
        if let Err(e) = self.expect_no_holder() {
            wrong.push(e);
        }
        match self.a.write(area.lba, saved, area.block_size) {
            Fate::Good => match self.a.read(area.lba, area.blocks, area.block_size) {
                Ok(now) if now == saved => {}
                Ok(_) => wrong.push("the saved blocks were written back, and read back otherwise".into()),
                Err(e) => wrong.push(e),
            },
            other => wrong.push(format!("writing the saved blocks back ended {}", other.words())),
        }
        if wrong.is_empty() {
            return pass("nothing of this run is registered; the blocks hold what they held (read back)");
        }
        fail(format!(
            "{}; blocks {} to {}",
            wrong.join("; "),
            area.lba,
            area.lba + u64::from(area.blocks) - 1
        ))
    }

    /// What neither nexus can take off itself (a nexus that is gone) goes by CLEAR, if nobody else's key
    /// is there.
    fn clear_own(&mut self) -> Result<(), String> {
        let (_, keys) = self.a.keys()?;
        if let Some(other) = keys.iter().find(|k| !Self::ours(**k)) {
            return Err(format!("key {other} is somebody else's: nothing was cleared"));
        }
        let key = self.fresh();
        match self.a.out(&PrOut::register_and_ignore(key, Aptpl::No)) {
            Fate::Good => {}
            other => return Err(format!("REGISTER AND IGNORE EXISTING KEY ended {}", other.words())),
        }
        let _ = self.a.out(&PrOut::clear(key));
        let (_, keys) = self.a.keys()?;
        if keys.contains(&key) {
            // CLEAR did nothing: at least this one goes.
            let _ = self.a.out(&PrOut::release(key, WERO));
            let _ = self.a.out(&PrOut::register(key, NONE, Aptpl::No));
        }
        let (_, left) = self.a.keys()?;
        if left.is_empty() { Ok(()) } else { Err(format!("left registered: {left:?}")) }
    }
}
