//! Addresses below an endpoint.

use url::Url;

use crate::error::Error;

/// Reads an address; it must be absolute and http or https.
pub fn parse(operation: &'static str, text: &str) -> Result<Url, Error> {
    let url = Url::parse(text.trim()).map_err(|error| Error::Address {
        operation,
        detail: format!("{text:?}: {error}"),
    })?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(Error::Address {
            operation,
            detail: format!("{text:?} is not http or https"),
        })
    }
}

/// The address of something below an endpoint, with exactly one slash between the parts.
///
/// Each segment is percent-encoded. Empty segments, `.` and `..` would name something else and are
/// refused, and so are control characters: tabs and line feeds vanish from addresses, so that a `..`
/// could hide behind one.
pub fn below(operation: &'static str, endpoint: &Url, segments: &[&str]) -> Result<Url, Error> {
    let mut url = endpoint.clone();
    if let Some(bad) = segments.iter().find(|segment| {
        matches!(**segment, "" | "." | "..") || segment.chars().any(char::is_control)
    }) {
        let detail = format!("{bad:?} cannot be part of an address");
        return Err(Error::Address { operation, detail });
    }
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    } else {
        let detail = format!("nothing can be below {endpoint}");
        return Err(Error::Address { operation, detail });
    }
    Ok(url)
}
