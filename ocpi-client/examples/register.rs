//! Registers two platforms with each other, both in this process and without a network: each
//! state machine names what it wants, and this function carries it to the other side.
//!
//! `cargo run -p ocpi-client --example register`
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use ocpi_client::registration::{
    Check, Incoming, Method, Modules, OurSide, Outgoing, Refusal, Registered, Request, Step,
    StepResult, Target,
};
use ocpi_client::token::Token;
use ocpi_client::types::{
    BusinessDetails, Credentials, CredentialsRole, Endpoint, InterfaceRole, ModuleId, Role,
    Version, VersionDetails, VersionEntry,
};

/// A platform as it presents itself: `https://{name}.example/ocpi`.
struct Platform {
    name: &'static str,
    role: Role,
    versions: Vec<Version>,
    module: (ModuleId, InterfaceRole),
}

impl Platform {
    fn versions_url(&self) -> String {
        format!("https://{}.example/ocpi/versions", self.name)
    }

    fn versions(&self) -> Vec<VersionEntry> {
        let url = |version: &Version| format!("https://{}.example/ocpi/{version}", self.name);
        let entry = |version: &Version| VersionEntry {
            version: version.clone(),
            url: url(version),
        };
        self.versions.iter().map(entry).collect()
    }

    fn details(&self, version: &Version) -> VersionDetails {
        let (module, role) = self.module.clone();
        let endpoint = |identifier: ModuleId, role| {
            let url = format!("https://{}.example/ocpi/{version}/{identifier}", self.name);
            Endpoint {
                identifier,
                role: Some(role),
                url,
            }
        };
        let credentials = endpoint(ModuleId::Credentials, InterfaceRole::Sender);
        let endpoints = vec![credentials, endpoint(module, role)];
        VersionDetails {
            version: version.clone(),
            endpoints,
        }
    }

    fn side(&self) -> OurSide {
        OurSide {
            versions_url: self.versions_url(),
            roles: vec![CredentialsRole {
                role: self.role.clone(),
                business_details: BusinessDetails::named(self.name),
                party_id: "EXA".into(),
                country_code: "NL".into(),
            }],
            hub_party_id: None,
            versions: self.versions.clone(),
        }
    }

    /// What this platform must find on the other side.
    fn needs(&self) -> Modules {
        let side = match self.module.1 {
            InterfaceRole::Sender => InterfaceRole::Receiver,
            _ => InterfaceRole::Sender,
        };
        Modules {
            required: vec![(self.module.0.clone(), side)],
            wanted: Vec::new(),
        }
    }
}

/// Lets `scsp` register at `cpo` with a token A from there.
fn register(scsp: &Platform, cpo: &Platform) -> (Outgoing, Option<Box<Registered>>) {
    let target = Target {
        versions_url: cpo.versions_url(),
        token: Token::generate(),
        method: Method::Post,
        modules: scsp.needs(),
    };
    let mut registration = Outgoing::new(target, scsp.side(), Token::generate());
    let mut chosen = scsp.versions[0].clone();
    loop {
        let result = match registration.step() {
            Step::GetVersions { .. } => StepResult::Versions(Ok(cpo.versions())),
            Step::GetDetails { version, .. } => {
                chosen = version;
                StepResult::Details(Ok(cpo.details(&chosen)))
            }
            // Here a real platform writes token B to disk: from now on the other side may use it.
            Step::Store(_) => StepResult::Stored(Ok(())),
            Step::SendCredentials { credentials, .. } => {
                // The address called says which version the other side will use.
                let answer = be_registered(cpo, scsp, chosen.clone(), *credentials);
                StepResult::Credentials(answer)
            }
            Step::Finished { registered, .. } => return (registration, Some(registered)),
            Step::Failed(_) => return (registration, None),
        };
        registration.feed(result);
    }
}

/// What `cpo` does while the request of `scsp` is open.
fn be_registered(
    cpo: &Platform,
    scsp: &Platform,
    version: Version,
    credentials: Credentials,
) -> Result<Box<Credentials>, Refusal> {
    let request = Request {
        method: Method::Post,
        version,
        credentials,
        is_registered: false,
        modules: cpo.needs(),
    };
    let mut registration = Incoming::new(request, cpo.side(), Token::generate());
    loop {
        let result = match registration.step() {
            Step::GetVersions { .. } => StepResult::Versions(Ok(scsp.versions())),
            Step::GetDetails { version, .. } => StepResult::Details(Ok(scsp.details(&version))),
            Step::Store(_) => StepResult::Stored(Ok(())),
            Step::Finished {
                answer: Some(answer),
                ..
            } => return Ok(answer),
            Step::Failed(failure) => {
                let code = Some(failure.code);
                return Err(Refusal {
                    detail: failure.reason,
                    http_status: None,
                    code,
                });
            }
            Step::Finished { .. } | Step::SendCredentials { .. } => {
                return Err(Refusal::because("does not occur while being registered"));
            }
        };
        registration.feed(result);
    }
}

fn show(title: &str, checks: &[Check]) {
    println!("{title}");
    for check in checks {
        println!(
            "  {:<8} {:<36} {}",
            format!("{:?}", check.outcome),
            check.name,
            check.detail
        );
    }
}

fn main() {
    let side = |role| (ModuleId::ChargingProfiles, role);
    let scsp = Platform {
        name: "scsp",
        role: Role::Scsp,
        versions: vec![Version::V230, Version::V221],
        module: side(InterfaceRole::Sender),
    };
    let cpo = Platform {
        name: "cpo",
        role: Role::Cpo,
        versions: vec![Version::Other("2.1.1".into()), Version::V221, Version::V230],
        module: side(InterfaceRole::Receiver),
    };
    let (registration, registered) = register(&scsp, &cpo);
    show(
        "A platform with everything that is needed:",
        registration.checks(),
    );
    if let Some(registered) = registered {
        println!(
            "  registered in version {}: {:?}\n",
            registered.version, registered.their_token
        );
    }

    let without_profiles = Platform {
        module: (ModuleId::Tokens, InterfaceRole::Receiver),
        ..cpo
    };
    let (registration, registered) = register(&scsp, &without_profiles);
    show(
        "A platform without charging profiles:",
        registration.checks(),
    );
    println!("  registered: {}", registered.is_some());
}
