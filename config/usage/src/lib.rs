//! Command lines, read the same way by every program: what cannot be used is said in one line, with what was expected,
//! what was found, and where to read more.

use std::{
    ffi::OsString,
    fmt::Display,
    io::{self, Write},
    ops::RangeInclusive,
    process::ExitCode,
};

use clap::{
    Command, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// Exit code for a command line that cannot be used; nothing was done.
const BAD_INPUT: u8 = 2;

/// Reads this program's command line. Where that is its end, what there is to say is said: help and version on standard
/// output, exit code 0; a mistake on standard error, in one line, exit code 2.
pub fn parse<P: Parser>() -> Result<P, ExitCode> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    P::try_parse_from(&arguments).map_err(|error| match error.kind() {
        // Nobody left to read what is said is no failure.
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { BAD_INPUT } else { 0 })
        }
        _ => {
            let command = P::command();
            let _ = writeln!(io::stderr(), "{}: {}", command.get_name(), explain(&command, &arguments, &error));
            ExitCode::from(BAD_INPUT)
        }
    })
}

/// What `parse` says of these arguments, without the program's name, which they begin with; `None` if they can be used.
pub fn mistake<P: Parser>(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Option<String> {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    P::try_parse_from(&arguments).err().map(|error| explain(&P::command(), &arguments, &error))
}

/// Reads a whole number within `range`, for `value_parser`.
pub fn whole<T: TryFrom<u64>>(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        // Digits alone: no sign, as everywhere else.
        let number = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let number = number.and_then(|text| text.parse().ok()).filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            let upper = match range.end() {
                &u64::MAX => "on".to_owned(),
                end => format!("to {end}"),
            };
            format!("expected a whole number from {} {upper}, found {}", range.start(), quoted(text))
        })
    }
}

/// One line about a mistake in a command line of `command`.
fn explain(command: &Command, arguments: &[OsString], error: &clap::Error) -> String {
    let whose = asked(command, arguments);
    format!("{}; see {whose} --help", what(command, &whose, error).unwrap_or_else(|| plain(error)))
}

/// What was expected and found, for each kind of mistake that says what it is about.
fn what(command: &Command, whose: &str, error: &clap::Error) -> Option<String> {
    let text = |kind| match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) if !texts.is_empty() => Some(listed(texts, "and")),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg);
    let found = text(ContextKind::InvalidValue);
    Some(match error.kind() {
        ErrorKind::ValueValidation => {
            let (argument, found) = (argument?, found?);
            let reason = std::error::Error::source(error).map(one_line).unwrap_or_default();
            match (reason.starts_with("expected "), reason.contains(", found ")) {
                (true, true) => format!("{}: {reason}", name(&argument)),
                (true, false) => format!("{}: {reason}; found {}", name(&argument), quoted(&found)),
                (false, _) => format!("expected a value for {argument}, found {}: {reason}", quoted(&found)),
            }
        }
        ErrorKind::InvalidValue => {
            let (argument, found) = (argument?, found?);
            let found = if found.is_empty() { "none".to_owned() } else { quoted(&found) };
            match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(known)) if !known.is_empty() => {
                    format!("{}: expected {}, found {found}", name(&argument), listed(known, "or"))
                }
                _ => format!("expected a value for {argument}, found {found}"),
            }
        }
        ErrorKind::UnknownArgument => {
            let nearest = text(ContextKind::SuggestedArg).map(|nearest| format!("; did you mean {nearest}?"));
            let argument = argument?;
            let kind = if argument.starts_with('-') { "an option that" } else { "no more than" };
            format!("expected {kind} {whose} takes, found {}{}", quoted(&argument), nearest.unwrap_or_default())
        }
        ErrorKind::MissingRequiredArgument => format!("expected {}, found none", argument?),
        ErrorKind::InvalidSubcommand | ErrorKind::MissingSubcommand => {
            let known: Vec<String> = command.get_subcommands().map(|known| known.get_name().to_owned()).collect();
            let found = match error.kind() {
                ErrorKind::InvalidSubcommand => quoted(&text(ContextKind::InvalidSubcommand)?),
                _ => "none".to_owned(),
            };
            format!("expected one of the commands {}, found {found}", listed(&known, "and"))
        }
        ErrorKind::ArgumentConflict => {
            let one = argument.or(text(ContextKind::InvalidSubcommand))?;
            match text(ContextKind::PriorArg)? {
                other if other == one => format!("expected {one} once, found it again"),
                other => format!("expected either {other} or {one}, found both"),
            }
        }
        ErrorKind::InvalidUtf8 => "expected arguments in UTF-8, found other bytes".to_owned(),
        _ => return None,
    })
}

