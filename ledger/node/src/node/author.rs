//! Who signed a transaction, and whether that is for them to do in this state.

use ledger::state::{Refusal, State};
use protocol::{
    envelope::{self, Sealed},
    instruction::{Instruction, SignedInstruction},
    key::PublicKey,
    order::Order,
    reading::Reading,
    settlement::Settlement,
    status::DeviceStatus,
    unopened::Unopened,
};

/// Checks that whoever signed a transaction may do so in this state, before anything else of it is decoded. A
/// settlement, which may be large, by its signature; the others by the name of their signer, because they are small and
/// verified when they are opened; a decision not at all, because it stays as it is until its approvals are checked.
pub(super) fn check_author(unopened: &Unopened<'_>, state: &State) -> Result<(), Refusal> {
    let is_member = |key: &PublicKey| state.is_members_key(key);
    let is_device = |key: &PublicKey| state.known_device(key.as_bytes()).is_some();
    let market = state.market();
    match unopened {
        Unopened::Settle(message) => {
            envelope::check_signature::<Settlement>(message, &state.chain(), |signer| *signer == market)?;
        }
        Unopened::PlaceOrder(message) => {
            envelope::check_signer::<Order>(message, is_member)?;
        }
        Unopened::Instruct(message) => {
            envelope::check_signer::<Instruction>(message, is_member)?;
        }
        Unopened::CommitReading(message) | Unopened::ReportConflict(message, _) => {
            envelope::check_signer::<Reading>(message, is_device)?;
        }
        Unopened::ReportStatus(message) => {
            envelope::check_signer::<DeviceStatus>(message, is_device)?;
        }
        Unopened::Decide(_) => {}
    }
    Ok(())
}

/// Opens an instruction that was opened before, when a block with it was executed.
pub(super) fn instruction_of(sealed: &Sealed, state: &State) -> Option<SignedInstruction> {
    sealed.open::<Instruction>(&state.chain(), |_| true).ok()
}
