//! The economics of an interval: who trades what with whom, and what it costs and earns everyone. Settlement commits to
//! it, and a simulation runs it by itself.
//!
//! Within an interval a member's import and export are netted: what is left is its deficit or its surplus, and that is
//! what it can trade. A member without an order is a price taker. What the neighbourhood cannot cover comes from the
//! supplier at the retail price, what it cannot absorb goes to the supplier at the feed-in price.

use protocol::{
    energy::Energy,
    genesis::Rules,
    hash::Hash,
    interval::Interval,
    limits::ENERGY_WH_MAX,
    member::{AccountId, MemberId},
    money::{Amount, Price},
    order::PriceLimits,
    parameters::{Parameters, WHOLE_PPM},
    reading::Flow,
    settlement::{Line, Minted, Trade},
};

use crate::{
    clearing::{
        Book, BrokenClearing, Clearing, Context, FeederClearing, Network, Order, Terms, TermsError, UnknownMechanism,
        mechanism,
    },
    grid::Grid,
    inputs::MeteredMember,
    metering::netted,
};

/// What an interval's economics depend on, beside the members that were read.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// The interval.
    pub interval: Interval,
    /// The rules in force.
    pub rules: &'a Rules,
    /// The grid that the members' buses are of.
    pub grid: &'a Grid,
    /// Seed of the tie-breaks.
    pub tie_seed: &'a Hash,
}

/// What an interval comes to. Its money sums to zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Economics {
    /// The one price, where the mechanism has one and something was traded.
    pub price: Option<Price>,
    /// One line for each member, in ascending order.
    pub lines: Vec<Line>,
    /// Who sold how much to whom, at which price.
    pub trades: Vec<Trade>,
    /// What the seller of each trade receives for a kWh: less than the buyer pays where the grid operator gains.
    pub received: Vec<Price>,
    /// The certificates of what was fed in.
    pub minted: Vec<Minted>,
    /// What the supplier gains.
    pub supplier: Amount,
    /// What the grid operator gains: what buyers pay more than sellers receive, which is fees and congestion rent, or
    /// what trade reduction leaves over.
    pub operator: Amount,
    /// What the trades do to the grid, where the mechanism knows: that is shown, and not settled.
    pub feeder: Option<FeederClearing>,
}

/// Why an interval cannot be settled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// The rules name a mechanism that this program does not have.
    #[error(transparent)]
    UnknownMechanism(#[from] UnknownMechanism),
    /// The rules' parameters do not fit the grid.
    #[error("rules: {0}")]
    Terms(#[from] TermsError),
    /// A member is there twice.
    #[error("expected each member once, found {member} twice")]
    DuplicateMember {
        /// Which one.
        member: MemberId,
    },
    /// More energy than one member can have in one interval.
    #[error("expected at most {ENERGY_WH_MAX} Wh of member {member}, found {found_wh} Wh")]
    EnergyOutOfRange {
        /// Whose.
        member: MemberId,
        /// How much.
        found_wh: u64,
    },
    /// More money than an amount can hold.
    #[error("expected an amount of less than 2^63 nano-units for {account:?}, found {nano}")]
    AmountOutOfRange {
        /// Whose.
        account: AccountId,
        /// How much.
        nano: i128,
    },
    /// The mechanism made a clearing that no mechanism may make: a bug.
    #[error("mechanism `{mechanism}` made a clearing that is none: {broken}")]
    BrokenClearing {
        /// Which one.
        mechanism: &'static str,
        /// What is wrong.
        broken: BrokenClearing,
    },
    /// The transfers do not cancel out: a bug.
    #[error("expected transfers that sum to zero, found a sum of {nano} nano-units")]
    Unbalanced {
        /// The sum.
        nano: i128,
    },
}

/// What a member brings to the market in an interval: its price limit, or the supplier's price where it has none, and
/// its energy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To buy at this price or less.
    Buy(Price, Energy),
    /// To sell at this price or more.
    Sell(Price, Energy),
}

