//! The calls, one function each.

use reqwest::Method as HttpMethod;
use serde::Serialize;
use url::Url;

use super::address::below;
use super::call::Call;
use super::{Client, Reply};
use crate::error::Error;
use crate::headers::Party;
use crate::registration::Method;
use crate::types::{
    ChargingPreferences, ChargingPreferencesResponse, ChargingProfileResponse, Credentials,
    SetChargingProfile, VersionDetails, VersionEntry,
};

/// Longest URL that OCPI has room for, in characters. Section: types, URL.
pub const MAX_URL_CHARS: usize = 255;

impl Client {
    /// GET the versions. Section: `version_information_endpoint`.
    pub async fn get_versions(&self, url: &Url) -> Reply<Vec<VersionEntry>> {
        self.list(Call::get("get versions", Ok(url.clone())).without_routing())
            .await
    }

    /// GET the details of a version. Section: `version_information_endpoint`.
    pub async fn get_details(&self, url: &Url) -> Reply<VersionDetails> {
        self.one(Call::get("get version details", Ok(url.clone())).without_routing())
            .await
    }

    /// GET the credentials the peer has for us. Section: credentials, GET.
    pub async fn get_credentials(&self, url: &Url) -> Reply<Credentials> {
        self.one(Call::get("get credentials", Ok(url.clone())).without_routing())
            .await
    }

    /// POST or PUT our credentials; the answer holds the peer's. Section: credentials, POST and
    /// PUT.
    pub async fn send_credentials(
        &self,
        method: Method,
        url: &Url,
        ours: &Credentials,
    ) -> Reply<Credentials> {
        let (operation, method) = match method {
            Method::Post => ("post credentials", HttpMethod::POST),
            Method::Put => ("put credentials", HttpMethod::PUT),
        };
        let call = Call::new(operation, method, Ok(url.clone())).with_body(ours);
        self.one(call.without_routing()).await
    }

    /// DELETE our registration. Section: credentials, DELETE.
    pub async fn delete_credentials(&self, url: &Url) -> Reply<()> {
        let call = Call::new("delete credentials", HttpMethod::DELETE, Ok(url.clone()));
        self.none(call.without_routing()).await
    }

    /// PUT a charging profile on a session. Section: `mod_charging_profiles`, Receiver interface,
    /// PUT.
    ///
    /// `ACCEPTED` says only that the platform passes it on: the station's word comes to the
    /// `response_url`.
    pub async fn put_charging_profile(
        &self,
        endpoint: &Url,
        session_id: &str,
        profile: &SetChargingProfile,
    ) -> Reply<ChargingProfileResponse> {
        const OPERATION: &str = "put charging profile";
        let url = below(OPERATION, endpoint, &[session_id])
            .and_then(|url| checked(OPERATION, &profile.response_url).map(|()| url));
        self.one(Call::new(OPERATION, HttpMethod::PUT, url).with_body(profile))
            .await
    }

    /// GET the active profile of a session for the coming `duration_s` seconds. Section:
    /// `mod_charging_profiles`, Receiver interface, GET. The profile comes to the `response_url`.
    pub async fn get_active_charging_profile(
        &self,
        endpoint: &Url,
        session_id: &str,
        duration_s: u32,
        response_url: &str,
    ) -> Reply<ChargingProfileResponse> {
        const OPERATION: &str = "get active charging profile";
        let query = [("duration", duration_s.to_string())];
        let url = for_result(OPERATION, endpoint, session_id, &query, response_url);
        self.one(Call::get(OPERATION, url)).await
    }

    /// DELETE the profile of a session. Section: `mod_charging_profiles`, Receiver interface,
    /// DELETE.
    pub async fn clear_charging_profile(
        &self,
        endpoint: &Url,
        session_id: &str,
        response_url: &str,
    ) -> Reply<ChargingProfileResponse> {
        const OPERATION: &str = "clear charging profile";
        let url = for_result(OPERATION, endpoint, session_id, &[], response_url);
        self.one(Call::new(OPERATION, HttpMethod::DELETE, url))
            .await
    }

