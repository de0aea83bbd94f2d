//! What a browser is asked about the console's page, and on which screens.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use crate::chromium::Screen;

pub const DESKTOP: Screen = Screen { width: 1280, height: 900, dark: false };
pub const PHONE: Screen = Screen { width: 390, height: 844, dark: false };
pub const SMALL_PHONE: Screen = Screen { width: 360, height: 640, dark: false };
pub const DRAWN: &str = "document.getElementById('main')?.getAttribute('aria-busy')";
pub const LIVE: &str = "document.getElementById('live-text')?.textContent";

/// What an element says.
pub fn text(id: &str) -> String {
    format!("document.getElementById('{id}').textContent")
}

/// What an element is called for who cannot see it.
pub fn label(id: &str) -> String {
    format!("document.getElementById('{id}').ariaLabel")
}

pub fn count(selector: &str) -> String {
    format!("document.querySelectorAll('{selector}').length")
}

pub fn click(selector: &str) -> String {
    format!("document.querySelector('{selector}').click()")
}

/// What is missing on the page as it stands: nothing is busy, and what a card shows is not empty, or says why it is.
pub const MISSING: &str = "(() => {
    const shown = (element) => element !== null && element.offsetParent !== null;
    const missing = [];
    for (const card of document.querySelectorAll('main .tile, main .card')) {
        if (!shown(card)) continue;
        const miss = (what) => missing.push(`${card.querySelector('h2').textContent}: ${what}`);
        for (const plot of [...card.querySelectorAll('.plot')].filter(shown)) {
            const empty = plot.parentElement.querySelector('.empty');
            const drawn = plot.querySelector('.scatterlayer .trace, .barlayer .point') !== null;
            if (!(shown(empty) ? empty.textContent : drawn)) miss('nothing is drawn, and nothing is said');
        }
        const map = card.querySelector('#grid');
        if (map && map.querySelector('[role=option]') === null) miss('no map');
        for (const list of [...card.querySelectorAll('tbody, dl.list')].filter(shown)) {
            if (list.children.length === 0) miss('an empty list');
        }
        for (const figure of card.querySelectorAll('.figure')) {
            if (figure.textContent.trim() === '') miss('no figure');
        }
    }
    if (document.querySelector('[aria-busy=true]')) missing.push('the page is busy');
    return missing;
})()";
