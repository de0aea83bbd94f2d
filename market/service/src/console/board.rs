//! The model behind the page: told what happened, asked for views. Pure but for the moment it is handed; bounded.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use protocol::{
    answer::Refusal,
    api::{MemberStatus, RulesInForce, Settled},
    interval::Interval,
    member::MemberId,
    money::Price,
    pack::RulePack,
    settlement::Line,
};

use market::settlement::{Curves, Picture};

use crate::alarms::{list::Judgement, notices::outbox::ChannelState};

use super::{
    CommunityInfo, Noted, SETTLED_LATER, ValidatorView,
    alarms::{self, Lately},
    health::{Facts, Health, judge},
    households::Households,
    limits::{DETAIL_ITEMS_MAX, DETAILS_MAX, SUMMARIES_MAX},
    moment::Moment,
    provisional::Provisionals,
    recent::{Recent, Refusals},
    signs::Signs,
    summary::{self, Summary},
    view::{
        Community, CurvesView, Disk, HouseholdPage, IntervalPage, IntervalSummary, NotedCount, NoticesView, Origin,
        Phase, PricePoint, RefusalCount, Status, Sums, Total, Totals, Validator,
    },
};

#[derive(Debug)]
pub(crate) struct Model {
    info: CommunityInfo,
    /// Whether it is asked who looks.
    sign_in: bool,
    gate: Gate,
    received: usize,
    expected: usize,
    summaries: VecDeque<Summary>,
    /// How often those intervals were corrected that ever were, as far as the sums tell.
    corrections: BTreeMap<Interval, u32>,
    details: VecDeque<Detail>,
    detail_items: usize,
    last_price: Option<(Interval, Price)>,
    settled: u64,
    sums: Sums,
    supplier: Total,
    operator: Total,
    households: Households,
    refusals: Refusals,
    noted: BTreeMap<(Noted, &'static str), u64>,
    rules_from: Interval,
    /// The rule pack that they follow.
    pack: Option<RulePack>,
    /// How often rules or members have changed: what a browser has to fetch anew for.
    version: u64,
    validators: Vec<ValidatorView>,
    validators_asked: Option<Moment>,
    receipts_forwarded: u64,
    provisional: Provisionals,
    signs: Signs,
    unbalanced_since: Option<Moment>,
    disk: Option<Disk>,
    notices: Vec<ChannelState>,
    recent: Recent,
}

#[derive(Debug, Clone, Copy)]
enum Gate {
    Starting,
    Open(Interval),
    Finished,
}

/// What is kept of the latest intervals only.
#[derive(Debug)]
struct Detail {
    interval: Interval,
    lines: Vec<Line>,
    paid: Vec<(Price, u64)>,
    picture: Option<Picture>,
}

impl Detail {
    fn of(settled: &Settled, picture: Option<Picture>) -> Detail {
        Detail {
            interval: settled.interval,
            lines: settled.lines.clone(),
            paid: summary::paid(&settled.trades),
            picture,
        }
    }

    fn items(&self) -> usize {
        let drawn = |picture: &Picture| {
            let Curves { demand, supply } = &picture.curves;
            demand.len() + supply.len() + picture.grid.len()
        };
        self.lines.len() + self.paid.len() + self.picture.as_ref().map_or(0, drawn)
    }
}

impl Model {
    pub(crate) fn new(info: CommunityInfo) -> Model {
        let mut signs = Signs::default();
        signs.voters(&info.validators);
        Model {
            sign_in: false,
            gate: Gate::Starting,
            received: 0,
            expected: info.members.len(),
            summaries: VecDeque::new(),
            corrections: BTreeMap::new(),
            details: VecDeque::new(),
            detail_items: 0,
            last_price: None,
            settled: 0,
            sums: Sums::default(),
            supplier: Total::default(),
            operator: Total::default(),
            households: Households::new(&info),
            refusals: [0; Refusal::ALL.len()],
            noted: BTreeMap::from([((Noted::Late, SETTLED_LATER), 0)]),
            rules_from: info.first_interval,
            pack: None,
            version: 0,
            validators: Vec::new(),
            validators_asked: None,
            receipts_forwarded: 0,
            provisional: Provisionals::default(),
            signs,
            unbalanced_since: None,
            disk: None,
            notices: Vec::new(),
            recent: Recent::default(),
            info,
        }
    }

    /// What was heard of the market's surroundings.
    pub(crate) fn signs(&mut self) -> &mut Signs {
        &mut self.signs
    }

