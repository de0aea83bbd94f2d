//! The Spanish file of coefficients, `CAU_YYYY.txt`: which part of what a plant feeds in is whose, in an hour. The
//! community hands it to the grid operator before the year, and the grid operator allocates by it.
//!
//! A line is `CUPS;0,333333`, the same in every hour of the year, or `CUPS;0001;0,333333`, of the hour of that number.

use std::collections::BTreeMap;

use jiff::civil::Date;
use protocol::parameters::WHOLE_PPM;

/// Characters of a CUPS, the code of a supply point.
const CUPS_CHARS: usize = 22;
/// Characters of a CAU, the code of a shared plant: those of a supply point, an A and three digits.
const CAU_CHARS: usize = 26;
/// Digits of a coefficient after the comma.
const DECIMALS: usize = 6;
/// Digits of the number of an hour.
const HOUR_DIGITS: usize = 4;
/// Most bytes of a file: a hundred supply points in every hour of a leap year.
pub const BYTES_MAX: usize = 64 * 1_024 * 1_024;

/// The coefficients of a supply point, in millionths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coefficients {
    /// The same in every hour.
    Constant(u32),
    /// One an hour of the year, from the first on.
    Hourly(Vec<u32>),
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cau {
    /// The code of the shared plant.
    pub cau: String,
    /// The year.
    pub year: i16,
    /// By the codes of the supply points, in the order of the file.
    pub coefficients: Vec<(String, Coefficients)>,
}

/// Why a file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CauError {
    /// Not the name of such a file.
    #[error("expected a file named CAU_YYYY.txt, found `{0}`")]
    Name(String),
    /// Not a code of a shared plant.
    #[error("expected a CAU of {CAU_CHARS} characters, 22 of a CUPS, an A and three digits, found `{0}`")]
    Cau(String),
    /// Not a line of the file.
    #[error("line {line}: expected CUPS;COEFFICIENT or CUPS;HOUR;COEFFICIENT, found `{found}`")]
    Line {
        /// Which.
        line: usize,
        /// What is there.
        found: String,
    },
    /// Not a comma between whole and decimals.
    #[error("line {line}: expected a coefficient with a decimal comma, found `{found}`")]
    Comma {
        /// Which line.
        line: usize,
        /// What is there.
        found: String,
    },
    /// Not six decimals, or more than one.
    #[error("line {line}: expected a coefficient from 0,000000 to 1,000000 with six decimals, found `{found}`")]
    Decimals {
        /// Which line.
        line: usize,
        /// What is there.
        found: String,
    },
    /// Not a code of a supply point.
    #[error("line {line}: expected a CUPS of {CUPS_CHARS} characters, found `{found}`")]
    Cups {
        /// Which line.
        line: usize,
        /// What is there.
        found: String,
    },
    /// One supply point, or one hour of it, twice.
    #[error("line {line}: expected each supply point once in an hour, found `{found}` again")]
    Duplicate {
        /// Which line.
        line: usize,
        /// Which supply point.
        found: String,
    },
    /// Not the whole.
    #[error("expected coefficients that sum to 1,000000 in each hour, found {found} in {hour}")]
    Sum {
        /// In which hour, or in every one.
        hour: String,
        /// The sum.
        found: String,
    },
    /// A supply point that is nobody's.
    #[error("line {line}: expected supply points of the community, found `{found}`")]
    Unknown {
        /// Which line.
        line: usize,
        /// Which supply point.
        found: String,
    },
    /// Some hours of a supply point are not there, or it is constant and by the hour.
    #[error("expected one coefficient of `{cups}`, or one for each of {expected} hours, found {found}")]
    Hours {
        /// Whose.
        cups: String,
        /// Hours of the year.
        expected: usize,
        /// Lines with an hour of this year.
        found: usize,
    },
}

/// Hours of a year.
fn hours_of(year: i16) -> usize {
    let leap = Date::new(year, 1, 1).is_ok_and(|first| first.in_leap_year());
    if leap { 8_784 } else { 8_760 }
}

