//! The scripts: one case after the other, one step per line.
//!
//! ```text
//! == TC_013 hard reset
//! operator Reset {"type":"Hard"} -> {"status":"Accepted"}
//! boots Accepted
//! ```

use serde_json::Value;

/// One case.
#[derive(Debug)]
pub(crate) struct Case {
    /// As the test tool names it.
    pub(crate) id: String,
    /// What it is about.
    pub(crate) title: String,
    /// Its EVSE 1 belongs to a depot that is live.
    pub(crate) has_depot: bool,
    /// It keeps a local list of tokens.
    pub(crate) keeps_list: bool,
    /// It waits for the operator at first.
    pub(crate) is_pending: bool,
    /// Its steps with their lines.
    pub(crate) steps: Vec<(usize, Step)>,
}

/// One step.
#[derive(Debug)]
pub(crate) enum Step {
    /// The station calls; the answer must match, or be this error.
    Say(String, Value, Result<Value, String>),
    /// A transaction event with more fields; the answer must match.
    Event(String, String, Value, Value),
    /// The operator calls; the station answers with a payload or an error, which must come through.
    Operator(String, Value, Result<Value, String>),
    /// The service calls by itself; the station answers.
    Expects(String, Value, Value),
    /// A call of the REST API; status and body must match.
    Rest(String, String, Value, u16, Value),
    /// Something is to be seen at a path of the REST API, now or soon.
    Sees(String, Value),
    /// The operator calls; the station gets it in parts and answers each.
    Parts(String, Value, Vec<Value>),
    /// The station dials anew, perhaps with another password.
    Reconnects(Option<String>),
}

/// Reads a file.
pub(crate) fn read(text: &str) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Case> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(head) = line.strip_prefix("== ") {
            let mut words = head.split_whitespace();
            let id = words.next().unwrap_or_default().to_owned();
            let (tags, title): (Vec<&str>, Vec<&str>) =
                words.partition(|word| word.starts_with('@'));
            cases.push(Case {
                id,
                title: title.join(" "),
                has_depot: tags.contains(&"@depot"),
                keeps_list: tags.contains(&"@list"),
                is_pending: tags.contains(&"@pending"),
                steps: Vec::new(),
            });
            continue;
        }
        let case = cases.last_mut().ok_or("a step before the first case")?;
        let step = step(line).ok_or_else(|| format!("line {number}: {line}"))?;
        case.steps.push((number, step));
    }
    Ok(cases)
}

fn step(line: &str) -> Option<Step> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (asked, answer) = match (rest.split_once(" -> "), rest.split_once(" !! ")) {
        (Some((asked, answer)), _) => (asked, Ok(json(answer)?)),
        (None, Some((asked, code))) => (asked, Err(code.trim().to_owned())),
        (None, None) => (rest, Ok(Value::Object(serde_json::Map::new()))),
    };
    let mut words = asked.splitn(3, ' ');
    let first = words.next().unwrap_or_default().to_owned();
    let rest = asked[first.len()..].trim();
    let body = if rest.is_empty() { "{}" } else { rest };
    Some(match verb {
        "say" => Step::Say(first, json(body)?, answer),
        "operator" => Step::Operator(first, json(body)?, answer),
        "expects" => Step::Expects(first, json(body)?, answer.ok()?),
        "event" => {
            let trigger = words.next()?.to_owned();
            let more = words.next().map_or(Some(Value::Null), json)?;
            Step::Event(first, trigger, more, answer.ok()?)
        }
        "rest" => {
            let path = words.next()?.to_owned();
            let body = words.next().map_or(Some(Value::Null), json)?;
            let answer = rest_answer(line)?;
            Step::Rest(first, path, body, answer.0, answer.1)
        }
        "sees" => Step::Sees(first, json(body)?),
        "parts" => Step::Parts(first, json(body)?, answer.ok()?.as_array()?.clone()),
        "reconnects" => Step::Reconnects((!first.is_empty()).then_some(first)),
        _ => return None,
    })
}

/// `=> 200 {..}` at the end of a line.
fn rest_answer(line: &str) -> Option<(u16, Value)> {
    let (_, answer) = line.rsplit_once(" -> ")?;
    let list = json(answer)?;
    let status = u16::try_from(list[0].as_u64()?).ok()?;
    Some((status, list[1].clone()))
}

fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text.trim()).ok()
}
