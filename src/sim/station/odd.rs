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
    /// Says `Accepted`, even that the profile holds, and does nothing.
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
    /// Holds a default profile of another system at a high stack level until that is cleared.
    pub stale_profile: bool,
    /// Says that it knows no profile when one is to be cleared.
    pub cannot_clear: bool,
    /// Reports a stack level of 999 and takes 8 at most.
    pub reports_high_stack: bool,
    /// Refuses profiles of transactions.
    pub no_tx_profile: bool,
    /// Refuses every profile: a local energy manager owns the limit.
    pub rejects_profiles: bool,
    /// Passes over the first profile after a limit of 0.
    pub passes_over_after_zero: bool,
    /// Applies a new default profile to the next session only.
    pub default_for_next_only: bool,
    /// Names no sub-protocol.
    pub no_subprotocol: bool,
    /// Names a sub-protocol of 2.0.1 and speaks 1.6.
    pub names_another_version: bool,
    /// Takes it ill to be spoken to before its boot message is answered.
    pub dislikes_haste: bool,
    /// Sends broken JSON and empty lists between its messages.
    pub broken_messages: bool,
    /// States and errors outside of the standard's lists.
    pub odd_words: bool,
    /// Readings as currents whose measurand names the phase, and an offered current that is stuck.
    pub odd_readings: bool,
    /// Loses its connection when a setting is changed.
    pub hangs_up_on_change: bool,
    /// Sends no readings.
    pub no_readings: bool,
    /// Never answers the question for its settings.
    pub silent_about_settings: bool,
    /// Its clock is half a minute behind: a profile that begins later than that is passed over.
    pub clock_behind: bool,
    /// Follows a higher limit after 0 only at its next reading.
    pub resumes_late: bool,
    /// Once told 0 in a session it does not go on until it is started remotely.
    pub sleeps_at_zero: bool,
    /// Once told 0 it charges on one phase for the rest of the session.
    pub one_phase_after_zero: bool,
    /// Refuses limits with more than one decimal.
    pub strict_decimals: bool,
}
