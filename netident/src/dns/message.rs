//! Updates, queries and their answers: values to bytes and back.

use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::tsig::{TsigError, signed_bitmessage_to_buf};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::key::FUDGE_S;
use super::{Change, Goal, Key};
use crate::identity::name::{DnsName, Expect};

/// A and AAAA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// A.
    V4,
    /// AAAA.
    V6,
}

impl Family {
    /// Whether an address is of it.
    #[must_use]
    pub const fn has(self, ip: IpAddr) -> bool {
        matches!((self, ip), (Self::V4, IpAddr::V4(_)) | (Self::V6, IpAddr::V6(_)))
    }

    const fn wire(self) -> RecordType {
        match self {
            Self::V4 => RecordType::A,
            Self::V6 => RecordType::AAAA,
        }
    }
}

/// What a request was about: an answer is read by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// An update.
    Update,
    /// A query for a name's addresses of one family.
    Query(DnsName, Family),
}

/// A request, signed and ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its bytes.
    pub bytes: Vec<u8>,
    id: u16,
    mac: Vec<u8>,
    asked: Asked,
}

/// Whether the server proved to know the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// By a MAC over the request's MAC, the answer and its time (RFC 8945 section 5.3).
    Proven,
    /// Not: anybody may have sent it.
    Unproven,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it says of the request, TSIG errors (RFC 8945 section 3) included.
    pub code: ResponseCode,
    /// Whether that is proven.
    pub trust: Trust,
    /// The server holds the zone; it does not tell what it heard from others.
    pub authoritative: bool,
    /// The name's addresses of the asked family.
    pub addresses: Vec<IpAddr>,
    /// The name is an alias of this one.
    pub alias: Option<String>,
}

/// What bytes that were received are to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Its answer.
    Answer(Answer),
    /// Its answer, cut: it is to be had whole by TCP.
    Cut,
    /// Nothing to do with it, or no message at all: go on waiting.
    Noise(&'static str),
}

/// The update that makes `change`, one transaction. `id` should not be guessable, `now_s` is UNIX time.
///
/// # Errors
/// A message that would be longer than 64 KiB, or a MAC that cannot be made; in words.
pub fn update(change: &Change, key: &Key, id: u16, now_s: u64) -> Result<Request, String> {
    let mut m = Message::new(id, MessageType::Query, OpCode::Update);
    m.add_query(Query::query(change.zone.wire().clone(), RecordType::SOA));
    let name = change.name.wire();
    m.add_answers(prerequisites(change, name));
    if change.goal == Goal::Leads {
        for family in change.families() {
            let all = Record::update0(name.clone(), 0, family.wire());
            m.add_authority(of_class(DNSClass::ANY, all));
        }
    }
    for ip in &change.addresses {
        m.add_authority(match change.goal {
            Goal::Leads => Record::from_rdata(name.clone(), change.ttl_s, data(*ip)),
            // Exactly this record, no other (2.5.4).
            Goal::LeadsElsewhere => of_class(DNSClass::NONE, Record::from_rdata(name.clone(), 0, data(*ip))),
        });
    }
    signed(m, key, now_s, Asked::Update)
}

/// The query that reads back one family of `name`.
///
/// # Errors
/// As [`update`].
pub fn query(name: &DnsName, family: Family, key: &Key, id: u16, now_s: u64) -> Result<Request, String> {
    let mut m = Message::new(id, MessageType::Query, OpCode::Query);
    m.add_query(Query::query(name.wire().clone(), family.wire()));
    signed(m, key, now_s, Asked::Query(name.clone(), family))
}

