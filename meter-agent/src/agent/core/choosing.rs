//! What is chosen on the page: it stands once it is stored, and the next order says so.

use super::{Core, Then, Turn, Write};
use crate::{
    alarm::AlarmKind,
    choice::Choice,
    learned::{Known, Learned},
};

impl Core {
    /// Has a choice stored; nothing, where it stands already or nothing can be stored any more.
    pub(super) fn choose(&mut self, turn: &mut Turn<'_>, choice: Option<Choice>) {
        if choice != self.identity.choice && !self.live.halted {
            self.write(turn, Write::Choice(choice), Then::Choose(choice));
        }
    }

    /// A choice is stored: the household bids by it from the next order on.
    pub(super) fn chosen(&mut self, choice: Option<Choice>) {
        let strategy = choice.map_or_else(|| self.identity.configured.clone(), Choice::strategy);
        let by = if choice.is_some() { "on the page" } else { "in agent.toml" };
        tracing::info!(strategy = strategy.name(), "the household bids as it is set {by}");
        self.learned = Learned::of(&*strategy, self.learned.take(), self.before_first);
        self.known = Known::default();
        self.identity.strategy = strategy;
        self.identity.choice = choice;
        // It says something else than what was refused.
        self.live.order_refused = false;
        self.alarms.clear(AlarmKind::OrderRefused);
    }
}
