//! From the bytes of an answer to its data, or to whose fault it is.

use ocpi_client::error::{Culprit, Error};
use ocpi_client::profile_request::{DEFAULT_TIMEOUT_S, MAX_TIMEOUT_S, Verdict};
use ocpi_client::read::id;
use ocpi_client::request::read_body;
use ocpi_client::response::{Answer, RawAnswer, classify, read_callback};
use ocpi_client::types::{
    ChargingProfileResponse, ChargingProfileResult, ChargingProfileResultType, Session, StatusCode,
};
use serde_json::{Value, json};

use crate::samples::session;

fn answered(status: u16, body: &[u8]) -> Result<Answer, Error> {
    let content_type = Some("application/json; charset=utf-8");
    classify(
        "get sessions",
        &RawAnswer {
            status,
            content_type,
            body,
        },
    )
}

fn enveloped(code: u16, data: &Value) -> Vec<u8> {
    let time = "2026-03-01T08:00:00Z";
    json!({"data": data, "status_code": code, "timestamp": time})
        .to_string()
        .into_bytes()
}

fn verdict(status: u16, body: &[u8]) -> Verdict {
    let response = answered(status, body).and_then(Answer::one::<ChargingProfileResponse>);
    Verdict::of(&response.map(|(response, _)| response))
}

#[test]
fn an_enveloped_list_is_read_without_deviations() {
    let answer = answered(200, &enveloped(1000, &json!([session()]))).unwrap();
    let (sessions, deviations) = answer.list::<Session>();
    assert_eq!(sessions.len(), 1);
    assert!(deviations.is_empty());
}

#[test]
fn paths_count_from_the_root_of_the_body() {
    let answer = answered(200, &enveloped(1000, &json!([session(), 5]))).unwrap();
    let (_, deviations) = answer.list::<Session>();
    assert_eq!(deviations.as_slice()[0].path, "$.data[1]");
}

#[test]
fn custom_success_codes_are_success() {
    assert!(answered(200, &enveloped(1999, &Value::Null)).is_ok());
}

#[test]
fn http_200_with_a_2xxx_code_is_a_refusal_that_blames_us() {
    let error = answered(200, &enveloped(2001, &Value::Null)).unwrap_err();
    assert_eq!(error.status_code(), Some(StatusCode::INVALID_PARAMETERS));
    assert_eq!(error.culprit(), Culprit::Us);
    assert!(!error.is_retryable());
}

#[test]
fn three_thousand_blames_the_peer_and_four_thousand_the_hub() {
    let peer = answered(200, &enveloped(3000, &Value::Null)).unwrap_err();
    assert_eq!((peer.culprit(), peer.is_retryable()), (Culprit::Peer, true));
    let hub = answered(200, &enveloped(4002, &Value::Null)).unwrap_err();
    assert_eq!((hub.culprit(), hub.is_retryable()), (Culprit::Hub, true));
    let gone = answered(200, &enveloped(4001, &Value::Null)).unwrap_err();
    assert_eq!((gone.culprit(), gone.is_retryable()), (Culprit::Hub, false));
}

#[test]
fn an_html_page_with_http_500_is_an_http_error_that_quotes_its_start() {
    let error = answered(500, b"<html><h1>Internal Server Error</h1>").unwrap_err();
    assert_eq!(
        (error.http_status(), error.culprit()),
        (Some(500), Culprit::Peer)
    );
    assert!(error.is_retryable());
    assert!(error.to_string().contains("<html><h1>Internal"), "{error}");
}

#[test]
fn an_html_page_with_http_200_is_not_json() {
    let error = answered(200, b"<html>Welcome</html>").unwrap_err();
    assert!(matches!(error, Error::NotJson { .. }), "{error}");
}

#[test]
fn an_envelope_inside_of_a_404_keeps_its_code_and_message() {
    let body = br#"{"status_code": 2003, "status_message": "no such location"}"#;
    let error = answered(404, body).unwrap_err();
    assert_eq!(error.http_status(), Some(404));
    assert_eq!(error.status_code(), Some(StatusCode::UNKNOWN_LOCATION));
    assert!(error.to_string().contains("no such location"), "{error}");
}

#[test]
fn a_refusal_by_http_is_no_success_even_with_code_1000_inside() {
    let error = answered(503, &enveloped(1000, &json!([]))).unwrap_err();
    assert_eq!(error.status_code(), None);
}

#[test]
fn success_without_the_data_asked_for_is_an_error_for_objects_and_empty_for_lists() {
    let body = enveloped(1000, &Value::Null);
    let error = answered(200, &body).unwrap().one::<Session>().unwrap_err();
    assert!(matches!(error, Error::MissingData { .. }));
    assert!(answered(200, &body).unwrap().list::<Session>().0.is_empty());
}

