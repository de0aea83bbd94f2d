//! Certificates of origin: minted with the settlement, held by whoever bought the energy, moved and retired by their
//! holders.

use std::collections::BTreeMap;

use protocol::{
    energy::Energy,
    hash::Hash,
    instruction::Portion,
    key::DeviceId,
    member::MemberId,
    origin::{Bundle, Issue},
    settlement::{Minted, Settlement, Trade},
};

use super::{Member, Record, Refusal, State, in_order::InOrder};

impl State {
    /// The certificates that a settlement mints. What a producer sold its buyers hold, in the order of the trades; the
    /// rest it holds itself. `device` says which device of a member measured.
    pub(super) fn issues(
        &self,
        settlement: &Settlement,
        device: impl Fn(MemberId, &Member) -> Option<DeviceId>,
    ) -> Result<Vec<Issue>, Refusal> {
        let mut sold: BTreeMap<MemberId, Vec<&Trade>> = BTreeMap::new();
        for trade in &settlement.trades {
            sold.entry(trade.seller).or_default().push(trade);
        }
        let mut members = InOrder::new(self.members.iter());
        let mut issues = Vec::with_capacity(settlement.minted.len());
        for Minted { member: producer, energy, technology } in &settlement.minted {
            let member = members.find(producer).ok_or(Refusal::UnknownMember(*producer))?;
            let Some(device) = device(*producer, member) else { continue };
            let mut bundles = Vec::new();
            let mut left = *energy;
            for trade in sold.get(producer).into_iter().flatten() {
                let energy = trade.energy.min(left);
                left = left.saturating_sub(energy);
                append(&mut bundles, Bundle { energy, holder: trade.buyer, retired: None });
            }
            append(&mut bundles, Bundle { energy: left, holder: *producer, retired: None });
            issues.push(Issue { device, producer: *producer, technology: *technology, bundles, moved: false });
        }
        Ok(issues)
    }

    /// Gives certificates of `holder` to another member.
    pub(super) fn transfer_certificates(
        &mut self,
        holder: MemberId,
        portion: &Portion,
        to: MemberId,
    ) -> Result<(), Refusal> {
        self.member(to)?;
        self.change_certificates(holder, portion, |bundle| bundle.holder = to)
    }

    /// Retires certificates of `holder`, once and for all.
    pub(super) fn retire_certificates(
        &mut self,
        holder: MemberId,
        portion: &Portion,
        instruction: Hash,
    ) -> Result<(), Refusal> {
        self.change_certificates(holder, portion, |bundle| bundle.retired = Some(instruction))
    }

    fn change_certificates(
        &mut self,
        holder: MemberId,
        portion: &Portion,
        change: impl Fn(&mut Bundle),
    ) -> Result<(), Refusal> {
        let unknown = || Refusal::UnknownCertificates(Box::new(*portion));
        let mut record: Record = self.records.get(portion.interval).ok_or_else(unknown)?;
        let issue = record.issues.iter_mut().find(|issue| issue.device == portion.device).ok_or_else(unknown)?;
        issue.bundles = changed(&issue.bundles, holder, portion, change)?;
        issue.moved = true;
        self.put_record(portion.interval, &record);
        Ok(())
    }
}

/// Adds a bundle behind the others, as one with the last where they are alike.
fn append(bundles: &mut Vec<Bundle>, bundle: Bundle) {
    if bundle.energy.is_zero() {
        return;
    }
    if let Some(last) = bundles.last_mut()
        && (last.holder, last.retired) == (bundle.holder, bundle.retired)
        && let Some(energy) = last.energy.checked_add(bundle.energy)
    {
        last.energy = energy;
        return;
    }
    bundles.push(bundle);
}

