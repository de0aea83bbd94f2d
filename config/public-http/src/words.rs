//! The script by which pages that browsers draw say their texts in the reader's language.

/// A JavaScript module, to be served beside a page's own scripts: `language`, `choose`, `speaker`, `speak`.
pub const WORDS_JS: &str = include_str!("assets/words.js");
