//! The credentials token and its header.

use ocpi_client::read::read_one;
use ocpi_client::token::{InvalidToken, Token, TokenEncoding, candidates};
use ocpi_client::types::Credentials;

use crate::samples;

fn texts(authorization: &str) -> Vec<(String, TokenEncoding)> {
    let all = candidates(authorization).into_iter();
    all.map(|(token, encoding)| (token.reveal().to_owned(), encoding))
        .collect()
}

#[test]
fn a_token_is_sent_in_base64_or_raw() {
    let token = Token::new("example-token").unwrap();
    // `example-token` in Base64, as any encoder gives it.
    assert_eq!(
        token.authorization(TokenEncoding::Base64),
        "Token ZXhhbXBsZS10b2tlbg=="
    );
    assert_eq!(
        token.authorization(TokenEncoding::Raw),
        "Token example-token"
    );
}

#[test]
fn what_is_sent_is_among_the_candidates_of_the_receiver() {
    let token = Token::generate();
    for encoding in [TokenEncoding::Base64, TokenEncoding::Raw] {
        let found = candidates(&token.authorization(encoding));
        assert!(found.contains(&(token.clone(), encoding)), "{encoding:?}");
    }
}

#[test]
fn a_line_feed_inside_of_base64_is_dropped() {
    // The value printed in the specification decodes to `example-token` and a line feed.
    let found = texts("Token ZXhhbXBsZS10b2tlbgo=");
    assert_eq!(
        found[0],
        ("example-token".to_owned(), TokenEncoding::Base64)
    );
}

#[test]
fn padding_may_be_missing_and_the_scheme_in_any_case() {
    let found = texts("tOkEn   ZXhhbXBsZS10b2tlbg");
    assert_eq!(found[0].0, "example-token");
}

#[test]
fn a_raw_token_that_looks_like_base64_gives_both_readings() {
    assert_eq!(
        texts("Token ZXhhbXBsZQ=="),
        [
            ("example".to_owned(), TokenEncoding::Base64),
            ("ZXhhbXBsZQ==".to_owned(), TokenEncoding::Raw)
        ]
    );
}

#[test]
fn other_schemes_and_broken_headers_give_no_candidates() {
    let long = format!("Token {}", "A".repeat(5000));
    for header in [
        "",
        "Token",
        "Bearer abc",
        "Token a b",
        "Basic Zm9v",
        long.as_str(),
    ] {
        assert!(candidates(header).is_empty(), "{header:.20}");
    }
}

#[test]
fn a_token_never_shows_in_debug_output() {
    let token = Token::new("very-secret-token").unwrap();
    let credentials = samples::credentials(token.reveal());
    let credentials = read_one::<Credentials>(&credentials).unwrap().value;
    assert!(!format!("{token:?} {credentials:?}").contains("very-secret"));
}

#[test]
fn generated_tokens_differ_and_fit_into_the_field() {
    let (a, b) = (Token::generate(), Token::generate());
    assert_ne!(a, b);
    assert_eq!(a.reveal().len(), 64);
}

#[test]
fn blanks_controls_and_other_alphabets_are_no_tokens() {
    for (text, reason) in [
        ("", InvalidToken::Empty),
        ("a b", InvalidToken::Characters),
        ("a\nb", InvalidToken::Characters),
        ("ключ", InvalidToken::Characters),
    ] {
        assert_eq!(Token::new(text).unwrap_err(), reason);
    }
}
