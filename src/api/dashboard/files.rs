//! The files of the dashboard, compressed once when the first of them is asked for.

use std::io::Write as _;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// A file as it is served.
pub(super) struct File {
    pub(super) path: &'static str,
    pub(super) content_type: &'static str,
    pub(super) bytes: &'static [u8],
    pub(super) gzipped: Vec<u8>,
    pub(super) etag: String,
}

macro_rules! embedded {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_bytes!(concat!("web/", $path)).as_slice())),*]
    };
}

static EMBEDDED: &[(&str, &[u8])] = &embedded![
    "index.html",
    "docs.html",
    "style.css",
    "icon.svg",
    "vendor/NOTICE",
    "vendor/preact.js",
    "vendor/hooks.js",
    "vendor/signals-core.js",
    "vendor/signals.js",
    "vendor/htm.js",
    "vendor/uplot.js",
    "vendor/uplot.css",
    "app/main.js",
    "app/docs.js",
    "app/lib.js",
    "app/api.js",
    "app/store.js",
    "app/time.js",
    "app/text.js",
    "app/de.js",
    "app/parts.js",
    "app/chart.js",
    "app/strip.js",
    "app/dispatches.js",
    "app/override.js",
    "app/approve.js",
    "app/profile.js",
    "app/station.js",
    "app/sign_in.js",
    "app/pages/today.js",
    "app/pages/plan.js",
    "app/pages/vehicles.js",
    "app/pages/chargers.js",
    "app/pages/site.js",
    "app/pages/partners.js",
    "app/pages/signals.js",
    "app/pages/reports.js",
    "app/pages/events.js",
    "app/pages/rollout.js",
    "app/pages/access.js",
];

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    EMBEDDED
        .iter()
        .map(|(path, bytes)| File {
            path,
            content_type: content_type(path),
            bytes,
            gzipped: gzip(bytes),
            etag: etag(bytes),
        })
        .collect()
});

/// All of them.
pub(super) fn all() -> &'static [File] {
    &FILES
}

/// The file of a path.
pub(super) fn find(path: &str) -> Option<&'static File> {
    all().iter().find(|file| file.path == path)
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing into memory cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

fn etag(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::digest(bytes);
    let mut text = String::from("W/\"");
    for byte in digest.iter().take(12) {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.push('"');
    text
}
