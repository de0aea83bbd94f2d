//! `ledger withdraw`: a validator takes back its approval of a decision that waits.

use clap::Args;
use ledger_client::api::Node;
use protocol::{api::TakenBack, envelope::Signed, withdrawal::Withdrawal};

use super::{
    Asked, Failure,
    approve::{Approver, Number},
    bad_input, print,
    reach::warn_if_alone,
    shown::Known,
};

#[derive(Args)]
#[command(after_help = "EXAMPLES:
  ledger drafts                                            what waits, and who approves it
  ledger withdraw 5 --config validator-0/validator.toml    this validator approves number 5 no more

The approval counts no more at any node that hears of it, within seconds where nodes are connected. A draft
that nobody approves any more is gone, and its number is free. Whom others have convinced meanwhile stays:
the draft is open for as long as one validator approves it.

An approval is a signature, and no signature can be unmade: whoever has kept it in a file can still hand it
in, at a node that has not heard of the withdrawal, with those of enough others. Once more than two thirds of
the voting power approve, it is too late. A withdrawal is for good: this validator cannot approve the same
decision under the same number again.")]
pub(super) struct Withdraw {
    /// The draft's number, as `ledger drafts` shows it
    #[arg(value_name = "NUMBER")]
    draft: String,
    #[command(flatten)]
    approver: Approver,
    #[command(flatten)]
    node: Asked,
}

impl Withdraw {
    pub(super) fn send(mut self) -> Result<(), Failure> {
        let Some((chain, key)) = self.approver.open(&mut self.node)? else {
            return Err(bad_input("expected a validator's key, found none: name its configuration with --config"));
        };
        let number = Number::expected(&self.draft)?;
        let open = self.node.ask(Node::drafts)?;
        let found = number.find(&open)?;
        if !found.approvals.iter().any(|approval| approval.validator == key.public()) {
            let known = Known::ask(&self.node, None)?;
            return Err(bad_input(format!(
                "draft {} is not this validator's to withdraw: expected an approval of {}, found {}",
                self.draft,
                key.public(),
                known.approving(&found.approvals)
            )));
        }
        let withdrawal = Withdrawal { sequence: found.decision.sequence, decision: found.id };
        let signed = Signed::sign(withdrawal, &chain, &key);
        match self.node.ask(async |node| node.withdraw(signed.bytes()).await)? {
            TakenBack::Withdrawn { signed: 0, .. } => print(format_args!(
                "draft {} is withdrawn: nobody approves it any more. It is gone here, and other nodes hear of it within \
                 seconds; its number is free",
                self.draft
            ))?,
            TakenBack::Withdrawn { signed, total, .. } => print(format_args!(
                "draft {}: this validator's approval is withdrawn. {signed} of {total} voting power still approve, so it \
                 stays open",
                self.draft
            ))?,
            TakenBack::Refused { refusal, detail } => {
                return Err(bad_input(format!("refused as {refusal}: {detail}")));
            }
        }
        warn_if_alone(&self.node);
        Ok(())
    }
}