/// What a member brings to the market under these rules; none where it has nothing to trade.
pub fn wish(member: &MeteredMember, rules: &Rules) -> Option<Wish> {
    Position::new(member, rules).wish(rules)
}

/// One member's way through a settlement.
pub(crate) struct Position<'a> {
    of: &'a MeteredMember,
    /// Whether it is the transformer's meter: it trades nothing and owes nothing.
    is_transformer: bool,
    pub(crate) deficit: Energy,
    pub(crate) surplus: Energy,
    bought: Energy,
    sold: Energy,
    paid: i128,
    earned: i128,
}

impl<'a> Position<'a> {
    pub(crate) fn new(of: &'a MeteredMember, rules: &Rules) -> Position<'a> {
        let is_transformer = rules.transformer.is_some_and(|meter| meter.member == of.member);
        let flow = if is_transformer { Flow::default() } else { netted(of.metered.measured.unwrap_or_default()) };
        let (deficit, surplus) = (flow.import, flow.export);
        let (bought, sold) = (Energy::ZERO, Energy::ZERO);
        Position { of, is_transformer, deficit, surplus, bought, sold, paid: 0, earned: 0 }
    }

    /// What came late and is the supplier's.
    fn late(&self) -> Flow {
        if self.is_transformer { Flow::default() } else { self.of.metered.late }
    }

    /// What the member wants, if it has anything to trade.
    pub(crate) fn wish(&self, rules: &Rules) -> Option<Wish> {
        // On an island there is no supplier for what a member would not trade.
        let island = rules.is_islanded();
        let PriceLimits { buy, sell, buy_cap, sell_cap } = if island { PriceLimits::default() } else { self.of.limits };
        let said = rules.parameters.as_ref().filter(|_| !island);
        let part_ppm = said.map_or(WHOLE_PPM, |said| said.participation_ppm(self.of.member));
        let brought = |energy: Energy, cap: Option<Energy>| {
            let part = energy.part(part_ppm);
            cap.map_or(part, |cap| cap.min(part))
        };
        let to_buy = brought(self.deficit, buy_cap);
        let to_sell = brought(self.surplus, sell_cap);
        if !to_buy.is_zero() {
            Some(Wish::Buy(buy.unwrap_or(rules.retail_price), to_buy))
        } else if !to_sell.is_zero() {
            Some(Wish::Sell(sell.unwrap_or(rules.feed_in_price), to_sell))
        } else {
            None
        }
    }

    fn check_range(&self) -> Result<(), SettleError> {
        let late = self.late();
        let most = [self.deficit, self.surplus, late.import, late.export].into_iter().max().unwrap_or_default();
        if most.is_within_limit() {
            Ok(())
        } else {
            Err(SettleError::EnergyOutOfRange { member: self.of.member, found_wh: most.wh() })
        }
    }

    fn minted(&self) -> Option<Minted> {
        let technology = self.of.technology.filter(|_| !self.surplus.is_zero())?;
        Some(Minted { member: self.of.member, energy: self.surplus, technology })
    }

    fn line(&self, rules: &Rules) -> Result<Line, SettleError> {
        let late = self.late();
        // Within the limits that `check_range` has checked, and never more bought or sold than there was.
        let supplied = |all: Energy, traded: Energy, late: Energy| Energy::from_wh(all.wh() - traded.wh() + late.wh());
        let imported = supplied(self.deficit, self.bought, late.import);
        let exported = supplied(self.surplus, self.sold, late.export);
        let account = AccountId::Member(self.of.member);
        Ok(Line {
            member: self.of.member,
            bought: self.bought,
            sold: self.sold,
            imported,
            exported,
            paid: amount(account, self.paid)?,
            earned: amount(account, self.earned)?,
            supply_cost: amount(account, rules.retail_price.times(imported))?,
            supply_revenue: amount(account, rules.feed_in_price.times(exported))?,
        })
    }
}

fn amount(account: AccountId, nano: i128) -> Result<Amount, SettleError> {
    i64::try_from(nano).map(Amount::from_nano).map_err(|_| SettleError::AmountOutOfRange { account, nano })
}

/// Names of the two sides in the ids of orders: a member's 16 bytes, then one of these.
const BUY: u8 = 0;
const SELL: u8 = 1;

fn order_id(member: MemberId, side: u8) -> [u8; 17] {
    let mut id = [side; 17];
    id[..16].copy_from_slice(member.as_bytes());
    id
}

/// Whose an order of this id is.
fn member_of(order: &[u8]) -> Option<MemberId> {
    order.first_chunk().copied().map(MemberId::from_bytes)
}

/// The members of a book's bids and offers, by their place among the positions, and the ids of their orders.
struct Sides {
    buyers: Vec<(usize, [u8; 17])>,
    sellers: Vec<(usize, [u8; 17])>,
}

impl Sides {
    fn new(positions: &[Position<'_>], rules: &Rules) -> Sides {
        let mut sides = Sides { buyers: Vec::new(), sellers: Vec::new() };
        for (index, position) in positions.iter().enumerate() {
            let member = position.of.member;
            match position.wish(rules) {
                Some(Wish::Buy(..)) => sides.buyers.push((index, order_id(member, BUY))),
                Some(Wish::Sell(..)) => sides.sellers.push((index, order_id(member, SELL))),
                None => {}
            }
        }
        sides
    }

    /// What each buyer is entitled to on an island; empty where that was not said of all of them.
    fn quotas(&self, positions: &[Position<'_>]) -> Vec<Energy> {
        let quota = |(index, _): &(usize, [u8; 17])| positions[*index].of.quota;
        self.buyers.iter().map(quota).collect::<Option<_>>().unwrap_or_default()
    }

    fn book<'a>(&'a self, positions: &[Position<'_>], rules: &Rules) -> Book<'a> {
        let order = |(index, id): &'a (usize, [u8; 17])| -> Option<Order<'a>> {
            let position = &positions[*index];
            let (Wish::Buy(price, quantity) | Wish::Sell(price, quantity)) = position.wish(rules)?;
            Some(Order { id, price, quantity, bus: position.of.bus })
        };
        Book {
            bids: self.buyers.iter().filter_map(order).collect(),
            offers: self.sellers.iter().filter_map(order).collect(),
        }
    }
}

impl Economics {
    fn check_balance(&self) -> Result<(), SettleError> {
        let mut sum = i128::from(self.supplier.nano()) + i128::from(self.operator.nano());
        for line in &self.lines {
            for gain in [line.earned, line.supply_revenue] {
                sum += i128::from(gain.nano());
            }
            for loss in [line.paid, line.supply_cost] {
                sum -= i128::from(loss.nano());
            }
            // What the ledger books to the account must be an amount too.
            if line.net().is_none() {
                let nano = [line.earned, line.supply_revenue].into_iter().sum::<i128>()
                    - [line.paid, line.supply_cost].into_iter().sum::<i128>();
                return Err(SettleError::AmountOutOfRange { account: AccountId::Member(line.member), nano });
            }
        }
        if sum == 0 { Ok(()) } else { Err(SettleError::Unbalanced { nano: sum }) }
    }
}

/// The economics of these members, who are in ascending order: a pure function.
pub fn economics(members: &[MeteredMember], circumstances: &Circumstances<'_>) -> Result<Economics, SettleError> {
    let &Circumstances { rules, grid, tie_seed, .. } = circumstances;
    let mechanism = mechanism(&rules.mechanism)?;
    let mut positions: Vec<Position<'_>> = members.iter().map(|member| Position::new(member, rules)).collect();
    if let Some(pair) = positions.windows(2).find(|pair| pair[0].of.member == pair[1].of.member) {
        return Err(SettleError::DuplicateMember { member: pair[0].of.member });
    }
    positions.iter().try_for_each(Position::check_range)?;

    let sides = Sides::new(&positions, rules);
    let book = sides.book(&positions, rules);
    let quotas = sides.quotas(&positions);
    let terms = Terms { quotas, ..terms(circumstances, &positions)? };
    let clearing = mechanism.clear(&book, &Context { grid, tie_seed, terms: &terms });
    clearing.check(&book).map_err(|broken| SettleError::BrokenClearing { mechanism: mechanism.name(), broken })?;

    let trades = book_trades(&clearing, &sides, &mut positions);
    let lines: Vec<Line> = positions.iter().map(|position| position.line(rules)).collect::<Result<_, _>>()?;
    let supplier =
        lines.iter().map(|line| i128::from(line.supply_cost.nano()) - i128::from(line.supply_revenue.nano()));
    let operator: i128 = positions.iter().map(|position| position.paid - position.earned).sum();
    let economics = Economics {
        price: clearing.price,
        supplier: amount(AccountId::Supplier, supplier.sum())?,
        operator: amount(AccountId::Operator, operator)?,
        minted: positions.iter().filter_map(Position::minted).collect(),
        received: clearing.trades.iter().map(|trade| trade.received).collect(),
        lines,
        trades,
        feeder: clearing.feeder,
    };
    economics.check_balance()?;
    Ok(economics)
}

/// What the rules say to the mechanism, with what this interval's energy does to the grid.
fn terms<'a>(circumstances: &Circumstances<'a>, positions: &[Position<'_>]) -> Result<Terms<'a>, TermsError> {
    let &Circumstances { interval, rules, grid, .. } = circumstances;
    let parameters = rules.parameters.as_ref();
    // What members have but do not bring to the market goes to and from the supplier, over the same lines.
    let mut base = Vec::new();
    for position in positions {
        let (buys, sells) = match position.wish(rules) {
            Some(Wish::Buy(_, energy)) => (energy, Energy::ZERO),
            Some(Wish::Sell(_, energy)) => (Energy::ZERO, energy),
            None => (Energy::ZERO, Energy::ZERO),
        };
        let out = position.surplus.saturating_sub(sells).wh();
        let drawn = position.deficit.saturating_sub(buys).wh();
        let bus = position.of.bus.0 as usize;
        if bus >= base.len() {
            base.resize(bus + 1, 0);
        }
        base[bus] += i128::from(out) - i128::from(drawn);
    }
    let network = Network::new(grid, parameters.unwrap_or(&Parameters::default()), interval, &base)?;
    let midpoint = Some(Price::midpoint(rules.feed_in_price, rules.retail_price));
    Ok(Terms { parameters, member_of, midpoint, network: Some(network), quotas: Vec::new() })
}

/// Books a clearing's fills and trades to the positions, and names the trades' members.
fn book_trades(clearing: &Clearing, sides: &Sides, positions: &mut [Position<'_>]) -> Vec<Trade> {
    for ((index, _), fill) in sides.buyers.iter().zip(&clearing.bids) {
        positions[*index].bought = *fill;
    }
    for ((index, _), fill) in sides.sellers.iter().zip(&clearing.offers) {
        positions[*index].sold = *fill;
    }
    let mut trades = Vec::with_capacity(clearing.trades.len());
    for trade in &clearing.trades {
        let (buyer, seller) = (sides.buyers[trade.bid as usize].0, sides.sellers[trade.offer as usize].0);
        positions[buyer].paid += trade.price.times(trade.energy);
        positions[seller].earned += trade.received.times(trade.energy);
        trades.push(Trade {
            seller: positions[seller].of.member,
            buyer: positions[buyer].of.member,
            energy: trade.energy,
            price: trade.price,
        });
    }
    trades
}
