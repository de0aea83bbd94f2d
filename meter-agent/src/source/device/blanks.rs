//! What differs from one home to the next in a template: `{name}`, filled in by `with` in `agent.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A word to fill in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Blank {
    /// What to write there, for people.
    about: String,
    /// What is there where nothing is written.
    #[serde(default)]
    usual: Option<String>,
}

/// Why a blank cannot be filled in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlankError {
    /// It has to be.
    #[error("expected `with.{name}` ({about}) in [source], found none")]
    Missing {
        /// Its name.
        name: String,
        /// What to write there.
        about: String,
    },
    /// There is none of that name.
    #[error("`with.{found}` is not in the template; it has {known}")]
    Unknown {
        /// What was to be filled in.
        found: String,
        /// What can be.
        known: String,
    },
    /// The template uses one that it does not explain.
    #[error("`{{{0}}}` stands in the template, but not under [with]")]
    Unexplained(String),
    /// A brace that belongs to none.
    #[error("expected `{{name}}`, found `{0}`")]
    Brace(String),
}

/// The blanks of a template.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Blanks(BTreeMap<String, Blank>);

/// The same, filled in.
#[derive(Debug)]
pub(crate) struct Filled(BTreeMap<String, String>);

impl Blanks {
    /// Fills them in.
    pub(crate) fn fill(self, with: &BTreeMap<String, String>) -> Result<Filled, BlankError> {
        if let Some(found) = with.keys().find(|name| !self.0.contains_key(*name)) {
            let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(BlankError::Unknown { found: found.clone(), known });
        }
        let filled = self.0.into_iter().map(|(name, Blank { about, usual })| {
            let written = with.get(&name).cloned().or(usual);
            match written {
                Some(word) => Ok((name, word)),
                None => Err(BlankError::Missing { name, about }),
            }
        });
        Ok(Filled(filled.collect::<Result<_, BlankError>>()?))
    }

    /// Each with what to write there, and what is there otherwise.
    pub(crate) fn all(&self) -> impl Iterator<Item = (String, String, Option<String>)> {
        self.0.iter().map(|(name, Blank { about, usual })| (name.clone(), about.clone(), usual.clone()))
    }

    /// An example of each, for templates that are looked at without a home.
    #[cfg(test)]
    pub(crate) fn example(&self) -> BTreeMap<String, String> {
        self.0.keys().map(|name| (name.clone(), format!("a-{name}"))).collect()
    }
}

impl Filled {
    /// `text` with each `{name}` replaced.
    pub(crate) fn fill(&self, text: &str) -> Result<String, BlankError> {
        let brace = || BlankError::Brace(text.to_owned());
        let mut parts = text.split('{');
        let mut filled = parts.next().unwrap_or_default().to_owned();
        if filled.contains('}') {
            return Err(brace());
        }
        for part in parts {
            let (name, rest) = part.split_once('}').ok_or_else(brace)?;
            if rest.contains('}') {
                return Err(brace());
            }
            filled += self.0.get(name).ok_or_else(|| BlankError::Unexplained(name.to_owned()))?;
            filled += rest;
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blanks(text: &str) -> Blanks {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn words_are_filled_in_where_they_are_named() {
        let blanks = blanks("device = { about = \"its name\" }\nmeter = { about = \"its group\", usual = \"SML\" }");
        let with = BTreeMap::from([("device".to_owned(), "tasmota_1".to_owned())]);
        let filled = blanks.clone().fill(&with).unwrap();
        assert_eq!(filled.fill("tele/{device}/SENSOR").unwrap(), "tele/tasmota_1/SENSOR");
        assert_eq!(filled.fill("{meter}{device}").unwrap(), "SMLtasmota_1");
        assert_eq!(filled.fill("plain").unwrap(), "plain");
        for text in ["{", "}", "a}b", "{device", "{device}}", "{{device}"] {
            assert!(filled.fill(text).is_err(), "{text}");
        }
        assert!(filled.fill("{other}").unwrap_err().to_string().contains("not under [with]"));
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_named() {
        let blanks = blanks("device = { about = \"its name\" }");
        let missing = blanks.clone().fill(&BTreeMap::new()).unwrap_err().to_string();
        assert_eq!(missing, "expected `with.device` (its name) in [source], found none");
        let with = BTreeMap::from([("devise".to_owned(), String::new())]);
        assert_eq!(blanks.fill(&with).unwrap_err().to_string(), "`with.devise` is not in the template; it has device");
    }
}
