//! Signed notes (C2SP signed-note v1.0.0): a text, and lines of signatures under it, as transparency logs and their
//! witnesses have them.
//!
//! Written apart from any library so that every signature of a key is good by one rule, that of [`crate::key`].

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{
    hash::Hash,
    key::{PublicKey, SecretKey, Signature},
    limits::{NAME_OF_KEY_BYTES_MAX, NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX},
    text::{ParseError, serde_as_text},
};

/// What stands before each signature: an em dash.
const SIGNATURE_PREFIX: &str = "— ";
const NOTE_EXPECTED: &str = "a signed note: lines of text, an empty line, and lines of signatures";
const KEY_EXPECTED: &str = "the key of a log or a witness (NAME+8 HEX DIGITS+BASE64) of type 0x01 or 0x04";
const LINE_EXPECTED: &str = "a line with a signature: — NAME BASE64";

/// What a key's signatures are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureKind {
    /// 0x01: of the note's text. So a log signs its checkpoints.
    Note,
    /// 0x04: of a time and the text (C2SP tlog-cosignature v1): "this is the largest that I have seen of this log, and
    /// all of it goes on from what I saw before".
    Cosignature,
}

impl SignatureKind {
    const fn byte(self) -> u8 {
        match self {
            SignatureKind::Note => 0x01,
            SignatureKind::Cosignature => 0x04,
        }
    }
}

/// A key that signs notes, under its name. As text: a *vkey*, `NAME+ID+BASE64`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteKey {
    name: String,
    kind: SignatureKind,
    key: PublicKey,
}

impl NoteKey {
    /// A key and its name; `None` if that is no name of a key: of 1 to 255 bytes, without spaces, control characters
    /// and pluses.
    pub fn new(name: &str, kind: SignatureKind, key: PublicKey) -> Option<NoteKey> {
        is_name(name).then(|| NoteKey { name: name.into(), kind, key })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    pub fn kind(&self) -> SignatureKind {
        self.kind
    }

    /// The key.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// What its signatures are found by: the first four bytes of a hash of name and key.
    pub fn id(&self) -> [u8; 4] {
        let hash = Hash::of_parts(&[self.name.as_bytes(), b"\n", &[self.kind.byte()], self.key.as_bytes()]);
        let [a, b, c, d, ..] = *hash.as_bytes();
        [a, b, c, d]
    }

    /// Signs a note's text. `time_s` is in the signature where it is a cosignature: Unix seconds.
    pub fn sign(&self, text: &str, secret: &SecretKey, time_s: u64) -> NoteSignature {
        let (_, time) = self.signed(text, time_s);
        self.line([&time, &self.cosign(text, secret, time_s).as_bytes()[..]].concat())
    }

    /// The signature alone, as [`sign`](Self::sign) makes it.
    pub(crate) fn cosign(&self, text: &str, secret: &SecretKey, time_s: u64) -> Signature {
        secret.sign(&self.signed(text, time_s).0)
    }

    /// A line with what is said to be this key's signature.
    pub(crate) fn line(&self, bytes: Vec<u8>) -> NoteSignature {
        NoteSignature { name: self.name.clone(), id: self.id(), bytes }
    }

    /// Whether a line claims to be a signature of this key.
    pub fn is_of(&self, line: &NoteSignature) -> bool {
        line.name == self.name && line.id == self.id()
    }

    /// The time of a signature of this key, Unix seconds, 0 where none is signed; `None` if it is no good.
    pub fn verify(&self, text: &str, line: &NoteSignature) -> Option<u64> {
        if !self.is_of(line) {
            return None;
        }
        let (time_s, signature) = match self.kind {
            SignatureKind::Note => (0, &line.bytes[..]),
            SignatureKind::Cosignature => {
                let (time, signature) = line.bytes.split_first_chunk()?;
                (u64::from_be_bytes(*time), signature)
            }
        };
        let signature = Signature::from_bytes(signature.try_into().ok()?);
        let (signed, _) = self.signed(text, time_s);
        (time_s <= i64::MAX as u64 && self.key.verifies(&signed, &signature)).then_some(time_s)
    }

    /// What is signed, and the time as it stands before the signature.
    fn signed(&self, text: &str, time_s: u64) -> (Vec<u8>, Vec<u8>) {
        match self.kind {
            SignatureKind::Note => (text.as_bytes().to_vec(), Vec::new()),
            SignatureKind::Cosignature => {
                (format!("cosignature/v1\ntime {time_s}\n{text}").into_bytes(), time_s.to_be_bytes().to_vec())
            }
        }
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = BASE64_STANDARD.encode([&[self.kind.byte()], &self.key.as_bytes()[..]].concat());
        write!(f, "{}+{}+{key}", self.name, hex::encode(self.id()))
    }
}

impl FromStr for NoteKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<NoteKey, ParseError> {
        let read = || {
            let (name, rest) = text.split_once('+')?;
            let (_, key) = rest.split_once('+')?;
            let bytes = BASE64_STANDARD.decode(key).ok()?;
            let (kind, key) = bytes.split_first()?;
            let kind = [SignatureKind::Note, SignatureKind::Cosignature].into_iter().find(|it| it.byte() == *kind)?;
            let key = NoteKey::new(name, kind, PublicKey::from_bytes(key.try_into().ok()?)?)?;
            // One text for one key: with another id it is nobody's.
            (key.to_string() == text).then_some(key)
        };
        read().ok_or_else(|| ParseError::new(KEY_EXPECTED, text))
    }
}

