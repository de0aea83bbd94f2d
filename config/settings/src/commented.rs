//! A commented configuration as it is shipped, with values in the places that it has for them. All that it explains
//! stays.

/// Where the trailing comments of the examples stand.
const COMMENT_COLUMN: usize = 35;

/// Gives a key its value, in the first of these lines that has it, commented out or not; its explanation stays behind
/// it. Says whether there was such a line.
pub fn set(lines: &mut [String], key: &str, value: &str) -> bool {
    let has_key =
        |line: &String| line.trim_start_matches("# ").split_once(" = ").is_some_and(|(found, _)| found == key);
    let Some(line) = lines.iter_mut().find(|line| has_key(line)) else { return false };
    let comment = line.trim_start_matches("# ").split_once(" # ").map(|(_, comment)| comment.trim_start().to_owned());
    *line = format!("{key} = {value}");
    if let Some(comment) = comment {
        *line = format!("{line:COMMENT_COLUMN$} # {comment}");
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gets_its_value_where_it_stands_and_keeps_its_explanation() {
        let shipped = ["# Whose.", "name = \"a\"", "# port = 1      # of the page", "# port = 2", "[table]"];
        let mut lines = shipped.map(str::to_owned);
        assert!(set(&mut lines, "name", "\"b\"") && set(&mut lines, "port", "7"));
        assert!(!set(&mut lines, "missing", "1"));
        let port = format!("{:COMMENT_COLUMN$} # of the page", "port = 7");
        assert_eq!(lines, ["# Whose.", "name = \"b\"", &port, "# port = 2", "[table]"]);
    }
}
