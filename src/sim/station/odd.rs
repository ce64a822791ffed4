//! Odd ways of stations in the field, to be switched on one by one.

/// What a simulated station does unlike the standard. The default does nothing so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each oddity is there or not, whatever the others are"
)]
pub struct Oddities {
    /// Takes profiles at stack level 0 only.
    pub stack_zero_only: bool,
    /// Takes watts only.
    pub watts_only: bool,
    /// Refuses profiles that count from the start of a transaction.
    pub absolute_only: bool,
    /// Refuses to say what holds.
    pub no_composite: bool,
    /// Refuses to send messages when asked to.
    pub no_trigger: bool,
    /// Does not answer the question for its settings with more than an empty list.
    pub no_settings: bool,
    /// Knows no smart charging at all.
    pub no_smart_charging: bool,
    /// Says `Accepted` and does nothing.
    pub ignores_profiles: bool,
    /// Times without a zone.
    pub times_without_zone: bool,
    /// Sends no transaction id with its readings (1.6).
    pub readings_without_transaction: bool,
    /// Sends every start of a transaction twice.
    pub starts_twice: bool,
    /// Ends transactions under the id -1 (1.6).
    pub stops_unnamed: bool,
    /// Its energy register counts from 0 in every session.
    pub register_per_session: bool,
}
