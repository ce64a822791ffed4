//! A registration ends, and nothing is sent before it is stored, whatever the other side says.

use ocpi_client::read::{FromOcpi, read_list, read_one};
use ocpi_client::registration::{
    Incoming, Method, Modules, OurSide, Outgoing, Refusal, Request, Step, StepResult, Target,
};
use ocpi_client::token::Token;
use ocpi_client::types::{Credentials, InterfaceRole, ModuleId, Version};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::arbitrary::{json_value, registration_messages, spoiled};

fn read<T: FromOcpi>(message: &Value) -> Result<T, Refusal> {
    let reading = read_one::<T>(message);
    reading
        .map(|reading| reading.value)
        .map_err(|reason| Refusal::because(reason.to_string()))
}

/// Any result, with messages that are right more often than not.
fn result() -> impl Strategy<Value = StepResult> {
    let samples = registration_messages();
    let page = Value::from(vec![samples[1].clone()]);
    prop_oneof![
        spoiled(vec![page]).prop_map(|m| StepResult::Versions(Ok(read_list(&m).value))),
        spoiled(vec![samples[2].clone()]).prop_map(|m| StepResult::Details(read(&m))),
        spoiled(vec![samples[0].clone()])
            .prop_map(|m| StepResult::Credentials(read(&m).map(Box::new))),
        any::<bool>().prop_map(|ok| {
            StepResult::Stored(if ok {
                Ok(())
            } else {
                Err(Refusal::because("no"))
            })
        }),
        json_value().prop_map(|m| StepResult::Details(read(&m))),
    ]
}

fn ours() -> OurSide {
    OurSide {
        versions_url: "https://us.example/versions".to_owned(),
        roles: Vec::new(),
        hub_party_id: None,
        versions: Version::SPOKEN.to_vec(),
    }
}

fn modules() -> Modules {
    let own = ModuleId::Other("own-module".to_owned());
    Modules {
        required: vec![(own, InterfaceRole::Receiver)],
        wanted: Vec::new(),
    }
}

fn token(text: &str) -> Token {
    Token::new(text).unwrap()
}

/// Feeds results until the end and returns how many of them moved it, checking the order.
fn drive(
    results: Vec<StepResult>,
    step: impl Fn() -> Step,
    mut feed: impl FnMut(StepResult),
) -> (usize, bool) {
    let (mut moves, mut was_stored) = (0, false);
    for result in results {
        let before = step();
        if before.is_end() {
            break;
        }
        let stores = matches!(
            (&before, &result),
            (Step::Store(_), StepResult::Stored(Ok(())))
        );
        feed(result);
        let after = step();
        moves += usize::from(after != before);
        was_stored |= stores;
        let needs_store = matches!(after, Step::SendCredentials { .. } | Step::Finished { .. });
        assert!(!needs_store || was_stored);
    }
    (moves, was_stored)
}

proptest! {
    #[test]
    fn registering_there_takes_four_moves_at_most(
        results in proptest::collection::vec(result(), 0..16),
    ) {
        let target = Target {
            versions_url: "https://cpo.example/versions".to_owned(),
            token: token("token-a"),
            method: Method::Post,
            modules: modules(),
        };
        let registration = std::cell::RefCell::new(Outgoing::new(target, ours(), token("token-b")));
        let step = || registration.borrow().step();
        let (moves, _) = drive(results, step, |result| registration.borrow_mut().feed(result));
        prop_assert!(moves <= 4);
        prop_assert!(registration.borrow().checks().len() < 20);
    }

    #[test]
    fn being_registered_takes_three_moves_at_most(
        results in proptest::collection::vec(result(), 0..16), body in spoiled(vec![registration_messages()[0].clone()]),
    ) {
        let Ok(credentials) = read_one::<Credentials>(&body) else { return Ok(()) };
        let request = Request {
            method: Method::Post,
            version: Version::V230,
            credentials: credentials.value,
            is_registered: false,
            modules: modules(),
        };
        let registration = std::cell::RefCell::new(Incoming::new(request, ours(), token("token-c")));
        let step = || registration.borrow().step();
        let (moves, _) = drive(results, step, |result| registration.borrow_mut().feed(result));
        prop_assert!(moves <= 3);
    }
}

#[test]
fn the_generated_results_can_lead_to_the_end() {
    let samples = registration_messages();
    let request = Request {
        method: Method::Post,
        version: Version::V230,
        credentials: read_one(&samples[0]).unwrap().value,
        is_registered: false,
        modules: modules(),
    };
    let mut registration = Incoming::new(request, ours(), token("token-c"));
    registration.feed(StepResult::Versions(Ok(
        read_list(&json!([samples[1]])).value
    )));
    registration.feed(StepResult::Details(read(&samples[2])));
    registration.feed(StepResult::Stored(Ok(())));
    assert!(matches!(registration.step(), Step::Finished { .. }));
}
