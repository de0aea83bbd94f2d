//! The page on which the household's prices are looked at and changed: what stands, what other limits would mean, and
//! the forms that set them or take them back.
//!
//! In: what was entered. Out: HTML; and, from who knows the PIN, a [choice](crate::choice) for the agent. Nobody else
//! can change anything: a form counts if it comes from [this very page](origin), as [this agent served it](token) for
//! what stands and what is to stand, with the [PIN](crate::pin). Looking at what limits mean is a question, and changes
//! nothing.

mod entered;
pub(super) mod meaning;
mod origin;
pub(super) mod refused;
pub(super) mod routes;
mod token;

use maud::{Markup, html};

use self::{
    entered::{ANY_PRICE, Entered, LIMITS},
    meaning::meanings,
    refused::Refused,
};
use super::{
    format::Format,
    frame::{Asked, figure, filled},
    limits,
};
use crate::{choice::Choice, status::Status};

/// What the page shows.
struct Shown<'a> {
    status: &'a Status,
    has_pin: bool,
    entered: &'a Entered,
    /// What was entered, where it can be set, and the token for that.
    wanted: Option<(Choice, String)>,
    /// The token for taking back what was set; none where nothing was.
    take_back: Option<String>,
    refused: Option<&'a Refused>,
}

fn content(asked: &Asked<'_>, format: &Format<'_>, shown: &Shown<'_>) -> Markup {
    let words = &format.words.prices;
    html! {
        h1 { (words.title) }
        @if let Some(refused) = shown.refused { (refusal(format, refused)) }
        (stands(format, shown.status))
        @if shown.has_pin {
            (question(asked, format, shown))
            @if let Some((choice, token)) = &shown.wanted { (change(asked, format, shown.status, *choice, token)) }
            @if let Some(token) = &shown.take_back { (take_back(asked, format, shown.status, token)) }
        } @else {
            section.empty {
                p { (words.no_pin) }
                p { code { "meter-agent pin --config agent.toml" } }
                p { (words.no_pin_packaged) }
                p { code { "sudo -u voisin meter-agent pin --config /etc/voisin/agent.toml" } }
            }
        }
        p.links { a href=(asked.link("/")) { (format.words.back) } }
    }
}

fn refusal(format: &Format<'_>, refused: &Refused) -> Markup {
    let words = &format.words.prices;
    let sentence = (words.refused)(refused);
    let sentence = refused.figure().map_or_else(|| sentence.to_owned(), |figure| filled(sentence, &figure));
    html! {
        div.alarm role="alert" {
            p { b { (words.nothing_changed) } }
            p { (sentence) }
            p.detail { code { (refused.name()) } }
        }
    }
}

/// What stands now, and who says so.
fn stands(format: &Format<'_>, status: &Status) -> Markup {
    let words = &format.words.prices;
    let stands = status.chosen.map(Choice::limits).or(status.order.as_ref().map(|order| order.limits));
    html! {
        section aria-labelledby="stands" {
            h2 #stands { (words.stands_now) }
            dl.list {
                dt { (format.words.strategy) } dd { code { (status.strategy) } }
                @if let Some(limits) = stands { dt { (words.limits) } dd { (limits::in_words(format, &limits)) } }
                dt { (words.set_where) }
                dd {
                    @if status.chosen.is_some() { (filled(words.set_here, &status.configured)) } @else { (words.as_in_file) }
                }
            }
            @if let Some(tariffs) = status.tariffs {
                dl.figures {
                    (figure("", format.words.supplier_takes, &format.price(tariffs.retail_price), format.words.per_kwh))
                    (figure("sun", format.words.supplier_gives, &format.price(tariffs.feed_in_price), format.words.per_kwh))
                }
            }
        }
    }
}

/// The form that asks what limits would mean. It changes nothing, and so needs no PIN.
fn question(asked: &Asked<'_>, format: &Format<'_>, shown: &Shown<'_>) -> Markup {
    let (words, entered) = (&format.words.prices, shown.entered);
    let radio = |value: &str, label: &str| {
        html! {
            label.choice {
                input type="radio" name="strategy" value=(value) checked[entered.strategy == value] required;
                span { (label) }
            }
        }
    };
    let field = |name: &str, label: &str, value: &str, mode: &str| {
        html! {
            label.field {
                span { (label) }
                input name=(name) value=(value) inputmode=(mode) autocomplete="off" maxlength="40";
            }
        }
    };
    let currency = format.currency;
    html! {
        form.card method="get" action="/prices" {
            (language(asked))
            fieldset {
                legend { (words.how) }
                (radio(ANY_PRICE, words.any_price))
                (radio(LIMITS, words.within_limits))
            }
            div.fields {
                (field("buy", &filled(words.buy, currency), &entered.buy, "decimal"))
                (field("sell", &filled(words.sell, currency), &entered.sell, "decimal"))
                (field("buy_cap_wh", words.buy_cap, &entered.buy_cap_wh, "numeric"))
                (field("sell_cap_wh", words.sell_cap, &entered.sell_cap_wh, "numeric"))
            }
            p.soft { (words.empty_means) }
            button { (words.look) }
        }
    }
}

/// What was entered would mean this, and with the PIN it is set.
fn change(asked: &Asked<'_>, format: &Format<'_>, status: &Status, choice: Choice, token: &str) -> Markup {
    let words = &format.words.prices;
    let limits = choice.limits();
    let entered = Entered::of(choice, format.words.decimal_point);
    let hidden = |name: &str, value: &str| html! { input type="hidden" name=(name) value=(value); };
    html! {
        section aria-labelledby="meaning" {
            h2 #meaning { (words.would_mean) }
            p { b { (limits::in_words(format, &limits)) } }
            ul {
                @for meaning in meanings(&limits, status.tariffs) {
                    @let figures = meaning.figures();
                    @let sentence = (words.meaning)(&meaning).to_owned();
                    li { (figures.iter().fold(sentence, |sentence, price| filled(&sentence, &format.price(*price)))) }
                }
            }
            form.card method="post" action="/prices/set" {
                (language(asked))
                (hidden("strategy", &entered.strategy))
                (hidden("buy", &entered.buy))
                (hidden("sell", &entered.sell))
                (hidden("buy_cap_wh", &entered.buy_cap_wh))
                (hidden("sell_cap_wh", &entered.sell_cap_wh))
                (signature(format, token))
                p.soft { (words.from_then_on) }
                button { (words.set) }
            }
        }
    }
}

fn take_back(asked: &Asked<'_>, format: &Format<'_>, status: &Status, token: &str) -> Markup {
    let words = &format.words.prices;
    html! {
        section aria-labelledby="take-back" {
            h2 #take-back { (words.take_back) }
            form.card method="post" action="/prices/take-back" {
                (language(asked))
                (signature(format, token))
                p.soft { (filled(words.take_back_means, &status.configured)) }
                button { (words.take_back) }
            }
        }
    }
}

/// What shows that a form is the household's.
fn signature(format: &Format<'_>, token: &str) -> Markup {
    html! {
        input type="hidden" name="token" value=(token);
        label.field {
            span { (format.words.prices.pin) }
            input type="password" name="pin" autocomplete="off" maxlength=(crate::pin::CHARACTERS_MAX) required;
        }
    }
}

fn language(asked: &Asked<'_>) -> Markup {
    html! { @if asked.chosen { input type="hidden" name="lang" value=(asked.language.code()); } }
}
