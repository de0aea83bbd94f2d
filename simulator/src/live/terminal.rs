//! The terminal view: what starts, one line an interval, and a progress bar.

use std::io::{self, Write};

use indicatif::ProgressBar;
use protocol::{api::Settled, genesis::Genesis};

use super::{Plan, tally::Flows};
use crate::{
    progress,
    state::{Broker, Neighbourhood},
};

/// The terminal of one run. Lines go to standard output, the bar to standard error if that is a terminal.
pub(super) struct Terminal {
    bar: ProgressBar,
    participants: usize,
}

impl Terminal {
    /// Says what is about to run.
    pub(super) fn start(state: &Neighbourhood, plan: &Plan<'_>) -> Terminal {
        let genesis = &state.genesis;
        let terminal =
            Terminal { bar: progress::over(plan.intervals as u64, "intervals"), participants: genesis.members.len() };
        terminal.say(&heading(genesis, plan));
        if let Some(note) = plan.note {
            terminal.say(note);
        }
        terminal
    }

    /// Says where everything is to be found.
    pub(super) fn addresses(&self, state: &Neighbourhood, plan: &Plan<'_>) {
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

    /// One more settled interval: a line of 80 columns, unless it is about a megawatt hour or somebody is missing.
    pub(super) fn settled(&self, settled: &Settled) {
        let flows = Flows::of(settled);
        let price = match settled.price {
            Some(price) => format!("at {price}"),
            None if flows.traded_wh > 0 => "at several".to_owned(),
            None => String::new(),
        };
        let unread = match self.participants.saturating_sub(settled.lines.len()) {
            0 => String::new(),
            unread => format!("  {unread} not read"),
        };
        self.say(&format!(
            "{} traded {:>7} {price:<11} from supplier {:>7} to {:>7}{unread}",
            settled.interval.start_text(),
            kwh(flows.traded_wh),
            kwh(flows.imported_wh),
            kwh(flows.exported_wh),
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
        "Voisin: {} participants, {producers} with production; mechanism {}, {} validators\n\
         {} intervals of {} minutes from {} ({}); kWh, {}/kWh",
        dataset.participants.len(),
        genesis.rules.mechanism,
        genesis.validators.len(),
        plan.intervals,
        dataset.first.length().minutes(),
        plan.setup.from.start_text(),
        dataset.profile,
        genesis.currency,
    )
}

/// Wh as kWh, exactly.
pub(crate) fn kwh(wh: u128) -> String {
    format!("{}.{:03}", wh / 1000, wh % 1000)
}
