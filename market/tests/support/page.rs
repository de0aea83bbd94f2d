//! What a browser is asked about the console's page, and on which screens.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use super::chromium::Screen;

pub(crate) const DESKTOP: Screen = Screen { width: 1280, height: 900, dark: false };
pub(crate) const PHONE: Screen = Screen { width: 390, height: 844, dark: false };
pub(crate) const SMALL_PHONE: Screen = Screen { width: 360, height: 640, dark: false };
pub(crate) const DRAWN: &str = "document.getElementById('main')?.getAttribute('aria-busy')";
pub(crate) const LIVE: &str = "document.getElementById('live-text')?.textContent";

/// What an element says.
pub(crate) fn text(id: &str) -> String {
    format!("document.getElementById('{id}').textContent")
}

/// What an element is called for who cannot see it.
pub(crate) fn label(id: &str) -> String {
    format!("document.getElementById('{id}').ariaLabel")
}

pub(crate) fn count(selector: &str) -> String {
    format!("document.querySelectorAll('{selector}').length")
}

pub(crate) fn click(selector: &str) -> String {
    format!("document.querySelector('{selector}').click()")
}
