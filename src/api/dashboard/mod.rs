//! The dashboard: static files that are part of the binary. Its pages use the REST API like
//! everyone else; nothing is loaded from elsewhere, and the browser is told to refuse it.

mod files;

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};

use self::files::File;
use super::problem::Problem;
use super::sites::Answer;

/// The version of this build.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The licences of the libraries in the pages, each begun by a line of its name and version.
pub fn notice() -> &'static str {
    include_str!("web/vendor/NOTICE")
}

/// What the browser may do with a page of ours: load from us and nowhere else, run no inline
/// script, show in no frame.
const POLICY: &str = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; \
    frame-ancestors 'none'; img-src 'self' data:";

/// The one page; where to go is after the `#`.
pub(super) async fn start(request: HttpRequest) -> Answer {
    let index = files::find("index.html").ok_or_else(|| Problem::unknown("the dashboard"))?;
    Ok(send(&request, index))
}

/// The API's documentation for people.
pub(super) async fn docs(request: HttpRequest) -> Answer {
    let page = files::find("docs.html").ok_or_else(|| Problem::unknown("the documentation"))?;
    Ok(send(&request, page))
}

pub(super) async fn asset(request: HttpRequest, path: Path<String>) -> Answer {
    let file = files::find(&path).ok_or_else(|| Problem::unknown(request.path()))?;
    Ok(send(&request, file))
}

fn send(request: &HttpRequest, file: &'static File) -> HttpResponse {
    let header = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let is_known = header(IF_NONE_MATCH)
        .split(',')
        .any(|tag| tag.trim() == file.etag);
    let takes_gzip = header(ACCEPT_ENCODING)
        .split(',')
        .any(|coding| coding.trim().split(';').next() == Some("gzip"));
    let status = if is_known {
        StatusCode::NOT_MODIFIED
    } else {
        StatusCode::OK
    };
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header(("ETag", file.etag.as_str()))
        // Asked for anew each time, answered by 304: an upgrade is seen at once.
        .insert_header(("Cache-Control", "no-cache"))
        .insert_header(("Vary", "Accept-Encoding"))
        .insert_header(("Content-Security-Policy", POLICY))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .insert_header(("X-Frame-Options", "DENY"))
        .insert_header(("Referrer-Policy", "no-referrer"))
        .insert_header(("Cross-Origin-Opener-Policy", "same-origin"));
    if is_known {
        return answer.finish();
    }
    answer.content_type(file.content_type);
    if takes_gzip {
        answer.insert_header(("Content-Encoding", "gzip"));
        answer.body(file.gzipped.as_slice())
    } else {
        answer.body(file.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::files;

    /// What a visitor loads in all, compressed.
    const MOST_BYTES: usize = 150 * 1024;

    #[test]
    fn all_pages_together_weigh_less_than_150_kb_compressed() {
        let sum: usize = files::all().iter().map(|file| file.gzipped.len()).sum();
        assert!(sum <= MOST_BYTES, "{sum} bytes");
    }

    #[test]
    fn every_file_of_the_folder_is_part_of_the_binary() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api/dashboard/web");
        let mut waiting = vec![folder.clone()];
        while let Some(inner) = waiting.pop() {
            for entry in std::fs::read_dir(inner).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    waiting.push(path);
                    continue;
                }
                let name = path.strip_prefix(&folder).expect("inside");
                let name = name.to_string_lossy();
                let is_served = files::find(&name).is_some();
                let for_people = name.ends_with(".sh");
                assert!(is_served || for_people, "{name} is not served");
            }
        }
    }

    /// The code of the pages, without the German words, and these: English, German.
    fn words() -> (String, Vec<(String, String)>) {
        let pages = files::all().iter().filter(|f| f.path.starts_with("app/"));
        let (german, code): (Vec<_>, Vec<_>) = pages.partition(|f| f.path == "app/de.js");
        let code = code
            .iter()
            .map(|file| String::from_utf8_lossy(file.bytes))
            .collect();
        let german = String::from_utf8_lossy(german[0].bytes).into_owned();
        let entries = german.lines().filter_map(|line| {
            let entry = format!("{{{}}}", line.trim().trim_end_matches(','));
            let read: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&entry).ok()?;
            let (english, german) = read.into_iter().next()?;
            Some((english, german.as_str()?.to_owned()))
        });
        (code, entries.collect())
    }

    /// The texts of `t("..")` in the code.
    fn named(code: &str) -> BTreeSet<&str> {
        code.match_indices("t(\"")
            .filter(|(at, _)| {
                let before = code[..*at].chars().next_back();
                before.is_none_or(|c| !c.is_alphanumeric() && !"._".contains(c))
            })
            .filter_map(|(at, _)| code[at + 3..].split('"').next())
            .filter(|text| !text.contains('\n'))
            .collect()
    }

    #[test]
    fn english_and_german_have_the_same_texts() {
        let (code, german) = words();
        let known: BTreeSet<&str> = german.iter().map(|(english, _)| english.as_str()).collect();
        assert!(known.len() > 300, "{}", known.len());
        let missing: Vec<_> = named(&code).difference(&known).copied().collect();
        assert!(missing.is_empty(), "without German: {missing:?}");
        let unused = known
            .iter()
            .filter(|text| !code.contains(&format!("\"{text}\"")));
        let unused: Vec<_> = unused.collect();
        assert!(unused.is_empty(), "German that nobody shows: {unused:?}");
    }

    #[test]
    fn a_text_has_the_same_blanks_in_both_languages() {
        for (english, german) in words().1 {
            let blanks = |text: &str| -> BTreeSet<String> {
                let parts = text.split('{').skip(1);
                parts
                    .filter_map(|rest| Some(rest.split_once('}')?.0.to_owned()))
                    .collect()
            };
            assert_eq!(blanks(&english), blanks(&german), "{english}");
            assert!(!german.trim().is_empty(), "{english}");
        }
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        for file in files::all().iter().filter(|f| f.path != "vendor/NOTICE") {
            let text = String::from_utf8_lossy(file.bytes);
            for (at, _) in text.match_indices("://") {
                let around: String = text[..at].chars().rev().take(20).collect();
                let around: String = around.chars().rev().collect();
                let host: String = text[at..].chars().take(25).collect();
                // Names of XML vocabularies and of a library in its comment are not addresses.
                let is_a_name = ["://www.w3.org/", "://github.com/leeoniya/uP"];
                assert!(
                    is_a_name.iter().any(|name| host.starts_with(name)),
                    "{}: ..{around}{host}..",
                    file.path
                );
            }
        }
    }
}
