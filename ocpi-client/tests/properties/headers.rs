//! Headers: whatever comes in, what goes out can be sent.

use ocpi_client::client::below;
use ocpi_client::headers::{RequestIds, Routing};
use ocpi_client::paging::{Link, PageHeaders, next_link};
use ocpi_client::token::{Token, TokenEncoding, candidates};
use proptest::prelude::*;
use url::Url;

fn header_name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("OCPI-to-party-id".to_owned()),
        Just("ocpi-to-country-code".to_owned()),
        Just("OCPI-FROM-PARTY-ID".to_owned()),
        Just("OCPI-from-country-code".to_owned()),
        Just("X-Request-ID".to_owned()),
        Just("x-correlation-id".to_owned()),
        Just("Link".to_owned()),
        any::<String>(),
    ]
}

fn sendable(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic())
}

proptest! {
    #[test]
    fn what_is_echoed_from_any_headers_can_be_sent(
        headers in proptest::collection::vec((header_name(), any::<String>()), 0..10),
    ) {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (&**n, &**v)).collect();
        let (routing, _) = Routing::read(&headers);
        for (_, value) in routing.write() {
            prop_assert!(sendable(value) && value.len() <= 16);
        }
        let (ids, _) = RequestIds::read(&headers);
        for (_, value) in ids.write() {
            prop_assert!(sendable(value) && value.len() <= 128);
        }
        let _ = PageHeaders::read(headers);
    }

    #[test]
    fn any_authorization_gives_at_most_two_sendable_tokens(text in any::<String>()) {
        for header in [text.clone(), format!("Token {text}")] {
            let found = candidates(&header);
            prop_assert!(found.len() <= 2);
            prop_assert!(found.iter().all(|(token, _)| sendable(token.reveal())));
        }
    }

    #[test]
    fn every_token_is_recognised_in_either_encoding(text in "[!-~]{1,64}") {
        let token = Token::new(&text).unwrap();
        for encoding in [TokenEncoding::Base64, TokenEncoding::Raw] {
            let found = candidates(&token.authorization(encoding));
            prop_assert!(found.contains(&(token.clone(), encoding)));
        }
    }

    #[test]
    fn any_link_header_is_read_without_panic(
        values in proptest::collection::vec("[<>;,=\" a-z\u{e9}:/?.]{0,40}", 0..4),
        text in any::<String>(),
    ) {
        let _ = next_link(values.iter().map(String::as_str));
        let _ = next_link([text.as_str()]);
    }

    #[test]
    fn a_next_link_is_found_behind_others(
        before in proptest::collection::vec("[a-z]{1,8}", 0..4), path in "[a-z0-9/?=&,;]{0,30}",
    ) {
        let others = before.iter().map(|rel| format!("<https://a/{rel}>; rel=\"x{rel}\", "));
        let target = format!("https://a/{path}");
        let value = others.collect::<String>() + &format!("<{target}>; rel=\"next\"");
        prop_assert_eq!(next_link([value.as_str()]), Link::Next(target));
    }

    #[test]
    fn an_address_below_an_endpoint_keeps_every_segment(
        segments in proptest::collection::vec(any::<String>(), 1..4), slash in any::<bool>(),
    ) {
        let base = if slash { "https://cpo.example/ocpi/" } else { "https://cpo.example/ocpi" };
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        if let Ok(url) = below("test", &Url::parse(base).unwrap(), &parts) {
            let path: Vec<&str> = url.path_segments().unwrap().collect();
            prop_assert_eq!(path.len(), 1 + parts.len());
            prop_assert_eq!(path[0], "ocpi");
            prop_assert_eq!((url.query(), url.fragment()), (None, None));
        }
    }
}
