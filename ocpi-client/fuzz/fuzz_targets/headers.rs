//! Headers: lines `name: value` from any text. What is echoed must be fit to be sent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ocpi_client::client::below;
use ocpi_client::headers::{RequestIds, Routing};
use ocpi_client::paging::{PageHeaders, next_link};
use ocpi_client::token::candidates;
use ocpi_client::types::DateTime;
use url::Url;

fn sendable(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic())
}

fuzz_target!(|text: &str| {
    let headers: Vec<(&str, &str)> =
        text.lines().filter_map(|line| line.split_once(": ")).take(32).collect();
    let (routing, _) = Routing::read(&headers);
    for (_, value) in routing.write() {
        assert!(sendable(value) && value.len() <= 16);
    }
    let (ids, _) = RequestIds::read(&headers);
    for (_, value) in ids.write() {
        assert!(sendable(value) && value.len() <= 128);
    }
    for (_, value) in &headers {
        let found = candidates(value);
        assert!(found.len() <= 2);
        assert!(found.iter().all(|(token, _)| sendable(token.reveal())));
        let _ = next_link([*value]);
        if let Ok(time) = value.parse::<DateTime>() {
            let written = time.to_string();
            assert!(written.parse::<DateTime>().is_ok(), "{written}");
        }
    }
    let base = Url::parse("https://cpo.example/ocpi").expect("a URL");
    let parts: Vec<&str> = text.split('/').take(4).collect();
    if let Ok(url) = below("fuzz", &base, &parts) {
        assert_eq!(url.origin(), base.origin());
        assert_eq!(url.path_segments().expect("a path").count(), 1 + parts.len());
    }
    let _ = PageHeaders::read(headers);
});
