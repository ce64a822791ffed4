//! What both directions do alike: versions, details, modules.

use super::check::{Check, Outcome};
use super::step::{Failure, Refusal};
use crate::types::{
    CredentialsRole, InterfaceRole, ModuleId, StatusCode, Version, VersionDetails, VersionEntry,
};

/// The modules we look for on the other side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modules {
    /// Without one of these there is no registration.
    pub required: Vec<(ModuleId, InterfaceRole)>,
    /// Without these it works, but less well.
    pub wanted: Vec<(ModuleId, InterfaceRole)>,
}

/// The first of `ours` that is among theirs.
pub fn choose_version<'t>(
    ours: &[Version],
    theirs: &'t [VersionEntry],
) -> Option<&'t VersionEntry> {
    ours.iter()
        .find_map(|version| theirs.iter().find(|entry| entry.version == *version))
}

/// Failure of a registration with a check line that says the same.
pub(super) fn fail(
    checks: &mut Vec<Check>,
    name: &str,
    code: StatusCode,
    reason: String,
) -> Failure {
    checks.push(Check::new(name, Outcome::Failed, reason.clone()));
    Failure {
        http_status: 200,
        code,
        reason,
    }
}

/// Failure because a request to the other side gave nothing.
pub(super) fn unreachable(checks: &mut Vec<Check>, name: &str, refusal: &Refusal) -> Failure {
    fail(
        checks,
        name,
        StatusCode::CLIENT_API_UNUSABLE,
        refusal.detail.clone(),
    )
}

/// Reads their versions and chooses.
pub(super) fn versions(
    checks: &mut Vec<Check>,
    ours: &[Version],
    result: Result<Vec<VersionEntry>, Refusal>,
) -> Result<VersionEntry, Failure> {
    let theirs = result.map_err(|refusal| unreachable(checks, "versions", &refusal))?;
    let list: Vec<&str> = theirs
        .iter()
        .map(|entry| entry.version.as_str())
        .take(16)
        .collect();
    let list = if list.is_empty() {
        "none".to_owned()
    } else {
        list.join(", ")
    };
    checks.push(Check::new(
        "versions",
        Outcome::Ok,
        format!("offered: {list}"),
    ));
    let chosen = choose_version(ours, &theirs).cloned().ok_or_else(|| {
        let wanted: Vec<&str> = ours.iter().map(Version::as_str).collect();
        let reason = format!(
            "no common version: offered {list}, needed {}",
            wanted.join(" or ")
        );
        fail(checks, "version", StatusCode::UNSUPPORTED_VERSION, reason)
    })?;
    let detail = format!("{} at {}", chosen.version, chosen.url);
    checks.push(Check::new("version", Outcome::Ok, detail));
    Ok(chosen)
}

/// Reads their details and looks for the modules.
pub(super) fn details(
    checks: &mut Vec<Check>,
    chosen: &Version,
    modules: &Modules,
    result: Result<VersionDetails, Refusal>,
) -> Result<VersionDetails, Failure> {
    let mut details = result.map_err(|refusal| unreachable(checks, "details", &refusal))?;
    let count = details.endpoints.len();
    if details.version == *chosen {
        checks.push(Check::new(
            "details",
            Outcome::Ok,
            format!("{count} endpoints"),
        ));
    } else {
        let told = format!(
            "details say version {} at the address of {chosen}",
            details.version
        );
        checks.push(Check::new("details", Outcome::Warning, told));
        details.version = chosen.clone();
    }
    let credentials = (ModuleId::Credentials, InterfaceRole::Sender);
    let required = std::iter::once(&credentials).chain(&modules.required);
    let mut missing = Vec::new();
    for (module, role) in required {
        if !look_for(checks, &details, module, role, Outcome::Failed) {
            missing.push(name_of(module, role));
        }
    }
    for (module, role) in &modules.wanted {
        look_for(checks, &details, module, role, Outcome::Warning);
    }
    if missing.is_empty() {
        return Ok(details);
    }
    let reason = format!("missing endpoints: {}", missing.join(", "));
    Err(Failure {
        http_status: 200,
        code: StatusCode::MISSING_ENDPOINTS,
        reason,
    })
}

/// Says who is on the platform.
pub(super) fn roles(checks: &mut Vec<Check>, roles: &[CredentialsRole]) {
    let parties: Vec<String> = roles
        .iter()
        .take(16)
        .map(|role| format!("{} {}", role.role, role.party()))
        .collect();
    checks.push(if parties.is_empty() {
        Check::new(
            "credentials",
            Outcome::Warning,
            "no party is named in the roles",
        )
    } else {
        Check::new("credentials", Outcome::Ok, parties.join(", "))
    });
}

fn look_for(
    checks: &mut Vec<Check>,
    details: &VersionDetails,
    module: &ModuleId,
    role: &InterfaceRole,
    otherwise: Outcome,
) -> bool {
    let name = format!("module {}", name_of(module, role));
    let found = details.url(module, role);
    checks.push(match found {
        Some(url) => Check::new(&name, Outcome::Ok, url),
        None => Check::new(&name, otherwise, "not among the endpoints"),
    });
    found.is_some()
}

fn name_of(module: &ModuleId, role: &InterfaceRole) -> String {
    match module {
        ModuleId::Credentials => module.to_string(),
        _ => format!("{module} {role}"),
    }
}
