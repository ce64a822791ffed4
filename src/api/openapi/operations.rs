//! Every call of the API, one entry each.

/// One method of one path.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    /// The scope it needs; empty = none.
    pub(super) scope: &'static str,
    /// Parameters of the query with their kind; `!` marks those that must be there.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// The schema of the body and the types it may have.
    pub(super) body: Option<(&'static str, &'static [&'static str])>,
    /// Of success.
    pub(super) statuses: &'static [&'static str],
    /// The type of the answer.
    pub(super) answer: &'static str,
}

const JSON: &str = "application/json";

/// A call that only reads.
const fn get(path: &'static str, scope: &'static str, summary: &'static str) -> Operation {
    Operation {
        method: "get",
        path,
        summary,
        scope,
        query: &[],
        body: None,
        statuses: &["200"],
        answer: JSON,
    }
}

/// A call that changes something.
const fn write(
    method: &'static str,
    path: &'static str,
    scope: &'static str,
    summary: &'static str,
) -> Operation {
    Operation {
        method,
        ..get(path, scope, summary)
    }
}

const fn delete(path: &'static str, scope: &'static str, summary: &'static str) -> Operation {
    write("delete", path, scope, summary).giving(&["204"])
}

impl Operation {
    const fn asking(self, query: &'static [(&'static str, &'static str)]) -> Self {
        Self { query, ..self }
    }

    const fn taking(self, schema: &'static str) -> Self {
        Self {
            body: Some((schema, &[JSON])),
            ..self
        }
    }

    const fn giving(self, statuses: &'static [&'static str]) -> Self {
        Self { statuses, ..self }
    }

    const fn in_type(self, answer: &'static str) -> Self {
        Self { answer, ..self }
    }
}

const WINDOWS: &[(&str, &str)] = &[
    ("from", "time"),
    ("to", "time"),
    ("resolution", "resolution"),
];
const DRY_RUN: &[(&str, &str)] = &[("dry_run", "flag")];

