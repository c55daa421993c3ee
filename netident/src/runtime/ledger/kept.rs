//! One identity's part of the ledger, while it is taken or released.

use super::record::{hand_over, has, split};
use super::{Ledger, LedgerError, Record};
use crate::identity::Identity;
use crate::plan::{Step, TakePlan};
use crate::runtime::{Keep, Moment};
use crate::system::signals::{Caught, Hold};

/// Keeps an identity's promises in the ledger; a signal that is held back ends a take.
#[derive(Debug)]
pub struct Kept<'l> {
    ledger: &'l mut Ledger,
    identity: &'l Identity,
    hold: Option<&'l Hold>,
}

impl<'l> Kept<'l> {
    /// Of `identity`, in `ledger`.
    #[must_use]
    pub const fn new(ledger: &'l mut Ledger, identity: &'l Identity, hold: Option<&'l Hold>) -> Self {
        Self { ledger, identity, hold }
    }

    /// The identity's record, last in the ledger; made, or gathered from all that concern it.
    fn record(&mut self) -> &mut Record {
        let mut mine = Record::new(self.identity);
        let (concerned, mut others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.ledger.records).into_iter().partition(|r| r.concerns(self.identity));
        for record in concerned {
            mine.absorb(record);
        }
        others.push(mine);
        self.ledger.records = others;
        let last = self.ledger.records.len() - 1;
        &mut self.ledger.records[last]
    }

    /// The others' records.
    fn others(&self) -> Vec<Record> {
        self.ledger.records.iter().filter(|r| !r.concerns(self.identity)).cloned().collect()
    }

    fn save(&mut self) -> Result<(), LedgerError> {
        self.ledger.records.retain(|r| !r.is_void());
        self.ledger.save()
    }
}

impl Keep for Kept<'_> {
    fn promise(&mut self, plan: &TakePlan) -> Result<(), LedgerError> {
        let others = self.others();
        let macs = plan.steps.iter().filter(|s| matches!(s, Step::Mac { .. }));
        if let Some(other) = macs.flat_map(|s| others.iter().find(|r| r.rests_on(s))).next() {
            return Err(LedgerError::MacOfAnother { name: other.name() });
        }
        self.record().promise(&plan.undo, &plan.needs);
        self.save()
    }

    fn stands(&mut self) -> Result<(), LedgerError> {
        self.record().fulfil();
        self.save()
    }

    fn undone(&mut self) -> Result<(), LedgerError> {
        self.record().forget_pending();
        self.save()
    }

    /// Nothing where the record speaks of more than is released: the rest still rests on it.
    fn recorded(&self) -> Vec<Step> {
        let others = self.others();
        let mine = self.ledger.records.iter().filter(|r| r.concerns(self.identity));
        let whole = mine.filter(|r| r.is_part_of(self.identity));
        whole.flat_map(|r| split(&[r.pending.clone(), r.undo.clone()].concat(), &others).1).collect()
    }

    fn released(&mut self) -> Result<(), LedgerError> {
        if !self.ledger.records.iter().any(|r| r.concerns(self.identity)) {
            return Ok(());
        }
        let (gone, mut left): (Vec<_>, Vec<_>) = std::mem::take(&mut self.ledger.records)
            .into_iter()
            .partition(|r| r.concerns(self.identity) && r.is_part_of(self.identity));
        for record in &mut left {
            record.addresses.retain(|a| !has(self.identity, a));
        }
        for record in gone {
            let waiting = split(&[record.pending, record.undo].concat(), &left).0;
            hand_over(waiting, &mut left);
        }
        self.ledger.records = left;
        self.save()
    }

    fn passed(&mut self, _: Moment) -> Option<Caught> {
        self.hold?.caught()
    }
}
