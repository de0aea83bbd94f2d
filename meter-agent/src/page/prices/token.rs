//! What ties a form to the page that was served: a token that only this agent can make, for what that page showed and
//! for a while. A site that has somebody's browser post a form does not know it.

use std::time::{Duration, Instant};

use protocol::hash::Hash;
use subtle::ConstantTimeEq;

/// How long a page that was served may be used.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Makes tokens, and knows them again until the agent is started anew.
#[derive(Debug)]
pub(super) struct Tokens {
    secret: [u8; 32],
    since: Instant,
}

impl Tokens {
    /// With a secret of its own.
    pub(super) fn new() -> Result<Tokens, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Tokens { secret, since: Instant::now() })
    }

    /// For a page that shows `what` now.
    pub(super) fn issue(&self, what: &Hash) -> String {
        self.issue_at(what, self.since.elapsed())
    }

    /// Whether it was issued for `what`, and not too long ago.
    pub(super) fn knows(&self, token: &str, what: &Hash) -> bool {
        self.knows_at(token, what, self.since.elapsed())
    }

    fn issue_at(&self, what: &Hash, at: Duration) -> String {
        let at_s = at.as_secs();
        // Every part has one length, so that no token says anything of another.
        let mark = Hash::of_parts(&[b"voisin page token 1\0", &self.secret, &at_s.to_be_bytes(), what.as_bytes()]);
        format!("{at_s}.{mark}")
    }

    fn knows_at(&self, token: &str, what: &Hash, now: Duration) -> bool {
        let at = token.split_once('.').and_then(|(at_s, _)| at_s.parse().ok()).map(Duration::from_secs);
        let Some(at) = at.filter(|at| now.checked_sub(*at).is_some_and(|age| age <= LIFETIME)) else { return false };
        self.issue_at(what, at).as_bytes().ct_eq(token.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_what_was_shown_for_a_while_and_at_this_agent_only() {
        let s = Duration::from_secs;
        let (tokens, one, other) = (Tokens::new().unwrap(), Hash::of(b"one"), Hash::of(b"other"));
        let token = tokens.issue_at(&one, s(100));
        for now in [s(100), s(101), s(100) + LIFETIME] {
            assert!(tokens.knows_at(&token, &one, now));
        }
        assert!(!tokens.knows_at(&token, &one, s(101) + LIFETIME), "too old");
        assert!(!tokens.knows_at(&token, &one, s(99)), "from the future");
        assert!(!tokens.knows_at(&token, &other, s(100)), "for something else");
        assert!(!Tokens::new().unwrap().knows_at(&token, &one, s(100)), "of another agent");
        assert!(!tokens.knows_at(&token.replacen("100", "101", 1), &one, s(101)), "with another time");
        for garbled in ["", ".", "100.", "100", "100.zz", "-1.00", &token[..token.len() - 1], &format!("{token}0")] {
            assert!(!tokens.knows_at(garbled, &one, s(100)), "{garbled}");
        }
        assert!(tokens.knows(&tokens.issue(&one), &one));
    }
}
