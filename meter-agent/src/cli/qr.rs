//! A text as a QR code, in a terminal.

use qrcode::{Color, EcLevel, QrCode};

use super::Failure;

/// Light modules around the code, which readers look for.
const QUIET: usize = 4;
/// Black on white, whatever the terminal's colours are: not every reader takes an inverted code.
const BLACK_ON_WHITE: &str = "\u{1b}[30;107m";
const AS_BEFORE: &str = "\u{1b}[0m";

/// The code of `text`, two rows of modules a line.
pub(super) fn code(text: &str) -> Result<String, Failure> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L)
        .map_err(|error| format!("expected a text that fits a QR code, found {} bytes: {error}", text.len()))?;
    let (width, colours) = (code.width(), code.to_colors());
    let is_dark = |x: usize, y: usize| {
        let inside = |at: usize| at.checked_sub(QUIET).filter(|at| *at < width);
        let (Some(x), Some(y)) = (inside(x), inside(y)) else { return false };
        colours[y * width + x] == Color::Dark
    };
    let side = width + 2 * QUIET;
    let mut shown = String::new();
    for y in (0..side).step_by(2) {
        shown += BLACK_ON_WHITE;
        shown.extend((0..side).map(|x| match (is_dark(x, y), is_dark(x, y + 1)) {
            (false, false) => ' ',
            (true, false) => '▀',
            (false, true) => '▄',
            (true, true) => '█',
        }));
        shown += AS_BEFORE;
        shown.push('\n');
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_fits_a_terminal_of_80_columns() {
        let longest = protocol::code::write(protocol::code::ENROLMENT, &[0x5a; 280]);
        for line in code(&longest).unwrap().lines() {
            let modules = line.strip_prefix(BLACK_ON_WHITE).and_then(|line| line.strip_suffix(AS_BEFORE)).unwrap();
            assert!(modules.chars().count() <= 80, "{}", modules.chars().count());
        }
        assert!(code(&"z".repeat(5_000)).unwrap_err().to_string().contains("found 5000 bytes"));
    }
}
