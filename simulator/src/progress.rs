//! The progress bar: one line at the bottom of the terminal, which leaves no trace.

use std::{fmt, io};

use console::Term;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};

const TEMPLATE: &str = "{wide_bar} {pos}/{len} {msg}{left}";
/// Columns at the right edge that stay free. What the terminal itself writes when someone presses Ctrl-C (`^C`) must
/// not begin another line: the bar is cleared on its own.
const FREE: u16 = 4;

/// A bar over so many `things`; hidden where standard error is no terminal.
pub(crate) fn over(count: u64, things: &'static str) -> ProgressBar {
    let term = Term::stderr();
    let target = match term.is_term() {
        true => ProgressDrawTarget::term_like_with_hz(Box::new(Narrower(term)), 20),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(count), target).with_message(things);
    match ProgressStyle::with_template(TEMPLATE) {
        Ok(style) => bar.with_style(style.with_key("left", left)),
        Err(_) => bar,
    }
}

/// How long it will still take, once that is known.
fn left(state: &ProgressState, text: &mut dyn fmt::Write) {
    let left = state.eta();
    if left.as_secs() > 0 {
        // Whoever draws the bar has room for it.
        let _ = write!(text, ", {:#} left", HumanDuration(left));
    }
}

/// A terminal that says it is narrower than it is.
#[derive(Debug)]
struct Narrower(Term);

impl TermLike for Narrower {
    fn width(&self) -> u16 {
        TermLike::width(&self.0).saturating_sub(FREE)
    }

    fn height(&self) -> u16 {
        TermLike::height(&self.0)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}
