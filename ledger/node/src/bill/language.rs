//! The languages of the pages of bills.

use clap::ValueEnum;
use serde::Deserialize;

/// What a bill's page is written in; files for machines are the same in each. Text: its code of BCP 47.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ValueEnum)]
pub enum Language {
    /// English.
    #[default]
    #[serde(rename = "en")]
    #[value(name = "en")]
    English,
    /// French.
    #[serde(rename = "fr")]
    #[value(name = "fr")]
    French,
    /// German.
    #[serde(rename = "de")]
    #[value(name = "de")]
    German,
}

impl Language {
    /// Its code.
    pub(super) fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::French => "fr",
            Language::German => "de",
        }
    }
}
