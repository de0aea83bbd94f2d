//! What a witness answers to `add-checkpoint` (C2SP tlog-witness), and what that means. It may be anyone.

use protocol::note::{NoteKey, NoteSignature};

use super::metrics::OTHER_HISTORY;

/// Most bytes of an answer that are read: a line for each of a witness' keys.
pub(super) const ANSWER_BYTES_MAX: usize = 16 * 1_024;
/// Most of an answer that is passed on.
const QUOTED_CHARACTERS_MAX: usize = 80;

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has seen the checkpoint: its line, and when, Unix seconds.
    Cosigned(NoteSignature, u64),
    /// It has seen so many blocks before, and wants a proof from there.
    Size(u64),
    /// It has not seen it.
    Fault(Fault),
}

/// Why a witness has not seen a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// It has seen another history of this ledger.
    #[error(
        "it has seen another history of this ledger than the one that is told here: keep this node's state, and compare with the \
         other validators"
    )]
    OtherHistory,
    /// It has seen more blocks than there are here.
    #[error("it has seen {seen} blocks, here are {here}; this node is behind, or was told another history")]
    Ahead {
        /// Blocks that it has seen.
        seen: u64,
        /// Blocks here.
        here: u64,
    },
    /// It does not know the log.
    #[error("it does not know this log: give its operator the log's key {0}, which `ledger status` shows")]
    UnknownLog(NoteKey),
    /// It knows the log by another key.
    #[error("it knows this log by another key: give its operator this node's, {0}, which `ledger status` shows")]
    UnknownKey(NoteKey),
    /// No answer of a witness.
    #[error("expected the answer of a witness, found {0}")]
    Nonsense(String),
    /// No answer at all.
    #[error("{0}")]
    Unreachable(String),
}

impl Fault {
    /// Its name, as it is counted.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Fault::OtherHistory => OTHER_HISTORY,
            Fault::Ahead { .. } => "ahead",
            Fault::UnknownLog(_) => "unknown_log",
            Fault::UnknownKey(_) => "unknown_key",
            Fault::Nonsense(_) => "nonsense",
            Fault::Unreachable(_) => "unreachable",
        }
    }
}

/// Reads the answer of `witness` to a checkpoint with this text, which the log `log` signed.
pub(super) fn read(status: u16, body: &[u8], text: &str, witness: &NoteKey, log: &NoteKey) -> Answer {
    let body = String::from_utf8_lossy(body);
    let nonsense = || {
        let quoted: String = body.chars().take(QUOTED_CHARACTERS_MAX).collect();
        Answer::Fault(Fault::Nonsense(format!("status {status}: {quoted:?}")))
    };
    match status {
        200 => {
            let mut lines = body.lines().filter_map(|line| line.parse::<NoteSignature>().ok());
            let own = lines.find_map(|line| witness.verify(text, &line).map(|time_s| (line, time_s)));
            own.map_or_else(nonsense, |(line, time_s)| Answer::Cosigned(line, time_s))
        }
        409 => match body.strip_suffix('\n').map(str::parse::<u64>) {
            Some(Ok(size)) => Answer::Size(size),
            _ => nonsense(),
        },
        422 => Answer::Fault(Fault::OtherHistory),
        404 => Answer::Fault(Fault::UnknownLog(log.clone())),
        403 => Answer::Fault(Fault::UnknownKey(log.clone())),
        _ => nonsense(),
    }
}

#[cfg(test)]
mod tests {
    use protocol::{key::SecretKey, note::SignatureKind};

    use super::*;

    #[test]
    fn what_a_witness_answers_is_read_and_nonsense_is_named() {
        let [secret, other] = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]));
        let key = |kind, secret: &SecretKey| NoteKey::new("w", kind, secret.public()).unwrap();
        let (witness, log) = (key(SignatureKind::Cosignature, &secret), key(SignatureKind::Note, &other));
        let text = "log\n7\nroot\n";
        let line = witness.sign(text, &secret, 9);
        let read = |status, body: &str| read(status, body.as_bytes(), text, &witness, &log);
        assert_eq!(read(200, &format!("{line}\n")), Answer::Cosigned(line.clone(), 9));
        let strangers = key(SignatureKind::Cosignature, &other).sign(text, &other, 9);
        assert_eq!(read(200, &format!("{strangers}\nwhatever\n{line}\n")), Answer::Cosigned(line.clone(), 9));
        assert_eq!(read(409, "13\n"), Answer::Size(13));
        for (status, body, name) in [
            (200, "", "nonsense"),
            (200, &*format!("{strangers}\n"), "nonsense"),
            (200, &witness.sign("log\n8\nroot\n", &secret, 9).to_string(), "nonsense"),
            (409, "", "nonsense"),
            (409, "many\n", "nonsense"),
            (409, "-1\n", "nonsense"),
            (409, "18446744073709551616\n", "nonsense"),
            (500, &"x".repeat(10_000), "nonsense"),
            (301, "", "nonsense"),
            (422, "", "other_history"),
            (404, "<html>", "unknown_log"),
            (403, "", "unknown_key"),
        ] {
            let Answer::Fault(fault) = read(status, body) else { panic!("{status}: {body}") };
            assert_eq!(fault.name(), name, "{status}: {body}");
            assert!(fault.to_string().len() < 400 && !fault.to_string().contains('\n'), "{fault}");
        }
    }
}
