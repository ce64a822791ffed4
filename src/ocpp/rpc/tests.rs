//! Frames: every kind, the table of bad ones, and bytes gone wrong.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::time::Time;
use crate::ocpp::version::Version;
use crate::ocpp::{v16, v201};

fn noon() -> Time {
    "2026-11-22T12:00:00Z".parse().expect("valid")
}

fn call(ticket: u64, priority: Priority, key: Option<&str>) -> Call {
    Call {
        ticket: Ticket(ticket),
        action: "A".into(),
        payload: json!({}),
        priority,
        key: key.map(str::to_owned),
    }
}

/// What a bad message is answered, as `(id, code)`.
fn answer_to(text: &str, version: Version) -> Option<(String, String)> {
    let reply = match Connection::new(version, "t").receive(text) {
        Heard::Bad { reply, .. } => reply?,
        Heard::Call {
            id,
            action,
            payload,
        } => {
            let heard = match version {
                Version::V16 => v16::hear(&action, &payload),
                _ => v201::hear(&action, &payload, version == Version::V21, noon()),
            };
            let error = heard.err()?;
            Connection::new(version, "t").refuse(&id, &error)
        }
        _ => return None,
    };
    let frame: Value = serde_json::from_str(&reply).expect("ours is JSON");
    assert_eq!(frame.as_array().map(Vec::len), Some(5), "{frame}");
    assert_eq!((&frame[0], &frame[4]), (&json!(4), &json!({})));
    let text = |index: usize| frame[index].as_str().expect("a text").to_owned();
    Some((text(1), text(2)))
}

/// The messages that carry no readable id: 2.x answers under "-1", 1.6 cannot answer.
const NAMELESS: &[&str] = &[
    "",
    " ",
    "x",
    "{}",
    "[]",
    "null",
    "42",
    "\"text\"",
    "[,{",
    "[2",
    "[2,\"a\",\"Heartbeat\",{}",
    "[2,\"a\",\"Heartbeat\",{}]]",
    "[\"2\",\"a\",\"Heartbeat\",{}]",
    "[2.5,\"a\",\"Heartbeat\",{}]",
    "[null,\"a\",\"Heartbeat\",{}]",
    "[2,null,\"Heartbeat\",{}]",
    "[2,\"\",\"Heartbeat\",{}]",
    "[2,[],\"Heartbeat\",{}]",
    "[2,{},\"Heartbeat\",{}]",
    "[2]",
    "{\"2\":\"a\"}",
    "[2,\"a\",\"Heartbeat\",{\"x\":NaN}]",
    "\u{0}",
    "[2,'a','Heartbeat',{}]",
];

#[test]
fn messages_without_an_id_are_answered_as_the_version_can() {
    for text in NAMELESS {
        assert_eq!(answer_to(text, Version::V16), None, "{text}");
        for version in [Version::V201, Version::V21] {
            let answer = answer_to(text, version);
            let expected = Some(("-1".to_owned(), "RpcFrameworkError".to_owned()));
            assert_eq!(answer, expected, "{text}");
        }
    }
}

/// Bad calls whose id can be read: what comes after it, and the code of 1.6 and of 2.x.
const NAMED: &[(&str, &str, &str)] = &[
    ("", "FormationViolation", "RpcFrameworkError"),
    (",\"Heartbeat\"", "FormationViolation", "RpcFrameworkError"),
    (
        ",\"Heartbeat\",{},1",
        "FormationViolation",
        "RpcFrameworkError",
    ),
    (",\"\",{}", "FormationViolation", "RpcFrameworkError"),
    (",1,{}", "FormationViolation", "RpcFrameworkError"),
    (",null,{}", "FormationViolation", "RpcFrameworkError"),
    (",\"Heartbeat\",[]", "FormationViolation", "FormatViolation"),
    (",\"Heartbeat\",1", "FormationViolation", "FormatViolation"),
    (
        ",\"Heartbeat\",\"{}\"",
        "FormationViolation",
        "FormatViolation",
    ),
    (",\"Nonsense\",{}", "NotImplemented", "NotImplemented"),
    (",\"heartbeat\",{}", "NotImplemented", "NotImplemented"),
    (
        ",\"BootNotificationRequest\",{}",
        "NotImplemented",
        "NotImplemented",
    ),
    (",\"Reset\",{}", "NotSupported", "NotSupported"),
    (",\"SetChargingProfile\",{}", "NotSupported", "NotSupported"),
    (",\"TriggerMessage\",{}", "NotSupported", "NotSupported"),
    (",\"UnlockConnector\",{}", "NotSupported", "NotSupported"),
];

