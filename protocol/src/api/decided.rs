//! Decisions of the validators, as they stand on the ledger.

use serde::{Deserialize, Serialize};

use crate::{
    commit::{CommitSignature, Validator},
    decision::Action,
    genesis::{Rules, Technology},
    hash::Hash,
    interval::Interval,
    key::{DeviceId, PublicKey},
    member::{AccountId, MemberId},
    money::Amount,
};

/// A decision that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Decided {
    /// 1 for the ledger's first decision, then one more each time.
    pub sequence: u64,
    /// The decision's id.
    pub id: Hash,
    /// The block it is in.
    pub height: u64,
    /// The interval that was open when that block began. A block has no time of day: it was made after this interval
    /// began, and before the interval was settled.
    pub open: Interval,
    /// Who approved, in ascending order of key.
    pub approvals: Vec<CommitSignature>,
    /// Power of those.
    pub signed: u64,
    /// Power of all validators at that height.
    pub total: u64,
    /// What it changed.
    pub change: Change,
}

/// What a decision changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// A member was taken in.
    RegisterMember {
        /// The pseudonym.
        member: MemberId,
        /// The key that signs its orders and instructions.
        key: PublicKey,
        /// The device that measures.
        device: DeviceId,
        /// Rated power of the grid connection, W.
        rated_power_w: u64,
        /// The bus of the grid that it is connected to.
        bus: Option<String>,
        /// What its production is made from.
        technology: Option<Technology>,
    },
    /// A member's meter was replaced.
    ReplaceMeter {
        /// Whose.
        member: MemberId,
        /// The new device.
        device: DeviceId,
        /// Its import register at the start, Wh.
        import_wh: u64,
        /// Its export register at the start, Wh.
        export_wh: u64,
        /// Rated power of the grid connection, W.
        rated_power_w: u64,
        /// What is produced behind it.
        technology: Option<Technology>,
    },
    /// A member's device counts no more.
    RevokeDevice {
        /// Whose.
        member: MemberId,
    },
    /// A member has another key.
    ReplaceKey {
        /// Whose.
        member: MemberId,
        /// The new key.
        key: PublicKey,
    },
    /// Other tariffs, mechanism or grid.
    SetRules {
        /// First interval under them.
        from: Interval,
        /// The rules, but for who claims what on an island.
        rules: Rules,
        /// The grid; none where the one before stays.
        grid: Option<OtherGrid>,
    },
    /// Another key signs settlements.
    SetMarket {
        /// The market's new key.
        key: PublicKey,
    },
    /// Others validate, from the next height on.
    SetValidators {
        /// All of them, in ascending order of key.
        validators: Vec<Validator>,
    },
    /// Money was moved.
    Transfer {
        /// Whose account gave.
        from: AccountId,
        /// Whose account got.
        to: AccountId,
        /// How much.
        amount: Amount,
        /// What for; may be empty.
        reference: String,
    },
    /// The island that the rules plan was declared.
    DeclareIsland {
        /// First interval on it.
        from: Interval,
        /// First interval on the grid again; none where no end was decided.
        until: Option<Interval>,
    },
    /// The island was ended.
    EndIsland {
        /// First interval on the grid again.
        from: Interval,
    },
    /// Intervals were settled again, with validated values.
    Correct {
        /// Which, in ascending order.
        intervals: Vec<Interval>,
        /// Whose values were other ones, in ascending order.
        members: Vec<MemberId>,
    },
}

/// A grid that took another's place. The whole of it is in the rules in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OtherGrid {
    /// Name of the transformer.
    pub transformer: String,
    /// Rating of the transformer, VA.
    pub transformer_va: u64,
    /// How many lines are in service.
    pub lines: u64,
}

impl From<Action> for Change {
    fn from(action: Action) -> Change {
        let corrections = action.corrections();
        if !corrections.is_empty() {
            let mut members: Vec<MemberId> =
                corrections.iter().flat_map(|correction| &correction.values).map(|values| values.member).collect();
            members.sort_unstable();
            members.dedup();
            let intervals = corrections.iter().map(|correction| correction.reversed.interval).collect();
            return Change::Correct { intervals, members };
        }
        match action {
            Action::RegisterMember(member) => Change::RegisterMember {
                member: member.member,
                key: member.key,
                device: member.device,
                rated_power_w: member.rated_power_w,
                bus: member.bus,
                technology: member.technology,
            },
            Action::ReplaceMeter { member, device, registers, rated_power_w, technology } => Change::ReplaceMeter {
                member,
                device,
                import_wh: registers.import_wh,
                export_wh: registers.export_wh,
                rated_power_w,
                technology,
            },
            Action::RevokeDevice { member } => Change::RevokeDevice { member },
            Action::ReplaceKey { member, key } => Change::ReplaceKey { member, key },
            Action::SetRules { from, rules, grid } => Change::SetRules {
                from,
                rules: rules.without_claims(),
                grid: grid.map(|grid| OtherGrid {
                    transformer: grid.transformer,
                    transformer_va: grid.transformer_va,
                    lines: u64::try_from(grid.lines.len()).unwrap_or(u64::MAX),
                }),
            },
            Action::SetMarket { key } => Change::SetMarket { key },
            Action::SetValidators { validators } => Change::SetValidators { validators },
            Action::Transfer { from, to, amount, reference } => Change::Transfer { from, to, amount, reference },
            Action::DeclareIsland { from, until } => Change::DeclareIsland { from, until },
            Action::EndIsland { from } => Change::EndIsland { from },
            // Whatever else there is corrects, and a correction of nothing is one all the same.
            Action::Correct(_) | Action::TrueUp(_) => Change::Correct { intervals: Vec::new(), members: Vec::new() },
        }
    }
}
