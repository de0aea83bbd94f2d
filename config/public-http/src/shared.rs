//! What pages that browsers draw have in common: their texts in the reader's language, figures, and looks.

use super::{Asset, CSS, JAVASCRIPT, SVG};

/// The icon.
pub const ICON_SVG: &str = include_str!("assets/icon.svg");
/// Colours by day and by night, and the frame of a page.
pub const BASE_CSS: &str = include_str!("assets/base.css");

/// Files to be served beside a page's own: texts by language (`words.js`, `language.js`), figures (`figures.js`),
/// elements (`element.js`), looks (`base.css`) and icon (`icon.svg`).
pub fn shared() -> [Asset; 6] {
    [
        Asset::new("words.js", JAVASCRIPT, include_str!("assets/words.js")),
        Asset::new("language.js", JAVASCRIPT, include_str!("assets/language.js")),
        Asset::new("figures.js", JAVASCRIPT, include_str!("assets/figures.js")),
        Asset::new("element.js", JAVASCRIPT, include_str!("assets/element.js")),
        Asset::new("base.css", CSS, BASE_CSS),
        Asset::new("icon.svg", SVG, ICON_SVG),
    ]
}
