//! Batches of signatures by known keys, where strangers may have forged some of them.
//!
//! A signature is valid when its key [verifies](PublicKey::verifies) it alone, by ZIP 215, whose equation has the
//! cofactor. Batches are asked with the equation of `ed25519-dalek`, which lacks it but takes points that were worked
//! out before. Where that holds, each signature of the batch is valid but for a chance of 2⁻¹²⁸: the parts of prime
//! order, each times a factor drawn from a hash of them all, sum to zero only if each of them is zero, and then the
//! cofactor clears the rest. Where it does not hold, that says nothing yet, and smaller batches are asked, at last each
//! signature alone.

use std::ops::Range;

use ed25519_dalek::{VerifyingKey, verify_batch};

use crate::key::{KnownKey, PublicKey, Signature};

/// Signatures that are claimed to be those of known keys.
#[derive(Debug, Default)]
pub struct Claims {
    keys: Vec<VerifyingKey>,
    signatures: Vec<ed25519_dalek::Signature>,
    /// What is said to be signed, one after the other: an allocation for each costs more than reading it.
    messages: Vec<u8>,
    /// Where in there each begins.
    begins: Vec<usize>,
}

impl Claims {
    /// With room for this many.
    pub fn with_room(room: usize) -> Claims {
        Claims {
            keys: Vec::with_capacity(room),
            signatures: Vec::with_capacity(room),
            messages: Vec::new(),
            begins: Vec::with_capacity(room),
        }
    }

    /// Adds the claim that `signature` is the signer's over the message that `write` appends.
    pub fn add(&mut self, signer: KnownKey, signature: &Signature, write: impl FnOnce(&mut Vec<u8>)) {
        self.keys.push(signer.0);
        self.signatures.push(ed25519_dalek::Signature::from_bytes(signature.as_bytes()));
        self.begins.push(self.messages.len());
        write(&mut self.messages);
    }

    /// Which claims hold, in their order: the same answers as asking each alone, several times faster where all do.
    ///
    /// They are asked in batches of `batch`, which [`batch_where`] chooses. Where a batch does not pass, it is asked in
    /// small batches, and those of a small batch that does not pass one by one. So no claim is looked at more than
    /// three times, however many are forged and wherever they are: whoever floods us with forged claims makes us work
    /// at most about twice as much as if each were asked alone.
    pub fn which_hold(&self, batch: usize) -> Vec<bool> {
        which_hold(self.keys.len(), batch, |claims| self.all_hold(claims))
    }

    fn message(&self, position: usize) -> &[u8] {
        let end = self.begins.get(position + 1).copied().unwrap_or(self.messages.len());
        &self.messages[self.begins[position]..end]
    }

    fn all_hold(&self, claims: Range<usize>) -> bool {
        if claims.len() == 1 {
            let signature = Signature::from_bytes(self.signatures[claims.start].to_bytes());
            return PublicKey::from(KnownKey(self.keys[claims.start])).verifies(self.message(claims.start), &signature);
        }
        let messages: Vec<&[u8]> = claims.clone().map(|position| self.message(position)).collect();
        verify_batch(&messages, &self.signatures[claims.clone()], &self.keys[claims]).is_ok()
    }
}

/// The size of batches of which few fail, where lately `forged` of `asked` claims did not hold: as large as can be
/// where none was, and never smaller than a small batch, because below that each claim costs nearly what it does alone.
pub fn batch_where(forged: usize, asked: usize) -> usize {
    asked.checked_div(BATCHES_PER_FORGED * forged).map_or(usize::MAX, |batch| batch.max(SMALL_BATCH))
}

/// Where claims are forged, batches for each forged one: so many that most batches have none.
const BATCHES_PER_FORGED: usize = 5;

/// Claims that are asked together when a larger batch did not pass: few, so that a few forged ones spoil few batches.
const SMALL_BATCH: usize = 16;

fn which_hold(claims: usize, batch: usize, mut all_hold: impl FnMut(Range<usize>) -> bool) -> Vec<bool> {
    let mut hold = vec![true; claims];
    for claims in parts(0..claims, batch.max(1)) {
        mark_forged(claims, &mut hold, &mut all_hold);
    }
    hold
}

fn mark_forged(claims: Range<usize>, hold: &mut [bool], all_hold: &mut impl FnMut(Range<usize>) -> bool) {
    if all_hold(claims.clone()) {
        return;
    }
    if claims.len() == 1 {
        hold[claims.start] = false;
        return;
    }
    let smaller = if claims.len() > SMALL_BATCH { SMALL_BATCH } else { 1 };
    for claims in parts(claims, smaller) {
        mark_forged(claims, hold, all_hold);
    }
}

/// A range in parts of `most`, the last one shorter where that does not divide it.
fn parts(whole: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let end = whole.end;
    whole.step_by(most).map(move |start| start..start.saturating_add(most).min(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    #[test]
    fn forged_claims_are_found_and_none_is_looked_at_more_than_three_times() {
        let mut most_looks = 0;
        for count in [0, 1, 2, 15, 16, 17, 64, 200] {
            let forged_at: [(&str, &dyn Fn(usize) -> bool); 8] = [
                ("none", &|_| false),
                ("the first", &|number| number == 0),
                ("the last", &|number| number + 1 == count),
                ("one within", &|number| number == count / 3),
                ("two side by side", &|number| number / 2 == count / 4),
                ("the ends", &|number| number == 0 || number + 1 == count),
                ("every fifth", &|number| number % 5 == 0),
                ("all", &|_| true),
            ];
            for (case, is_forged) in forged_at {
                let mut claims = Claims::with_room(count);
                for number in 0..count {
                    let key = SecretKey::from_seed(&[number as u8; 32]);
                    let message = number.to_be_bytes();
                    let signature = key.sign(if is_forged(number) { b"something else" } else { &message });
                    claims.add(KnownKey::from(&key.public()), &signature, |bytes| bytes.extend(message));
                }
                let expected: Vec<bool> = (0..count).map(|number| !is_forged(number)).collect();
                for batch in [0, 1, 50, usize::MAX] {
                    assert_eq!(claims.which_hold(batch), expected, "{case} of {count} by {batch}");

                    let mut looks = vec![0; count];
                    let hold = which_hold(count, batch, |claims| {
                        claims.clone().for_each(|number| looks[number] += 1);
                        expected[claims].iter().all(|holds| *holds)
                    });
                    assert_eq!(hold, expected, "{case} of {count} by {batch}");
                    most_looks = most_looks.max(looks.into_iter().max().unwrap_or(0));
                }
            }
        }
        assert_eq!(most_looks, 3);
    }

    #[test]
    fn batches_are_the_smaller_the_more_is_forged() {
        let cases = [(0, 0), (0, 2_000), (1, 2_000), (4, 2_000), (20, 2_000), (2_000, 2_000), (1, 1)];
        let batches = cases.map(|(forged, asked)| batch_where(forged, asked));
        assert_eq!(batches, [usize::MAX, usize::MAX, 400, 100, 20, SMALL_BATCH, SMALL_BATCH]);
    }
}