fn is_code(text: &str, chars: usize) -> bool {
    text.len() == chars && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn is_cau(text: &str) -> bool {
    let digits = || text.bytes().rev().take(3).all(|byte| byte.is_ascii_digit());
    is_code(text, CAU_CHARS) && text.as_bytes()[CUPS_CHARS] == b'A' && digits()
}

impl Cau {
    /// Reads a file by its name and text. `is_known` says of a supply point whether it is of the community.
    pub fn read(name: &str, text: &str, is_known: impl Fn(&str) -> bool) -> Result<Cau, CauError> {
        let quoted = |text: &str| calendar::quoted(text);
        let (cau, year) = name
            .strip_suffix(".txt")
            .and_then(|name| name.rsplit_once('_'))
            .filter(|(_, year)| year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|(cau, year)| Some((cau, year.parse::<i16>().ok()?)))
            .ok_or_else(|| CauError::Name(quoted(name)))?;
        if !is_cau(cau) {
            return Err(CauError::Cau(quoted(cau)));
        }
        let hours = hours_of(year);
        let mut order: Vec<String> = Vec::new();
        let mut constant: BTreeMap<String, u32> = BTreeMap::new();
        let mut hourly: BTreeMap<String, BTreeMap<usize, u32>> = BTreeMap::new();
        for (line, row) in (1..).zip(text.lines()) {
            let fields: Vec<&str> = row.split(';').collect();
            let (cups, hour, value) = match fields[..] {
                [cups, value] => (cups, None, value),
                [cups, hour, value] => {
                    let is_hour = hour.len() == HOUR_DIGITS && hour.bytes().all(|byte| byte.is_ascii_digit());
                    let number = hour.parse::<usize>().ok().filter(|at| is_hour && (1..=hours).contains(at));
                    let number = number.ok_or_else(|| CauError::Line { line, found: quoted(row) })?;
                    (cups, Some(number), value)
                }
                _ => return Err(CauError::Line { line, found: quoted(row) }),
            };
            if !is_code(cups, CUPS_CHARS) {
                return Err(CauError::Cups { line, found: quoted(cups) });
            }
            if !is_known(cups) {
                return Err(CauError::Unknown { line, found: cups.into() });
            }
            let ppm = coefficient(line, value)?;
            if !constant.contains_key(cups) && !hourly.contains_key(cups) {
                order.push(cups.into());
            }
            let again = match hour {
                None => constant.insert(cups.into(), ppm).is_some(),
                Some(hour) => hourly.entry(cups.into()).or_default().insert(hour, ppm).is_some(),
            };
            if again {
                return Err(CauError::Duplicate { line, found: cups.into() });
            }
        }
        let mut coefficients = Vec::new();
        for cups in order {
            let by_hour = hourly.remove(&cups).unwrap_or_default();
            coefficients.push(match constant.get(&cups) {
                Some(ppm) if by_hour.is_empty() => (cups, Coefficients::Constant(*ppm)),
                None if by_hour.len() == hours => (cups, Coefficients::Hourly(by_hour.into_values().collect())),
                _ => return Err(CauError::Hours { cups, expected: hours, found: by_hour.len() }),
            });
        }
        let file = Cau { cau: cau.into(), year, coefficients };
        file.check_sums().map(|()| file)
    }

    fn check_sums(&self) -> Result<(), CauError> {
        let is_hourly = self.coefficients.iter().any(|(_, of)| matches!(of, Coefficients::Hourly(_)));
        let hours = if is_hourly { hours_of(self.year) } else { 1 };
        for hour in 0..hours {
            let sum: u64 = self.coefficients.iter().map(|(_, of)| u64::from(of.in_hour(hour))).sum();
            if sum != u64::from(WHOLE_PPM) {
                let hour = if is_hourly { format!("hour {:04}", hour + 1) } else { "every hour".into() };
                return Err(CauError::Sum { hour, found: text_of(sum) });
            }
        }
        Ok(())
    }

    /// Checks what a file that is to be written can get wrong, as a reader would find it.
    pub fn check(&self, is_known: impl Fn(&str) -> bool) -> Result<(), CauError> {
        Cau::read(&self.name(), &self.text(), is_known).map(drop)
    }

    /// The name of its file.
    pub fn name(&self) -> String {
        format!("{}_{:04}.txt", self.cau, self.year)
    }

    /// The text of its file.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (cups, coefficients) in &self.coefficients {
            match coefficients {
                Coefficients::Constant(ppm) => text.push_str(&format!("{cups};{}\r\n", text_of((*ppm).into()))),
                Coefficients::Hourly(by_hour) => {
                    for (hour, ppm) in (1..).zip(by_hour) {
                        text.push_str(&format!("{cups};{hour:04};{}\r\n", text_of((*ppm).into())));
                    }
                }
            }
        }
        text
    }
}

impl Coefficients {
    fn in_hour(&self, hour: usize) -> u32 {
        match self {
            Coefficients::Constant(ppm) => *ppm,
            Coefficients::Hourly(by_hour) => by_hour.get(hour).copied().unwrap_or(0),
        }
    }
}

