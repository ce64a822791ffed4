//! The card or app that started a session.

use serde::Serialize;

use super::ci_string::CiString;
use super::macros::{deserialize_leniently, open_enum};
use crate::read::{Object, OcpiObject, Unreadable};

open_enum! {
    /// Kind of token of a driver. Section: `mod_tokens`, `TokenType`.
    pub enum TokenType (open) in "mod_tokens: TokenType" {
        /// For one use.
        AdHocUser = "AD_HOC_USER",
        /// A user of an app.
        AppUser = "APP_USER",
        /// A contract identifier of Plug and Charge; 2.3.0.
        Emaid = "EMAID",
        /// Any other kind.
        OtherToken = "OTHER",
        /// A card.
        Rfid = "RFID",
    }
}

open_enum! {
    /// How a session was authorised. Section: `mod_cdrs`, `AuthMethod` enum.
    pub enum AuthMethod in "mod_cdrs: AuthMethod enum" {
        /// The eMSP was asked.
        AuthRequest = "AUTH_REQUEST",
        /// A command started the session.
        Command = "COMMAND",
        /// A list of known tokens was used.
        Whitelist = "WHITELIST",
    }
}

/// The token of the driver who charges. Section: `mod_cdrs`, `CdrToken` class.
///
/// Personal data: `uid` and `contract_id` name a driver. Every field has cardinality 1; the absence
/// of all but `uid` is tolerated, since platforms leave them out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CdrToken {
    /// Country of the eMSP, ISO 3166-1 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country_code: Option<CiString>,
    /// Party of the eMSP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub party_id: Option<CiString>,
    /// Identifier of the token. At most 36 characters.
    pub uid: CiString,
    /// Kind of token.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub token_type: Option<TokenType>,
    /// Contract of the driver. At most 36 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract_id: Option<CiString>,
}

impl OcpiObject for CdrToken {
    const SECTION: &'static str = "mod_cdrs: CdrToken class";
    const MAX_LENGTHS: &'static [(&'static str, usize)] = &[
        ("country_code", 2),
        ("party_id", 3),
        ("uid", 36),
        ("contract_id", 36),
    ];

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            country_code: object.expected("country_code"),
            party_id: object.expected("party_id"),
            uid: object.required("uid")?,
            token_type: object.expected("type"),
            contract_id: object.expected("contract_id"),
        })
    }
}

deserialize_leniently!(CdrToken);