    /// PUT the driver's preferences for a session. Section: `mod_sessions`, Sender interface, PUT.
    pub async fn put_charging_preferences(
        &self,
        sessions_endpoint: &Url,
        session_id: &str,
        preferences: &ChargingPreferences,
    ) -> Reply<ChargingPreferencesResponse> {
        const OPERATION: &str = "put charging preferences";
        let url = below(
            OPERATION,
            sessions_endpoint,
            &[session_id, "charging_preferences"],
        );
        self.one(Call::new(OPERATION, HttpMethod::PUT, url).with_body(preferences))
            .await
    }

    /// PUT an object we own to its Receiver: a session, a location, an EVSE of it, a tariff.
    /// Section: `transport_and_format`, Client owned object push.
    pub async fn put_object<T: Serialize>(
        &self,
        endpoint: &Url,
        owner: &Party,
        path: &[&str],
        object: &T,
    ) -> Reply<()> {
        self.push("put object", HttpMethod::PUT, endpoint, owner, path, object)
            .await
    }

    /// PATCH an object we own at its Receiver; the body must carry `last_updated`. Section:
    /// `transport_and_format`, Client owned object push.
    pub async fn patch_object<T: Serialize>(
        &self,
        endpoint: &Url,
        owner: &Party,
        path: &[&str],
        changes: &T,
    ) -> Reply<()> {
        self.push(
            "patch object",
            HttpMethod::PATCH,
            endpoint,
            owner,
            path,
            changes,
        )
        .await
    }

    /// POST a result to a `response_url`: the bare object, without an envelope. Section:
    /// `mod_charging_profiles`, Sender interface, POST.
    pub async fn post_result<T: Serialize>(&self, response_url: &Url, result: &T) -> Reply<()> {
        let url = Ok(response_url.clone());
        self.none(Call::new("post result", HttpMethod::POST, url).with_body(result))
            .await
    }

    /// PUT a changed active profile to the platform that steers the session. Section:
    /// `mod_charging_profiles`, Sender interface, PUT.
    pub async fn put_active_charging_profile(
        &self,
        endpoint: &Url,
        session_id: &str,
        profile: &crate::types::ActiveChargingProfile,
    ) -> Reply<()> {
        const OPERATION: &str = "put active charging profile";
        let url = below(OPERATION, endpoint, &[session_id]);
        self.none(Call::new(OPERATION, HttpMethod::PUT, url).with_body(profile))
            .await
    }

    async fn push<T: Serialize>(
        &self,
        operation: &'static str,
        method: HttpMethod,
        endpoint: &Url,
        owner: &Party,
        path: &[&str],
        body: &T,
    ) -> Reply<()> {
        let owner = [owner.country_code.as_str(), owner.party_id.as_str()];
        let url = below(operation, endpoint, &[&owner, path].concat());
        self.none(Call::new(operation, method, url).with_body(body))
            .await
    }
}

/// The address of a session's profile with its query; the `response_url` is percent-encoded.
fn for_result(
    operation: &'static str,
    endpoint: &Url,
    session_id: &str,
    query: &[(&str, String)],
    response_url: &str,
) -> Result<Url, Error> {
    checked(operation, response_url)?;
    let mut url = below(operation, endpoint, &[session_id])?;
    url.query_pairs_mut()
        .extend_pairs(query)
        .append_pair("response_url", response_url);
    Ok(url)
}

/// A longer address would be cut or refused by the peer, and the result would be lost.
fn checked(operation: &'static str, response_url: &str) -> Result<(), Error> {
    let length = response_url.chars().count();
    if length <= MAX_URL_CHARS {
        return Ok(());
    }
    let detail = format!("a response_url of {length} characters; OCPI has room for 255");
    Err(Error::Address { operation, detail })
}
