//! A scenario played interval by interval, by whoever asks for the members' prices: what learns outside of the
//! simulator, such as a program in Python.

use std::sync::Arc;

use protocol::{interval::Interval, money::Price, settlement::Tariffs};

use super::{
    community::Community,
    devices::Memory,
    run::{RunError, ties},
    street::Street,
    sums::MemberSums,
    uses::Use,
};
use crate::scenario::Scenario;

/// A community before the next of its intervals. Each comes to what [`run`](super::run()) would make of the same
/// limits.
#[derive(Debug)]
pub struct Steps {
    community: Arc<Community>,
    street: Street<Arc<Community>>,
    memory: Memory,
    uses: Vec<Use>,
    told: Vec<Use>,
    next: usize,
}

/// The prices that a member asks for in one interval, in the place of what its strategy does. Caps stay the strategy's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Highest price to buy at, µ€/kWh; without it, the strategy's.
    pub buy: Option<Price>,
    /// Lowest price to sell at, µ€/kWh; without it, the strategy's.
    pub sell: Option<Price>,
}

/// What an interval came to.
#[derive(Debug, Clone)]
pub struct Stepped {
    /// Which one.
    pub interval: Interval,
    /// What each member did and what it came to, in the order of the tables.
    pub lines: Vec<MemberSums>,
    /// The price, where there is one for all and something was traded.
    pub price: Option<Price>,
}

impl Steps {
    /// A scenario's community before its first interval.
    pub fn new(scenario: &Scenario, community: Arc<Community>) -> Steps {
        let uses = vec![Use::default(); community.members()];
        Steps {
            street: Street::new(community.clone(), ties(scenario, &community)),
            memory: community.start(),
            told: Vec::with_capacity(uses.len()),
            uses,
            next: 0,
            community,
        }
    }

    /// The interval that comes next, and the supplier's prices in it; none once all are played.
    pub fn upcoming(&self) -> Option<(Interval, Tariffs)> {
        (self.next < self.community.intervals())
            .then(|| (self.street.interval(self.next), self.street.rules(self.next).tariffs()))
    }

    /// What a member's battery holds, µWh; 0 without one.
    pub fn stored_uwh(&self, member: usize) -> u64 {
        self.memory.stored_uwh(member)
    }

    /// Plays the next interval. Members beyond the end of `asked` bid as their strategies do. None once all are played.
    /// An interval that cannot be settled is left behind.
    pub fn step(&mut self, asked: &[Asked]) -> Result<Option<Stepped>, RunError> {
        let at = self.next;
        if at >= self.community.intervals() {
            return Ok(None);
        }
        self.next += 1;
        let Steps { community, street, memory, uses, told, .. } = self;
        street.measure(at, memory, uses);
        street.bid(at, memory);
        let told = community.told(uses, told);
        street.meter(at, told);
        for (member, Asked { buy, sell }) in asked.iter().take(told.len()).enumerate() {
            street.ask(member, *buy, *sell);
        }
        let interval = street.interval(at);
        let mut economics = street.trade(at).map_err(|error| RunError::Settle { interval, error })?;
        let shed = community.shed(at, told, &mut economics);
        street.learn(at, &economics, memory);
        let told = shed.as_ref().map_or(told, |(drawn, _)| drawn);
        let of_line = MemberSums::of(shed.is_some());
        let lines = told.iter().zip(&economics.lines);
        let lines = lines.map(|(told, line)| of_line(*told, line, street.rules(at))).collect();
        Ok(Some(Stepped { interval, lines, price: economics.price }))
    }
}
