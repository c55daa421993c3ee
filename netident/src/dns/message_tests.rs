use super::*;
use crate::identity::name::{Naming, server};
use hickory_proto::rr::TSigner;
use proptest::prelude::*;

const NOW: u64 = 1_700_000_000;
const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn key(name: &str) -> Key {
    Key::parse(&format!("hmac-sha256:{name}:{SECRET}")).unwrap()
}

fn change(addresses: &[&str], expect: Expect, goal: Goal) -> Change {
    let name = "db.example.com".parse().unwrap();
    let naming = Naming { expect, ..Naming::new(name, server("192.0.2.53").unwrap(), "k".into()) };
    Change::new(&naming, addresses.iter().map(|a| a.parse().unwrap()), goal)
}

/// Class, type, TTL and data of a section, as text.
fn section(records: &[Record]) -> Vec<String> {
    records.iter().map(|r| format!("{} {} {} {}", r.dns_class, r.record_type(), r.ttl, r.data)).collect()
}

fn parsed(c: &Change) -> Message {
    Message::from_vec(&update(c, &key("k"), 7, NOW).unwrap().bytes).unwrap()
}

#[rustfmt::skip]
#[test]
fn every_byte_of_an_update_before_its_signature() {
    let c = change(&["192.0.2.10"], Expect::Any, Goal::Leads);
    let bytes = update(&c, &key("k"), 0x1234, NOW).unwrap().bytes;
    assert_eq!(bytes[..73], [
        0x12, 0x34, 0x28, 0,                       // id; request, opcode UPDATE (5)
        0, 1, 0, 0, 0, 2, 0, 1,                    // one zone, no prerequisite, two updates, one signature
        7, b'e', b'x', b'a', b'm', b'p', b'l', b'e', 3, b'c', b'o', b'm', 0, 0, 6, 0, 1, // example.com. SOA IN
        2, b'd', b'b', 0xc0, 12, 0, 1, 0, 255, 0, 0, 0, 0, 0, 0,          // delete: A ANY, TTL 0, no data
        0xc0, 29, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 192, 0, 2, 10,           // add: A IN, TTL 30
        1, b'k', 0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 61,                     // TSIG ANY, TTL 0
    ]);
}

#[test]
fn a_replacement_deletes_and_adds_each_family_it_has_an_address_of() {
    let m = parsed(&change(&["192.0.2.10", "2001:db8::10", "192.0.2.10"], Expect::Any, Goal::Leads));
    assert_eq!(section(&m.answers), [""; 0]);
    let made = section(&m.authorities);
    assert_eq!(made.len(), 4, "{made:?}");
    assert!(made[0].starts_with("ANY A 0") && made[1].starts_with("ANY AAAA 0"), "{made:?}");
    assert_eq!(made[2..], ["IN A 30 192.0.2.10", "IN AAAA 30 2001:db8::10"]);
}

#[test]
fn away_deletes_exactly_the_own_records() {
    let m = parsed(&change(&["192.0.2.10"], Expect::Absent, Goal::LeadsElsewhere));
    assert_eq!(section(&m.answers), [""; 0], "no condition");
    assert_eq!(section(&m.authorities), ["NONE A 0 192.0.2.10"]);
}

#[test]
fn conditions_name_what_must_be_there() {
    let both = ["192.0.2.10", "2001:db8::10"];
    let m = parsed(&change(&both, Expect::Exactly(vec!["192.0.2.9".parse().unwrap()]), Goal::Leads));
    let made = section(&m.answers);
    assert_eq!(made[0], "IN A 0 192.0.2.9");
    assert!(made.len() == 2 && made[1].starts_with("NONE AAAA 0"), "{made:?}");
    let m = parsed(&change(&both, Expect::Absent, Goal::Leads));
    assert!(section(&m.answers).iter().all(|r| r.starts_with("NONE A")), "{:?}", section(&m.answers));
}

/// What a server with this key answers to `request`: the name's addresses.
fn server_answers(request: &Request, signer: &TSigner, shape: impl FnOnce(&mut Message)) -> Vec<u8> {
    let asked = Message::from_vec(&request.bytes).unwrap();
    let mut m = Message::response(request.id, asked.metadata.op_code);
    m.metadata.authoritative = true;
    m.queries = asked.queries;
    shape(&mut m);
    let mac = &asked.signature.as_ref().unwrap().data.mac;
    let context =
        hickory_proto::rr::TSigResponseContext::new(request.id, NOW, signer.clone(), mac.clone(), None);
    let signature = context.sign(&m.to_vec().unwrap()).unwrap();
    m.set_signature(signature);
    m.to_vec().unwrap()
}

fn address(m: &mut Message) {
    let name = Name::from_ascii("DB.example.com.").unwrap();
    m.add_answer(Record::from_rdata(name, 30, data("192.0.2.10".parse().unwrap())));
    let other = Name::from_ascii("other.example.com.").unwrap();
    m.add_answer(Record::from_rdata(other, 30, data("192.0.2.11".parse().unwrap())));
}

fn a_query(id: u16) -> Request {
    query(&"db.example.com".parse().unwrap(), Family::V4, &key("k"), id, NOW).unwrap()
}