fn text_of(ppm: u64) -> String {
    format!("{},{:06}", ppm / u64::from(WHOLE_PPM), ppm % u64::from(WHOLE_PPM))
}

fn coefficient(line: usize, text: &str) -> Result<u32, CauError> {
    let found = || calendar::quoted(text);
    let (whole, decimals) = text.split_once(',').ok_or_else(|| CauError::Comma { line, found: found() })?;
    let wrong = || CauError::Decimals { line, found: found() };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 1 || decimals.len() != DECIMALS || !is_digits(whole) || !is_digits(decimals) {
        return Err(wrong());
    }
    format!("{whole}{decimals}").parse().ok().filter(|ppm| *ppm <= WHOLE_PPM).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAU: &str = "ES0031000000000001JN0FA000";
    const A: &str = "ES0031000000000001JN0F";
    const B: &str = "ES0031000000000002JN0F";
    const C: &str = "ES0031000000000003JN0F";

    fn read(name: &str, text: &str) -> Result<Cau, CauError> {
        Cau::read(name, text, |cups| [A, B, C].contains(&cups))
    }

    #[test]
    fn a_file_is_written_as_it_is_read() {
        let name = format!("{CAU}_2026.txt");
        let text = format!("{A};0,333333\r\n{B};0,333333\r\n{C};0,333334\r\n");
        let file = read(&name, &text).unwrap();
        let constant = |cups: &str, ppm| (cups.to_owned(), Coefficients::Constant(ppm));
        assert_eq!(file.coefficients, [constant(A, 333_333), constant(B, 333_333), constant(C, 333_334)]);
        assert_eq!((file.name(), file.text()), (name, text));

        for (year, hours) in [(2026, 8_760), (2028, 8_784)] {
            let by_hour = |of: fn(u32) -> u32| Coefficients::Hourly((0..hours).map(of).collect());
            let coefficients = vec![
                (A.to_owned(), by_hour(|hour| hour * 100)),
                (B.to_owned(), by_hour(|hour| 1_000_000 - hour * 100)),
            ];
            let file = Cau { cau: CAU.into(), year, coefficients };
            assert!(file.text().contains(&format!("{A};{hours};0,{:06}\r\n", (hours - 1) * 100)));
            assert_eq!(read(&file.name(), &file.text()), Ok(file.clone()));
            assert_eq!(file.check(|_| true), Ok(()));
        }
    }

    #[test]
    fn each_way_to_get_a_file_wrong_is_named() {
        let name = format!("{CAU}_2026.txt");
        let quoted = |text: &str| text.to_owned();
        let line = 1;
        let cases = [
            (CAU, format!("{A};1,000000"), CauError::Name(quoted(CAU))),
            ("ES0031_2026.txt", format!("{A};1,000000"), CauError::Cau(quoted("ES0031"))),
            (&name, format!("{A};1.000000"), CauError::Comma { line, found: quoted("1.000000") }),
            (&name, format!("{A};1,00000"), CauError::Decimals { line, found: quoted("1,00000") }),
            (&name, format!("{A};1,000001"), CauError::Decimals { line, found: quoted("1,000001") }),
            (&name, format!("{};1,000000", &A[1..]), CauError::Cups { line, found: quoted(&A[1..]) }),
            (&name, format!("{A};0,500000\n{A};0,500000"), CauError::Duplicate { line: 2, found: quoted(A) }),
            (
                &name,
                format!("{A};0,333333\n{B};0,333333\n{C};0,333333"),
                CauError::Sum { hour: quoted("every hour"), found: quoted("0,999999") },
            ),
            (&name, String::new(), CauError::Sum { hour: quoted("every hour"), found: quoted("0,000000") }),
            (
                &name,
                format!("{};1,000000", A.replace('1', "7")),
                CauError::Unknown { line, found: A.replace('1', "7") },
            ),
            (&name, format!("{A},1,000000"), CauError::Line { line, found: format!("{A},1,000000") }),
            (&name, format!("{A};0000;1,000000"), CauError::Line { line, found: format!("{A};0000;1,000000") }),
            (&name, format!("{A};8761;1,000000"), CauError::Line { line, found: format!("{A};8761;1,000000") }),
            (&name, format!("{A};0001;1,000000"), CauError::Hours { cups: quoted(A), expected: 8_760, found: 1 }),
        ];
        for (name, text, expected) in cases {
            assert_eq!(read(name, &text), Err(expected), "{name}: {text}");
        }
    }
}
