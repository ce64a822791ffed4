//! How platforms speak OCPI otherwise than it is written, always and in the same way. What goes
//! wrong only now and then is in [`super::Faults`].

use std::collections::BTreeSet;

/// The ways of one platform.
pub type Quirks = BTreeSet<Quirk>;

/// Defines the ways and the list of all of them.
macro_rules! quirks {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// A way of a platform: seen in the field, or a fault that a peer has to bear.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Quirk {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Quirk {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];
        }
    };
}

quirks! {
    // Sessions.
    /// Ids of sessions, EVSEs, parties are echoed in lower case.
    LowerCaseIds,
    /// `connector_id` is empty.
    EmptyConnectorId,
    /// `cdr_token` names no party.
    BareCdrToken,
    /// Fields of its database come along.
    PrivateFields,
    /// Times have an offset of one hour instead of `Z`.
    TimesWithOffset,
    /// Energies and volumes are texts.
    NumbersAsText,
    /// `null` stands for an empty list and for what is not known.
    NullForLists,
    /// A list of one entry is that entry.
    SingleForList,
    /// ENERGY volumes are Wh.
    EnergyInWh,
    /// POWER volumes are W.
    PowerInW,
    /// Values that its enumerations do not have, and such in mixed case.
    UnknownEnums,
    /// `last_updated` is two hours ahead.
    ClockAhead,

    // Pushing.
    /// The token is sent as it is, not in Base64.
    RawToken,
    /// No `X-Request-ID` and no `X-Correlation-ID`, in requests and answers.
    NoMessageIds,
    /// No routing headers.
    NoRoutingHeaders,
    /// Every message comes twice.
    PushesTwice,
    /// After every change comes the session as it was an hour before.
    OldAfterNew,
    /// Pushes to addresses of its own making, not those of the version details.
    PushesElsewhere,
    /// The end of a session is never told; it stays in the list as running.
    NeverCloses,

    // Lists.
    /// The last page has an empty `Link`.
    EmptyLink,
    /// A page has an entry that is no object, and one without a name.
    BadObjects,
    /// Every page names itself as the next.
    SamePageForEver,
    /// The next page is on another host.
    LinkElsewhere,
    /// `X-Total-Count` says more than there is.
    TooHighTotal,
    /// Lists are HTML with HTTP 200.
    HtmlLists,
    /// Lists are redirected to an address with a slash at its end.
    RedirectsLists,
    /// `max_voltage` of three phases is that between two lines: 400 V.
    LineToLine,

    // Answers to requests about profiles.
    /// The answer is in a list of one.
    AnswersInList,
    /// The answer has no `timeout`.
    NoTimeout,
    /// The answer's result is in lower case.
    LowerCaseResult,
    /// Profiles in A are `REJECTED`.
    WattsOnly,
    /// A profile as specified is refused by a schema of its own: HTTP 422.
    OwnSchema,
    /// HTTP 429 with a `Retry-After` of 30 years.
    RetriesInAges,
    /// HTTP 500 with HTML.
    ServerError,
    /// HTTP 200 without a body.
    EmptyAnswers,
    /// HTTP 200 with OCPI status 3000.
    FailsInside,
    /// The body breaks off.
    TruncatedAnswers,
    /// The body is a list in a list in a list ...
    DeepAnswers,
    /// The body has 3 MiB.
    LongAnswers,
    /// The body is not UTF-8.
    NotUtf8,
    /// Takes requests about profiles and answers none.
    Hangs,
    /// Lets nobody in after the registration: HTTP 401.
    LocksOut,

    // Results.
    /// Results have a `profile` that is `null`, and a clearing is `REJECTED` though it was done.
    WrongResults,
    /// Results are wrapped in an envelope.
    WrappedResults,
    /// Before each result comes one at an address that nobody gave.
    ForgedResults,
    /// Before each result comes one that says nothing.
    EmptyResults,
    /// EVSEs obey a limit of 10 A of their own; the active profile that says so is pushed.
    LocalLimit,
}
