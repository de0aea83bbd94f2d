//! A chunk of intervals: played, added up and encoded by one thread.

use std::ops::Range;

use market::{
    clearing::{Edge, Network},
    economics::Economics,
    inputs::MeteredMember,
    welfare::{Welfare, welfare},
};
use protocol::{
    energy::Energy, genesis::Rules, hash::Hash, interval::Interval, parameters::Parameters, settlement::Line,
};

use super::{RunError, detail_rows::DetailRows};
use crate::{
    offline::{
        community::Community,
        devices::{Memory, Remembers},
        dishonest::Misreported,
        outage::Shed,
        output::{LINES, time_ms},
        street::Street,
        sums::{IntervalSums, MemberSums},
        turns::Turns,
        uses::Use,
    },
    tables::{Encoded, Encoder, TableError, Values, io_error},
};

/// Rows of one chunk, at most, unless a single interval has more: with ten columns some 15 MB.
pub(crate) const ROWS: usize = 1 << 18;

/// The chunks of a community's intervals: whole days, as many as fit, or parts of days where one does not fit.
pub(super) fn chunks(community: &Community) -> Vec<Range<usize>> {
    let members = community.homes.len().max(1);
    let of_a_day = community.intervals_of_a_day();
    let fit = (ROWS / members).max(1);
    let length = if fit >= of_a_day { fit / of_a_day * of_a_day } else { fit };
    (0..community.intervals).step_by(length).map(|from| from..(from + length).min(community.intervals)).collect()
}

/// What a chunk came to.
#[derive(Default)]
pub(crate) struct Played {
    pub(crate) intervals: Vec<(Interval, IntervalSums)>,
    /// By day (its start, in seconds after 1970) and member.
    pub(crate) days: Vec<(i64, Vec<MemberSums>)>,
    pub(crate) lines: Option<Encoded>,
    /// By table of details, its groups of rows.
    pub(crate) details: Vec<Vec<Encoded>>,
    /// By bus: the most that passed the line above it towards the members, and from them, Wh.
    pub(crate) flows: Vec<(u64, u64)>,
    pub(crate) busiest: Busiest,
    pub(crate) misreported: Misreported,
    pub(crate) shed: Shed,
}

/// The first of the intervals in which most was traded, and everyone's energy and bids in it. Nothing yet where nothing
/// was.
#[derive(Default)]
pub(crate) struct Busiest {
    pub(super) at: usize,
    pub(super) traded_wh: u64,
    pub(super) members: Vec<MeteredMember>,
}

/// One thread's community, and what it writes rows into.
pub(super) struct Player<'a> {
    community: &'a Community,
    street: Street<&'a Community>,
    encoder: Option<Encoder>,
    details: DetailRows,
    /// What the homes remember, which passes from chunk to chunk.
    memories: &'a Turns<Memory>,
    /// What everyone does, of one interval or of the whole chunk.
    uses: Vec<Use>,
    /// What dishonest meters say instead, of one interval.
    told: Vec<Use>,
    /// What all batteries hold at the ends of these intervals, Wh.
    stored_wh: Vec<u64>,
    rows: Rows,
}

/// Why a chunk was not played.
pub(super) enum Stop {
    /// It failed.
    Failed(RunError),
    /// One before it failed.
    Before,
}

impl<E: Into<RunError>> From<E> for Stop {
    fn from(error: E) -> Stop {
        Stop::Failed(error.into())
    }
}

/// The columns of a chunk's lines.
#[derive(Default)]
pub(crate) struct Rows {
    small: [Vec<i32>; 7],
    large: [Vec<i64>; 3],
}

impl Rows {
    pub(crate) fn clear(&mut self) {
        self.small.iter_mut().for_each(Vec::clear);
        self.large.iter_mut().for_each(Vec::clear);
    }

    /// The row of one member, by its number in the tables.
    pub(crate) fn push_one(&mut self, interval: Interval, number: i32, of: Use, line: &Line) {
        self.push(interval, &[of], std::slice::from_ref(line));
        if let Some(last) = self.small[0].last_mut() {
            *last = number;
        }
    }

    fn push(&mut self, interval: Interval, uses: &[Use], lines: &[Line]) {
        // What a member has in an interval is below `ENERGY_WH_MAX`, which is below 2³¹, or it is not settled.
        let energy = |wh: u64| wh as i32;
        let [start, paid, earned] = &mut self.large;
        start.resize(start.len() + lines.len(), time_ms(interval));
        paid.extend(lines.iter().map(|line| line.paid.nano()));
        earned.extend(lines.iter().map(|line| line.earned.nano()));
        let [member, consumption, production, bought, sold, imported, exported] = &mut self.small;
        member.extend(1..=lines.len() as i32);
        consumption.extend(uses.iter().map(|of| of.consumption as i32));
        production.extend(uses.iter().map(|of| of.production as i32));
        bought.extend(lines.iter().map(|line| energy(line.bought.wh())));
        sold.extend(lines.iter().map(|line| energy(line.sold.wh())));
        imported.extend(lines.iter().map(|line| energy(line.imported.wh())));
        exported.extend(lines.iter().map(|line| energy(line.exported.wh())));
    }
}

