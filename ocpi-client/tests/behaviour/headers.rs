//! Message identifiers and routing headers.

use ocpi_client::headers::{Party, RequestIds, Routing};
use ocpi_client::read::id;

#[test]
fn the_identifiers_of_a_request_are_echoed() {
    let sent = [("x-request-id", "r-1"), ("X-CORRELATION-ID", "c-1")];
    let (ids, notes) = RequestIds::read(&sent);
    assert_eq!(
        ids.write(),
        [("X-Request-ID", "r-1"), ("X-Correlation-ID", "c-1")]
    );
    assert!(notes.is_empty());
}

#[test]
fn missing_or_unusable_identifiers_are_made_and_noted() {
    let long = "x".repeat(129);
    for sent in [
        &[][..],
        &[("X-Request-ID", " "), ("X-Correlation-ID", long.as_str())][..],
    ] {
        let (ids, notes) = RequestIds::read(sent);
        assert_eq!((ids.request.len(), ids.correlation.len()), (36, 36));
        assert_eq!(notes.len(), 2);
        assert!(notes.iter().all(|note| note.id == id::REQUEST_ID));
    }
}

#[test]
fn a_forwarded_request_has_a_new_request_id_and_the_same_correlation_id() {
    let ids = RequestIds::generate();
    let forwarded = ids.forwarded();
    assert_ne!(forwarded.request, ids.request);
    assert_eq!(forwarded.correlation, ids.correlation);
}

#[test]
fn a_response_that_does_not_echo_the_identifiers_is_noted() {
    let ids = RequestIds::generate();
    assert_eq!(ids.check_echo(&ids.write()), None);
    let other = [("X-Request-ID", "other"), ids.write()[1]];
    for response in [&[][..], &ids.write()[..1], &other[..]] {
        assert_eq!(ids.check_echo(response).unwrap().id, id::REQUEST_ID_ECHO);
    }
}

#[test]
fn routing_is_written_as_it_is_read() {
    let routing = Routing::between(Party::new("NL", "CPO"), Party::new("DE", "SCS"));
    let written: Vec<_> = routing.write().collect();
    assert_eq!(
        written,
        [
            ("OCPI-to-country-code", "DE"),
            ("OCPI-to-party-id", "SCS"),
            ("OCPI-from-country-code", "NL"),
            ("OCPI-from-party-id", "CPO"),
        ]
    );
    assert_eq!(Routing::read(&written), (routing, vec![]));
}

#[test]
fn a_response_goes_back_to_the_sender() {
    let (us, cpo) = (Party::new("DE", "SCS"), Party::new("NL", "CPO"));
    let reply = Routing::between(cpo.clone(), us.clone()).reply(&us);
    assert_eq!(reply, Routing::between(us, cpo));
}

#[test]
fn a_request_with_open_routing_is_answered_by_who_answers() {
    let (us, emsp) = (Party::new("DE", "SCS"), Party::new("NL", "MSP"));
    let open = Routing {
        to: None,
        from: Some(emsp.clone()),
    };
    assert_eq!(open.reply(&us), Routing::between(us, emsp));
}

#[test]
fn half_of_a_routing_pair_is_ignored_and_noted() {
    let (routing, notes) = Routing::read(&[("ocpi-to-party-id", "SCS")]);
    assert_eq!(routing, Routing::default());
    assert_eq!(notes.len(), 1);
    assert_eq!(notes[0].id, id::ROUTING_HALF);
}

#[test]
fn parties_compare_without_case() {
    assert_eq!(Party::new("nl", "cpo"), Party::new("NL", "CPO"));
    assert_eq!(Party::from_joined("NLHUB"), Some(Party::new("NL", "HUB")));
    assert_eq!(Party::from_joined("NLH"), None);
    assert_eq!(Party::from_joined("ñHUB"), None);
}
