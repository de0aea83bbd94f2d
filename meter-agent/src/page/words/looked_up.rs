//! What the page of look-ups says.

use access_log::Call;

/// The texts of the page of look-ups. `{}` is where a figure goes.
#[derive(Debug, Clone, Copy)]
pub(in crate::page) struct LookedUpWords {
    pub(in crate::page) title: &'static str,
    pub(in crate::page) means: &'static str,
    pub(in crate::page) never_asked: &'static str,
    /// Of a node: when.
    pub(in crate::page) asked: &'static str,
    pub(in crate::page) refused: &'static str,
    pub(in crate::page) nobody: &'static str,
    pub(in crate::page) hour: &'static str,
    pub(in crate::page) what: &'static str,
    pub(in crate::page) of_whom: &'static str,
    pub(in crate::page) you: &'static str,
    pub(in crate::page) everybody: &'static str,
    pub(in crate::page) role: &'static str,
    pub(in crate::page) who: &'static str,
    pub(in crate::page) call: fn(Call) -> &'static str,
}