impl<'a> Player<'a> {
    pub(super) fn new(
        community: &'a Community,
        ties: Hash,
        encoder: Option<Encoder>,
        details: DetailRows,
        memories: &'a Turns<Memory>,
    ) -> Player<'a> {
        let uses = vec![Use::default(); community.homes.len()];
        let (street, stored_wh) = (Street::new(community, ties), vec![0]);
        Player {
            community,
            street,
            encoder,
            details,
            memories,
            uses,
            told: Vec::new(),
            stored_wh,
            rows: Rows::default(),
        }
    }

    /// Plays the chunk of this number.
    pub(super) fn play(&mut self, number: usize, chunk: Range<usize>) -> Result<Played, Stop> {
        self.rows.clear();
        let mut played = Played { intervals: Vec::with_capacity(chunk.len()), ..Played::default() };
        match self.community.remembers() {
            Remembers::Nothing => {
                let mut memory = self.community.start();
                for at in chunk {
                    self.street.measure(at, &mut memory, &mut self.uses);
                    self.trade(at, 0, &mut played)?;
                }
            }
            // In turn the energy, and on any thread the market.
            Remembers::State => {
                let members = self.community.homes.len();
                self.uses.resize(chunk.len() * members, Use::default());
                self.stored_wh.clear();
                let mut memory = self.memories.take(number).ok_or(Stop::Before)?;
                for (at, uses) in chunk.clone().zip(self.uses.chunks_exact_mut(members)) {
                    self.street.measure(at, &mut memory, uses);
                    self.stored_wh.push(memory.stored_wh());
                    self.details.add_measured(self.community, self.street.interval(at), uses, &memory)?;
                }
                self.memories.give(memory);
                for (place, at) in chunk.enumerate() {
                    self.trade(at, place, &mut played)?;
                }
            }
            // In turn both.
            Remembers::Market => {
                let mut memory = self.memories.take(number).ok_or(Stop::Before)?;
                for at in chunk {
                    self.street.measure(at, &mut memory, &mut self.uses);
                    self.stored_wh[0] = memory.stored_wh();
                    self.details.add_measured(self.community, self.street.interval(at), &self.uses, &memory)?;
                    self.street.bid(at, &mut memory);
                    let economics = self.trade(at, 0, &mut played)?;
                    self.street.learn(at, &economics, &mut memory);
                }
                self.memories.give(memory);
            }
        }
        if let Some(encoder) = &self.encoder {
            played.lines = Some(self.rows.encode(encoder)?);
        }
        played.details = self.details.take()?;
        Ok(played)
    }

    /// Trades in an interval whose uses are at this place among those that are kept, and adds it up.
    fn trade(&mut self, at: usize, place: usize, played: &mut Played) -> Result<Economics, RunError> {
        let interval = self.street.interval(at);
        let members = self.community.homes.len();
        let uses = &self.uses[place * members..(place + 1) * members];
        let told = self.community.told(uses, &mut self.told);
        self.street.meter(at, told);
        let settle =
            |street: &Street<&Community>| street.trade(at).map_err(|error| RunError::Settle { interval, error });
        let mut economics = settle(&self.street)?;
        let shed = self.community.shed(at, told, &mut economics);
        if let Some((_, of_members)) = &shed {
            of_members.iter().for_each(|of_member| played.shed.add(of_member));
            self.details.add_shed(interval, of_members)?;
        }
        let drawn = shed.as_ref().map(|(drawn, _)| drawn.as_slice());
        let (uses, told) = (drawn.unwrap_or(uses), drawn.unwrap_or(told));
        let of_line = MemberSums::of(drawn.is_some());
        let day = interval.start_s().div_euclid(86_400) * 86_400;
        if played.days.last().is_none_or(|(last, _)| *last != day) {
            played.days.push((day, vec![MemberSums::default(); uses.len()]));
        }
        let rules = self.community.rules.at(at);
        let mut sums = MemberSums::default();
        let (mut buyers, mut sellers) = (0, 0);
        let (mut net_wh, mut lacking_wh, mut spare_wh) = (0, 0, 0);
        if let Some((_, of_day)) = played.days.last_mut() {
            let lines = uses.iter().zip(told).zip(&economics.lines);
            for (of_member, ((of_use, told), line)) in of_day.iter_mut().zip(lines) {
                let of_line = of_line(*told, line, rules);
                of_member.add(&of_line);
                sums.add(&of_line);
                buyers += u32::from(!line.bought.is_zero());
                sellers += u32::from(!line.sold.is_zero());
                let (drawn, fed_in) = of_use.at_meter();
                net_wh += i64::from(drawn) - i64::from(fed_in);
                if !told.unread {
                    let (drawn, fed_in) = told.at_meter();
                    lacking_wh += u64::from(drawn);
                    spare_wh += u64::from(fed_in);
                }
            }
        }
        if sums.bought_wh > played.busiest.traded_wh {
            let Busiest { at: busiest, traded_wh, members: kept } = &mut played.busiest;
            (*busiest, *traded_wh) = (at, sums.bought_wh);
            kept.clear();
            kept.extend_from_slice(self.street.members());
        }
        let tradable_wh = lacking_wh.min(spare_wh);
        let row = IntervalSums {
            tradable_wh,
            net_wh,
            pooled_nano: pooled_nano(rules, lacking_wh, spare_wh, &sums),
            sums,
            price: economics.price,
            operator_nano: economics.operator.nano(),
            // Where a side is missing, nobody can gain anything.
            welfare: match tradable_wh {
                0 => Welfare::default(),
                _ => welfare(self.street.members(), &economics.lines, rules),
            },
            stored_wh: self.stored_wh[place],
            buyers,
            sellers,
        };
        played.intervals.push((interval, row));
        if let Some(Network { edges, .. }) = flows(self.community, interval, uses) {
            add_peaks(&edges, &mut played.flows);
            self.details.add_flowed(self.community, interval, &edges)?;
        }
        self.details.add_traded(interval, self.street.members(), rules, &economics)?;
        if let Some(dishonest) = &self.community.dishonest {
            let closes = dishonest.closes(self.street.members(), rules, net_wh);
            // Nobody says to draw more or feed in less, so nothing is missing the other way.
            let unmetered_wh = u64::try_from(net_wh - (lacking_wh as i64 - spare_wh as i64)).unwrap_or(0);
            self.street.meter(at, uses);
            let truth = settle(&self.street)?;
            played.misreported.add_interval(dishonest, &economics, &truth, unmetered_wh, closes);
        }
        if self.encoder.is_some() {
            self.rows.push(interval, told, &economics.lines);
        }
        Ok(economics)
    }
}