#[test]
fn bad_calls_are_refused_with_the_code_of_their_version() {
    for (rest, old, new) in NAMED {
        let text = format!("[2,\"id\"{rest}]");
        for version in Version::ALL {
            let code = if version == Version::V16 { old } else { new };
            let expected = Some(("id".to_owned(), (*code).to_owned()));
            assert_eq!(answer_to(&text, version), expected, "{version} {text}");
        }
    }
}

#[test]
fn message_types_that_do_not_exist_are_passed_over_or_named() {
    for kind in [0, 1, 5, 6, 7, -2, 99] {
        let text = format!("[{kind},\"id\",\"Heartbeat\",{{}}]");
        assert_eq!(answer_to(&text, Version::V16), None, "{text}");
        let answer = answer_to(&text, Version::V201).expect("named");
        assert_eq!(answer.1, "MessageTypeNotSupported");
        let answer = answer_to(&text, Version::V21);
        assert_eq!(answer.is_none(), kind == 5 || kind == 6, "{text}");
    }
}

/// Calls as a station should make them: action, payload. Each field named in the third part must be
/// there and must have its type.
fn good_calls(version: Version) -> Vec<(&'static str, Value, &'static [&'static str])> {
    let at = "2026-11-22T12:00:00Z";
    let values = json!([{"timestamp": at, "sampledValue": [{"value": "1"}]}]);
    if version == Version::V16 {
        return vec![
            (
                "BootNotification",
                json!({"chargePointVendor": "V", "chargePointModel": "M"}),
                &["chargePointVendor", "chargePointModel"],
            ),
            ("Heartbeat", json!({}), &[]),
            (
                "StatusNotification",
                json!({"connectorId": 1, "errorCode": "NoError", "status": "Available"}),
                &["connectorId", "errorCode", "status"],
            ),
            ("Authorize", json!({"idTag": "T"}), &["idTag"]),
            (
                "StartTransaction",
                json!({"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": at}),
                &["connectorId", "idTag", "meterStart", "timestamp"],
            ),
            (
                "StopTransaction",
                json!({"transactionId": 1, "meterStop": 0, "timestamp": at}),
                &["transactionId", "meterStop", "timestamp"],
            ),
            (
                "MeterValues",
                json!({"connectorId": 1, "meterValue": values}),
                &["connectorId", "meterValue"],
            ),
            ("DataTransfer", json!({"vendorId": "v"}), &["vendorId"]),
            (
                "FirmwareStatusNotification",
                json!({"status": "Idle"}),
                &["status"],
            ),
            (
                "DiagnosticsStatusNotification",
                json!({"status": "Idle"}),
                &["status"],
            ),
            (
                "LogStatusNotification",
                json!({"status": "Idle"}),
                &["status"],
            ),
            (
                "SignedFirmwareStatusNotification",
                json!({"status": "Idle"}),
                &["status"],
            ),
            (
                "SecurityEventNotification",
                json!({"type": "t", "timestamp": at}),
                &["type", "timestamp"],
            ),
            ("SignCertificate", json!({"csr": "c"}), &["csr"]),
        ];
    }
    let mut calls: Vec<(&'static str, Value, &'static [&'static str])> = vec![
        (
            "BootNotification",
            json!({"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}),
            &["reason", "chargingStation"],
        ),
        ("Heartbeat", json!({}), &[]),
        (
            "StatusNotification",
            json!({"timestamp": at, "connectorStatus": "Available", "evseId": 1, "connectorId": 1}),
            &["connectorStatus", "evseId"],
        ),
        (
            "Authorize",
            json!({"idToken": {"idToken": "T", "type": "Central"}}),
            &["idToken"],
        ),
        (
            "TransactionEvent",
            json!({"eventType": "Started", "timestamp": at, "triggerReason": "Authorized",
                "seqNo": 0, "transactionInfo": {"transactionId": "t"}}),
            &[
                "eventType",
                "timestamp",
                "triggerReason",
                "seqNo",
                "transactionInfo",
            ],
        ),
        (
            "MeterValues",
            json!({"evseId": 1, "meterValue": values}),
            &["evseId", "meterValue"],
        ),
        (
            "NotifyReport",
            json!({"requestId": 1, "generatedAt": at, "seqNo": 0}),
            &["requestId"],
        ),
        (
            "NotifyEVChargingNeeds",
            json!({"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "DC"}}),
            &["evseId", "chargingNeeds"],
        ),
        (
            "NotifyEVChargingSchedule",
            json!({"evseId": 1, "timeBase": at, "chargingSchedule": {}}),
            &["evseId", "chargingSchedule"],
        ),
        (
            "NotifyChargingLimit",
            json!({"chargingLimit": {"chargingLimitSource": "EMS"}}),
            &["chargingLimit"],
        ),
        (
            "ClearedChargingLimit",
            json!({"chargingLimitSource": "EMS"}),
            &["chargingLimitSource"],
        ),
        ("DataTransfer", json!({"vendorId": "v"}), &["vendorId"]),
        ("SignCertificate", json!({"csr": "c"}), &["csr"]),
        (
            "GetCertificateStatus",
            json!({"ocspRequestData": {}}),
            &["ocspRequestData"],
        ),
        (
            "Get15118EVCertificate",
            json!({"exiRequest": "e"}),
            &["exiRequest"],
        ),
    ];
    if version == Version::V21 {
        calls.extend([
            (
                "NotifySettlement",
                json!({"pspRef": "p"}),
                &["pspRef"] as &[&str],
            ),
            (
                "NotifyDERAlarm",
                json!({"controlType": "VoltVar"}),
                &["controlType"],
            ),
            (
                "NotifyDERStartStop",
                json!({"controlId": "c"}),
                &["controlId"],
            ),
            ("ReportDERControl", json!({"requestId": 1}), &["requestId"]),
            ("BatterySwap", json!({"requestId": 1}), &["requestId"]),
            (
                "NotifyPriorityCharging",
                json!({"transactionId": "t"}),
                &["transactionId"],
            ),
            ("ClosePeriodicEventStream", json!({"id": 1}), &["id"]),
            (
                "PullDynamicScheduleUpdate",
                json!({"chargingProfileId": 1}),
                &["chargingProfileId"],
            ),
            (
                "VatNumberValidation",
                json!({"vatNumber": "v"}),
                &["vatNumber"],
            ),
        ]);
    }
    calls
}

#[test]
fn a_field_that_is_missing_or_of_another_type_is_named_so() {
    let mut cases = 0;
    for version in Version::ALL {
        let (missing, wrong) = if version == Version::V16 {
            ("OccurenceConstraintViolation", "TypeConstraintViolation")
        } else {
            ("OccurrenceConstraintViolation", "TypeConstraintViolation")
        };
        for (action, payload, fields) in good_calls(version) {
            let text = json!([2, "id", action, payload]).to_string();
            assert_eq!(answer_to(&text, version), None, "{version} {text}");
            for field in fields {
                let mut changed = payload.clone();
                changed.as_object_mut().expect("an object").remove(*field);
                let text = json!([2, "id", action, changed]).to_string();
                let code = answer_to(&text, version).map(|(_, code)| code);
                assert_eq!(code.as_deref(), Some(missing), "{version} {text}");
                cases += 1;
                // Nothing is a number, a text, a list and an object at once.
                let others = [
                    json!(null),
                    json!(true),
                    json!(1.5),
                    json!([[]]),
                    json!({"x": 1}),
                ];
                for other in others {
                    let right = &payload[*field];
                    if std::mem::discriminant(right) == std::mem::discriminant(&other) {
                        continue;
                    }
                    changed[*field] = other;
                    let text = json!([2, "id", action, changed]).to_string();
                    let code = answer_to(&text, version).map(|(_, code)| code);
                    assert_eq!(code.as_deref(), Some(wrong), "{version} {text}");
                    cases += 1;
                }
            }
        }
    }
    assert!(cases >= 300, "{cases} cases");
}

#[test]
fn a_message_too_long_or_too_deep_is_not_parsed() {
    let long = format!(
        "[2,\"id\",\"DataTransfer\",{{\"x\":\"{}\"}}]",
        "x".repeat(300_000)
    );
    let deep = format!("[2,\"id\",\"X\",{}{}]", "[".repeat(40), "]".repeat(40));
    for text in [&long, &deep] {
        assert_eq!(answer_to(text, Version::V16), None);
        let answer = answer_to(text, Version::V201).expect("answered");
        assert_eq!(answer.0, "-1");
    }
    let quoted = format!("[2,\"id\",\"Heartbeat\",{{\"x\":\"{}\"}}]", "[".repeat(40));
    assert_eq!(
        answer_to(&quoted, Version::V201),
        None,
        "brackets in a text"
    );
}

#[test]
fn an_empty_payload_may_be_null_over_1_6() {
    let text = "[2,\"id\",\"Heartbeat\",null]";
    assert_eq!(answer_to(text, Version::V16), None);
    assert_eq!(
        answer_to(text, Version::V201).expect("refused").1,
        "FormatViolation"
    );
}

#[test]
fn an_answer_settles_the_one_call_under_way_and_nothing_else() {
    let mut connection = Connection::new(Version::V201, "t");
    connection.call(call(1, Priority::Ordinary, None));
    connection.call(call(2, Priority::Ordinary, None));
    let (ticket, text) = connection.poll_send(noon()).expect("a call");
    assert_eq!((ticket, text.as_str()), (Ticket(1), "[2,\"t-1\",\"A\",{}]"));
    assert_eq!(connection.poll_send(noon()), None, "one at a time");
    assert!(matches!(
        connection.receive("[3,\"t-9\",{}]"),
        Heard::Bad { .. }
    ));
    let Heard::Answered { ticket, outcome } = connection.receive("[3,\"t-1\",{}]") else {
        panic!("not settled");
    };
    assert_eq!((ticket, outcome.is_ok()), (Ticket(1), true));
    assert!(matches!(
        connection.receive("[3,\"t-1\",{}]"),
        Heard::Bad { .. }
    ));
    connection.poll_send(noon());
    let refused = connection.receive("[4,\"t-2\",\"OccurenceConstraintViolation\",\"d\",{}]");
    let Heard::Answered { outcome, .. } = refused else {
        panic!("not settled");
    };
    let error = outcome.expect_err("refused");
    assert_eq!(error.code, ErrorCode::OccurrenceConstraintViolation);
}

#[test]
fn what_is_urgent_leaves_first_and_of_one_key_only_the_newest() {
    let mut connection = Connection::new(Version::V16, "t");
    connection.call(call(1, Priority::Ordinary, None));
    connection.call(call(2, Priority::Limit, Some("a")));
    assert_eq!(
        connection.call(call(3, Priority::Limit, Some("a"))),
        [Ticket(2)]
    );
    connection.call(call(4, Priority::Safety, None));
    let mut order = Vec::new();
    while let Some((ticket, _)) = connection.poll_send(noon()) {
        order.push(ticket.0);
        let id = order.len();
        connection.receive(&format!("[3,\"t-{id}\",{{}}]"));
    }
    assert_eq!(order, [4, 3, 1]);
}

#[test]
fn the_queue_is_bounded_and_drops_the_least_important() {
    let mut connection = Connection::new(Version::V16, "t");
    for number in 0..MAX_WAITING as u64 {
        assert!(
            connection
                .call(call(number, Priority::Limit, None))
                .is_empty()
        );
    }
    let last = Ticket(MAX_WAITING as u64 - 1);
    assert_eq!(connection.call(call(99, Priority::Safety, None)), [last]);
    assert_eq!(
        connection.call(call(100, Priority::Ordinary, None)),
        [Ticket(100)]
    );
    assert_eq!(connection.waiting(), MAX_WAITING);
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V16), Just(Version::V201), Just(Version::V21)]
}

proptest! {
    #[test]
    fn any_text_is_taken_without_a_panic(text in ".{0,200}", version in version()) {
        Connection::new(version, "t").receive(&text);
    }

    #[test]
    fn a_good_call_with_bytes_gone_wrong_never_panics_and_ours_stays_json(
        version in version(), which in 0usize..64, changes in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..6),
    ) {
        let calls = good_calls(version);
        let (action, payload, _) = &calls[which % calls.len()];
        let mut bytes = json!([2, "id", action, payload]).to_string().into_bytes();
        for (at, byte, kind) in changes {
            let index = at.index(bytes.len());
            match kind {
                0 => bytes[index] = byte,
                1 => bytes.insert(index, byte),
                _ if bytes.len() > 1 => { bytes.remove(index); }
                _ => {}
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        answer_to(&text, version);
    }
}
