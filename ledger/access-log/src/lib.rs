//! Who looked a household up at a node: append-only, and proved to be.
//!
//! | file | what is in it |
//! |---|---|
//! | `access.rs` | a look-up: who, when, under which role, at what |
//! | `log.rs` | all of them, as leaves of one RFC 6962 tree; the node's side |
//! | `question.rs` | how a household asks for its own, signed with its key |
//! | `answer.rs` | what it gets, and how it checks that nothing was taken back |
//!
//! What is proved is that nothing that was once shown, or stood under a signed head, is gone or was changed. That a
//! node wrote down every look-up nobody can prove.

mod access;
mod answer;
mod log;
mod question;

pub use self::{
    access::{Access, Call, Hour, Looked},
    answer::{Accesses, AnswerFault, Entry, Head, Seen},
    log::{ENTRIES_MAX, Log, LogError, Noted},
    question::{AHEAD_SECONDS, FRESH_SECONDS, Question, QuestionFault, read_question},
};
