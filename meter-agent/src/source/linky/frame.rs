//! Frames in a stream of bytes, and the groups in a frame: tele-information of Linky meters, standard mode
//! (Enedis-NOI-CPT_54E, version 3). Pure.
//!
//! A frame is STX, groups, ETX. A group is LF, its label, HT, for some labels a time and HT, its value, HT, a checksum
//! of six bits, CR. So short a checksum is no proof: a frame in which one group is wrong is not used at all. A frame
//! itself has none: where bytes are lost it may be made of two, and then each of its registers is one that was sent.

use super::super::line::Framer;

const STX: u8 = 0x02;
const ETX: u8 = 0x03;
/// The meter breaks a frame off.
const EOT: u8 = 0x04;
const HT: char = '\t';
const CR: u8 = b'\r';
/// Most bytes of a frame: five times what all groups of a meter with three phases are.
const FRAME_BYTES_MAX: usize = 8 * 1_024;
/// The group with which frames of the historic mode begin; there, a space is between label and value.
const HISTORIC_ADDRESS: &[u8] = b"ADCO ";

/// Why a frame is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    /// What no meter sends.
    #[error("expected printable characters of seven bits, found the byte {0:#04x}; a box has to be set to 7E1")]
    NoText(u8),
    /// What is no group.
    #[error("expected a label, a value and a checksum between tabs, found `{0}`")]
    Group(String),
    /// The checksum is another.
    #[error("{label}: expected the checksum `{expected}`, found `{found}`")]
    Checksum {
        /// The group's.
        label: String,
        /// Of the characters that came.
        expected: char,
        /// What the group says.
        found: char,
    },
    /// No end.
    #[error("expected the end of the frame within {FRAME_BYTES_MAX} bytes")]
    TooLong,
    /// The mode of before Linky.
    #[error(
        "the meter speaks the historic mode, which does not tell what is fed in: ask your supplier, or Enedis, to \
         switch its tele-information to the standard mode, and set 9600 baud"
    )]
    Historic,
}

/// What a frame says under one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// Its name.
    pub(crate) label: String,
    /// When the value is of, for the labels that say it.
    pub(crate) time: Option<String>,
    /// The value.
    pub(crate) value: String,
}

/// Finds frames in what comes.
#[derive(Debug, Default)]
pub(crate) struct TicFrames {
    /// After the STX; none between frames.
    open: Option<Vec<u8>>,
}

impl Framer for TicFrames {
    type Frame = Vec<Group>;
    type Damage = Damage;
    const NOISE: &'static str = "bytes come, but no frame among them: is the meter in the historic mode (1200 baud)? \
                                 Ask your supplier, or Enedis, for the standard mode; a box has to be set to 9600 7E1";

    fn push(&mut self, byte: u8) -> Option<Result<Vec<Group>, Damage>> {
        match byte {
            // What was begun before is a frame that was cut.
            STX => self.open = Some(Vec::new()),
            EOT => self.open = None,
            ETX => return self.open.take().map(|frame| groups(&frame)),
            _ => {
                let frame = self.open.as_mut()?;
                frame.push(byte);
                if frame.len() >= FRAME_BYTES_MAX {
                    self.open = None;
                    return Some(Err(Damage::TooLong));
                }
            }
        }
        None
    }
}

