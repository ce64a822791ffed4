//! Numbers, times and case-insensitive texts.

use std::hash::{BuildHasher, RandomState};

use ocpi_client::read::read_one;
use ocpi_client::types::{CiString, DateTime, Tenths};
use proptest::prelude::*;
use serde_json::Value;

proptest! {
    #[test]
    fn tenths_survive_the_wire(tenths in Tenths::MIN.tenths()..=Tenths::MAX.tenths()) {
        let sent = Tenths::from_tenths(tenths);
        let text = serde_json::to_string(&sent).unwrap();
        let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        prop_assert!(decimals <= 1, "{}", text);
        let received: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read_one::<Tenths>(&received).unwrap().value, sent);
        prop_assert_eq!(sent.to_string(), format!("{sent}"));
    }

    #[test]
    fn a_number_is_never_read_as_a_larger_limit(number in -1.0e12..1.0e12_f64) {
        let read = read_one::<Tenths>(&Value::from(number)).unwrap().value;
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let read = read.tenths() as f64 / 10.0;
        prop_assert!(read <= number && number - read < 0.1001, "{} read as {}", number, read);
    }

    #[test]
    fn milliamperes_are_rounded_down(milli in any::<i32>()) {
        let tenths = Tenths::floor_from_milli(i64::from(milli));
        let lost = i64::from(milli) - tenths.milli();
        prop_assert!((0..100).contains(&lost));
    }

    #[test]
    fn a_time_survives_the_wire_to_the_second(seconds in -62_167_219_200_i64..253_402_300_800) {
        let moment = chrono::DateTime::from_timestamp(seconds, 999_999_999).unwrap();
        let sent = DateTime::from(moment);
        let text = sent.to_string();
        prop_assert_eq!(text.len(), 20);
        prop_assert_eq!(text.parse::<DateTime>().unwrap(), sent.whole_second());
        prop_assert!(sent.whole_second() <= sent);
    }

    #[test]
    fn any_text_is_a_time_or_not(text in any::<String>()) {
        let _ = text.parse::<DateTime>();
    }

    #[test]
    fn texts_that_look_like_times_are_times_or_not(
        text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,12})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?",
    ) {
        if let Ok(moment) = text.parse::<DateTime>() {
            prop_assert_eq!(moment.to_string().len(), 20);
        }
    }

    #[test]
    fn equal_texts_have_equal_hashes_and_order(text in "[ -~]{0,40}", other in "[a-cA-C]{0,3}") {
        let (upper, lower) = (text.to_ascii_uppercase(), text.to_ascii_lowercase());
        let (upper, lower) = (CiString::from(upper), CiString::from(lower));
        let state = RandomState::new();
        prop_assert_eq!(&upper, &lower);
        prop_assert_eq!(state.hash_one(&upper), state.hash_one(&lower));
        let other = CiString::from(other);
        prop_assert_eq!(upper.cmp(&other), lower.cmp(&other));
        prop_assert_eq!(upper.cmp(&other).is_eq(), upper == other);
    }
}