    pub(crate) fn opened(&mut self, interval: Option<Interval>, now: Moment) {
        self.signs.opened(interval, now);
        self.gate = interval.map_or(Gate::Finished, Gate::Open);
        self.received = 0;
    }

    pub(crate) fn reading_taken(&mut self, received: usize, expected: usize) {
        (self.received, self.expected) = (received, expected);
        self.signs.read(received);
    }

    pub(crate) fn settled(&mut self, settled: &Settled, picture: Option<&Picture>, now: Moment) {
        self.signs.settled(settled.interval);
        // The service may tell of an interval again after a restart of its own; it must not count twice.
        if self.summaries.back().is_some_and(|last| settled.interval <= last.interval) {
            return;
        }
        let summary = Summary::of(settled);
        self.provisional.settled(settled);
        self.settled += 1;
        self.supplier.add(settled.supplier);
        self.operator.add(settled.operator);
        for line in &settled.lines {
            self.sums.add(line);
            self.households.settled(line);
        }
        match self.accounts_sum() {
            Total(0) => self.unbalanced_since = None,
            _ => self.unbalanced_since = self.unbalanced_since.or(Some(now)),
        }
        if let Some(price) = summary.shown_price() {
            self.last_price = Some((summary.interval, price));
        }
        self.summaries.push_back(summary);
        while self.summaries.len() > SUMMARIES_MAX {
            self.summaries.pop_front();
        }
        if settled.corrections > 0 {
            self.corrections.insert(settled.interval, settled.corrections);
        }
        let detail = Detail::of(settled, picture.cloned());
        self.detail_items += detail.items();
        self.details.push_back(detail);
        while self.details.len() > DETAILS_MAX || (self.detail_items > DETAIL_ITEMS_MAX && self.details.len() > 1) {
            let gone = self.details.pop_front().map_or(0, |detail| detail.items());
            self.detail_items -= gone;
        }
    }

    /// How often an interval was corrected, as far as its figures here tell; `None` if it was not shown yet.
    pub(crate) fn corrections(&self, interval: Interval) -> Option<u32> {
        let shown = self.summaries.back().is_some_and(|last| interval <= last.interval);
        shown.then(|| self.corrections.get(&interval).copied().unwrap_or(0))
    }

    /// An interval stands corrected; its lines were `before`, as its figures here tell. Told of twice, it counts once.
    pub(crate) fn corrected(&mut self, stands: &Settled, before: &[Line]) {
        let interval = stands.interval;
        if before.is_empty() || self.corrections(interval).is_none_or(|counted| stands.corrections <= counted) {
            return;
        }
        self.corrections.insert(interval, stands.corrections);
        for line in before {
            self.sums.take_out(line);
            self.households.take_out(line);
            self.supplier.0 -= i128::from(line.supply_cost.nano()) - i128::from(line.supply_revenue.nano());
            self.operator.0 -= i128::from(line.paid.nano()) - i128::from(line.earned.nano());
        }
        for line in &stands.lines {
            self.sums.add(line);
            self.households.settled(line);
        }
        self.supplier.add(stands.supplier);
        self.operator.add(stands.operator);
        if let Ok(place) = self.summaries.binary_search_by_key(&interval, |summary| summary.interval) {
            self.summaries[place] = Summary::of(stands);
        }
        if let Ok(place) = self.details.binary_search_by_key(&interval, |detail| detail.interval) {
            self.detail_items -= self.details[place].items();
            self.details[place] = Detail::of(stands, None);
            self.detail_items += self.details[place].items();
        }
        self.version += 1;
    }

    pub(crate) fn refused(&mut self, refusal: Refusal) {
        for (count, known) in self.refusals.iter_mut().zip(Refusal::ALL) {
            *count += u64::from(known == refusal);
        }
    }

    pub(crate) fn noted(&mut self, what: Noted, reason: &'static str, count: usize) {
        let sum = self.noted.entry((what, reason)).or_default();
        *sum = sum.saturating_add(count as u64);
    }

    /// Takes over what the ledger says of the next interval. Whether that is anything new.
    pub(crate) fn rules_and_members(&mut self, rules: &RulesInForce, members: &[MemberStatus]) -> bool {
        let RulesInForce { from, rules, .. } = rules;
        self.signs.fit();
        let info = &mut self.info;
        let mut changed = self.rules_from != *from
            || (&info.mechanism, info.retail_price, info.feed_in_price)
                != (&rules.mechanism, rules.retail_price, rules.feed_in_price);
        self.rules_from = *from;
        self.pack = rules.pack.as_deref().cloned();
        (info.retail_price, info.feed_in_price) = (rules.retail_price, rules.feed_in_price);
        info.mechanism.clone_from(&rules.mechanism);
        changed |= self.households.members(members);
        self.version += u64::from(changed);
        changed
    }

