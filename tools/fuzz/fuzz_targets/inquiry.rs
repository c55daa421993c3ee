//! INQUIRY data and vital product data pages, as a device might send them.
#![no_main]

use arbitrate::codec::inquiry::{STANDARD_INQUIRY_LEN, StandardInquiry};
use arbitrate::codec::vpd::{
    DeviceIdentification, LuIdentity, PAGE_IDENTIFICATION, SupportedPages, UnitSerialNumber,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    standard(data);
    pages(data);
    identification(data);
});

fn standard(data: &[u8]) {
    let Ok(i) = StandardInquiry::parse(data) else { return };
    assert!(data.len() >= STANDARD_INQUIRY_LEN);
    assert_eq!(StandardInquiry::parse(&i.emit()), Ok(i));
    assert_eq!(StandardInquiry::parse(&data[..STANDARD_INQUIRY_LEN]), Ok(i), "what follows is not looked at");
    for text in [i.vendor.to_string(), i.product.to_string(), i.revision.to_string()] {
        harmless(&text);
    }
}

fn pages(data: &[u8]) {
    if let Ok(p) = SupportedPages::parse(data) {
        assert_eq!(SupportedPages::parse(&p.emit().unwrap()).as_ref(), Ok(&p));
        cut_is_refused(data, 4 + p.pages.len(), |b| SupportedPages::parse(b).is_err());
    }
    if let Ok(p) = UnitSerialNumber::parse(data) {
        assert_eq!(UnitSerialNumber::parse(&p.emit().unwrap()).as_ref(), Ok(&p));
        cut_is_refused(data, 4 + p.serial.len(), |b| UnitSerialNumber::parse(b).is_err());
        harmless(&p.to_string());
    }
}

fn identification(data: &[u8]) {
    let Ok(page) = DeviceIdentification::parse(data) else { return };
    assert_eq!(data[1], PAGE_IDENTIFICATION);
    let claimed = usize::from(u16::from_be_bytes([data[2], data[3]]));
    assert!(4 * page.designators.len() <= claimed && claimed + 4 <= data.len(), "no length is believed");
    cut_is_refused(data, 4 + claimed, |b| DeviceIdentification::parse(b).is_err());
    page.designators.iter().for_each(|d| harmless(&d.to_string()));
    // A name whose padding takes it past 255 bytes can be read and not be written.
    if let Ok(b) = page.emit() {
        assert_eq!(DeviceIdentification::parse(&b).as_ref(), Ok(&page));
    }
    // Another path may tell the same names in another order.
    let mut turned = page.designators.clone();
    turned.reverse();
    assert_eq!(page.lu_identity(), LuIdentity::best(&turned));
    assert!(page.lu_identity().is_none_or(|id| !id.as_str().is_empty()));
}

/// A page that is one byte short is not a page.
fn cut_is_refused(data: &[u8], len: usize, refused: impl Fn(&[u8]) -> bool) {
    assert!(len <= data.len());
    assert!(refused(&data[..len - 1]), "cut to {} of {len} bytes", len - 1);
}

/// Nothing a device sends may reach a terminal as a control sequence.
fn harmless(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
}