/// The groups of what stands between STX and ETX.
fn groups(frame: &[u8]) -> Result<Vec<Group>, Damage> {
    let strange = frame.iter().find(|byte| !matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'));
    strange.map_or(Ok(()), |byte| Err(Damage::NoText(*byte)))?;
    if !frame.contains(&b'\t') && frame.windows(HISTORIC_ADDRESS.len()).any(|label| label == HISTORIC_ADDRESS) {
        return Err(Damage::Historic);
    }
    frame.split_inclusive(|byte| *byte == CR).map(group).collect()
}

/// Reads a group, from its LF to its CR.
fn group(bytes: &[u8]) -> Result<Group, Damage> {
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    let malformed = || Damage::Group(text.trim().chars().take(64).collect());
    let group = text.strip_prefix('\n').and_then(|text| text.strip_suffix('\r')).ok_or_else(malformed)?;
    let mut characters = group.chars();
    let found = characters.next_back().ok_or_else(malformed)?;
    // The last HT is summed up, too.
    let checked = characters.as_str();
    let fields: Vec<&str> = checked.strip_suffix(HT).ok_or_else(malformed)?.split(HT).collect();
    let (label, time, value) = match fields[..] {
        [label, value] => (label, None, value),
        [label, time, value] => (label, Some(time.to_owned()), value),
        _ => return Err(malformed()),
    };
    let expected = checksum(checked);
    if expected != found {
        return Err(Damage::Checksum { label: label.to_owned(), expected, found });
    }
    Ok(Group { label: label.to_owned(), time, value: value.to_owned() })
}

/// The low six bits of the sum of all characters, moved to where the printable ones begin.
pub(super) fn checksum(checked: &str) -> char {
    let sum = checked.bytes().fold(0_u8, u8::wrapping_add);
    char::from((sum & 0x3f) + 0x20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<Result<Vec<Group>, Damage>> {
        let mut frames = TicFrames::default();
        bytes.iter().filter_map(|byte| frames.push(*byte)).collect()
    }

    fn east() -> Group {
        Group { label: "EAST".into(), time: None, value: "003519702".into() }
    }

    /// Groups that meters in the field sent, as others published them: the Home Assistant integration `linkytic`
    /// (`res/standard_capture.hex`), and the plugin `teleinfo` for Jeedom (its thread on Linky: a meter that feeds in).
    #[test]
    fn groups_of_meters_in_the_field_have_the_checksums_of_the_specification() {
        for (group, expected) in [
            ("EAST\t003519702\t", '*'),
            ("EASF08\t000000000\t", ')'),
            ("SINSTS\t00263\t", 'Q'),
            ("PCOUP\t06\t", '_'),
            ("DATE\tH240210121355\t\t", ';'),
            ("SMAXSN\tH240210110331\t00986\t", '6'),
            ("STGE\t003A0000\t", '9'),
            ("MSG1\tPAS DE          MESSAGE         \t", '<'),
            ("PRM\t00000000000000\t", 'A'),
            ("ADSC\t041662343035\t", '2'),
            ("EAST\t000000002\t", 'Q'),
            ("EASF01\t000000002\t", '$'),
            ("DATE\tH180227002921\t\t", 'C'),
        ] {
            assert_eq!(checksum(group), expected, "{group}");
        }
    }

    #[test]
    fn frames_are_found_wherever_the_stream_begins() {
        let frame = b"\x02\nEAST\t003519702\t*\r\nDATE\tH240210121355\t\t;\r\x03";
        let date = Group { label: "DATE".into(), time: Some("H240210121355".into()), value: String::new() };
        let read = Ok(vec![east(), date]);
        let cut = [&frame[9..], b"noise", &frame[..], &frame[..20], &frame[..], b"\x02\nEAST\t0\x04\t\r\x03"].concat();
        assert_eq!(all(&cut), [read.clone(), read]);
    }

    #[test]
    fn what_did_not_come_as_it_was_sent_is_named() {
        let of = |groups: &str| all(format!("\x02{groups}\x03").as_bytes()).remove(0);
        assert_eq!(of("\nEAST\t003519702\t*\r"), Ok(vec![east()]));
        let checksum = Damage::Checksum { label: "EAST".into(), expected: '*', found: '+' };
        assert_eq!(of("\nEAST\t003519702\t*\r\nEAST\t003519702\t+\r"), Err(checksum));
        for group in ["EAST", "EAST\t*", "EAST\t003519702*", "EAST\ta\tb\tc\t*", "*", "", "EAST\t0\n\t*"] {
            assert!(matches!(of(&format!("\n{group}\r")), Err(Damage::Group(_) | Damage::Checksum { .. })), "{group}");
        }
        assert!(matches!(of("EAST\t003519702\t*\r"), Err(Damage::Group(_))), "without LF");
        assert!(matches!(of("\nEAST\t003519702\t*"), Err(Damage::Group(_))), "without CR");
        assert_eq!(all(b"\x02\nEAST\t00351970\xb2\t*\r\x03"), [Err(Damage::NoText(0xb2))], "with a parity bit");
        assert_eq!(of("\nADCO 012345678910 E\r\nBASE 123456789 8\r"), Err(Damage::Historic));
        assert_eq!(of(""), Ok(vec![]));
    }

    #[test]
    fn a_frame_without_end_takes_no_more_memory() {
        let endless = [&[STX][..], &vec![b'x'; 3 * FRAME_BYTES_MAX], b"\x02\nEAST\t003519702\t*\r\x03"].concat();
        assert_eq!(all(&endless), [Err(Damage::TooLong), Ok(vec![east()])]);
    }
}
