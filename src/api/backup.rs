//! `/backup`: everything that is kept, as one file, while the service runs. It is a POST because it is
//! an act to account for: whoever holds the file knows who charged where and when.

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;

use super::ApiState;
use super::audit;
use super::auth::{Access, Scope};
use super::ports::BackupPieces;
use super::problem::Problem;
use super::sites::{Answer, no_query};
use crate::domain::ports::PortError;

pub(super) async fn create(api: Data<ApiState>, request: HttpRequest) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    if !access.reaches_all_of(None) {
        return Err(Problem::forbidden(
            "a backup holds all sites; this token reaches some",
        ));
    }
    no_query(&request)?;
    let begun = api.backups.begin().await?;
    audit::remark(&request, "a backup was taken");
    let name = format!(
        "evenload-{}.jsonl",
        api.clock.now().format("%Y%m%dT%H%M%SZ")
    );
    let pieces = stream::unfold(begun, |mut begun| async move {
        let piece = next(&mut begun).await?;
        Some((piece, begun))
    });
    Ok(HttpResponse::Ok()
        .content_type("application/x-ndjson")
        .insert_header(("Cache-Control", "no-store"))
        .insert_header((
            "Content-Disposition",
            format!("attachment; filename=\"{name}\""),
        ))
        .streaming(pieces))
}

/// The next piece. An error breaks the connection off: what was sent so far has no last line and so
/// is no backup.
async fn next(begun: &mut BackupPieces) -> Option<Result<Bytes, PortError>> {
    match begun.first.take() {
        Some(first) => Some(Ok(first)),
        None => begun.rest.recv().await,
    }
}