/// What the interval would have cost as one household: what was lacking and to spare set off against each other. What
/// came late is the supplier's all the same.
pub(crate) fn pooled_nano(rules: &Rules, lacking_wh: u64, spare_wh: u64, sums: &MemberSums) -> i128 {
    let tradable_wh = lacking_wh.min(spare_wh);
    rules.retail_price.times(Energy::from_wh(sums.deficit_wh() - tradable_wh))
        - rules.feed_in_price.times(Energy::from_wh(sums.surplus_wh() - tradable_wh))
}

/// What an interval's energy sends over each line, whoever it is traded with; none where the lines are not known.
fn flows(community: &Community, interval: Interval, uses: &[Use]) -> Option<Network> {
    if !community.has_lines() {
        return None;
    }
    let mut sent = Vec::new();
    for (home, of_home) in community.homes.iter().zip(uses) {
        let (drawn, fed_in) = of_home.at_meter();
        let bus = home.bus.number();
        if bus >= sent.len() {
            sent.resize(bus + 1, 0);
        }
        sent[bus] += i128::from(fed_in) - i128::from(drawn);
    }
    // Without fees, no line can be missing.
    Network::new(&community.grid, &Parameters::default(), interval, &sent).ok()
}

fn add_peaks(edges: &[Edge], most: &mut Vec<(u64, u64)>) {
    most.resize(edges.len(), (0, 0));
    for ((import, export), edge) in most.iter_mut().zip(edges) {
        *import = (*import).max(u64::try_from(-edge.base_wh).unwrap_or(0));
        *export = (*export).max(u64::try_from(edge.base_wh).unwrap_or(0));
    }
}

impl Rows {
    /// Encodes the rows, and keeps the room that they took.
    pub(crate) fn encode(&mut self, encoder: &Encoder) -> Result<Encoded, TableError> {
        let [start, paid, earned] = std::mem::take(&mut self.large).map(Values::Large);
        let [member, consumption, production, bought, sold, imported, exported] =
            std::mem::take(&mut self.small).map(Values::Small);
        let columns = [start, member, consumption, production, bought, sold, imported, exported, paid, earned];
        const { assert!(LINES.len() == 10) };
        let encoded = encoder.encode(&columns);
        for (index, values) in columns.into_iter().enumerate() {
            match values {
                Values::Small(values) => self.small[index - 1] = values,
                Values::Large(values) => self.large[index.saturating_sub(7)] = values,
                Values::OptionalLarge(_) | Values::Text(_) => {}
            }
        }
        encoded.map_err(|error| TableError { path: "lines.parquet".into(), error: io_error(error) })
    }
}