    /// Calls the members by other names. Whether that changes anything.
    pub(crate) fn renamed(&mut self, names: BTreeMap<MemberId, String>) -> bool {
        let changed = self.households.renamed(names);
        self.version += u64::from(changed);
        changed
    }

    /// How often rules or members have changed.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn validators(&mut self, validators: Vec<ValidatorView>, now: Moment) {
        self.signs.validators(&validators, now);
        self.recent.validators(&validators, now);
        self.validators = validators;
        self.validators_asked = Some(now);
    }

    pub(crate) fn receipts_forwarded(&mut self, count: usize) {
        self.receipts_forwarded = self.receipts_forwarded.saturating_add(count as u64);
    }

    pub(crate) fn disk(&mut self, disk: Option<Disk>) {
        self.disk = disk;
    }

    pub(crate) fn notices(&mut self, channels: Vec<ChannelState>) {
        self.notices = channels;
    }

    /// What is the matter now.
    pub(crate) fn judge_alarms(&mut self, now: Moment) -> Vec<Judgement> {
        self.recent.sample(&self.refusals, now);
        let lately = Lately {
            refused: self.recent.refused(&self.refusals),
            contradicted: self.recent.contradicted(now).map(Moment::utc_s),
            clocks: self.validators.iter().filter_map(|validator| validator.clock_off_s).collect(),
            pack: self.pack.clone(),
            unread: self.provisional.last_unread().iter().map(|member| self.households.called(*member)).collect(),
        };
        alarms::judge(&self.status(now), &lately, now.utc_s())
    }

    /// Settled intervals so far: the listeners' cursor.
    pub(crate) fn settled_count(&self) -> u64 {
        self.settled
    }

    pub(crate) fn interval_length(&self) -> protocol::interval::IntervalLength {
        self.info.first_interval.length()
    }

    pub(crate) fn community(&self) -> Community {
        Community {
            community: self.info.community.clone(),
            currency: self.info.currency.clone(),
            chain: self.info.chain,
            mechanism: self.info.mechanism.clone(),
            rules_from: self.rules_from,
            retail_price: self.info.retail_price,
            feed_in_price: self.info.feed_in_price,
            first_interval: self.info.first_interval,
            interval_minutes: self.interval_length().minutes(),
            members: self.households.len(),
            sign_in: self.sign_in,
        }
    }

    /// Says whether it is asked who looks.
    pub(super) fn sign_in(&mut self, asks: bool) {
        self.sign_in = asks;
    }

    /// How the market is.
    pub(crate) fn health(&self, now: Moment) -> Health {
        let ages = self.validators_view(now).into_iter().filter_map(|validator| validator.height_age_ms);
        let unbalanced = self.unbalanced_since.map(|since| (self.accounts_sum().to_string(), since));
        judge(
            &self.signs,
            &Facts {
                broker: &self.info.broker,
                interval: Duration::from_secs(60 * u64::from(self.interval_length().minutes())),
                block_age: ages.min().map(Duration::from_millis),
                unbalanced,
                now,
            },
        )
    }

    pub(crate) fn status(&self, now: Moment) -> Status {
        let (phase, open) = match self.gate {
            Gate::Starting => (Phase::Starting, None),
            Gate::Open(interval) => match self.summaries.back() {
                Some(last) if last.interval >= interval => {
                    (Phase::Running, last.interval.next().map(Interval::start_text))
                }
                _ => (Phase::Open, Some(interval.start_text())),
            },
            Gate::Finished => (Phase::Finished, None),
        };
        Status {
            at: now.text(),
            health: self.health(now),
            phase,
            open,
            readings_received: if phase == Phase::Running { 0 } else { self.received },
            readings_expected: self.expected,
            last: self.summaries.back().map(Summary::view),
            last_price: self.last_price.map(|(interval, price)| PricePoint { start: interval.start_text(), price }),
            totals: self.signs.heard.then(|| self.totals()),
            validators: self.validators_view(now),
            refusals: self.refusals_view(),
            provisional: self.provisional.view(),
            noted: self
                .noted
                .iter()
                .map(|((what, reason), count)| NotedCount { what: *what, reason, count: *count })
                .collect(),
            disk: self.disk,
            notices: self.notices.iter().map(NoticesView::from).collect(),
        }
    }

