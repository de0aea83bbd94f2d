//! Bytes as text that fits a small QR code and a line on paper: `VOISIN-KIND:HEX`, all of it letters for which a QR
//! code takes five and a half bits instead of eight.

use crate::text::ParseError;

/// A household's request to be enrolled: [`EnrolmentRequest`](crate::enrolment::EnrolmentRequest), CBOR.
pub const ENROLMENT: &str = "VOISIN-ENROLMENT-1:";
/// A member's instruction: [`SignedInstruction`](crate::instruction::SignedInstruction) as it travels.
pub const INSTRUCTION: &str = "VOISIN-INSTRUCTION-1:";

/// The text of `bytes`, which are of the kind that this prefix is for.
pub fn write(kind: &str, bytes: &[u8]) -> String {
    format!("{kind}{}", hex::encode_upper(bytes))
}

/// The bytes of a text of this kind; none of any other text.
pub fn read(kind: &str, text: &str) -> Option<Result<Vec<u8>, ParseError>> {
    let digits = text.trim().strip_prefix(kind)?;
    let uppercase = !digits.bytes().any(|digit| digit.is_ascii_lowercase());
    let bytes = hex::decode(digits).ok().filter(|_| uppercase);
    Some(bytes.ok_or_else(|| ParseError::new("pairs of uppercase hex digits, as they were printed", digits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_their_text_and_from_no_other() {
        let text = write(ENROLMENT, &[0, 0xab, 0xff]);
        assert_eq!(text, "VOISIN-ENROLMENT-1:00ABFF");
        assert_eq!(read(ENROLMENT, &format!("{text}\n")), Some(Ok(vec![0, 0xab, 0xff])));
        assert_eq!(read(INSTRUCTION, &text), None);
        for digits in ["0", "0G", "ab", "0 1"] {
            assert!(read(ENROLMENT, &format!("{ENROLMENT}{digits}")).unwrap().is_err(), "{digits}");
        }
    }

    #[test]
    fn a_qr_code_has_short_letters_for_all_of_it() {
        let short =
            |letter: char| letter.is_ascii_digit() || letter.is_ascii_uppercase() || " $%*+-./:".contains(letter);
        for kind in [ENROLMENT, INSTRUCTION] {
            assert!(write(kind, &[0x3f; 9]).chars().all(short));
        }
    }
}
