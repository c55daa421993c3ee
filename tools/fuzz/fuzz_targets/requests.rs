//! CDBs and PERSISTENT RESERVE OUT parameter lists, as an initiator might send them.
#![no_main]

use arbitrate::codec::command::Command;
use arbitrate::codec::pr::{PERSISTENT_RESERVE_OUT, PrOutRequest};
use arbitrate::codec::{Cdb, opcode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((len, rest)) = data.split_first() else { return };
    let len = [6, 10, 12, 16][usize::from(len & 3)];
    let Some((cdb, list)) = rest.split_at_checked(len) else {
        return assert_eq!(Cdb::from_slice(rest).is_ok(), [6, 10, 12, 16].contains(&rest.len()));
    };
    let cdb = Cdb::from_slice(cdb).expect("a length that CDBs have");
    match Command::parse(&cdb) {
        Ok(c) => {
            assert_eq!(Command::parse(&c.cdb()), Ok(c));
            let row = opcode::lookup(&cdb).expect("what can be read stands in the table");
            assert_eq!(row.cdb_len(), len);
            // Every bit that is sent is one the table admits to.
            assert!(c.cdb().as_bytes().iter().zip(row.usage).all(|(sent, usage)| sent & !usage == 0));
        }
        Err(e) => assert!(e.sense().text().is_some(), "{e}"),
    }
    if cdb.opcode() == PERSISTENT_RESERVE_OUT {
        pr_out(&cdb, list);
    }
    let _ = (opcode::name(&cdb), opcode::changes(&cdb));
});

fn pr_out(cdb: &Cdb, list: &[u8]) {
    let b = cdb.as_bytes();
    match PrOutRequest::parse(cdb, list) {
        Ok(r) => {
            let claimed = u32::from_be_bytes([b[5], b[6], b[7], b[8]]) as usize;
            assert!(claimed <= list.len(), "no length is believed");
            assert_eq!(
                PrOutRequest::parse(cdb, &list[..claimed]).as_ref(),
                Ok(&r),
                "what follows is nothing"
            );
            assert!(PrOutRequest::parse(cdb, &list[..claimed - 1]).is_err(), "cut");
            assert_eq!(PrOutRequest::parse(&r.cdb(), &r.emit()).as_ref(), Ok(&r));
        }
        Err(e) => assert!(e.sense().text().is_some(), "{e}"),
    }
}
