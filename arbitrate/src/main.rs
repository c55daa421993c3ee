//! The `arbitrate` command.

fn main() {}
