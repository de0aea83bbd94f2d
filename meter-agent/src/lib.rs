//! The agent beside the meter: it reads, signs and publishes, and believes nobody.
//!
//! In: a [meter](source), a genesis file, the market's announcements and receipts over MQTT. Out: signed readings and
//! standing orders, a status page, a statement. It keeps every reading until a receipt proves that it was settled, and
//! checks every receipt twice: that the validators committed it, and that it says what this meter measured.
//!
//! It refuses to know other households, the clearing, and the ledger's network: all it trusts is the genesis file.
//!
//! Started by the program `meter-agent`, or many at once in one process with [`start`].

mod age;
mod agent;
mod alarm;
mod asking;
mod chain;
mod check;
mod choice;
mod choice_file;
mod choosing;
mod clock;
mod config;
mod gate;
mod home_assistant;
mod island;
mod key;
mod learned;
mod looked_up;
mod mqtt;
mod neighbours;
mod orders;
mod out_of_reach;
mod outbox;
mod page;
mod period;
mod pin;
mod pulse;
mod record;
mod recover;
mod registered;
mod registered_file;
mod running;
mod server;
mod set_point;
mod shown;
mod signed;
pub mod source;
mod start;
mod state_file;
mod statement;
mod status;
mod store;
mod totals;
mod waiting;
mod wall_clock;
mod witnessed;

pub mod cli;

pub use alarm::AlarmKind;
pub use check::{
    Limits, OwnReading, ReceiptFault, check_correction, check_entry, check_neighbours, check_transformer_entry,
};
pub use choice::Choice;
pub use choice_file::ChoiceError;
pub use config::{Config, ConfigError};
pub use key::{KeyError, create_key, read_key};
pub use neighbours::NeighbourLine;
pub use registered::{Registration, RegistrationFault};
pub use running::{Ended, Running};
pub use set_point::{BatteryConfig, SetPoint};
pub use signed::{Doubt, new_record};
pub use start::{StartError, start};
pub use statement::StatementLine;
pub use status::{PlacedOrder, Status};
pub use store::StoreError;
pub use totals::Totals;
pub use witnessed::WitnessesConfig;