    fn accounts_sum(&self) -> Total {
        Total(self.sums.net().0 + self.supplier.0 + self.operator.0)
    }

    fn totals(&self) -> Totals {
        Totals {
            intervals: self.settled,
            traded_wh: self.sums.bought_wh,
            imported_wh: self.sums.imported_wh,
            exported_wh: self.sums.exported_wh,
            members: self.sums.net(),
            supplier: self.supplier,
            operator: self.operator,
            accounts_sum: self.accounts_sum(),
            receipts_forwarded: self.receipts_forwarded,
        }
    }

    /// Ages go on while nobody asks the validators, so that a poller that hangs shows.
    pub(crate) fn validators_view(&self, now: Moment) -> Vec<Validator> {
        let since = self.validators_asked.map_or(0, |asked| now.since(asked).as_millis());
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        let highest = self.validators.iter().filter_map(|validator| validator.height).max();
        let view = |(index, validator): (usize, &ValidatorView)| Validator {
            validator: index,
            url: validator.url.clone(),
            key: validator.key.clone(),
            height: validator.height,
            lag: highest.zip(validator.height).map(|(highest, height)| highest - height),
            height_age_ms: validator.height_age_ms.map(|age| age.saturating_add(since)),
            block: validator.block.clone(),
            reachable: validator.silence.is_none(),
            silence: validator.silence.clone(),
            away: self.signs.nodes.get(index).is_some_and(|node| node.away().is_some()),
        };
        self.validators.iter().enumerate().map(view).collect()
    }

    pub(crate) fn refusals_view(&self) -> Vec<RefusalCount> {
        let counts = Refusal::ALL.into_iter().zip(self.refusals);
        counts.map(|(refusal, count)| RefusalCount { refusal: refusal.name(), count }).collect()
    }

    /// The latest `limit` settled intervals, ascending.
    pub(crate) fn latest(&self, limit: usize) -> Vec<IntervalSummary> {
        self.summaries.range(self.summaries.len().saturating_sub(limit)..).map(Summary::view).collect()
    }

    /// A page of settled intervals, from the one that starts at `from_s` or first after it.
    pub(crate) fn intervals(&self, from_s: i64, limit: usize) -> IntervalPage {
        let first = self.summaries.partition_point(|summary| summary.interval.start_s() < from_s);
        let end = first.saturating_add(limit).min(self.summaries.len());
        IntervalPage {
            intervals: self.summaries.range(first..end).map(Summary::view).collect(),
            next: self.summaries.get(end).map(|summary| summary.interval.start_text()),
        }
    }

    /// How many intervals can be asked for curves and lines.
    pub(crate) fn details_kept(&self) -> usize {
        self.details.len()
    }

    fn detail(&self, interval: Interval) -> Option<&Detail> {
        let place = self.details.binary_search_by_key(&interval, |detail| detail.interval).ok()?;
        self.details.get(place)
    }

    /// Curves of an interval; `None` if it is not among those kept.
    pub(crate) fn curves(&self, interval: Interval) -> Option<CurvesView> {
        let Detail { lines, paid, picture, .. } = self.detail(interval)?;
        let place = self.summaries.binary_search_by_key(&interval, |summary| summary.interval).ok()?;
        let origin = if picture.is_some() { Origin::Kept } else { Origin::Unknown };
        Some(summary::curves(self.summaries.get(place)?, lines, paid, picture.as_ref(), origin))
    }

    /// A page of households, over all intervals.
    pub(crate) fn households(&self, offset: usize, limit: usize) -> HouseholdPage {
        self.households.page(offset, limit)
    }

    /// A page of the households that were read for an interval; `None` if it is not among those kept.
    pub(crate) fn households_of(&self, interval: Interval, offset: usize, limit: usize) -> Option<HouseholdPage> {
        Some(self.households_with(interval, &self.detail(interval)?.lines, offset, limit))
    }

    /// A page of the households that have these lines in an interval.
    pub(crate) fn households_with(
        &self,
        interval: Interval,
        lines: &[Line],
        offset: usize,
        limit: usize,
    ) -> HouseholdPage {
        self.households.page_of(interval, lines, offset, limit)
    }

    /// What a household is called, where the operator has a name for it.
    pub(crate) fn name_of(&self, member: MemberId) -> Option<String> {
        self.households.name(member).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests;