serde_as_text!(NoteKey, "The key of a log or a witness as NAME+8 HEX DIGITS+BASE64 (C2SP signed-note)");

/// A line under a note: whose it is said to be, and what is said to be its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl NoteSignature {
    /// Whose it is said to be.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = BASE64_STANDARD.encode([&self.id, &self.bytes[..]].concat());
        write!(f, "{SIGNATURE_PREFIX}{} {bytes}", self.name)
    }
}

impl FromStr for NoteSignature {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<NoteSignature, ParseError> {
        let read = || {
            let (name, bytes) = text.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
            let bytes = BASE64_STANDARD.decode(bytes).ok()?;
            let (id, bytes) = bytes.split_first_chunk()?;
            let line = NoteSignature { name: name.into(), id: *id, bytes: bytes.to_vec() };
            (is_name(name) && !line.bytes.is_empty()).then_some(line)
        };
        read().ok_or_else(|| ParseError::new(LINE_EXPECTED, text))
    }
}

/// A text and the signatures under it. Nothing is verified of them until a [`NoteKey`] is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// A note of a text, which ends with its last line. `None` if the text is empty, does not, or has control
    /// characters.
    pub fn new(text: String, signatures: Vec<NoteSignature>) -> Option<Note> {
        let plain = text.chars().all(|character| character == '\n' || character >= ' ');
        (plain && text.ends_with('\n') && text.len() > 1).then_some(Note { text, signatures })
    }

    /// The text that is signed, with the end of its last line.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The lines of signatures, in their order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// The first line that claims to be of a key, if there is one, and the time of the signature if that is good.
    pub fn signed_by(&self, key: &NoteKey) -> Option<Option<u64>> {
        self.signatures.iter().find(|line| key.is_of(line)).map(|line| key.verify(&self.text, line))
    }

    /// Adds a line, in place of one of the same key if there is one.
    pub fn add(&mut self, line: NoteSignature) {
        match self.signatures.iter_mut().find(|known| (&known.name, known.id) == (&line.name, line.id)) {
            Some(known) => *known = line,
            None => self.signatures.push(line),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for Note {
    type Err = ParseError;

    /// Reads at most [`NOTE_BYTES_MAX`] bytes and [`NOTE_SIGNATURES_MAX`] signatures, of which there is at least one.
    fn from_str(note: &str) -> Result<Note, ParseError> {
        let read = || {
            let (text, lines) = note.rsplit_once("\n\n").filter(|_| note.len() <= NOTE_BYTES_MAX)?;
            let lines = lines.strip_suffix('\n')?.split('\n').take(NOTE_SIGNATURES_MAX + 1).map(str::parse);
            let signatures: Vec<NoteSignature> = lines.collect::<Result<_, _>>().ok()?;
            Note::new(format!("{text}\n"), signatures).filter(|it| it.signatures.len() <= NOTE_SIGNATURES_MAX)
        };
        read().ok_or_else(|| ParseError::new(NOTE_EXPECTED, note))
    }
}

fn is_name(name: &str) -> bool {
    let plain = |character: char| !character.is_whitespace() && !character.is_control() && character != '+';
    (1..=NAME_OF_KEY_BYTES_MAX).contains(&name.len()) && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> (SecretKey, NoteKey, NoteKey) {
        let secret = SecretKey::from_seed(&[7; 32]);
        let key = |name, kind| NoteKey::new(name, kind, secret.public()).unwrap();
        (secret.clone(), key("log", SignatureKind::Note), key("witness.example/w1", SignatureKind::Cosignature))
    }

    #[test]
    fn notes_and_keys_round_trip_and_no_other_text_is_one() {
        let (secret, log, witness) = keys();
        let text = "log\n7\nroot\n";
        let note = Note::new(text.into(), vec![log.sign(text, &secret, 0), witness.sign(text, &secret, 9)]).unwrap();
        let written = note.to_string();
        assert_eq!(written.parse(), Ok(note.clone()));
        assert_eq!([note.signed_by(&log), note.signed_by(&witness)], [Some(Some(0)), Some(Some(9))]);
        for key in [&log, &witness] {
            assert_eq!(key.to_string().parse().as_ref(), Ok(key));
        }
        for wrong in [
            "",
            "log\n",
            "\n\n",
            &written[1..].replace("— ", "- "),
            written.trim_end(),
            &written.replace("log\n7", "log\n\u{7}7"),
            &written.replace("— log ", "— a+b "),
            &format!("{written}{}", "— log AAAAAAA=\n".repeat(NOTE_SIGNATURES_MAX)),
            &format!("{}{written}", "x".repeat(NOTE_BYTES_MAX)),
        ] {
            assert!(wrong.parse::<Note>().is_err(), "{wrong}");
        }
        let vkey = log.to_string();
        for wrong in ["", "log", &vkey[1..], &vkey.replacen("+", "+0", 1), &vkey.replacen("log", "a b", 1)] {
            assert!(wrong.parse::<NoteKey>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_signature_is_good_for_its_text_its_kind_and_its_time() {
        let (secret, log, witness) = keys();
        let as_log = NoteKey::new(witness.name(), SignatureKind::Note, secret.public()).unwrap();
        let line = witness.sign("a\n", &secret, 9);
        assert_eq!(witness.verify("a\n", &line), Some(9));
        assert_eq!(witness.verify("b\n", &line), None);
        assert_eq!([log.verify("a\n", &line), as_log.verify("a\n", &line)], [None, None]);
        let mut later = line.clone();
        later.bytes[7] += 1;
        assert_eq!(witness.verify("a\n", &later), None);
        let bytes = line.bytes[..20].to_vec();
        assert_eq!(witness.verify("a\n", &NoteSignature { bytes, ..line.clone() }), None);
        assert_eq!(witness.verify("a\n", &witness.sign("a\n", &secret, u64::MAX)), None, "beyond 2^63 - 1");
        let mut note = Note::new("a\n".into(), vec![line]).unwrap();
        note.add(witness.sign("a\n", &secret, 10));
        assert_eq!((note.signatures().len(), note.signed_by(&witness)), (1, Some(Some(10))));
        assert_eq!(note.signed_by(&log), None);
    }

    #[test]
    fn another_library_reads_the_notes_and_computes_the_ids() {
        use signed_note::{Note as Other, StandardVerifier, VerifierList, key_id};
        let (secret, log, witness) = keys();
        let text = "log\n7\nroot\n";
        let note = Note::new(text.into(), vec![witness.sign(text, &secret, 9), log.sign(text, &secret, 0)]).unwrap();
        let other = Other::from_bytes(note.to_string().as_bytes()).unwrap();
        assert_eq!(other.to_bytes(), note.to_string().as_bytes());
        let known = VerifierList::new(vec![Box::new(StandardVerifier::new(&log.to_string()).unwrap())]);
        let (good, unknown) = other.verify(&known).unwrap();
        assert_eq!((good.len(), good[0].name(), unknown.len()), (1, "log", 1));
        let key = [&[4], &witness.key().as_bytes()[..]].concat();
        assert_eq!(witness.id(), key_id(witness.name(), &key).to_be_bytes());
        let forged = Note::new("log\n8\nroot\n".into(), note.signatures().to_vec()).unwrap();
        assert!(Other::from_bytes(forged.to_string().as_bytes()).unwrap().verify(&known).is_err());
    }
}
