//! The intake of readings: what is taken, and what is refused under which name. Pure: the same message, book and time
//! lead to the same decision.
//!
//! Readings of one device are taken one link of its chain after the other. After a gap the answer says which sequence
//! number is expected next; the agent sends again from there.

use market::metering::{MeteringError, follow};
use protocol::{
    answer::Refusal,
    envelope::EnvelopeError,
    hash::Hash,
    interval::Interval,
    key::DeviceId,
    reading::{Reading, SignedReading},
};

use super::{
    book::{Book, Device},
    conflict::Conflict,
};

/// Farthest that an agent's clock may be ahead of the market's, s.
pub(crate) const CLOCK_SKEW_S_MAX: i64 = 60;

/// What the intake decides by, beside the message and the book.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Intake {
    /// The community's first interval.
    pub(crate) first: Interval,
    /// Seconds after the epoch: intervals that end later are of the future.
    pub(crate) ended_by_s: i64,
}

/// A refused message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    /// What was expected and what was found.
    pub(crate) detail: String,
    /// What the market does beside answering.
    pub(crate) then: Then,
}

/// What follows a refusal beside the answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing.
    Nothing,
    /// The reading of this interval is settled, but its agent does not seem to know: its receipt is forwarded again.
    ForwardReceipt(Interval),
    /// Two signed readings under one sequence number: both are kept, and the ledger is told.
    Report(Box<Conflict>),
}

fn refuse(refusal: Refusal, detail: impl ToString) -> Refused {
    Refused { refusal, detail: detail.to_string(), then: Then::Nothing }
}

/// The name of an envelope's fault.
pub(crate) fn refuse_envelope(error: &EnvelopeError) -> Refused {
    let refusal = match error {
        EnvelopeError::TooLarge { .. } | EnvelopeError::Malformed(_) | EnvelopeError::BadContent(_) => {
            Refusal::Malformed
        }
        EnvelopeError::UnknownSigner(_) => Refusal::UnknownDevice,
        EnvelopeError::BadSignature => Refusal::BadSignature,
    };
    refuse(refusal, error)
}

/// Refuses a copy of what was taken in before, without a look at its signature: these very bytes were verified then.
pub(crate) fn refuse_copy(device: &Device, message: Hash) -> Option<Refused> {
    if let Some(waiting) = device.waiting_copy(message) {
        return Some(refuse_duplicate(waiting.sequence, None));
    }
    let settled = &device.settled;
    (settled.sequence > 0 && settled.hash == message)
        .then(|| refuse_duplicate(settled.sequence, Some(settled.interval)))
}

fn refuse_duplicate(sequence: u64, settled: Option<Interval>) -> Refused {
    let (state, then) = match settled {
        Some(interval) => ("settled", Then::ForwardReceipt(interval)),
        None => ("stored, and waits to be settled", Then::Nothing),
    };
    Refused { refusal: Refusal::Duplicate, detail: format!("reading {sequence} is {state}"), then }
}

impl Intake {
    /// Decides about a message on the reading topic of `device`, which was opened for this community and its devices.
    pub(crate) fn read<'a>(
        &self,
        book: &Book,
        device: &DeviceId,
        opened: &'a Result<SignedReading, EnvelopeError>,
    ) -> Result<&'a SignedReading, Refused> {
        let reading = opened.as_ref().map_err(refuse_envelope)?;
        let signer = reading.signer();
        if signer != *device {
            return Err(refuse(
                Refusal::BadSignature,
                format!("expected a reading signed by {device}, whose topic this is, found one of {signer}"),
            ));
        }
        let Some(device) = book.device(&signer) else {
            return Err(refuse(Refusal::UnknownDevice, format!("{signer} is registered for nothing here")));
        };
        self.check_interval(reading)?;
        check_known(device, reading)?;
        match follow(&device.tip(), reading, device.rated_power_w) {
            Ok(_) => Ok(reading),
            Err(error) => Err(refuse_link(device, &error)),
        }
    }

    fn check_interval(&self, reading: &Reading) -> Result<(), Refused> {
        let (interval, first) = (reading.interval, self.first);
        if interval.length() != first.length() {
            let expected = first.length().minutes();
            return Err(refuse(
                Refusal::Malformed,
                format!("expected an interval of {expected} minutes, found {interval}"),
            ));
        }
        if interval < first {
            return Err(refuse(
                Refusal::Stale,
                format!("expected {first}, the first interval, or later; found {interval}"),
            ));
        }
        if interval.end_s() > self.ended_by_s {
            let ahead_s = interval.end_s() - self.ended_by_s;
            let detail =
                format!("expected an interval that has ended, found {interval}, which ends {ahead_s} s too late");
            return Err(refuse(Refusal::FutureDated, detail));
        }
        Ok(())
    }
}

/// Refuses a reading under a sequence number that was taken before.
fn check_known(device: &Device, reading: &SignedReading) -> Result<(), Refused> {
    let settled = &device.settled;
    let sequence = reading.sequence;
    let (known, taken, is_settled) = match device.waiting(sequence) {
        Some(waiting) => (waiting.hash(), Some(waiting), false),
        None if sequence == settled.sequence && sequence > 0 => (settled.hash, device.last_settled(), true),
        None if sequence < settled.sequence => {
            return Err(Refused {
                refusal: Refusal::IntervalClosed,
                detail: format!("reading {sequence} is settled, as is reading {}", settled.sequence),
                then: Then::ForwardReceipt(reading.interval),
            });
        }
        None => return Ok(()),
    };
    if known == reading.hash() {
        return Err(refuse_duplicate(sequence, is_settled.then_some(reading.interval)));
    }
    Err(Refused {
        refusal: Refusal::SequenceConflict,
        detail: format!("reading {sequence} is {known}, found {}; both are kept", reading.hash()),
        then: Then::Report(Box::new(Conflict::new(taken, reading))),
    })
}

/// The name of the fault of a reading that is no next link of its chain.
fn refuse_link(device: &Device, error: &MeteringError) -> Refused {
    let refusal = match error {
        MeteringError::RegisterWentBack { .. } => Refusal::RegisterWentBack,
        MeteringError::ImplausiblePower { .. } | MeteringError::OutOfRange { .. } => Refusal::ImplausiblePower,
        MeteringError::IntervalNotAfter { found, .. } if *found <= device.settled.interval => Refusal::IntervalClosed,
        MeteringError::SequenceNotNext { .. }
        | MeteringError::ChainBroken { .. }
        | MeteringError::IntervalNotAfter { .. }
        | MeteringError::IntervalLengthDiffers { .. }
        | MeteringError::NoReading
        | MeteringError::WrongInterval { .. }
        | MeteringError::TooManyReadings { .. } => Refusal::ChainBroken,
    };
    refuse(refusal, error)
}

#[cfg(test)]
pub(super) mod tests;
