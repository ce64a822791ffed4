//! What a command tells its caller by its exit code.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// A plan leaves somebody short (`plan --strict`).
    AtRisk = 6,
    /// Something checked did not hold.
    CheckFailed = 5,
    /// A peer could not be reached.
    Unreachable = 4,
    /// A configuration or an input is invalid.
    Invalid = 3,
    /// The command line is wrong.
    Usage = 2,
    /// A defect of ours, or of the machine.
    Internal = 1,
}

impl Exit {
    /// The number the caller sees.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The graver of two, in the order of the list above: the last is gravest.
    pub fn or_graver(self, other: Self) -> Self {
        let gravity = |exit: Self| if exit == Self::Done { 7 } else { exit.code() };
        if gravity(other) < gravity(self) {
            other
        } else {
            self
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_input_outweighs_a_risk_and_a_risk_outweighs_success() {
        assert_eq!(Exit::Done.or_graver(Exit::AtRisk), Exit::AtRisk);
        assert_eq!(Exit::Invalid.or_graver(Exit::AtRisk), Exit::Invalid);
        assert_eq!(Exit::AtRisk.or_graver(Exit::Done), Exit::AtRisk);
    }
}
