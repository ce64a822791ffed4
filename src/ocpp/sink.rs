//! `PUT` or `POST /uploads/{secret}/{name}`: the files that stations were asked for.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt as _;
use tracing::{info, warn};

use super::edge::Edge;
use super::uploads::{MAX_BYTES, UploadError};

/// What the paths of the sink begin with.
pub const PATH: &str = "/uploads/";

/// Serves the sink. The application data must hold `web::Data<`[`Edge`]`>`.
pub(super) fn configure(server: &mut ServiceConfig) {
    for path in ["/uploads/{secret}", "/uploads/{secret}/{name}"] {
        server.service(
            web::resource(path)
                .route(web::put().to(take))
                .route(web::post().to(take)),
        );
    }
}

async fn take(edge: Data<Edge>, request: HttpRequest, mut body: Payload) -> HttpResponse {
    let part = |name: &str| request.match_info().query(name).to_owned();
    let now = edge.now();
    let from = request.peer_addr().map(|address| address.ip());
    let Some(station) = edge.inner.uploads.owner(&part("secret"), now) else {
        return HttpResponse::NotFound().finish();
    };
    // A file is in memory until it is written. The semaphore is never closed.
    let _slot = edge.inner.uploading.acquire().await;
    let mut content = Vec::new();
    while let Some(piece) = body.next().await {
        let Ok(piece) = piece else {
            return HttpResponse::BadRequest().finish();
        };
        if content.len() + piece.len() > MAX_BYTES {
            return HttpResponse::PayloadTooLarge()
                .body(format!("a file may have {MAX_BYTES} bytes"));
        }
        content.extend_from_slice(&piece);
    }
    let (uploads, name, owner) = (edge.inner.uploads.clone(), part("name"), station.clone());
    let kept = web::block(move || uploads.keep(&owner, &name, &content, now)).await;
    match kept {
        Ok(Ok(upload)) => {
            info!(station.id = %station, from = ?from, file = %upload.name, "a file of the station");
            HttpResponse::Created().finish()
        }
        Ok(Err(error @ UploadError::Full)) => {
            warn!(station.id = %station, %error, "a file of the station was not kept");
            HttpResponse::build(StatusCode::INSUFFICIENT_STORAGE).body(error.to_string())
        }
        Ok(Err(UploadError::Io(error))) => {
            warn!(station.id = %station, %error, "a file of the station was not kept");
            HttpResponse::InternalServerError().finish()
        }
        Err(error) => {
            warn!(station.id = %station, %error, "a file of the station was not kept");
            HttpResponse::InternalServerError().finish()
        }
    }
}
