//! Values in JSON documents. Pure.
//!
//! A path is a JSON pointer (RFC 6901) in which a step `[key=value]` picks that element of a list whose `key` is
//! `value`, as in `/registers/[obis=1.8.0]/value`.

use std::{collections::BTreeMap, fmt, str::FromStr};

use rust_decimal::Decimal;
use serde_json::Value;

use super::{
    points::Said,
    unreadable::{Unreadable, cut},
};

/// One step into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// To a member of an object, or an element of a list by its number.
    To(String),
    /// To the element of a list in which a member has a value.
    Select { key: String, value: String },
}

/// Where in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    text: String,
    steps: Vec<Step>,
}

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Path, String> {
        let refused = |advice: &str| format!("expected a path such as /total/import, found `{}`: {advice}", cut(text));
        let steps = match text.strip_prefix('/') {
            _ if text.is_empty() => Vec::new(),
            None => return Err(refused("begin with a slash; nothing at all is the whole document")),
            Some(rest) => rest
                .split('/')
                .map(|step| {
                    let plain = |text: &str| text.replace("~1", "/").replace("~0", "~");
                    let Some(select) = step.strip_prefix('[') else { return Ok(Step::To(plain(step))) };
                    let select = select.strip_suffix(']').and_then(|select| select.split_once('='));
                    let (key, value) = select.ok_or_else(|| refused("write a choice as [key=value]"))?;
                    Ok(Step::Select { key: plain(key), value: plain(value) })
                })
                .collect::<Result<Vec<Step>, String>>()?,
        };
        Ok(Path { text: text.into(), steps })
    }
}

impl Path {
    fn find<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.steps.iter().try_fold(document, |value, step| match (step, value) {
            (Step::To(key), Value::Object(members)) => members.get(key),
            (Step::To(number), Value::Array(elements)) => elements.get(number.parse::<usize>().ok()?),
            (Step::Select { key, value }, Value::Array(elements)) => {
                elements.iter().find(|element| element.get(key).is_some_and(|found| is(found, value)))
            }
            _ => None,
        })
    }
}

fn is(found: &Value, value: &str) -> bool {
    match found {
        Value::String(text) => text == value,
        Value::Number(number) => number.to_string() == value,
        _ => false,
    }
}

/// A value in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which document: an HTTP path, or an MQTT topic.
    pub(crate) document: String,
    /// Where in it.
    pub(crate) path: Path,
    /// A number may be written as a text, as in `"12.5"`.
    pub(crate) text: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.text.as_str() {
            "" => write!(f, "`{}`", self.document),
            path => write!(f, "`{path}` of `{}`", self.document),
        }
    }
}

/// What a device said, by document.
#[derive(Debug, Default)]
pub(crate) struct Documents(pub(crate) BTreeMap<String, Value>);

impl Documents {
    fn find(&self, place: &Place) -> Option<&Value> {
        self.0.get(&place.document).and_then(|document| place.path.find(document)).filter(|value| !value.is_null())
    }
}

impl Said<Place> for Documents {
    fn number(&self, place: &Place) -> Result<Option<Decimal>, Unreadable> {
        let Some(value) = self.find(place) else { return Ok(None) };
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) if place.text => text.trim().to_owned(),
            other => other.to_string(),
        };
        let decimal = decimal(&text).filter(|_| value.is_number() || value.is_string() && place.text);
        decimal.map(Some).ok_or_else(|| Unreadable::NoNumber { at: place.to_string(), found: cut(&text) })
    }

    fn text(&self, place: &Place) -> Result<Option<String>, Unreadable> {
        Ok(self.find(place).map(|value| match value {
            Value::String(text) => cut(text),
            other => cut(&other.to_string()),
        }))
    }
}

fn decimal(text: &str) -> Option<Decimal> {
    let is_plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    let decimal =
        if text.contains(['e', 'E']) { Decimal::from_scientific(text) } else { Decimal::from_str_exact(text) };
    decimal.ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(document: Value) -> Documents {
        Documents([("/data".to_owned(), document)].into())
    }

    fn place(path: &str, text: bool) -> Place {
        Place { document: "/data".into(), path: path.parse().unwrap(), text }
    }

    fn number(document: Value, path: &str, text: bool) -> Result<Option<String>, String> {
        let number = said(document).number(&place(path, text)).map_err(|error| error.to_string())?;
        Ok(number.map(|number| number.to_string()))
    }

    #[test]
    fn a_value_is_found_by_member_number_and_choice() {
        let document = json!({"a/b": [{"obis": "1.8.0", "value": 1.5}, {"obis": 7, "value": "2.25"}], "n": [[10, 20]]});
        assert_eq!(number(document.clone(), "/a~1b/[obis=1.8.0]/value", false), Ok(Some("1.5".into())));
        assert_eq!(number(document.clone(), "/a~1b/[obis=7]/value", true), Ok(Some("2.25".into())));
        assert_eq!(number(document.clone(), "/n/0/1", false), Ok(Some("20".into())));
        assert_eq!(number(json!(12_345.678), "", false), Ok(Some("12345.678".into())));
        for path in ["/x", "/n/2/1", "/n/x", "/n/0/1/0", "/a~1b/[obis=9]/value", "/n/[obis=9]", "/[a=b]"] {
            assert_eq!(number(document.clone(), path, false), Ok(None), "{path}");
        }
    }

    #[test]
    fn what_is_no_number_is_named_and_null_is_none() {
        assert_eq!(number(json!({"v": null}), "/v", false), Ok(None));
        for value in [json!("12"), json!("unavailable"), json!(true), json!([1]), json!({}), json!("")] {
            let error = number(json!({"v": value}), "/v", false).unwrap_err();
            assert!(error.starts_with("expected a number in `/v` of `/data`, found `"), "{error}");
        }
        for value in ["unavailable", "unknown", "12 kWh", "1,5", "NaN", "inf", "0x10", "1_000", "", "1e99"] {
            let error = number(json!({"v": value}), "/v", true).unwrap_err();
            assert!(error.contains(&format!("found `{value}`")), "{error}");
        }
        let long = number(json!({"v": "x".repeat(10_000)}), "/v", true).unwrap_err();
        assert!(long.len() < 200, "{long}");
    }

    #[test]
    fn numbers_are_the_decimals_that_were_written() {
        for (value, expected) in [
            (json!(0.1), "0.1"),
            (json!(123_456_789.123), "123456789.123"),
            (json!(18_446_744_073_709_551_615_u64), "18446744073709551615"),
            (json!(-3), "-3"),
            (json!(1e3), "1000.0"),
            (json!(1e21), "1000000000000000000000"),
        ] {
            assert_eq!(number(value, "", false), Ok(Some(expected.into())));
        }
    }

    #[test]
    fn a_path_that_cannot_be_one_is_refused() {
        for text in ["total", "total/import", "/a/[b]", "/a/[b=c"] {
            let error = text.parse::<Path>().unwrap_err();
            assert!(error.starts_with("expected a path such as /total/import, found `"), "{error}");
        }
    }
}
