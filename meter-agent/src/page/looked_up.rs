//! Who looked this household up, as it was found last.

use access_log::Access;
use maud::{Markup, html};

use super::{
    format::Format,
    frame::{Asked, filled},
    words::LookedUpWords,
};
use crate::looked_up::{AtNode, LookedUp};

pub(super) fn content(asked: &Asked<'_>, format: &Format<'_>, found: &Result<LookedUp, String>) -> Markup {
    let words = &format.words.looked_up;
    html! {
        h1 { (words.title) }
        p { (words.means) }
        @match found {
            Err(error) => div.alarm role="alert" { p.detail lang="en" { (error) } },
            Ok(found) => {
                @if found.nodes.is_empty() {
                    p.empty { (words.never_asked) }
                    p { code { "meter-agent accesses --node URL --ca FILE --token FILE" } }
                }
                @for (url, node) in &found.nodes { (of_node(format, words, url, node)) }
            }
        }
        p.links { a href=(asked.link("/")) { (format.words.back) } }
    }
}

fn of_node(format: &Format<'_>, words: &LookedUpWords, url: &str, node: &AtNode) -> Markup {
    html! {
        section {
            h2 { (url) }
            p.soft { (filled(words.asked, &format.moment(node.asked_s))) }
            @if let Some(fault) = &node.fault {
                div.alarm role="alert" {
                    p { b { (words.refused) } }
                    p.detail lang="en" { (fault) }
                }
            }
            @if node.accesses.is_empty() {
                @if node.fault.is_none() { p { (words.nobody) } }
            } @else {
                div.scroll tabindex="0" role="region" aria-label=(words.title) {
                    table.words {
                        thead { tr {
                            @for column in [words.hour, words.what, words.of_whom, words.role, words.who] {
                                th scope="col" { (column) }
                            }
                        } }
                        tbody { @for access in node.accesses.iter().rev() { (row(format, words, access)) } }
                    }
                }
            }
        }
    }
}

fn row(format: &Format<'_>, words: &LookedUpWords, access: &Access) -> Markup {
    let Access { hour, who, role, call, member } = access;
    html! {
        tr {
            th scope="row" { (format.moment(hour.start_s())) }
            td { ((words.call)(*call)) }
            td { @if member.is_some() { (words.you) } @else { (words.everybody) } }
            td { code { (role) } }
            td { code { (who) } }
        }
    }
}
