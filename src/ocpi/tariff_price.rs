//! A kept tariff as the price of a site that chose it.

use chrono_tz::Tz;
use ocpi_client::read::{Deviations, read_one};
use ocpi_client::types::{Location, Tariff};

use super::edge::Edge;
use super::object::Kept;
use super::translate::tariff::priced;
use crate::domain::evse::EvseSource;
use crate::domain::id::PartnerId;
use crate::domain::site::Site;
use crate::domain::tariff_source::{PricedSpan, TariffSource};
use crate::domain::time::Time;

impl Edge {
    /// The prices of a tariff for a site, from `from` to `until`; an error says, for people, why
    /// there are none. What could not be taken over is remembered of the partner.
    pub async fn tariff_price(
        &self,
        source: &TariffSource,
        site: &Site,
        (from, until): (Time, Time),
    ) -> Result<Vec<PricedSpan>, String> {
        let partner = &source.partner;
        let peer = self.peer(partner).map_err(|error| error.to_string())?;
        let kept = self.kept_of(partner, &source.tariff_id, Kept::Tariffs);
        let kept = kept.await.map_err(|error| error.to_string())?;
        let (body, _) = kept.ok_or_else(|| {
            format!(
                "partner {partner} has told of no tariff {}",
                source.tariff_id
            )
        })?;
        let tariff: Tariff = read_one(&body).map_err(|why| why.to_string())?.value;
        if !tariff.currency.eq_ignore_ascii_case(&site.currency) {
            return Err(format!(
                "the tariff is in {:.10}, the site in {}",
                tariff.currency, site.currency
            ));
        }
        let zone = self.zone_of(site, partner).await.unwrap_or(site.time_zone);
        let priced = priced(&tariff, zone, source.taxes, from, until);
        let mut notes = Deviations::new();
        notes.extend(priced.notes);
        peer.note_deviations(&notes);
        Ok(priced.spans)
    }

    /// The time zone of the first location of the partner that the site charges at.
    async fn zone_of(&self, site: &Site, partner: &PartnerId) -> Option<Tz> {
        let location = site.evses.iter().find_map(|evse| match &evse.source {
            EvseSource::Ocpi {
                partner: at,
                location_id,
                ..
            } if at == partner => Some(location_id),
            _ => None,
        })?;
        let kept = self.kept_of(partner, location, Kept::Locations).await;
        let (body, _) = kept.ok().flatten()?;
        let location = read_one::<Location>(&body).ok()?.value;
        location.time_zone?.parse().ok()
    }
}
