//! The document shows the table as it is.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

use arbitrate::device::sim::personality::Deviation;
use palisade_equal::table::markdown;

#[test]
fn the_document_shows_the_table_the_emulator_goes_by() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/lio.md")).unwrap();
    assert!(page.contains(&markdown()), "docs/lio.md is out of date: put in what `equal table` prints");
}

#[test]
fn every_row_names_a_clause_and_both_ways() {
    for d in Deviation::ALL {
        let clause = ["SPC-", "SAM-", "SBC-"].iter().any(|s| d.clause.starts_with(s));
        assert!(clause && !d.standard.is_empty() && !d.lio.is_empty(), "{}", d.name);
        assert!(!markdown().contains("||"), "{}", d.name);
    }
}
