//! What a household says of itself when it begins: by options, or asked for in a terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Args;

use crate::{cli::Failure, source::device::builtin};

/// Kinds of meters that no template describes.
pub(super) const KINDS: [&str; 5] = ["obis", "sml", "linky", "sunspec", MADE_UP];
/// The kind that is no meter, and is nowhere.
pub(super) const MADE_UP: &str = "synthetic";

/// What is filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct Answers {
    /// What the household calls itself; shown on its own page, never sent.
    #[arg(long)]
    pub(super) name: Option<String>,
    /// The community's MQTT broker, such as mqtts://broker.example.
    #[arg(long, value_name = "URL")]
    pub(super) broker: Option<String>,
    /// The meter: a template that `meter-agent devices` lists, or the path of one; `obis` for a P1 port, `sml` for a
    /// German meter with an optical head, `linky`, or `sunspec`. `synthetic` is no meter: it invents registers, to try
    /// things out, and has no address.
    #[arg(long, value_name = "METER")]
    pub(super) template: Option<String>,
    /// Where the meter is, such as tcp://192.168.1.20, http://192.168.1.30 or serial:///dev/ttyUSB0.
    #[arg(long, requires = "template")]
    pub(super) address: Option<String>,
    /// What the template leaves to fill in, such as device=tasmota_1; once for each.
    #[arg(long, value_name = "NAME=WORD", requires = "template", value_parser = word)]
    pub(super) with: Vec<(String, String)>,
    /// What your operator is to know you as. It goes into the request, and is the only name that leaves your home.
    #[arg(long, value_name = "NAME")]
    pub(super) request_name: Option<String>,
}

fn word(text: &str) -> Result<(String, String), String> {
    let cut = || text.chars().take(80).collect::<String>();
    match text.split_once('=') {
        Some((name, word)) if !name.is_empty() => Ok((name.to_owned(), word.to_owned())),
        _ => Err(format!("expected NAME=WORD such as device=tasmota_1, found `{}`", cut())),
    }
}

impl Answers {
    /// These, or where none was given, those of whoever sits at the terminal; without one, none.
    pub(super) fn or_ask(self) -> Result<Answers, Failure> {
        let stdin = io::stdin();
        if self != Answers::default() || !stdin.is_terminal() || !io::stdout().is_terminal() {
            return Ok(self);
        }
        ask(&mut stdin.lock(), &mut io::stdout())
    }

    /// Checks that a meter is somewhere, and that what is none is not.
    pub(super) fn check(&self) -> Result<(), String> {
        match (self.template.as_deref(), self.address.as_deref()) {
            (Some(MADE_UP), Some(found)) => {
                Err(format!("--address: expected none for `{MADE_UP}`, which is no meter, found `{found}`"))
            }
            (Some(template), None) if template != MADE_UP => Err(format!(
                "--address: expected where `{template}` is, such as tcp://192.168.1.20 or serial:///dev/ttyUSB0, found none"
            )),
            _ => Ok(()),
        }
    }

    /// What the operator is to know the household as.
    pub(super) fn request_name(&self) -> Option<&str> {
        self.request_name.as_deref()
    }

    /// Whether what its meter shows is invented.
    pub(super) fn is_made_up(&self) -> bool {
        self.template.as_deref() == Some(MADE_UP)
    }

    /// Whether there is a meter to read.
    pub(super) fn has_meter(&self) -> bool {
        self.template.is_some()
    }
}

/// Asks for everything. An empty line is the answer that is shown.
fn ask(from: &mut impl BufRead, to: &mut impl Write) -> Result<Answers, Failure> {
    let mut question = |text: &str| -> Result<Option<String>, Failure> {
        write!(to, "{text}: ")?;
        to.flush()?;
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Err("expected an answer, found the end of the input; nothing was made".into());
        }
        Ok(Some(line.trim().to_owned()).filter(|line| !line.is_empty()))
    };
    let mut answers = Answers {
        name: question("What is your household called, on your own page alone [no name]")?,
        broker: question("Your community's broker, from your operator [mqtt://localhost:1883]")?,
        ..Answers::default()
    };
    answers.template = question(
        "Your meter: obis for a P1 port, sml for a German one with an optical head, linky, sunspec, or a name that\n\
         `meter-agent devices` lists [a recording, to try it out]",
    )?;
    if let Some(template) = answers.template.as_ref().filter(|template| *template != MADE_UP) {
        let example = match template.as_str() {
            "obis" | "sml" | "linky" => "serial:///dev/ttyUSB0",
            _ => "tcp://192.168.1.20, http://192.168.1.30 or mqtt://192.168.1.2",
        };
        answers.address = question(&format!("Where it is, such as {example}"))?;
        if answers.address.is_none() {
            return Err("expected the meter's address, found none; nothing was made".into());
        }
        for (name, about, usual) in builtin::blanks(template) {
            let shown = usual.as_deref().map(|usual| format!(" [{usual}]")).unwrap_or_default();
            if let Some(word) = question(&format!("{name}: {about}{shown}"))? {
                answers.with.push((name, word));
            }
        }
    }
    answers.request_name = question("What your operator is to know you as; it is sent to nobody else [no name]")?;
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(lines: &str) -> (Result<Answers, String>, String) {
        let mut shown = Vec::new();
        let answers = ask(&mut lines.as_bytes(), &mut shown).map_err(|error| error.to_string());
        (answers, String::from_utf8(shown).unwrap())
    }

    #[test]
    fn an_empty_line_leaves_what_is_shown() {
        let (answers, shown) = asked("\n\n\n\n");
        assert_eq!(answers.unwrap(), Answers::default());
        assert!(shown.contains("[mqtt://localhost:1883]") && !shown.contains("Where it is"), "{shown}");
    }

    #[test]
    fn what_the_meter_needs_is_asked_for() {
        let (answers, shown) = asked(
            "Casa Rossi\nmqtts://broker.example\ntasmota-sml\n mqtt://192.168.1.2 \ntasmota_1\n\n\n\n\nRossi, no. 7\n",
        );
        let answers = answers.unwrap();
        assert!(shown.contains("device: "), "{shown}");
        assert_eq!(answers.address.as_deref(), Some("mqtt://192.168.1.2"));
        assert_eq!(answers.with[0], ("device".to_owned(), "tasmota_1".to_owned()));
        assert_eq!(answers.name.as_deref(), Some("Casa Rossi"));
    }

    #[test]
    fn who_stops_answering_gets_nothing() {
        for lines in ["", "Casa Rossi\n", "\n\nobis\n\n", "\n\nobis\nserial:///dev/ttyUSB0\n"] {
            assert!(asked(lines).0.unwrap_err().contains("nothing was made"), "{lines:?}");
        }
    }
}