#[test]
fn an_empty_body_is_success_without_data_and_noted() {
    let answer = answered(204, b"").unwrap();
    assert!(answer.none().has(id::ENVELOPE_MISSING));
}

#[test]
fn a_body_without_envelope_is_taken_as_the_data_and_noted() {
    let answer = answered(200, session().to_string().as_bytes()).unwrap();
    let (session, deviations) = answer.one::<Session>().unwrap();
    assert_eq!(session.id, "S-1");
    assert!(deviations.has(id::ENVELOPE_MISSING));
}

#[test]
fn a_status_code_in_quotes_is_understood() {
    let body = br#"{"data": [], "status_code": "2002", "timestamp": "2026-03-01T08:00:00Z"}"#;
    let error = answered(200, body).unwrap_err();
    assert_eq!(
        error.status_code(),
        Some(StatusCode::NOT_ENOUGH_INFORMATION)
    );
}

#[test]
fn another_content_type_is_noted() {
    let raw = RawAnswer {
        status: 200,
        content_type: Some("text/plain"),
        body: &enveloped(1000, &json!([])),
    };
    assert!(classify("x", &raw).unwrap().none().has(id::CONTENT_TYPE));
}

#[test]
fn nesting_without_end_is_refused_and_does_not_overflow() {
    let body = vec![b'['; 100_000];
    assert!(matches!(answered(200, &body), Err(Error::NotJson { .. })));
}

#[test]
fn an_accepted_profile_is_pending_for_a_bounded_time() {
    let accepted =
        |timeout: u32| enveloped(1000, &json!({"result": "ACCEPTED", "timeout": timeout}));
    assert_eq!(
        verdict(200, &accepted(20)),
        Verdict::Pending { timeout_s: 20 }
    );
    assert_eq!(
        verdict(200, &accepted(0)),
        Verdict::Pending {
            timeout_s: DEFAULT_TIMEOUT_S
        }
    );
    assert_eq!(
        verdict(200, &accepted(u32::MAX)),
        Verdict::Pending {
            timeout_s: MAX_TIMEOUT_S
        }
    );
}

#[test]
fn an_unknown_session_is_recognised_however_it_is_told() {
    let response = |result: &str| json!({"result": result, "timeout": 0});
    for (status, body) in [
        (200, enveloped(1000, &response("UNKNOWN_SESSION"))),
        (404, b"not found".to_vec()),
        (200, enveloped(2000, &Value::Null)),
        (200, enveloped(2001, &response("REJECTED"))),
        (200, enveloped(2001, &json!([response("UNKNOWN_SESSION")]))),
    ] {
        let text = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(
            verdict(status, &body),
            Verdict::UnknownSession,
            "{status} {text}"
        );
    }
}

#[test]
fn the_other_verdicts_are_told_apart() {
    let response = |result: &str| enveloped(1000, &json!({"result": result, "timeout": 0}));
    assert_eq!(verdict(200, &response("REJECTED")), Verdict::Rejected);
    assert_eq!(
        verdict(200, &response("NOT_SUPPORTED")),
        Verdict::NotSupported
    );
    assert_eq!(verdict(200, &response("TOO_OFTEN")), Verdict::TooOften);
    assert_eq!(verdict(429, b""), Verdict::TooOften);
    assert_eq!(verdict(200, &response("MAYBE")), Verdict::Unclear);
    assert_eq!(verdict(500, b""), Verdict::Unclear);
    assert_eq!(
        verdict(200, &enveloped(2001, &Value::Null)),
        Verdict::Unclear
    );
}

#[test]
fn a_request_that_is_no_json_is_answered_400_and_another_object_2001() {
    let now = "2026-03-01T08:00:00Z".parse().unwrap();
    let broken = read_body::<Session>(b"{").unwrap_err();
    assert_eq!(broken.http_status(), 400);
    let wrong = read_body::<Session>(b"{\"id\": 1}").unwrap_err();
    assert_eq!(wrong.http_status(), 200);
    let answer = wrong.envelope(now);
    assert_eq!(answer.status_code, StatusCode::INVALID_PARAMETERS);
    assert!(answer.status_message.unwrap().contains("$.country_code"));
    assert!(read_body::<Session>(session().to_string().as_bytes()).is_ok());
}

#[test]
fn a_callback_may_be_bare_or_wrapped() {
    let bare = read_callback::<ChargingProfileResult>(&json!({"result": "ACCEPTED"})).unwrap();
    assert_eq!(bare.value.result, ChargingProfileResultType::Accepted);
    assert!(bare.deviations.is_empty());
    let wrapped = json!({"data": {"result": "REJECTED"}, "status_code": 1000});
    let wrapped = read_callback::<ChargingProfileResult>(&wrapped).unwrap();
    assert_eq!(wrapped.value.result, ChargingProfileResultType::Rejected);
    assert!(wrapped.deviations.has(id::ENVELOPE_UNEXPECTED));
}
