//! The household's page: made for a phone on the home network, in three languages, by the clock on the wall.
//!
//! In: the [`Status`](crate::Status), what the meter shows now, and the receipts that were verified. Out: HTML that
//! works without a script; with one it follows what happens without being loaded again. It takes nothing but questions,
//! and the household's prices, from who knows the PIN.
//!
//! | file | what |
//! |---|---|
//! | `words/` | what is said, one language a file |
//! | `format.rs` | figures, money and times as each language writes them |
//! | `day.rs` | the intervals of a day and the days of a month, and their sums. Pure |
//! | `chart.rs` | a day as a picture |
//! | `frame.rs` | what every page has around it |
//! | `alarms.rs` | the alarms that are on |
//! | `limits.rs` | price limits in words |
//! | `neighbours.rs` | whose roof it came from |
//! | `home.rs`, `daily.rs`, `monthly.rs`, `proof.rs` | the pages |
//! | `looked_up.rs` | the page of who looked the household up |
//! | `waiting.rs` | the page of a household that is not registered yet |
//! | `prices/` | the page on which prices are changed, and who may change them |
//! | `pages.rs` | which page is asked for, and what it needs |

mod alarms;
mod chart;
mod daily;
mod day;
mod format;
mod frame;
mod home;
mod island;
mod limits;
mod looked_up;
mod monthly;
mod neighbours;
mod pages;
mod prices;
mod proof;
mod waiting;
mod words;

pub(crate) use self::{
    pages::router,
    prices::routes::{Prices, forms, router as prices_router},
    waiting::waiting_router,
};
