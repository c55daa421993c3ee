//! What a take promises to somebody who outlives it, and where it may be stopped.

use super::ledger::LedgerError;
use crate::plan::{Step, TakePlan};
use crate::system::signals::Caught;

/// Where a take has got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The promise is kept; nothing is changed yet.
    Promised,
    /// That many steps are done.
    Steps(usize),
    /// It is announced, and the neighbours have answered or been given up.
    Announced,
    /// It is read back; the promise is to be kept as fulfilled.
    ReadBack,
    /// All is done.
    Stands,
}

/// Keeps what undoes a take, beginning before its first change.
pub trait Keep {
    /// Nothing is changed yet; all of `plan.undo` may be needed from now on.
    ///
    /// # Errors
    /// [`LedgerError`]: then nothing must be changed.
    fn promise(&mut self, plan: &TakePlan) -> Result<(), LedgerError>;

    /// The identity stands, read back.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn stands(&mut self) -> Result<(), LedgerError>;

    /// What was promised is undone, read back.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn undone(&mut self) -> Result<(), LedgerError>;

    /// What undoes the changes made when the identity was taken.
    fn recorded(&self) -> Vec<Step> {
        Vec::new()
    }

    /// The identity is gone, read back.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn released(&mut self) -> Result<(), LedgerError>;

    /// A moment has passed. A signal that is returned ends the take, which is rolled back.
    fn passed(&mut self, _: Moment) -> Option<Caught> {
        None
    }

    /// Whether each step is sent by itself, so that a moment passes after each: slower, for tests.
    fn one_by_one(&self) -> bool {
        false
    }
}

/// Keeps nothing: for a caller that outlives what it takes, or keeps the plan itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unkept;

impl Keep for Unkept {
    fn promise(&mut self, _: &TakePlan) -> Result<(), LedgerError> {
        Ok(())
    }

    fn stands(&mut self) -> Result<(), LedgerError> {
        Ok(())
    }

    fn undone(&mut self) -> Result<(), LedgerError> {
        Ok(())
    }

    fn released(&mut self) -> Result<(), LedgerError> {
        Ok(())
    }
}
