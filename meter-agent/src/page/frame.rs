//! What every page has around it.

use axum::http::{HeaderMap, header};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    format::Format,
    words::{Language, Words},
};
use crate::{source::MeterKind, status::Status};

/// What a page is asked for with.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) language: Language,
    /// The page's path, without the language.
    pub(super) path: &'a str,
    /// Whether the language was chosen, and not guessed: links then keep it.
    pub(super) chosen: bool,
}

impl<'a> Asked<'a> {
    /// In the language that was chosen, else in the one that the browser likes best.
    pub(super) fn of(chosen: Option<&str>, headers: &HeaderMap, path: &'a str) -> Asked<'a> {
        let chosen = chosen.and_then(Language::of_code);
        let liked = || headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Asked { language: chosen.unwrap_or_else(|| Language::accepted(liked())), path, chosen: chosen.is_some() }
    }
}

impl Asked<'_> {
    pub(super) fn words(&self) -> &'static Words {
        self.language.words()
    }

    /// A link to another page, in the same language.
    pub(super) fn link(&self, path: &str) -> String {
        if self.chosen { format!("{path}?lang={}", self.language.code()) } else { path.to_owned() }
    }
}

/// What stands around every page.
pub(super) struct Around<'a> {
    /// What the household calls itself.
    pub(super) name: Option<&'a str>,
    pub(super) community: &'a str,
    pub(super) meter: MeterKind,
}

impl<'a> From<&'a Status> for Around<'a> {
    fn from(status: &'a Status) -> Around<'a> {
        Around { name: status.name.as_deref(), community: &status.community, meter: status.meter }
    }
}

/// A whole page. What is `live` follows what happens, where the browser runs scripts.
pub(super) fn page(asked: &Asked<'_>, around: &Around<'_>, title: &str, live: bool, content: &Markup) -> Markup {
    let words = asked.words();
    let home = around.name.unwrap_or(words.your_home);
    html! {
        (DOCTYPE)
        html lang=(asked.language.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (home) }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/page.css";
                script src="/page.js" defer {}
                @if live { noscript { meta http-equiv="refresh" content="10"; } }
            }
            body {
                header {
                    a.home href=(asked.link("/")) { (home) }
                    nav aria-label=(words.language) {
                        @for language in Language::ALL {
                            @let current = language == asked.language;
                            a href={ (asked.path) "?lang=" (language.code()) } lang=(language.code())
                                aria-current=[current.then_some("true")] { (language.name()) }
                        }
                    }
                }
                p #not-live .alarm role="status" hidden { (words.not_live) }
                main #main data-live=[live.then_some("5")] {
                    @if let Some(none) = words.no_meter(around.meter) { p.no-meter role="note" { (none) } }
                    (content)
                }
                footer { p { (around.community) } }
            }
        }
    }
}

/// A figure with its name above it and a remark below.
pub(super) fn figure(class: &str, name: &str, value: &str, remark: &str) -> Markup {
    html! {
        div class={ "figure " (class) } {
            dt { (name) }
            dd { b { (value) } @if !remark.is_empty() { span { (remark) } } }
        }
    }
}

/// A remark beside what it is about, in small.
pub(super) fn mark(remark: &str) -> Markup {
    html! { small.mark { (remark) } }
}

/// How many intervals were corrected, and what that means; nothing, if none was.
pub(super) fn corrected(words: &Words, count: u64) -> Markup {
    html! {
        @if count > 0 { p.soft { (filled(words.corrected_mean, &count.to_string())) } }
    }
}

/// A picture with its name, and the colours of its parts; nothing, if nothing could be drawn.
pub(super) fn picture(name: &str, parts: &[(&str, &str)], svg: &str) -> Markup {
    if svg.is_empty() {
        return html! {};
    }
    html! {
        figure.chart {
            figcaption {
                span { (name) }
                @for (class, part) in parts { span.part { span class={ "dot " (class) } {} (part) } }
            }
            (PreEscaped(svg))
        }
    }
}

/// Figures with a text in their place; the first of several.
pub(super) fn filled(text: &str, figure: &str) -> String {
    text.replacen("{}", figure, 1)
}

/// The format of a household that is shown so.
pub(super) fn format<'a>(
    asked: &Asked<'_>,
    status: &'a Status,
    local: &'a household::local_time::LocalTime,
) -> Format<'a> {
    Format { words: asked.words(), currency: &status.currency, local }
}