pub(super) static OPERATIONS: &[Operation] = &[
    get("/", "", "The dashboard").in_type("text/html"),
    get("/api/openapi.json", "", "This document"),
    get("/api/docs", "", "This document for people").in_type("text/html"),
    get("/health/live", "", "The process runs and answers"),
    get(
        "/health/ready",
        "",
        "Every part does its work; 503 if one does not",
    )
    .giving(&["200", "503"]),
    get("/metrics", "", "What Prometheus reads")
        .in_type("application/openmetrics-text; version=1.0.0; charset=utf-8"),
    get("/api/v1/sites", "read", "All sites the token reaches"),
    get("/api/v1/sites/{site}", "read", "One site with its status"),
    write(
        "put",
        "/api/v1/sites/{site}",
        "admin",
        "Sets a site up or replaces its description",
    )
    .taking("Site")
    .giving(&["200", "201"]),
    delete(
        "/api/v1/sites/{site}",
        "admin",
        "Forgets a site that is neither live nor canary",
    ),
    get(
        "/api/v1/sites/{site}/mode",
        "read",
        "What evenload may do at the site",
    ),
    write(
        "put",
        "/api/v1/sites/{site}/mode",
        "operate",
        "Chooses what evenload may do",
    )
    .taking("Mode"),
    write(
        "post",
        "/api/v1/sites/{site}/import",
        "admin",
        "Takes over EVSEs of a partner's locations",
    )
    .taking("Import")
    .giving(&["200", "201"]),
    get(
        "/api/v1/sites/{site}/sessions",
        "read",
        "Running sessions, their needs and how they stand",
    ),
    get(
        "/api/v1/sites/{site}/plan",
        "read",
        "Planned, sent, confirmed and measured, with reasons",
    )
    .asking(&[("evse", "text"), ("compact", "flag")]),
    get(
        "/api/v1/sites/{site}/frame",
        "read",
        "Limit and price per slot, and who decided them",
    ),
    get(
        "/api/v1/sites/{site}/flexibility",
        "read",
        "What charging could shed or add per slot, and how long a full shed can last",
    )
    .asking(WINDOWS),
    get(
        "/api/v1/sites/{site}/baseline",
        "read",
        "What charging would draw: B0 the plan, B1 uncontrolled",
    )
    .asking(&[
        ("method", "method"),
        ("from", "time"),
        ("to", "time"),
        ("resolution", "resolution"),
    ]),
    get(
        "/api/v1/sites/{site}/history",
        "read",
        "Powers per minute, two days back at most",
    )
    .asking(&[("from", "time"), ("to", "time")]),
    get(
        "/api/v1/sites/{site}/journal",
        "read",
        "What happened lately, newest first",
    )
    .asking(&[("kind", "text"), ("evse", "text")]),
    get(
        "/api/v1/sites/{site}/bound",
        "read",
        "What every EVSE may draw at an instant",
    )
    .asking(&[("at", "time")]),
    get(
        "/api/v1/sites/{site}/alerts",
        "read",
        "What needs somebody, the gravest first",
    ),
    get(
        "/api/v1/sites/{site}/signals",
        "read",
        "Signals of the site",
    )
    .asking(&[
        ("kind", "text"),
        ("state", "text"),
        ("from", "time"),
        ("to", "time"),
    ]),
    get(
        "/api/v1/sites/{site}/signals/{key}",
        "read",
        "One signal with all its slots",
    ),
    write(
        "put",
        "/api/v1/sites/{site}/signals/{key}",
        "signals:write",
        "Sends a signal whole",
    )
    .asking(DRY_RUN)
    .taking("Signal")
    .giving(&["200", "201"]),
    write(
        "patch",
        "/api/v1/sites/{site}/signals/{key}",
        "signals:write",
        "Replaces the slots from the first one given on",
    )
    .asking(DRY_RUN)
    .taking("Signal"),
    delete(
        "/api/v1/sites/{site}/signals/{key}",
        "signals:write",
        "Withdraws a signal",
    ),
    get(
        "/api/v1/sites/{site}/departures",
        "read",
        "Departures filed; personal keys as hashes",
    ),
    Operation {
        body: Some(("Departures", &[JSON, "text/csv"])),
        ..write(
            "put",
            "/api/v1/sites/{site}/departures",
            "operate",
            "Files the whole table; what is not in it is withdrawn, unless keep_others",
        )
        .asking(&[("keep_others", "flag")])
    },
    get(
        "/api/v1/sites/{site}/departures/{key}",
        "read",
        "One departure",
    ),
    write(
        "put",
        "/api/v1/sites/{site}/departures/{key}",
        "operate",
        "Files one departure",
    )
    .asking(DRY_RUN)
    .taking("Departure")
    .giving(&["200", "201"]),
    delete(
        "/api/v1/sites/{site}/departures/{key}",
        "operate",
        "Withdraws a departure",
    ),
    write(
        "post",
        "/api/v1/sites/{site}/meter",
        "signals:write",
        "A reading at the grid connection, EVs included",
    )
    .taking("Meter"),
    write(
        "post",
        "/api/v1/sites/{site}/evses/{evse}/override",
        "operate",
        "Charge now, pause, release; the answer says what it costs and whom it delays",
    )
    .asking(DRY_RUN)
    .taking("Override"),
    get(
        "/api/v1/partners",
        "read",
        "The platforms we speak OCPI with",
    ),
    write(
        "post",
        "/api/v1/partners",
        "admin",
        "Registers with a partner; the answer is the check list",
    )
    .taking("Partner")
    .giving(&["201"]),
    write(
        "post",
        "/api/v1/partners/invite",
        "admin",
        "Makes a token with which a partner registers with us",
    )
    .taking("Invitation")
    .giving(&["201"]),
    get("/api/v1/partners/{name}", "read", "One partner"),
    delete(
        "/api/v1/partners/{name}",
        "admin",
        "Ends the relation and forgets it",
    ),
    write(
        "patch",
        "/api/v1/partners/{name}",
        "admin",
        "Whether its immediate ACCEPTED counts as applied",
    )
    .taking("Trust"),
    get(
        "/api/v1/partners/{name}/evses",
        "read",
        "The EVSEs that its locations offer",
    ),
    get(
        "/api/v1/partners/{name}/exchanges",
        "operate",
        "The last exchanges, secrets masked",
    ),
    write(
        "post",
        "/api/v1/partners/{name}/test",
        "operate",
        "Tries everything that is needed of a partner",
    ),
    write(
        "post",
        "/api/v1/partners/{name}/rotate",
        "admin",
        "Exchanges the tokens",
    ),
    get(
        "/api/v1/stations",
        "read",
        "The chargers that connect to us over OCPP; state=waiting: unknown ones that tried",
    )
    .asking(&[("state", "station_state")]),
    get(
        "/api/v1/stations/{id}",
        "read",
        "One station: what was asked, accepted, read back and measured",
    ),
    write(
        "put",
        "/api/v1/stations/{id}",
        "admin",
        "Approves a station or changes it; a password that was made is shown this once",
    )
    .taking("Station")
    .giving(&["200", "201"]),
    delete(
        "/api/v1/stations/{id}",
        "admin",
        "Forgets a station and closes its connection",
    ),
    get(
        "/api/v1/stations/{id}/messages",
        "operate",
        "Its last messages, passwords masked",
    ),
    get(
        "/api/v1/stations/{id}/uploads",
        "operate",
        "The logs and diagnostics it has uploaded",
    ),
    get(
        "/api/v1/stations/{id}/uploads/{name}",
        "operate",
        "One of them as it came",
    )
    .in_type("application/octet-stream"),
    write(
        "post",
        "/api/v1/stations/{id}/password",
        "admin",
        "Gives a connected station a new password over OCPP; the old one is right until it shows the new one",
    )
    .taking("StationPassword"),
    get("/api/v1/id-tokens", "operate", "Cards that were filed for our own stations"),
    write(
        "put",
        "/api/v1/id-tokens/{id}",
        "operate",
        "Files a card: what it may, until when, of which group",
    )
    .taking("IdToken")
    .giving(&["200", "201"]),
    delete("/api/v1/id-tokens/{id}", "operate", "Forgets a card"),
    write(
        "post",
        "/api/v1/stations/{id}/commands/{action}",
        "operate",
        "Sends any call of OCPP; the answer is the station's",
    )
    .taking("OcppPayload"),
    get("/api/v1/dispatches", "read", "Dispatches, the newest first").asking(&[("site", "text")]),
    write(
        "post",
        "/api/v1/dispatches",
        "signals:write",
        "Asks a site for less or more power; the answer says what can be had",
    )
    .asking(DRY_RUN)
    .taking("Dispatch")
    .giving(&["200", "202"]),
    get(
        "/api/v1/dispatches/{id}",
        "read",
        "One dispatch and how far it is",
    ),
    delete(
        "/api/v1/dispatches/{id}",
        "signals:write",
        "Takes a dispatch back",
    ),
    get(
        "/api/v1/dispatches/{id}/settlement",
        "read",
        "Requested, baseline, measured and delivered per slot; JSON or CSV",
    )
    .asking(&[("format", "format")]),
    get("/api/v1/groups", "read", "Sites that share a limit"),
    get(
        "/api/v1/groups/{id}",
        "read",
        "One group: quota, bound and measured power of each site",
    ),
    write(
        "put",
        "/api/v1/groups/{id}",
        "admin",
        "Sets a limit for several sites together",
    )
    .taking("Group")
    .giving(&["200", "201"]),
    delete(
        "/api/v1/groups/{id}",
        "admin",
        "Gives a group up; its quotas are withdrawn",
    ),
    get("/api/v1/webhooks", "read", "Who is told what happens"),
    write(
        "post",
        "/api/v1/webhooks",
        "read",
        "Has what happens told to an address, signed; the secret is shown this once",
    )
    .taking("Webhook")
    .giving(&["201"]),
    get(
        "/api/v1/webhooks/{id}",
        "read",
        "One webhook and how deliveries go",
    ),
    delete("/api/v1/webhooks/{id}", "read", "Tells nothing any more"),
    get(
        "/api/v1/sites/{site}/feeds",
        "read",
        "Documents that are asked for again and again",
    ),
    get(
        "/api/v1/sites/{site}/feeds/{name}",
        "read",
        "One feed and how fresh it is",
    ),
    write(
        "put",
        "/api/v1/sites/{site}/feeds/{name}",
        "admin",
        "Sets a feed up: ENTSO-E, JSON of any shape, CSV, or a static tariff",
    )
    .taking("Feed")
    .giving(&["200", "201"]),
    delete(
        "/api/v1/sites/{site}/feeds/{name}",
        "admin",
        "Asks a feed no more; what it gave is withdrawn",
    ),
    get(
        "/api/v1/sites/{site}/oscp",
        "read",
        "Capacity providers (OSCP 2.0) that say what the site may draw",
    ),
    get(
        "/api/v1/sites/{site}/oscp/{name}",
        "read",
        "One capacity provider: what it said, and how talking to it goes",
    ),
    write(
        "put",
        "/api/v1/sites/{site}/oscp/{name}",
        "admin",
        "Sets a capacity provider up; the token for its registration is shown this once",
    )
    .taking("CapacityProvider")
    .giving(&["200", "201"]),
    delete(
        "/api/v1/sites/{site}/oscp/{name}",
        "admin",
        "Gives a capacity provider up; what it said is withdrawn",
    ),
    write(
        "post",
        "/api/v1/sites/{site}/oscp/{name}/adjust",
        "operate",
        "Asks a capacity provider for another capacity",
    )
    .taking("CapacityWish")
    .giving(&["202"]),
    get(
        "/api/v1/connections",
        "read",
        "Every source of signals and how fresh it is",
    ),
    get("/api/v1/login", "", "Who this browser is"),
    write("post", "/api/v1/login", "", "Signs a browser in").taking("Login"),
    delete("/api/v1/login", "", "Signs a browser out"),
    get("/api/v1/tokens", "admin", "Tokens for programs"),
    write(
        "post",
        "/api/v1/tokens",
        "admin",
        "Makes a token; it is shown this once",
    )
    .taking("Token")
    .giving(&["201"]),
    delete("/api/v1/tokens/{id}", "admin", "Revokes a token"),
    get(
        "/api/v1/users",
        "admin",
        "People who sign in with a password",
    ),
    write(
        "put",
        "/api/v1/users/{name}",
        "admin",
        "Adds a person, changes the role or the password",
    )
    .taking("User")
    .giving(&["200", "201"]),
    delete(
        "/api/v1/users/{name}",
        "admin",
        "Removes a person and ends the sessions",
    ),
    write(
        "post",
        "/api/v1/backup",
        "admin",
        "Everything that is kept, as one file for `evenload restore`",
    )
    .in_type("application/x-ndjson"),
    get("/api/v1/audit", "operate", "Who changed what, newest first").asking(&[("site", "text")]),
    get(
        "/api/v1/events",
        "read",
        "Server-sent events of one site: note, state, resync",
    )
    .asking(&[("site!", "text")])
    .in_type("text/event-stream"),
    get(
        "/api/v1/reports/savings",
        "read",
        "Cost and peak against a named baseline",
    )
    .asking(&[
        ("site!", "text"),
        ("from", "time"),
        ("to", "time"),
        ("baseline", "baseline"),
    ]),
    get(
        "/api/v1/reports/sessions",
        "read",
        "The sessions of a span as they were",
    )
    .asking(&[("site!", "text"), ("from", "time"), ("to", "time")]),
    get(
        "/api/v1/reports/records",
        "read",
        "A record of each session that ended in a span, as JSON or CSV",
    )
    .asking(&[
        ("site!", "text"),
        ("from", "time"),
        ("to", "time"),
        ("format", "format"),
    ]),
    get(
        "/api/v1/reports/meter-values",
        "read",
        "The energy registers of sessions over a span, as JSON or CSV",
    )
    .asking(&[
        ("site!", "text"),
        ("from", "time"),
        ("to", "time"),
        ("evse", "text"),
        ("format", "format"),
    ]),
];
