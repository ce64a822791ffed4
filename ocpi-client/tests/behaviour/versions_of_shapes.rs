//! What differs between 2.2.1 and 2.3.0.

use ocpi_client::read::{id, read_one};
use ocpi_client::types::{
    ConnectorType, Price, PriceLimit, Role, Tariff, TaxIncluded, TokenType, Version,
};
use serde_json::{Value, json};

use crate::samples::{tariff, with};

fn price(value: &Value) -> Price {
    read_one::<Price>(value).unwrap().value
}

#[test]
fn both_shapes_of_a_price_are_read_and_written_back() {
    for shape in [
        json!({"excl_vat": 4.0, "incl_vat": 4.84}),
        json!({"before_taxes": 4.0, "taxes": [{"name": "VAT", "amount": 0.84}]}),
    ] {
        let price = price(&shape);
        assert!((price.before_taxes() - 4.0).abs() < 1e-9);
        assert!((price.after_taxes().unwrap() - 4.84).abs() < 1e-9);
        assert_eq!(serde_json::to_value(&price).unwrap(), shape);
    }
}

#[test]
fn a_price_changes_its_shape_with_the_version() {
    let older = price(&json!({"excl_vat": 4.0, "incl_vat": 4.84}));
    let newer = json!({"before_taxes": 4.0, "taxes": [{"name": "VAT", "amount": 0.84}]});
    assert_eq!(
        serde_json::to_value(older.in_version(&Version::V230)).unwrap(),
        newer
    );
    assert_eq!(price(&newer).in_version(&Version::V221), older);
    assert_eq!(older.in_version(&Version::V221), older);
}

#[test]
fn a_price_as_a_bare_number_is_tolerated() {
    let reading = read_one::<Price>(&json!(4.0)).unwrap();
    assert_eq!(
        reading.value,
        Price::ExclVat {
            excl_vat: 4.0,
            incl_vat: None
        }
    );
    assert!(reading.deviations.has(id::PRICE_BARE_NUMBER));
}

#[test]
fn a_tariff_says_in_2_3_0_whether_taxes_are_included() {
    let limit = json!({"excl_vat": 1.0, "incl_vat": 1.21});
    let older = read_one::<Tariff>(&with(tariff(), "max_price", limit)).unwrap();
    assert!(older.deviations.is_empty(), "{:?}", older.deviations);
    let newer = older.value.clone().in_version(&Version::V230);
    assert_eq!(newer.tax_included, Some(TaxIncluded::No));
    let limit = PriceLimit::BeforeTaxes {
        before_taxes: 1.0,
        after_taxes: Some(1.21),
    };
    assert_eq!(newer.max_price, Some(limit));
    assert_eq!(newer.in_version(&Version::V221), older.value);
}

#[test]
fn the_mark_for_no_taxes_is_n_slash_a() {
    let reading = read_one::<Tariff>(&with(tariff(), "tax_included", json!("N/A"))).unwrap();
    assert_eq!(reading.value.tax_included, Some(TaxIncluded::NotApplicable));
}

#[test]
fn values_of_one_version_are_read_in_the_other() {
    assert_eq!(Role::from_text("HUB"), Role::Hub);
    assert_eq!(ConnectorType::from_text("MCS"), ConnectorType::Mcs);
    assert_eq!(TokenType::from_text("EMAID"), TokenType::Emaid);
    assert_eq!(
        ConnectorType::from_text("NEMA_5_20"),
        ConnectorType::Other("NEMA_5_20".into())
    );
}

#[test]
fn versions_are_ordered_by_preference() {
    assert!(Version::V230 > Version::V221);
    assert!(Version::V221 > Version::from_text("3.0"));
}
