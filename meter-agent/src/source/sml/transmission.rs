//! Transmissions in a stream of bytes: SML transport protocol, version 1 (BSI TR-03109-1, annex IV, part B).
//!
//! `sml-rs` finds them, and holds them against their checksum; here is what it leaves open.

use sml_rs::{
    transport::{DecodeErr, Decoder},
    util::ArrayBuf,
};

use super::super::line::Framer;

/// Most bytes of a transmission: seven times the longest seen, so that one without end takes no more.
const BYTES_MAX: usize = 4 * 1_024;
/// No transmission has fewer: what is less between two of them is noise.
const BYTES_MIN: usize = 100;
/// Bytes without a transmission after which the search begins anew: the decoder counts them with 16 bits.
const PASSED_OVER_MAX: usize = 16 * 1_024;

/// Why a transmission is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    /// The checksum is another.
    #[error("expected the checksum {expected:04X}, found {found:04X}; turn the reading head")]
    Checksum {
        /// Of the bytes that came.
        expected: u16,
        /// What the transmission says.
        found: u16,
    },
    /// The checksum is right, and the end is not where it can be.
    #[error("expected the end of a transmission, filled up to four bytes, found it elsewhere")]
    End,
    /// What no transmission has.
    #[error("expected an escape sequence of SML, found {0:02X?}; turn the reading head")]
    Escape([u8; 4]),
    /// Begun, and not ended before the next one.
    #[error("expected the end of a transmission, found the next one after {0} bytes; turn the reading head")]
    Cut(usize),
    /// No end.
    #[error("expected the end of a transmission within {BYTES_MAX} bytes")]
    TooLong,
}

/// Finds transmissions in what comes.
#[derive(Default)]
pub(crate) struct Transmissions {
    decoder: Box<Decoder<ArrayBuf<BYTES_MAX>>>,
    /// Bytes since something was found.
    passed_over: usize,
    /// Whether something was found: what came before it may be the end of a transmission that began before us.
    begun: bool,
}

impl Framer for Transmissions {
    /// The messages of a transmission.
    type Frame = Vec<u8>;
    type Damage = Damage;
    const NOISE: &'static str =
        "bytes come, but no SML among them: are `baud` and `framing` right, and does the head sit on its place?";

    fn push(&mut self, byte: u8) -> Option<Result<Vec<u8>, Damage>> {
        self.passed_over += 1;
        let found = match self.decoder.push_byte(byte) {
            Ok(None) if self.passed_over < PASSED_OVER_MAX => return None,
            Ok(None) => {
                self.decoder.reset();
                None
            }
            Ok(Some(messages)) => Some(Ok(messages.to_vec())),
            Err(DecodeErr::DiscardedBytes(count)) => {
                let cut = self.begun && count >= BYTES_MIN;
                cut.then_some(Err(Damage::Cut(count)))
            }
            Err(DecodeErr::InvalidEsc(found)) => Some(Err(Damage::Escape(found))),
            Err(DecodeErr::OutOfMemory) => Some(Err(Damage::TooLong)),
            Err(DecodeErr::InvalidMessage { checksum_mismatch: (found, expected), .. }) => {
                Some(Err(if found == expected { Damage::End } else { Damage::Checksum { expected, found } }))
            }
        };
        self.passed_over = 0;
        self.begun = true;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::transmission, *};

    fn all(bytes: &[u8]) -> Vec<Result<Vec<u8>, Damage>> {
        let mut transmissions = Transmissions::default();
        bytes.iter().filter_map(|byte| transmissions.push(*byte)).collect()
    }

    /// Bytes, and their transmission.
    fn sent(count: usize) -> (Vec<u8>, Vec<u8>) {
        let messages: Vec<u8> = (0..count).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let sent = transmission(&messages);
        (messages, sent)
    }

    #[test]
    fn transmissions_are_found_wherever_the_stream_begins() {
        let (messages, sent) = sent(300);
        let twice = vec![Ok(messages); 2];
        assert_eq!(all(&[&sent[..], &sent[..]].concat()), twice);
        assert_eq!(all(&[&sent[150..], &sent[..], &sent[..]].concat()), twice, "begun in the middle of one");
        assert_eq!(all(&[&sent[..], &[0x00, 0x1b, 0x1b, 0xff], &sent[..]].concat()), twice, "with noise between two");
        let escapes = vec![0x1b; 123];
        assert_eq!(all(&transmission(&escapes)), [Ok(escapes)]);
    }

    #[test]
    fn what_did_not_come_as_it_was_sent_is_named() {
        let (messages, sent) = sent(300);
        let mut flipped = sent.clone();
        flipped[100] ^= 1;
        assert!(matches!(all(&flipped)[..], [Err(Damage::Checksum { .. })]));
        let cut = [&sent[..], &sent[..200], &sent[..]].concat();
        assert_eq!(all(&cut), [Ok(messages.clone()), Err(Damage::Cut(200)), Ok(messages.clone())]);
        let strange = [&sent[..20], &[0x1b; 4], &[0x02; 4], &sent[..]].concat();
        assert_eq!(all(&strange), [Err(Damage::Escape([2; 4])), Ok(messages)]);
    }

    #[test]
    fn neither_a_transmission_nor_noise_without_end_takes_more_memory_or_ends_the_search() {
        let (messages, sent) = sent(300);
        let endless = [&sent[..100], &vec![0x55; BYTES_MAX], &sent[..]].concat();
        assert_eq!(all(&endless), [Err(Damage::TooLong), Ok(messages.clone())]);
        let noise = vec![0x55; 5 * usize::from(u16::MAX)];
        assert_eq!(all(&[&noise[..], &sent[..], &sent[..]].concat()).last(), Some(&Ok(messages)));
    }
}