/// What clap says, as one line without its hints.
fn plain(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let line = lines.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

/// The program and the subcommands that these arguments, after the program's name, begin with.
fn asked(command: &Command, arguments: &[OsString]) -> String {
    let (mut command, mut words) = (command, vec![command.get_name()]);
    for argument in arguments.iter().skip(1) {
        let Some(next) = argument.to_str().and_then(|word| command.find_subcommand(word)) else { break };
        command = next;
        words.push(command.get_name());
    }
    words.join(" ")
}

/// `--intervals <N>` without its value.
fn name(argument: &str) -> &str {
    argument.split(' ').next().unwrap_or(argument)
}

fn quoted(text: &str) -> String {
    format!("`{}`", one_line(text.chars().take(80).collect::<String>()))
}

fn one_line(text: impl Display) -> String {
    text.to_string().replace(['\n', '\r'], " ")
}

/// `a, b or c`.
fn listed(texts: &[String], last: &str) -> String {
    match texts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Subcommand, ValueEnum};

    use super::*;

    #[derive(Debug, Parser)]
    #[command(name = "oven")]
    struct Oven {
        #[command(subcommand)]
        command: Work,
    }

    #[derive(Debug, Subcommand)]
    enum Work {
        Bake(Bake),
        Clean,
    }

    #[derive(Debug, Args)]
    struct Bake {
        what: String,
        #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = whole::<u8>(1..=31))]
        loaves: Option<u8>,
        #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = whole::<u64>(1..=u64::MAX))]
        minutes: u64,
        #[arg(long, value_parser = |text: &str| text.parse::<bool>().map_err(|error| error.to_string()))]
        fan: Option<bool>,
        #[arg(long, value_parser = |text: &str| Err::<u8, _>(format!("expected an oven, or off{}", &text[..0])))]
        at: Option<u8>,
        #[arg(long)]
        crust: Option<Crust>,
        #[arg(long, conflicts_with = "crust")]
        soft: bool,
    }

    #[derive(Debug, Clone, ValueEnum)]
    enum Crust {
        Pale,
        Dark,
    }

    #[test]
    fn each_mistake_is_one_line_that_says_what_was_expected_what_was_found_and_where_to_look() {
        for (arguments, expected) in [
            ("bake bread --minutes 0", "--minutes: expected a whole number from 1 on, found `0`; see oven bake --help"),
            (
                "bake bread --minutes -5",
                "--minutes: expected a whole number from 1 on, found `-5`; see oven bake --help",
            ),
            (
                "bake bread --minutes +5",
                "--minutes: expected a whole number from 1 on, found `+5`; see oven bake --help",
            ),
            (
                "bake bread --minutes 99999999999999999999",
                "from 1 on, found `99999999999999999999`; see oven bake --help",
            ),
            (
                "bake bread --minutes ten",
                "--minutes: expected a whole number from 1 on, found `ten`; see oven bake --help",
            ),
            (
                "bake bread --minutes 5 --loaves 32",
                "--loaves: expected a whole number from 1 to 31, found `32`; see oven bake --help",
            ),
            ("bake bread --minutes", "expected a value for --minutes <N>, found none; see oven bake --help"),
            (
                "bake bread --minutes 5 --fan maybe",
                "expected a value for --fan <FAN>, found `maybe`: provided string was not `true` or `false`; see oven bake --help",
            ),
            ("bake bread --minutes 5 --at all", "--at: expected an oven, or off; found `all`; see oven bake --help"),
            ("bake bread --minutes 5 --crust red", "--crust: expected pale or dark, found `red`; see oven bake --help"),
            ("bake bread", "expected --minutes <N>, found none; see oven bake --help"),
            ("bake", "expected --minutes <N> and <WHAT>, found none; see oven bake --help"),
            (
                "bake bread --minutes 5 --loves 3",
                "expected an option that oven bake takes, found `--loves`; did you mean --loaves?; see oven bake --help",
            ),
            ("bake bread --minutes 5 -5", "expected an option that oven bake takes, found `-5`; see oven bake --help"),
            (
                "bake bread cake --minutes 5",
                "expected no more than oven bake takes, found `cake`; see oven bake --help",
            ),
            ("bake bread --minutes 5 --minutes 6", "expected --minutes <N> once, found it again; see oven bake --help"),
            (
                "bake bread --minutes 5 --crust pale --soft",
                "expected either --soft or --crust <CRUST>, found both; see oven bake --help",
            ),
            ("boil", "expected one of the commands bake and clean, found `boil`; see oven --help"),
        ] {
            let line = mistake::<Oven>(["oven"].into_iter().chain(arguments.split(' '))).unwrap();
            assert!(line.ends_with(expected) && !line.contains('\n'), "{arguments}\n{line}\n{expected}");
        }
        assert_eq!(mistake::<Oven>(["oven", "clean"]), None);
    }
}
