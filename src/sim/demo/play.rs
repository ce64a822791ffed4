//! Plays the day: virtual time goes from event to event, and waits for messages under way.

use async_trait::async_trait;

use super::report::{DemoReport, Methods};
use super::rest::Rest;
use super::watch::Watch;
use super::{Demo, DemoError, DemoLine, ServiceUnderTest, depot, local, setup};
use crate::domain::ports::Clock as _;
use crate::domain::time::Time;
use crate::sim::clock::settled;
use crate::sim::cpo::Cpo;
use crate::sim::methods::MethodResult;
use crate::sim::recorded::CURRENCY;
use crate::sim::station::Fleet;

/// Looks on while a day is played: after each event, when everything has settled.
#[async_trait]
pub trait Onlooker: Send {
    /// What is to be seen at this instant; time stands still meanwhile.
    async fn look(&mut self, now: Time, cpo: &Cpo);
}

/// Nobody looks on.
struct Nobody;

#[async_trait]
impl Onlooker for Nobody {
    async fn look(&mut self, _now: Time, _cpo: &Cpo) {}
}

impl Demo {
    /// Plays the day through a service that runs on [`Demo::clock`].
    pub async fn run(
        &self,
        service: &dyn ServiceUnderTest,
        on_line: impl FnMut(&DemoLine),
    ) -> Result<DemoReport, DemoError> {
        self.run_watched(service, on_line, &mut Nobody).await
    }

    /// Plays the day while somebody looks on.
    pub async fn run_watched(
        &self,
        service: &dyn ServiceUnderTest,
        mut on_line: impl FnMut(&DemoLine),
        onlooker: &mut dyn Onlooker,
    ) -> Result<DemoReport, DemoError> {
        for line in self.about() {
            on_line(&DemoLine::About(line));
        }
        let cpo = Cpo::start(self.cpo_options(), self.depot())?;
        let rest = Rest::new(service)?;
        let rows = setup::register(&rest, &cpo).await?;
        let registrations = usize::from(cpo.is_registered());
        rows.iter().for_each(&mut on_line);
        self.settle(service, &cpo, None).await?;
        let rows = setup::configure(self, &rest, &cpo).await?;
        rows.iter().for_each(&mut on_line);

        let fleet = self.open_depot(service, &rest, &mut on_line).await?;

        self.play(service, &cpo, fleet.as_ref(), &rest, &mut on_line, onlooker)
            .await?;

        let (unmanaged, equal_share) = self.baselines();
        let evenload = cpo.with_depot(|depot| MethodResult::measured(depot, CURRENCY));
        let report = DemoReport::new(
            self,
            &cpo,
            registrations,
            Methods {
                unmanaged,
                equal_share,
                evenload,
            },
        );
        let report = report.with_depot(self, fleet.as_ref());
        cpo.stop().await;
        if let Some(fleet) = fleet {
            fleet.stop().await;
        }
        for line in report.table() {
            on_line(&DemoLine::Table(line));
        }
        Ok(report)
    }

    async fn play(
        &self,
        service: &dyn ServiceUnderTest,
        cpo: &Cpo,
        fleet: Option<&Fleet>,
        rest: &Rest,
        on_line: &mut impl FnMut(&DemoLine),
        onlooker: &mut dyn Onlooker,
    ) -> Result<(), DemoError> {
        let mut publication = setup::next_publication(self.start);
        self.settle(service, cpo, fleet).await?;
        let mut watch = cpo.with_depot(|depot| Watch::new(setup::SITE, depot));
        let mut own_watch =
            fleet.map(|fleet| fleet.with_depot(|depot| Watch::new(depot::SITE, depot)));
        // Bounded: whoever waits is woken at every turn, and time reaches the end.
        while self.clock.now() < self.end {
            let next = self.next_event(cpo, fleet, publication);
            self.pace(next).await;
            // The physics first, then everyone's clock, then the news.
            let due = cpo.advance_to(next);
            if let Some(fleet) = fleet {
                fleet.advance_to(next);
            }
            self.clock.advance_to(next);
            cpo.send(due);
            if next >= publication {
                let hours = setup::publish_prices(self, rest, setup::SITE, next).await?;
                if fleet.is_some() {
                    setup::publish_prices(self, rest, depot::SITE, next).await?;
                }
                publication = setup::next_publication(next);
                let line = format!("{}  prices of {hours} hours are public", local(next));
                on_line(&DemoLine::Notable(line));
            }
            self.settle(service, cpo, fleet).await?;
            onlooker.look(next, cpo).await;
            let stations = fleet.map(Fleet::take_lines).unwrap_or_default();
            for line in cpo.take_lines().into_iter().chain(stations) {
                on_line(&DemoLine::Event(line));
            }
            let mut news = cpo.with_depot(|depot| watch.look(depot));
            if let (Some(fleet), Some(watch)) = (fleet, &mut own_watch) {
                news.extend(fleet.with_depot(|depot| watch.look(depot)));
            }
            news.iter().for_each(&mut *on_line);
        }
        Ok(())
    }

    fn next_event(&self, cpo: &Cpo, fleet: Option<&Fleet>, publication: Time) -> Time {
        let wakeup = self.clock.next_wakeup().unwrap_or(self.end);
        cpo.next_event()
            .min(fleet.map_or(self.end, Fleet::next_event))
            .min(wakeup)
            .min(publication)
            .min(self.end)
            .max(self.clock.now())
    }

    /// Waits in real time if the demo is slowed down.
    async fn pace(&self, next: Time) {
        let rush = chrono::TimeDelta::hours(i64::from(self.options.rush_h));
        if next < self.start + rush {
            return;
        }
        let span = self.pacing().real_span(self.clock.now(), next);
        if !span.is_zero() {
            tokio::time::sleep(span).await;
        }
    }

    /// Waits until nothing is under way on either side.
    async fn settle(
        &self,
        service: &dyn ServiceUnderTest,
        cpo: &Cpo,
        fleet: Option<&Fleet>,
    ) -> Result<(), DemoError> {
        let settled = settled(async || {
            let idle = cpo.in_flight() == 0
                && fleet.map_or(0, Fleet::in_flight) == 0
                && self.clock.woken() == 0
                && service.is_idle().await;
            let stations = fleet.map_or(0, Fleet::begun);
            idle.then(|| (cpo.begun(), stations, service.begun()))
        });
        let limit = self.options.settle_limit;
        tokio::time::timeout(limit, settled)
            .await
            .map_err(|_| DemoError::Stuck {
                at: self.clock.now(),
                limit,
            })
    }

    fn about(&self) -> Vec<String> {
        let sessions = self.sessions().len();
        let prices = self.recording.prices().within(self.start, self.end);
        let per_kwh = || prices.iter().map(|(_, price)| *price);
        vec![
            format!(
                "{} ({}), {sessions} recorded sessions on 52 EVSEs, {} to {} local time",
                self.day,
                self.day.format("%A"),
                local(self.start),
                local(self.end),
            ),
            format!(
                "site limit {}, recorded day-ahead prices {:.4} to {:.4} {CURRENCY} per kWh",
                self.options.limit,
                per_kwh().min().unwrap_or_default().per_kwh(),
                per_kwh().max().unwrap_or_default().per_kwh(),
            ),
        ]
    }
}
