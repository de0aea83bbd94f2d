//! How members stand on the ledger, as a status list needs it.

use std::collections::{BTreeMap, BTreeSet};

use member_card::Standing;
use protocol::{
    api::{Change, DECISIONS_PER_PAGE_MAX, MemberStatus},
    genesis::Genesis,
    member::MemberId,
};

use crate::{
    Config,
    ledger_client::{LedgerClient, LedgerError},
};

/// The members on the ledger.
pub(crate) async fn members(config: &Config, genesis: &Genesis) -> Result<Vec<MemberStatus>, String> {
    client(config, genesis)?.members().await.map_err(|error| error.to_string())
}

/// How each member stands.
pub(crate) async fn ask(config: &Config, genesis: &Genesis) -> Result<BTreeMap<MemberId, Standing>, String> {
    let ledger = client(config, genesis)?;
    let members = ledger.members().await.map_err(|error| error.to_string())?;
    // Decisions are asked for only where somebody has no device.
    let revoked = match members.iter().all(|member| member.device.is_some()) {
        true => BTreeSet::new(),
        false => revoked(&ledger).await.map_err(|error| error.to_string())?,
    };
    let standing = |member: &MemberStatus| {
        let is_revoked = revoked.contains(&member.member);
        (member.member, Standing { key: member.key, device: member.device, is_revoked })
    };
    Ok(members.iter().map(standing).collect())
}

fn client(config: &Config, genesis: &Genesis) -> Result<LedgerClient, String> {
    let members = genesis.members.len();
    LedgerClient::new(genesis.chain(), &config.ledger, members).map_err(|error| error.to_string())
}

/// Whose device a decision revoked, and none gave them another since.
async fn revoked(ledger: &LedgerClient) -> Result<BTreeSet<MemberId>, LedgerError> {
    let last = ledger.rules().await?.decision_sequence;
    let mut revoked = BTreeSet::new();
    let mut next = 1;
    while next <= last {
        for decided in ledger.decisions(next, DECISIONS_PER_PAGE_MAX).await? {
            next = decided.sequence + 1;
            match decided.change {
                Change::RevokeDevice { member } => {
                    revoked.insert(member);
                }
                Change::ReplaceMeter { member, .. } => {
                    revoked.remove(&member);
                }
                _ => {}
            }
        }
    }
    Ok(revoked)
}
