//! Making the database anew: it is set aside where it is damaged, and takes in receipts that were fetched again.

use std::{
    fs,
    path::{Path, PathBuf},
};

use protocol::{cbor, interval::Interval, money::Amount, receipt::Receipt};

use super::{DATABASE, Store, StoreError, TODAY, TOTALS, receipt_key};
use crate::{
    record::{Today, day_of},
    totals::{Totals, saved},
};

/// Moves the database in the state directory `dir` aside; says where it is now.
pub(crate) fn set_aside(dir: &Path) -> Result<PathBuf, StoreError> {
    let path = dir.join(DATABASE);
    let free = (1..).map(|number: u32| dir.join(format!("{DATABASE}.damaged-{number}"))).find(|path| !path.exists());
    let aside = free.unwrap_or_else(|| dir.join(format!("{DATABASE}.damaged")));
    match fs::rename(&path, &aside) {
        Ok(()) => Ok(aside),
        Err(error) => Err(StoreError::Failed { path, error: error.to_string() }),
    }
}

impl Store {
    /// Reads everything, so that damage anywhere is found.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.guarded(|| {
            for entry in self.db.iter() {
                entry.map_err(|error| self.damaged(error))?;
            }
            self.receipts().chain(self.evidence()).try_for_each(|value| value.map(drop))
        })
    }

    /// Keeps a receipt that was fetched again and verified, in the place of an earlier one of its interval.
    pub(crate) fn restore_receipt(&self, interval: Interval, json: &[u8]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        self.insert_long(&mut batch, &receipt_key(interval), &self.deflate(json)?)?;
        self.commit(batch)
    }

    /// The sums, and those of the day. What neighbours were worth is added up where an older agent did not.
    pub(super) fn sums(&self) -> Result<(Totals, Option<Today>), StoreError> {
        let mut totals = self.get::<Totals>(TOTALS)?.unwrap_or_default();
        let mut today = self.get::<Today>(TODAY)?;
        if totals.receipts_verified == 0 || totals.saved.is_some() {
            return Ok((totals, today));
        }
        let (mut all, mut of_the_day) = (Some(Amount::ZERO), Some(Amount::ZERO));
        for json in self.receipts() {
            let Ok(Receipt { entry, .. }) = Receipt::from_json(&json?) else { continue };
            let add = |sum: Option<Amount>| sum?.checked_add(saved(&entry)?);
            all = add(all);
            if today.is_some_and(|today| today.day == day_of(entry.interval)) {
                of_the_day = add(of_the_day);
            }
        }
        totals.saved = all;
        if let Some(today) = &mut today {
            today.totals.saved = of_the_day;
        }
        Ok((totals, today))
    }

    /// Adds up all receipts that are kept, and keeps the sums. What went on behind the meter no receipt says: of that,
    /// what was known before stays.
    pub(crate) fn add_up(&self) -> Result<Totals, StoreError> {
        let behind = |totals: Totals| Totals {
            consumption_wh: totals.consumption_wh,
            production_wh: totals.production_wh,
            self_consumed_wh: totals.self_consumed_wh,
            ..Totals::default()
        };
        let range = || StoreError::Failed { path: self.path.clone(), error: "its sums are beyond any range".into() };
        let before = self.get::<Today>(TODAY)?;
        let mut totals = behind(self.get::<Totals>(TOTALS)?.unwrap_or_default());
        let mut today: Option<Today> = None;
        for json in self.receipts() {
            let Ok(Receipt { entry, .. }) = Receipt::from_json(&json?) else { continue };
            totals = totals.with(&entry, std::iter::empty()).ok_or_else(range)?;
            let day = day_of(entry.interval);
            let current = today.filter(|today| today.day == day).unwrap_or_else(|| {
                let kept = before.filter(|before| before.day == day).map(|before| behind(before.totals));
                Today { day, totals: kept.unwrap_or_default(), settled_until: None }
            });
            let day_totals = current.totals.with(&entry, std::iter::empty()).ok_or_else(range)?;
            today = Some(Today { totals: day_totals, settled_until: Some(entry.interval), ..current });
        }
        let mut batch = sled::Batch::default();
        batch.insert(TOTALS, cbor::encode(&totals));
        if let Some(today) = &today {
            batch.insert(TODAY, cbor::encode(today));
        }
        self.commit(batch)?;
        Ok(totals)
    }
}
