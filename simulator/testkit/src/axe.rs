//! axe-core, which finds what people who do not see or do not point cannot use.

use std::path::{Path, PathBuf};

use crate::chromium::Chromium;

/// Where `npm install --prefix target/axe axe-core` puts it; another place is named by this variable.
const VARIABLE: &str = "AXE_CORE";

/// The script. A test that asks for it is `#[ignore]`d, as those that need [Chromium](crate::chromium) are.
pub struct Axe(String);

impl Axe {
    /// The script beside the directory for the tests' files, which only tests know: `env!("CARGO_TARGET_TMPDIR")`.
    pub fn installed(target_tmpdir: &str) -> Axe {
        let beside = Path::new(target_tmpdir).with_file_name("axe/node_modules/axe-core/axe.min.js");
        let file = std::env::var_os(VARIABLE).map_or(beside, PathBuf::from);
        let expected = "expected axe-core: npm install --prefix target/axe axe-core";
        Axe(std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{expected}; {}: {error}", file.display())))
    }

    /// What is wrong with the page as it stands.
    pub fn faults(&self, chromium: &mut Chromium) -> Vec<String> {
        if chromium.eval("typeof axe") != "object" {
            chromium.eval(&format!("{}; null", self.0));
        }
        let run = "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations.map(({id, help, nodes}) =>
            `${id}: ${help}: ${nodes.map(({target, failureSummary}) => target.join(' ') + ' ' + failureSummary).join('; ')}`))";
        serde_json::from_value(chromium.eval(run)).expect("a list of texts")
    }
}
