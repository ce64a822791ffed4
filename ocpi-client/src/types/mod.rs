//! The objects of OCPI 2.2.1 and 2.3.0.
//!
//! One type serves both versions; where they differ, the field's documentation says so and
//! `in_version` changes the shape. Cardinalities are those of the specification: 1 required,
//! ? optional, * any number, + at least one.

pub(crate) mod macros;

mod cdr_token;
mod charging_period;
mod charging_preferences;
mod charging_profile;
mod charging_profile_result;
mod ci_string;
mod client_info;
mod connector;
mod credentials;
mod date_time;
mod display_text;
mod endpoint;
mod energy_mix;
mod envelope;
mod evse;
mod location;
mod price;
mod session;
mod status_code;
mod tariff;
mod tariff_restrictions;
mod tenths;
mod version;

pub use cdr_token::{AuthMethod, CdrToken, TokenType};
pub use charging_period::{CdrDimension, CdrDimensionType, ChargingPeriod};
pub use charging_preferences::{ChargingPreferences, ChargingPreferencesResponse, ProfileType};
pub use charging_profile::{
    ActiveChargingProfile, ChargingProfile, ChargingProfilePeriod, ChargingRateUnit,
    SetChargingProfile,
};
pub use charging_profile_result::{
    ActiveChargingProfileResult, ChargingProfileResponse, ChargingProfileResponseType,
    ChargingProfileResult, ChargingProfileResultType, ClearProfileResult,
};
pub use ci_string::CiString;
pub use client_info::{ClientInfo, ConnectionStatus};
pub use connector::{
    Connector, ConnectorFormat, ConnectorType, LINE_TO_LINE_FROM_V, LINE_TO_LINE_VOLTAGE, PowerType,
};
pub use credentials::{BusinessDetails, Credentials, CredentialsRole, Image, Role};
pub use date_time::{DateTime, NotADateTime};
pub use display_text::DisplayText;
pub use endpoint::{Endpoint, InterfaceRole, ModuleId, VersionDetails};
pub use energy_mix::{
    EnergyMix, EnergySource, EnergySourceCategory, EnvironmentalImpact, EnvironmentalImpactCategory,
};
pub use envelope::Envelope;
pub use evse::{Capability, Evse, Status};
pub use location::{GeoLocation, Location};
pub use price::{Price, PriceLimit, TaxAmount};
pub use session::{Session, SessionPatch, SessionStatus};
pub use status_code::{StatusClass, StatusCode};
pub use tariff::{
    PriceComponent, Tariff, TariffDimensionType, TariffElement, TariffType, TaxIncluded,
};
pub use tariff_restrictions::{DayOfWeek, ReservationRestriction, TariffRestrictions};
pub use tenths::Tenths;
pub use version::{Version, VersionEntry};
