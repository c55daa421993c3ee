//! Tests that span several codecs: every request, every answer, arbitrary bytes.

mod answers;
mod exact;
mod requests;
mod sense;