/// Reads what came back. `now_s` is UNIX time.
#[must_use]
pub fn read(request: &Request, key: &Key, bytes: &[u8], now_s: u64) -> Reply {
    // Looked at before the whole is read: what is cut may not be readable.
    let [id0, id1, flags, _, ..] = *bytes else { return Reply::Noise("it is too short for a message") };
    if u16::from_be_bytes([id0, id1]) != request.id || flags & 0x80 == 0 {
        return Reply::Noise("it answers another request");
    }
    if flags & 0x02 != 0 {
        return Reply::Cut;
    }
    let Ok(m) = Message::from_vec(bytes) else { return Reply::Noise("it is no DNS message") };
    let kind = match request.asked {
        Asked::Update => OpCode::Update,
        Asked::Query(..) => OpCode::Query,
    };
    if m.metadata.op_code != kind {
        return Reply::Noise("it answers another request");
    }
    let trust = if proven(request, key, &m, bytes, now_s) { Trust::Proven } else { Trust::Unproven };
    let (mut addresses, mut alias) = (Vec::new(), None);
    if let Asked::Query(name, family) = &request.asked {
        for r in m.answers.iter().filter(|r| r.name == *name.wire() && r.dns_class == DNSClass::IN) {
            match &r.data {
                RData::A(A(ip)) if *family == Family::V4 => addresses.push((*ip).into()),
                RData::AAAA(AAAA(ip)) if *family == Family::V6 => addresses.push((*ip).into()),
                RData::CNAME(to) => alias = Some(to.to_string()),
                _ => {}
            }
        }
    }
    let authoritative = m.metadata.authoritative;
    Reply::Answer(Answer { code: code(&m), trust, authoritative, addresses, alias })
}

/// RFC 2136 section 2.4: for each family that is moved, what must be there.
fn prerequisites(change: &Change, name: &Name) -> Vec<Record> {
    match &change.expect {
        Expect::Any => Vec::new(),
        Expect::Absent => change.families().map(|f| absent(name, f)).collect(),
        Expect::Exactly(addresses) => {
            let there = addresses.iter().map(|ip| Record::from_rdata(name.clone(), 0, data(*ip)));
            let without =
                change.families().filter(|f| !addresses.iter().any(|ip| f.has(*ip))).map(|f| absent(name, f));
            there.chain(without).collect()
        }
    }
}

fn absent(name: &Name, family: Family) -> Record {
    of_class(DNSClass::NONE, Record::update0(name.clone(), 0, family.wire()))
}

fn of_class(class: DNSClass, mut record: Record) -> Record {
    record.dns_class = class;
    record
}

fn data(ip: IpAddr) -> RData {
    match ip {
        IpAddr::V4(ip) => RData::A(A(ip)),
        IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
    }
}

fn signed(mut m: Message, key: &Key, now_s: u64, asked: Asked) -> Result<Request, String> {
    let words = |e: hickory_proto::ProtoError| e.to_string();
    let (signature, _) = key.signer().sign_message(&m, now_s).map_err(words)?;
    let mac = signature.data.mac.clone();
    m.set_signature(signature);
    let bytes = m.to_vec().map_err(words)?;
    if u16::try_from(bytes.len()).is_err() {
        return Err(format!("the message has {} bytes: more than DNS can carry", bytes.len()));
    }
    Ok(Request { bytes, id: m.metadata.id, mac, asked })
}

/// Whether the message carries a MAC by this key, for this request, of now.
fn proven(request: &Request, key: &Key, m: &Message, bytes: &[u8], now_s: u64) -> bool {
    // The whole message was read by now: the library's arithmetic on its counts cannot overflow.
    let Some(signature) = m.signature() else { return false };
    let tsig = &signature.data;
    let signer = key.signer();
    if signature.name != *signer.signer_name()
        || tsig.algorithm != *signer.algorithm()
        || tsig.time.abs_diff(now_s) > u64::from(FUDGE_S)
    {
        return false;
    }
    // A truncated MAC (RFC 8945 section 5.2.2.1) is none: the comparison is of the whole.
    signed_bitmessage_to_buf(bytes, Some(&request.mac), true)
        .is_ok_and(|(covered, record)| signer.verify(&covered, &record.data.mac).is_ok())
}

fn code(m: &Message) -> ResponseCode {
    match m.signature().and_then(|s| s.data.error) {
        Some(TsigError::BadSig) => ResponseCode::BADSIG,
        Some(TsigError::BadKey) => ResponseCode::BADKEY,
        Some(TsigError::BadTime) => ResponseCode::BADTIME,
        Some(TsigError::BadTrunc) => ResponseCode::BADTRUNC,
        Some(TsigError::Unknown(code)) => ResponseCode::Unknown(code),
        None => m.metadata.response_code,
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