#[test]
fn a_signed_answer_is_read_and_proven() {
    let (request, k) = (a_query(7), key("k"));
    let Reply::Answer(a) = read(&request, &k, &server_answers(&request, k.signer(), address), NOW + 300)
    else {
        panic!("no answer")
    };
    assert_eq!((a.code, a.trust, a.authoritative), (ResponseCode::NoError, Trust::Proven, true));
    assert_eq!(a.addresses, ["192.0.2.10".parse::<IpAddr>().unwrap()], "of the asked name alone");
}

#[test]
fn what_another_could_have_sent_is_not_proven() {
    let (request, k) = (a_query(7), key("k"));
    let good = server_answers(&request, k.signer(), address);
    let trust = |request: &Request, key: &Key, bytes: &[u8], now| match read(request, key, bytes, now) {
        Reply::Answer(a) => a.trust,
        other => panic!("{other:?}"),
    };
    assert_eq!(trust(&request, &k, &good, NOW), Trust::Proven);
    let other_key = Key::parse("hmac-sha256:k:MDEyMzQ1Njc4OWFiY2RlZg==").unwrap();
    assert_eq!(trust(&request, &other_key, &good, NOW), Trust::Unproven, "another secret");
    assert_eq!(trust(&request, &key("l"), &good, NOW), Trust::Unproven, "another key");
    assert_eq!(trust(&request, &k, &good, NOW + 301), Trust::Unproven, "an old answer, replayed");
    let earlier = query(&"db.example.com".parse().unwrap(), Family::V4, &k, 7, NOW - 9).unwrap();
    assert_eq!(trust(&earlier, &k, &good, NOW), Trust::Unproven, "the answer to another request");
    let mut forged = good.clone();
    let at = forged.windows(4).position(|w| w == [192, 0, 2, 10]).unwrap();
    forged[at + 3] = 66;
    assert_eq!(trust(&request, &k, &forged, NOW), Trust::Unproven, "a changed address");
    let mut m = Message::from_vec(&good).unwrap();
    m.signature = None;
    assert_eq!(trust(&request, &k, &m.to_vec().unwrap(), NOW), Trust::Unproven, "no signature");
}

#[test]
fn what_is_no_answer_is_noise_and_what_is_cut_is_asked_for_again() {
    let (request, k) = (a_query(7), key("k"));
    let good = server_answers(&request, k.signer(), address);
    let mut cut = good.clone();
    cut[2] |= 2;
    assert_eq!(read(&request, &k, &cut[..12], NOW), Reply::Cut);
    let mut other_id = good.clone();
    other_id[1] ^= 1;
    let update = update(&change(&["192.0.2.10"], Expect::Any, Goal::Leads), &k, 7, NOW).unwrap();
    for (why, bytes) in [
        ("too short", &good[..3]),
        ("another request", &other_id[..]),
        ("another request", &request.bytes[..]),
        ("no DNS message", &good[..good.len() - 1]),
        ("another request", &server_answers(&update, k.signer(), |_| {})[..]),
    ] {
        assert!(matches!(read(&request, &k, bytes, NOW), Reply::Noise(w) if w.contains(why)), "{why}");
    }
}

#[test]
fn an_alias_and_the_errors_of_signatures_are_told() {
    let (request, k) = (a_query(7), key("k"));
    let bytes = server_answers(&request, k.signer(), |m| {
        let [name, to] = ["db.example.com.", "x.example.com."].map(|n| Name::from_ascii(n).unwrap());
        m.add_answer(Record::from_rdata(name, 30, RData::CNAME(hickory_proto::rr::rdata::CNAME(to))));
    });
    assert!(
        matches!(read(&request, &k, &bytes, NOW), Reply::Answer(a) if a.alias.as_deref() == Some("x.example.com."))
    );
    let mut m = Message::response(7, OpCode::Query);
    m.metadata.response_code = ResponseCode::NotAuth;
    let unknown = hickory_proto::rr::TSigResponseContext::unknown_key(7, NOW, k.name().wire().clone());
    m.set_signature(unknown.sign(&[]).unwrap());
    let Reply::Answer(a) = read(&request, &k, &m.to_vec().unwrap(), NOW) else { panic!("no answer") };
    assert_eq!((a.code, a.trust), (ResponseCode::BADKEY, Trust::Unproven));
}

proptest! {
    #[test]
    fn arbitrary_and_broken_answers_never_panic_and_never_prove(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (request, k) = (a_query(0x0707), key("k"));
        let mut noise = vec![7, 7, 0x84, 0];
        noise.extend(&bytes);
        let _ = read(&request, &k, &noise, NOW);
        let good = server_answers(&request, k.signer(), address);
        let mut broken = good.clone();
        broken[at.index(good.len())] = to;
        let whole = read(&request, &k, &good, NOW);
        for bytes in [&broken[..], &good[..cut.index(good.len())]] {
            let got = read(&request, &k, bytes, NOW);
            if matches!(&got, Reply::Answer(a) if a.trust == Trust::Proven) {
                // Not covered: the case of letters, and the class of the signature.
                prop_assert_eq!(&got, &whole);
            }
        }
    }
}
