//! What the page says where prices are changed.

use super::super::prices::{meaning::Meaning, refused::Refused};

/// The words of the page of prices. `{}` is where a figure goes.
#[derive(Debug)]
pub(in super::super) struct PriceWords {
    pub(in super::super) title: &'static str,
    pub(in super::super) change: &'static str,
    /// Where the strategy comes from: that of `agent.toml` goes there.
    pub(in super::super) set_here: &'static str,
    pub(in super::super) stands_now: &'static str,
    pub(in super::super) as_in_file: &'static str,
    pub(in super::super) limits: &'static str,
    pub(in super::super) set_where: &'static str,

    pub(in super::super) no_pin: &'static str,
    pub(in super::super) no_pin_packaged: &'static str,

    pub(in super::super) how: &'static str,
    pub(in super::super) any_price: &'static str,
    pub(in super::super) within_limits: &'static str,
    /// The currency goes there.
    pub(in super::super) buy: &'static str,
    /// The currency goes there.
    pub(in super::super) sell: &'static str,
    pub(in super::super) buy_cap: &'static str,
    pub(in super::super) sell_cap: &'static str,
    pub(in super::super) empty_means: &'static str,
    pub(in super::super) look: &'static str,

    pub(in super::super) would_mean: &'static str,
    /// A sentence for each meaning, in which its figures stand in their order.
    pub(in super::super) meaning: fn(&Meaning) -> &'static str,
    pub(in super::super) from_then_on: &'static str,
    pub(in super::super) pin: &'static str,
    pub(in super::super) set: &'static str,

    pub(in super::super) take_back: &'static str,
    /// The strategy of `agent.toml` goes there.
    pub(in super::super) take_back_means: &'static str,

    pub(in super::super) nothing_changed: &'static str,
    /// A sentence for each refusal, in which its figure stands.
    pub(in super::super) refused: fn(&Refused) -> &'static str,
}

#[cfg(test)]
mod tests {
    use protocol::money::Price;

    use super::{
        super::{Language, PriceWords},
        *,
    };

    /// One of each.
    fn meanings() -> [Meaning; 10] {
        let any = Price::from_micro(1).unwrap();
        [
            Meaning::Unproved,
            Meaning::BuyUpToSupplier { retail: any },
            Meaning::BuyBelow { limit: any, cheaper: any, retail: any },
            Meaning::BuyAbove { limit: any, dearer: any },
            Meaning::BuyHardly { limit: any, feed_in: any },
            Meaning::SellDownToSupplier { feed_in: any },
            Meaning::SellAbove { limit: any, dearer: any, feed_in: any },
            Meaning::SellBelow { limit: any, cheaper: any },
            Meaning::SellHardly { limit: any, retail: any },
            Meaning::SellAboveBuy,
        ]
    }

    #[test]
    fn every_meaning_and_refusal_has_a_sentence_of_its_own_for_its_figures_in_every_language() {
        for language in Language::ALL {
            let words: &PriceWords = &language.words().prices;
            let mut said: Vec<&str> = Vec::new();
            for meaning in meanings() {
                let sentence = (words.meaning)(&meaning);
                assert_eq!(sentence.matches("{}").count(), meaning.figures().len(), "{language:?}: {sentence}");
                said.push(sentence);
            }
            for refused in Refused::each() {
                let sentence = (words.refused)(&refused);
                let figures = usize::from(refused.figure().is_some());
                assert_eq!(sentence.matches("{}").count(), figures, "{language:?}: {sentence}");
                said.push(sentence);
            }
            assert!(said.iter().all(|sentence| sentence.len() > 25), "{said:?}");
            let count = said.len();
            said.sort_unstable();
            said.dedup();
            assert_eq!(said.len(), count, "{language:?}");
            let one = [words.set_here, words.buy, words.sell, words.take_back_means];
            assert!(one.iter().all(|text| text.matches("{}").count() == 1), "{language:?}");
        }
    }
}
