//! Legacy mode: challenge and defence by SPC-2 RESERVE(6) and resets (design section 6).
//!
//! For disks without persistent reservations. Nothing is written on the disk that says who holds it, and
//! nothing can be read back: RESERVE(6) itself, which is GOOD for the holder and on a free disk and
//! RESERVATION CONFLICT for everybody else, is the only witness.
//!
//! # Why at most one lease is valid
//! A lease is counted from the issue of the RESERVE(6) that gave it, and lasts `window − margin`. It is
//! given in two cases only.
//!
//! 1. *An owner renews.* Its last lease is still valid, so less than a window has passed since the RESERVE
//!    before. Nobody else can have got a lease in between, because of case 2; and nobody had one, because
//!    this node had it.
//! 2. *A challenger has held for a window.* The first RESERVE that succeeded ended at `t`; since then one
//!    succeeded in every tick, and none met a unit attention. Every reset, power loss and loss of a nexus is
//!    told to the nexus by a unit attention, so the reservation was this nexus's all the time from `t` on
//!    and no other node's RESERVE succeeded after `t`. Every other lease was therefore issued before `t` and
//!    is over at `t + window − margin`; this one begins at `t + window` at the earliest.
//!
//! (That leases are counted from the issue and not from the answer is then not what safety hangs on: a
//! window of slack lies between. It is kept all the same; the slack is for what nobody thought of.)
//!
//! A second challenger's reset may open the way for anybody at any moment; case 2 does not mind when or how
//! often. It needs no belief in why a RESERVE succeeded.
//!
//! # Why a live owner is not robbed
//! The challenger's reset takes the reservation and tells the owner so. The owner reserves again with its
//! next tick, at the latest with the one after, `2·tick + tick_budget` after its last lease began. The
//! challenger reserves no earlier than `window ≥ 2·tick + tick_budget + margin` after it saw the reset
//! done, and meets the conflict. If a unit attention comes in place of that RESERVE, another challenger
//! has reset meanwhile: the owner gets a whole window again. So it does if no answer comes: it may have
//! been that unit attention.
//!
//! # What may come late
//! - A *RESET* whose outcome is Unknown may be executed later: that is what a second challenger's reset is.
//! - A *RESERVE* whose outcome is Unknown may be executed after its node gave up: the nexus is then holder
//!   without a node that believes it. That harms nobody's lease (the lease is counted from an issue that
//!   is long past, and its GOOD is never heard), but the disk seems taken until somebody challenges. The
//!   ends say so ([`Stray`]).
//! - A *RELEASE* whose outcome is Unknown may take the reservation from a later life on the same nexus,
//!   without a unit attention. Whoever reserves next is a challenger that holds a window first, so that the
//!   life that was robbed meets a conflict in its next tick; that is why a hold must have a RESERVE in
//!   *every* tick and begins anew where one is missing. Nobody here sends RELEASE but for a clean end.
//! - *BUSY* and every refusal mean: not executed. They confirm nothing and change nothing.
//!
//! # What is only hoped for
//! That a unit attention reaches the program. A kernel that uses the disk at the same nexus takes it for
//! itself. One attention lost in a challenge costs nothing (the window and the hold each make up for the
//! other); a second one, together with two resets within one tick and an owner that lives and reserves
//! between them, could let two nodes believe. A node that challenges must not use the disk, and does not.
//!
//! Must never send RESERVE for a life whose lease has expired or that was deposed.

mod challenger;
mod defender;
mod end;

pub use challenger::{LegacyChallenger, LegacySetup};
pub use defender::{LegacyDefenceSetup, LegacyDefender};
pub use end::{
    Found, Hold, Left, LegacyDefenceEnd, LegacyDefenceNote, LegacyDoubt, LegacyEnd, LegacyNote,
    LegacyRefusal, Met, Stray,
};

#[cfg(test)]
mod tests;
