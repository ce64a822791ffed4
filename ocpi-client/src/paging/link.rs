//! The `Link` header.

/// What a `Link` header says about the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// No header, or an empty one: this is the last page.
    Absent,
    /// The next page, as written.
    Next(String),
    /// There is something, but no next page in it.
    NoNext,
}

/// Longest header that is looked at, in bytes.
const MAX_BYTES: usize = 8 * 1024;

/// Reads the values of all `Link` headers (RFC 8288): the first target whose `rel` contains `next`.
///
/// Tolerated: several links in one value, parameters in any order and case, `rel` without quotes,
/// and an address without angle brackets or without `rel` when it is the only one.
pub fn next_link<'a>(values: impl IntoIterator<Item = &'a str>) -> Link {
    let mut something = false;
    for value in values {
        let value = value.trim();
        if value.is_empty() || value == "<>" {
            continue;
        }
        something = true;
        if value.len() > MAX_BYTES {
            continue;
        }
        if let Some(target) = next_in(value) {
            return Link::Next(target.to_owned());
        }
    }
    if something {
        Link::NoNext
    } else {
        Link::Absent
    }
}

fn next_in(value: &str) -> Option<&str> {
    if !value.contains('<') {
        let target = value.split(';').next().unwrap_or_default().trim();
        let parameters = value.strip_prefix(target).unwrap_or_default();
        return is_next(parameters)
            .unwrap_or(true)
            .then_some(target)
            .filter(|t| !t.is_empty());
    }
    let mut rest = value;
    while let Some((_, opened)) = rest.split_once('<') {
        let (target, after) = opened.split_once('>')?;
        // The parameters reach to the next link; an address in quotes has no `<` of its own.
        let parameters = after.split_once('<').map_or(after, |(own, _)| own);
        let only_one = !after.contains('<');
        let target = target.trim();
        if !target.is_empty() && is_next(parameters).unwrap_or(only_one) {
            return Some(target);
        }
        rest = after;
    }
    None
}

/// Whether the parameters name the relation `next`; `None` when they name no relation.
fn is_next(parameters: &str) -> Option<bool> {
    parameters.split([';', ',']).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("rel").then(|| {
            let value = value.trim().trim_matches('"');
            value
                .split_ascii_whitespace()
                .any(|relation| relation.eq_ignore_ascii_case("next"))
        })
    })
}
