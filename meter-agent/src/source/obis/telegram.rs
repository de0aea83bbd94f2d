//! Telegrams in a stream of bytes: where one begins and ends, and whether it came as it was sent. Pure.
//!
//! A telegram is `/`, who made the meter, lines, `!`, a checksum or nothing, and the end of the line (IEC 62056-21,
//! section 6.5; DSMR P1 companion standard 5.0.2, section 6.2).

use super::super::line::Framer;

/// Most bytes of a telegram: five times the longest seen, so that a line without end takes no more.
const TELEGRAM_BYTES_MAX: usize = 16 * 1_024;
/// Digits of a checksum.
const CRC_DIGITS: usize = 4;

/// Why a telegram is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    /// The checksum is another.
    #[error("expected the checksum {expected:04X}, found {found:04X}")]
    Checksum {
        /// Of the bytes that came.
        expected: u16,
        /// What the telegram says.
        found: u16,
    },
    /// Neither a checksum nor nothing follows the end, or nothing where there was one before.
    #[error("expected a checksum of four hexadecimal digits after the `!`")]
    NoChecksum,
    /// What no meter sends.
    #[error("expected printable characters, found the byte {0:#04x}")]
    NoText(u8),
    /// No end.
    #[error("expected the end of the telegram within {TELEGRAM_BYTES_MAX} bytes")]
    TooLong,
}

/// Finds telegrams in what comes.
#[derive(Debug, Default)]
pub(crate) struct Telegrams {
    /// From the `/` on; empty between telegrams.
    open: Vec<u8>,
    /// Where the `!` is.
    end: Option<usize>,
    /// The meter sends checksums: a telegram without one was cut.
    checked: bool,
}

impl Framer for Telegrams {
    /// The lines of a telegram.
    type Frame = String;
    type Damage = Damage;
    const NOISE: &'static str = "bytes come, but no telegram among them: are `baud` and `framing` right?";

    fn push(&mut self, byte: u8) -> Option<Result<String, Damage>> {
        if byte == b'/' {
            // No line has one: whatever was before it is a telegram that was cut.
            self.open.clear();
            self.end = None;
        } else if self.open.is_empty() {
            return None;
        }
        self.open.push(byte);
        let at = self.open.len() - 1;
        let ended = match (self.end, byte) {
            (None, b'!') if self.open.get(at.wrapping_sub(1)) == Some(&b'\n') => {
                self.end = Some(at);
                None
            }
            (Some(end), b'\n') => Some(self.finish(end)),
            (Some(end), _) if at > end + CRC_DIGITS + 1 => Some(Err(Damage::NoChecksum)),
            _ if self.open.len() >= TELEGRAM_BYTES_MAX => Some(Err(Damage::TooLong)),
            _ => None,
        };
        if ended.is_some() {
            self.open.clear();
            self.end = None;
        }
        ended
    }
}

impl Telegrams {
    fn finish(&mut self, end: usize) -> Result<String, Damage> {
        let (lines, after) = self.open.split_at(end + 1);
        let digits = after.strip_suffix(b"\n").unwrap_or(after);
        let digits = digits.strip_suffix(b"\r").unwrap_or(digits);
        if digits.is_empty() {
            if self.checked {
                return Err(Damage::NoChecksum);
            }
        } else {
            let found = checksum_of(digits).ok_or(Damage::NoChecksum)?;
            let expected = crc16_arc(lines);
            if expected != found {
                return Err(Damage::Checksum { expected, found });
            }
            self.checked = true;
        }
        let strange = lines.iter().find(|byte| !matches!(byte, b' '..=b'~' | b'\r' | b'\n'));
        strange.map_or(Ok(()), |byte| Err(Damage::NoText(*byte)))?;
        Ok(lines.iter().copied().map(char::from).collect())
    }
}

fn checksum_of(digits: &[u8]) -> Option<u16> {
    let text = str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_hexdigit))?;
    u16::from_str_radix(text, 16).ok().filter(|_| digits.len() == CRC_DIGITS)
}

/// CRC16 with the polynomial x¹⁶ + x¹⁵ + x² + 1, least bit first, from 0 (DSMR P1 5.0.2, section 6.2).
pub(super) fn crc16_arc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<Result<String, Damage>> {
        let mut telegrams = Telegrams::default();
        bytes.iter().filter_map(|byte| telegrams.push(*byte)).collect()
    }

    #[test]
    fn the_checksum_is_the_standards() {
        assert_eq!(crc16_arc(b"123456789"), 0xBB3D, "CRC-16/ARC's own check value");
    }

    #[test]
    fn telegrams_are_found_wherever_the_stream_begins() {
        let telegram = "/ABC5x\r\n\r\n1-0:1.8.0(1*kWh)\r\n!";
        let text = format!("*kWh)\r\n!\r\n{telegram}\r\nnoise{telegram}\r\n/cut{telegram}\n");
        assert_eq!(all(text.as_bytes()), vec![Ok(telegram.to_owned()); 3]);
    }

    #[test]
    fn what_did_not_come_as_it_was_sent_is_named() {
        let crc = format!("{:04X}", crc16_arc(b"/A\r\n!"));
        let good = format!("/A\r\n!{crc}\r\n");
        assert_eq!(all(good.as_bytes()), [Ok("/A\r\n!".to_owned())]);
        assert_eq!(all(good.to_lowercase().replace("/a", "/A").as_bytes()), [Ok("/A\r\n!".to_owned())]);
        let expected = crc16_arc(b"/A\r\n!");
        for (text, damage) in [
            ("/A\r\n!0000\r\n", Damage::Checksum { expected, found: 0 }),
            ("/A\r\n!+123\r\n", Damage::NoChecksum),
            ("/A\r\n!123\r\n", Damage::NoChecksum),
            ("/A\r\n!12345678", Damage::NoChecksum),
            ("/A\x07\r\n!\r\n", Damage::NoText(7)),
        ] {
            assert_eq!(all(text.as_bytes()), [Err(damage)], "{text:?}");
        }
        assert_eq!(all(b"/\xff\r\n!\r\n"), [Err(Damage::NoText(0xff))]);
        let unchecked = "/A\r\n!\r\n";
        assert_eq!(all(unchecked.as_bytes()), [Ok("/A\r\n!".to_owned())], "older meters send no checksum");
        assert_eq!(all(format!("{good}{unchecked}").as_bytes())[1], Err(Damage::NoChecksum), "this one does");
    }

    #[test]
    fn a_line_without_end_takes_no_more_memory_than_a_telegram() {
        let mut telegrams = Telegrams::default();
        let mut found = Vec::new();
        for _ in 0..10 {
            found.extend(telegrams.push(b'/'));
            found.extend((0..TELEGRAM_BYTES_MAX).filter_map(|_| telegrams.push(b'x')));
            assert!(telegrams.open.capacity() <= 2 * TELEGRAM_BYTES_MAX);
        }
        assert_eq!(found, vec![Err(Damage::TooLong); 10]);
    }
}
