//! `palisade`: heartbeat, service groups and the node daemon.

fn main() {}
