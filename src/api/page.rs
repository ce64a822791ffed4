//! The start page: what this is and where to go.

use actix_web::HttpResponse;

/// The version of this build.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) async fn start() -> HttpResponse {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>evenload</title></head>\n\
         <body>\n<h1>evenload {VERSION}</h1>\n<p>Smart charging that any charging network can plug \
         in and any depot can run alone.</p>\n<ul>\n\
         <li>API: <code>/api/v1</code>, with a bearer token; begin with \
         <code>GET /api/v1/sites</code></li>\n\
         <li>OCPI: <a href=\"/ocpi/versions\"><code>/ocpi/versions</code></a></li>\n\
         <li>Health: <a href=\"/health/ready\"><code>/health/ready</code></a></li>\n\
         <li>Metrics: <a href=\"/metrics\"><code>/metrics</code></a></li>\n\
         </ul>\n</body>\n</html>\n"
    );
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("Content-Security-Policy", "default-src 'none'"))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .body(page)
}
