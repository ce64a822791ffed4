//! The grid connection: its limit, what else is connected, and what energy costs.

use crate::domain::curve::PowerCurve;
use crate::domain::quantity::{Power, Price};
use crate::domain::time::Time;

/// Prices over time. Each holds from its instant until the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceSeries {
    prices: Vec<(Time, Price)>,
}

impl PriceSeries {
    /// From `(start, price)` in any order.
    pub fn new(prices: impl IntoIterator<Item = (Time, Price)>) -> Self {
        let mut prices: Vec<_> = prices.into_iter().collect();
        prices.sort_by_key(|(at, _)| *at);
        Self { prices }
    }

    /// The price at an instant; before the first, the first; without any, zero.
    pub fn at(&self, at: Time) -> Price {
        let index = self.prices.partition_point(|(start, _)| *start <= at);
        self.prices
            .get(index.saturating_sub(1))
            .map_or(Price::ZERO, |(_, price)| *price)
    }

    /// The next instant after `at` at which a price begins.
    pub fn next_change(&self, at: Time) -> Option<Time> {
        let index = self.prices.partition_point(|(start, _)| *start <= at);
        self.prices.get(index).map(|(start, _)| *start)
    }

    /// The prices that begin in `[from, until)`.
    pub fn within(&self, from: Time, until: Time) -> &[(Time, Price)] {
        let begin = self.prices.partition_point(|(start, _)| *start < from);
        let end = self.prices.partition_point(|(start, _)| *start < until);
        &self.prices[begin..end.max(begin)]
    }
}

/// The grid connection of a depot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Highest import over time.
    pub limit: PowerCurve,
    /// What is connected besides the EVSEs.
    pub base_load: PowerCurve,
    /// What imported energy costs.
    pub prices: PriceSeries,
}

impl Grid {
    /// A connection with one limit for ever and no other load.
    pub fn with_limit(limit: Power, prices: PriceSeries) -> Self {
        Self {
            limit: PowerCurve::constant(limit),
            base_load: PowerCurve::zero(),
            prices,
        }
    }

    /// The next instant after `at` at which limit or base load steps.
    pub fn next_step(&self, at: Time) -> Option<Time> {
        let steps = self.limit.instants().chain(self.base_load.instants());
        steps.filter(|step| *step > at).min()
    }

    /// True if the limit steps at this instant.
    pub(super) fn limit_steps_at(&self, at: Time) -> bool {
        self.limit.instants().any(|step| step == at)
    }

    /// True if the base load steps at this instant.
    pub(super) fn base_load_steps_at(&self, at: Time) -> bool {
        self.base_load.instants().any(|step| step == at)
    }
}
