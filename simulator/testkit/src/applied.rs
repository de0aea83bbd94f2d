//! Transactions applied to a state, and what must hold whenever one is.

use ledger::state::State;
use protocol::{block::Transaction, reading::SignedReading, settlement::Settlement};

use crate::community::Community;

/// Applies a transaction, and says how it was refused. A refused one changes nothing, the same one again is known.
pub fn apply(state: &mut State, transaction: &Transaction) -> Result<(), String> {
    let before = state.root();
    match state.apply(transaction) {
        Ok(_) => {
            assert_eq!(state.balances_sum(), 0);
            let once = state.root();
            let again = state.apply(transaction).map(drop).map_err(|refusal| refusal.name());
            assert_eq!(again, Err("exists".into()), "the second time");
            assert_eq!(state.root(), once);
            Ok(())
        }
        Err(refusal) => {
            assert_eq!(state.root(), before, "the refused transaction changed the state: {refusal}");
            Err(refusal.name())
        }
    }
}

/// Settles the next interval with these readings, sorted by device and sequence number.
pub fn settle(community: &Community, state: &mut State, readings: &[SignedReading]) -> Settlement {
    let settlement = community.settlement(state, readings);
    state.apply(&community.transaction(settlement.clone(), readings)).unwrap();
    assert_eq!(state.balances_sum(), 0);
    settlement
}

/// Settles the next interval, read by all.
pub fn settle_next(community: &mut Community, state: &mut State) {
    let readings = community.read_all(state.next());
    settle(community, state, &readings);
}

/// Five members after one settled interval, in which the first and the fourth sold.
pub fn one_interval() -> (Community, State) {
    let mut community = Community::new(5, 4);
    let mut state = community.state();
    settle_next(&mut community, &mut state);
    (community, state)
}
