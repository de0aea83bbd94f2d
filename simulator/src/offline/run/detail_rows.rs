//! The rows of a chunk in the tables of details that are asked for.

use market::{
    clearing::Edge,
    economics::{Economics, Wish, wish},
    inputs::MeteredMember,
};
use protocol::{genesis::Rules, interval::Interval};

use crate::{
    offline::{
        community::Community,
        details::Detail,
        devices::Memory,
        figures::{Ratio, watts},
        member::number_of,
        outage::Shed,
        output::time_ms,
        uses::Use,
    },
    tables::{Encoded, Encoder, TableError, Value, Values, io_error},
};

/// Rows of a table that are encoded together, at most.
const ROWS_TOGETHER: usize = 1 << 18;

/// The tables of details that one thread fills.
pub(super) struct DetailRows(Vec<Rows>);

struct Rows {
    detail: Detail,
    encoder: Encoder,
    columns: Vec<Values>,
    /// Those that were enough for a group already.
    groups: Vec<Encoded>,
}

impl DetailRows {
    pub(super) fn new(encoders: Vec<(Detail, Encoder)>) -> DetailRows {
        let rows = |(detail, encoder): (Detail, Encoder)| Rows {
            columns: detail.columns().iter().map(|column| Values::empty(column.kind)).collect(),
            detail,
            encoder,
            groups: Vec::new(),
        };
        DetailRows(encoders.into_iter().map(rows).collect())
    }

    fn of(&mut self, detail: Detail) -> Option<&mut Rows> {
        self.0.iter_mut().find(|rows| rows.detail == detail)
    }

    /// What the batteries did and hold.
    pub(super) fn add_measured(
        &mut self,
        community: &Community,
        interval: Interval,
        uses: &[Use],
        memory: &Memory,
    ) -> Result<(), TableError> {
        let Some(soc) = self.of(Detail::Soc) else { return Ok(()) };
        for (member, of_member) in uses.iter().enumerate().filter(|(member, _)| community.has_battery(*member)) {
            soc.push([
                Value::Large(time_ms(interval)),
                Value::Small(member as i32 + 1),
                Value::Small(of_member.charged.cast_signed()),
                Value::Small(of_member.discharged.cast_signed()),
                // A battery holds at most 10¹³ µWh.
                Value::Large(memory.stored_uwh(member).cast_signed()),
            ])?;
        }
        Ok(())
    }

    /// What everyone could draw, drew and lacked in an interval of an outage.
    pub(super) fn add_shed(&mut self, interval: Interval, of_members: &[Shed]) -> Result<(), TableError> {
        let Some(rows) = self.of(Detail::Outage) else { return Ok(()) };
        // What a member has in an interval is below 2³².
        let energy = |wh: u64| Value::Large(wh.cast_signed());
        for (member, shed) in of_members.iter().enumerate() {
            let [lacking, unserved] = [shed.lacking_wh, shed.unserved_wh].map(|classes| classes.map(energy));
            rows.push([
                Value::Large(time_ms(interval)),
                // No community has 2³¹ members.
                Value::Small(member as i32 + 1),
                Value::OptionalLarge(shed.quota_wh.map(u64::cast_signed)),
                energy(shed.drawn_wh),
                energy(shed.overdraw_wh),
                lacking[0],
                lacking[1],
                lacking[2],
                lacking[3],
                unserved[0],
                unserved[1],
                unserved[2],
                unserved[3],
            ])?;
        }
        Ok(())
    }

    /// What everyone brought to the market, and what the market made of it.
    pub(super) fn add_traded(
        &mut self,
        interval: Interval,
        members: &[MeteredMember],
        rules: &Rules,
        economics: &Economics,
    ) -> Result<(), TableError> {
        let start = || Value::Large(time_ms(interval));
        // What is settled in an interval is below `ENERGY_WH_MAX`, which is below 2³¹.
        let energy = |wh: u64| Value::Small(wh as i32);
        if let Some(orders) = self.of(Detail::Orders) {
            for member in members {
                let (price, asked, offered) = match wish(member, rules) {
                    Some(Wish::Buy(price, asked)) => (price, asked.wh(), 0),
                    Some(Wish::Sell(price, offered)) => (price, 0, offered.wh()),
                    None => continue,
                };
                let number = Value::Small(number_of(member.member));
                orders.push([start(), number, Value::Large(price.micro()), energy(asked), energy(offered)])?;
            }
        }
        if let Some(trades) = self.of(Detail::Trades) {
            for (trade, received) in economics.trades.iter().zip(&economics.received) {
                trades.push([
                    start(),
                    Value::Small(number_of(trade.seller)),
                    Value::Small(number_of(trade.buyer)),
                    energy(trade.energy.wh()),
                    Value::Large(trade.price.micro()),
                    Value::Large(received.micro()),
                ])?;
            }
        }
        Ok(())
    }

    /// What the edges of the grid carried, each by the bus below it.
    pub(super) fn add_flowed(
        &mut self,
        community: &Community,
        interval: Interval,
        edges: &[Edge],
    ) -> Result<(), TableError> {
        let Some(flows) = self.of(Detail::Flows) else { return Ok(()) };
        let minutes = interval.length().minutes();
        for (bus, edge) in edges.iter().enumerate() {
            let Some(line) = community.grid.line_above(bus) else { continue };
            let size_wh = u64::try_from(edge.base_wh.unsigned_abs()).unwrap_or(u64::MAX);
            let loading = Ratio::of(watts(size_wh, minutes), line.rated_va);
            flows.push([
                Value::Large(time_ms(interval)),
                Value::Text(&line.name),
                Value::Large(i64::try_from(-edge.base_wh).unwrap_or(i64::MAX)),
                Value::OptionalLarge(loading.map(Ratio::ppm)),
            ])?;
        }
        Ok(())
    }

    /// The groups of rows of each table, in the order of the tables, and leaves none.
    pub(super) fn take(&mut self) -> Result<Vec<Vec<Encoded>>, TableError> {
        let of_table = |rows: &mut Rows| {
            rows.encode()?;
            Ok(std::mem::take(&mut rows.groups))
        };
        self.0.iter_mut().map(of_table).collect()
    }
}

impl Rows {
    fn push<const N: usize>(&mut self, row: [Value<'_>; N]) -> Result<(), TableError> {
        self.columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
        if self.columns.first().is_some_and(|column| column.len() >= ROWS_TOGETHER) { self.encode() } else { Ok(()) }
    }

    fn encode(&mut self) -> Result<(), TableError> {
        if self.columns.first().is_none_or(|column| column.len() == 0) {
            return Ok(());
        }
        let encoded = self.encoder.encode(&self.columns).map_err(|error| TableError {
            path: format!("{}.parquet", self.detail.name()).into(),
            error: io_error(error),
        })?;
        self.columns.iter_mut().for_each(Values::clear);
        self.groups.push(encoded);
        Ok(())
    }
}
