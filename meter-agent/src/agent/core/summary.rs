//! What the agent says of itself.

use household::{home::battery, strategy::Situation};
use protocol::money::Amount;

use super::{Core, Identity, Now};
use crate::{
    alarm::{AlarmKind, Detail},
    record::{OrderRecord, OrderState},
    set_point::SetPoint,
    status::{PlacedOrder, Status},
};

/// Intervals behind the latest receipt after which a missing one is worth an alarm.
const RECEIPT_LATE_INTERVALS: i64 = 4;

/// How finely it is said when the market was heard, s: it says something every ten seconds, which is no news.
const HEARD_STEP_S: i64 = 60;

impl Core {
    /// What the agent says of itself; alarms that come and go by themselves are looked at again.
    pub(crate) fn status(&mut self, now: Now) -> Status {
        if !self.outbox.has_refused() {
            self.alarms.clear(AlarmKind::ReadingRefused);
        }
        let settled_until = self.today.and_then(|today| today.settled_until);
        match self.outbox.oldest().zip(settled_until) {
            Some(((sequence, interval), until))
                if until.since(interval).is_some_and(|late| late > RECEIPT_LATE_INTERVALS) =>
            {
                self.alarms.raise(AlarmKind::ReceiptMissing, Detail::NotProved { sequence, interval, until });
            }
            _ => self.alarms.clear(AlarmKind::ReceiptMissing),
        }
        let Identity { name, genesis, member, device_key, .. } = &self.identity;
        Status {
            name: name.clone(),
            community: genesis.community.clone(),
            currency: genesis.currency.clone(),
            member: *member,
            device: device_key.public(),
            meter: self.identity.meter,
            connected: self.live.connected,
            market_heard_s: self.live.market_heard_s.map(|heard_s| heard_s - heard_s.rem_euclid(HEARD_STEP_S)),
            open: self.open(now),
            last_interval: (self.head.sequence > 0).then_some(self.head.interval),
            settled_until,
            tariffs: self.tariffs,
            price: self.price,
            registers: (self.head.sequence > 0).then_some(self.head.registers),
            strategy: self.identity.strategy.name().into(),
            configured: self.identity.configured.name().into(),
            chosen: self.identity.choice,
            order: self.orders.last().map(|record| self.placed(record)),
            set_point: self.set_point(),
            island: self.island.status(self.head.interval),
            outbox: self.outbox.unsettled() as u64,
            receipts_refused: self.receipts_refused,
            totals: self.totals,
            balance: self.totals.balance().unwrap_or(Amount::ZERO),
            today: self.today.map(|today| today.totals).unwrap_or_default(),
            refused: self.live.refused.clone(),
            receipts_refused_as: self.live.receipts_refused.clone(),
            alarms: self.alarms.lines(),
            raised: self.alarms.raised(),
            finished: (self.live.ended || self.live.over) && self.outbox.unsettled() == 0,
        }
    }

    /// What is proposed for the battery in the interval after the last that was read.
    fn set_point(&self) -> Option<SetPoint> {
        let (battery, tariffs) = (self.identity.battery?, self.tariffs?);
        let interval = self.head.interval.next().filter(|_| self.head.sequence > 0 && !self.live.over)?;
        let limits = self.orders.placed(interval);
        let known = battery::Known { limits, price: self.price, tariffs, stored_uwh: self.stored_uwh };
        Some(SetPoint { power_w: battery.set_point_w(interval.length(), &known), interval })
    }

    pub(super) fn placed(&self, record: &OrderRecord) -> PlacedOrder {
        let (strategy, order) = (&self.identity.strategy, &record.order);
        // What was known long ago is not known any more: then it is the strategy's.
        let situation = self.situation(order.valid_from);
        let situation = situation.unwrap_or_else(|| Situation::new(order.valid_from, self.tariffs));
        let is_wanted = self.wants(order.valid_from).is_none_or(|wanted| wanted == order.limits());
        let accepted = match record.state {
            OrderState::Open => None,
            OrderState::Accepted => Some(true),
            OrderState::Refused => Some(false),
        };
        PlacedOrder {
            valid_from: order.valid_from,
            limits: order.limits().into(),
            why: is_wanted.then(|| strategy.why(&situation)),
            accepted,
        }
    }
}
