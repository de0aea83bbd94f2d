//! The terminal view: what starts, one line an interval, and a progress bar.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressStyle};
use protocol::{api::Settled, genesis::Genesis};

use super::{Plan, tally::Flows};
use crate::state::{Broker, State};

const BAR: &str = "{bar:40} {pos}/{len} intervals, {eta} left";

/// The terminal of one run. Lines go to standard output, the bar to standard error if that is a terminal.
pub(super) struct Terminal {
    bar: ProgressBar,
    currency: String,
    participants: usize,
}

impl Terminal {
    /// Says what is about to run.
    pub(super) fn start(state: &State, plan: &Plan<'_>) -> Terminal {
        let genesis = &state.genesis;
        let bar = ProgressBar::new(plan.intervals as u64);
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style);
        }
        let terminal = Terminal { bar, currency: genesis.currency.clone(), participants: genesis.members.len() };
        terminal.say(&heading(genesis, plan));
        terminal
    }

    /// Says where everything is to be found.
    pub(super) fn addresses(&self, state: &State, plan: &Plan<'_>) {
        let addresses = &state.addresses;
        match plan.run.console {
            Some(_) => self.say(&format!("console   http://{}", addresses.market)),
            None => self.say("console   off"),
        }
        let kind = if plan.run.broker == Broker::Embedded { ", embedded" } else { "" };
        self.say(&format!("broker    {}{kind}", addresses.broker));
        for node in &addresses.ledger {
            self.say(&format!("ledger    http://{node}/v1/status"));
        }
        let directory = state.root().display();
        match plan.keeps_state {
            true => self.say(&format!("state     {directory}")),
            false => self.say(&format!("state     {directory}, removed at the end; --state DIR keeps one")),
        }
    }

    /// Shows how far an earlier start came.
    pub(super) fn resumed(&self, settled: u64) {
        if settled > 0 {
            self.say(&format!("{settled} intervals are settled already"));
            self.bar.set_position(settled);
            self.bar.reset_eta();
        }
    }

    /// One more settled interval.
    pub(super) fn settled(&self, settled: &Settled) {
        let flows = Flows::of(settled);
        let price = match settled.price {
            Some(price) => format!("at {price} {}/kWh", self.currency),
            None if flows.traded_wh > 0 => "at several prices".to_owned(),
            None => String::new(),
        };
        let unread = match self.participants.saturating_sub(settled.lines.len()) {
            0 => String::new(),
            unread => format!("  {unread} not read"),
        };
        self.say(&format!(
            "{}  traded {:>9} kWh {price:<22}  from supplier {:>9} kWh  to supplier {:>9} kWh  block {}{unread}",
            settled.interval.start_text(),
            kwh(flows.traded_wh),
            kwh(flows.imported_wh),
            kwh(flows.exported_wh),
            settled.height,
        ));
        self.bar.inc(1);
    }

    /// One line, or several.
    pub(super) fn say(&self, text: &str) {
        // Who closed standard output does not want to read on; the neighbourhood runs on.
        self.bar.suspend(|| drop(writeln!(io::stdout(), "{text}")));
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn heading(genesis: &Genesis, plan: &Plan<'_>) -> String {
    let dataset = &plan.setup.dataset;
    let producers = dataset
        .participants
        .iter()
        .filter(|participant| participant.usage.iter().any(|usage| usage.production_wh > 0))
        .count();
    format!(
        "Voisin: {} participants, {producers} with production; {} intervals of {} minutes from {} ({}); \
         mechanism {}, {} validators",
        dataset.participants.len(),
        plan.intervals,
        dataset.first.length().minutes(),
        dataset.first.start_text(),
        dataset.profile,
        genesis.rules.mechanism,
        genesis.validators.len(),
    )
}

/// Wh as kWh, exactly.
pub(super) fn kwh(wh: u128) -> String {
    format!("{}.{:03}", wh / 1000, wh % 1000)
}