/// The bundles after `change` to a portion of them, all of which `holder` has to hold.
fn changed(
    bundles: &[Bundle],
    holder: MemberId,
    portion: &Portion,
    change: impl Fn(&mut Bundle),
) -> Result<Vec<Bundle>, Refusal> {
    let unknown = || Refusal::UnknownCertificates(Box::new(*portion));
    let end = portion.first.checked_add(portion.energy.wh()).filter(|end| *end > portion.first).ok_or_else(unknown)?;
    let mut after = Vec::with_capacity(bundles.len() + 2);
    let mut start = 0;
    for bundle in bundles {
        let bundle_end = start + bundle.energy.wh();
        // Where the portion begins and ends within this bundle; both at one of its ends if it is elsewhere.
        let (from, to) = (portion.first.clamp(start, bundle_end), end.clamp(start, bundle_end));
        let part = |wh| Bundle { energy: Energy::from_wh(wh), ..bundle.clone() };
        append(&mut after, part(from - start));
        if from < to {
            if let Some(instruction) = bundle.retired {
                return Err(Refusal::CertificatesRetired { instruction });
            }
            if bundle.holder != holder {
                return Err(Refusal::CertificatesNotHeld { holder: bundle.holder });
            }
            let mut inside = part(to - from);
            change(&mut inside);
            append(&mut after, inside);
        }
        append(&mut after, part(bundle_end - to));
        start = bundle_end;
    }
    if end > start { Err(unknown()) } else { Ok(after) }
}

#[cfg(test)]
mod tests {
    use protocol::{interval::Interval, key::SecretKey};

    use super::*;

    fn member(byte: u8) -> MemberId {
        MemberId::from_bytes([byte; 16])
    }

    fn bundle(wh: u64, holder: u8) -> Bundle {
        Bundle { energy: Energy::from_wh(wh), holder: member(holder), retired: None }
    }

    fn portion(first: u64, wh: u64) -> Portion {
        let interval: Interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        let device = SecretKey::from_seed(&[1; 32]).public();
        Portion { interval, device, first, energy: Energy::from_wh(wh) }
    }

    #[test]
    fn a_portion_is_cut_out_and_joined_with_its_neighbours() {
        let bundles = [bundle(100, 1), bundle(50, 2), bundle(30, 1)];
        let give = |first, wh, from, to| {
            changed(&bundles, member(from), &portion(first, wh), |bundle| bundle.holder = member(to))
        };
        assert_eq!(give(0, 100, 1, 2), Ok(vec![bundle(150, 2), bundle(30, 1)]));
        assert_eq!(
            give(40, 20, 1, 3),
            Ok(vec![bundle(40, 1), bundle(20, 3), bundle(40, 1), bundle(50, 2), bundle(30, 1)])
        );
        assert_eq!(give(100, 50, 2, 1), Ok(vec![bundle(180, 1)]));
        assert_eq!(give(0, 100, 1, 1), Ok(bundles.to_vec()));
    }

    #[test]
    fn every_wh_stays_one_wh_whatever_is_moved() {
        let bundles = [bundle(3, 1), bundle(2, 2), bundle(4, 1)];
        let mut moved = 0;
        for first in 0..10 {
            for wh in 0..10 {
                let give = changed(&bundles, member(1), &portion(first, wh), |bundle| bundle.holder = member(9));
                if let Ok(after) = give {
                    moved += 1;
                    let sum = |holder| -> u64 {
                        after.iter().filter(|bundle| bundle.holder == member(holder)).map(|it| it.energy.wh()).sum()
                    };
                    assert_eq!((sum(1) + sum(9), sum(2), sum(9)), (7, 2, wh));
                }
            }
        }
        assert_eq!(moved, 6 + 10, "all portions of the first and the last bundle");
    }

    #[test]
    fn what_is_not_there_not_held_or_retired_is_refused() {
        let retired = Bundle { retired: Some(Hash::of(b"claim")), ..bundle(10, 1) };
        let bundles = [bundle(10, 1), bundle(10, 2), retired];
        let name = |first, wh| {
            changed(&bundles, member(1), &portion(first, wh), |_| {}).map_err(|refusal| refusal.name()).unwrap_err()
        };
        assert_eq!(name(0, 0), "unknown_certificates");
        assert_eq!(name(25, 6), "certificates_retired");
        assert_eq!(name(5, 10), "certificates_not_held");
        assert_eq!(name(30, 1), "unknown_certificates");
        assert_eq!(name(u64::MAX, 2), "unknown_certificates");
    }
}
