//! Price limits and caps in words.

use household::strategy::FixedLimits;
use protocol::{energy::Energy, money::Price};

use super::{format::Format, frame::filled};

/// What is limited, or that nothing is.
pub(super) fn in_words(format: &Format<'_>, limits: &FixedLimits) -> String {
    let words = format.words;
    let price = |text, price: Option<Price>| price.map(|price| filled(text, &format.price(price)));
    let cap = |text, cap: Option<Energy>| cap.map(|cap| filled(text, &format.energy(cap.wh())));
    let limits = [
        price(words.buy_up_to, limits.buy),
        price(words.sell_from, limits.sell),
        cap(words.buy_at_most, limits.buy_cap_wh),
        cap(words.sell_at_most, limits.sell_cap_wh),
    ];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    if limits.is_empty() { words.at_any_price.to_owned() } else { limits.join(", ") }
}
