//! Who looks a household up at a node is written down before it is answered, and read by the household alone.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod served;
mod support;

use std::net::{IpAddr, Ipv4Addr};

use access_log::{Accesses, AnswerFault, Call, Question, Seen};
use ledger_node::api::Settings;
use protocol::{
    envelope::{Sealed, Signed},
    hash::Hash,
    key::SecretKey,
    member::MemberId,
};
use public_http::Tokens;
use reqwest::{Method, StatusCode};
use served::{Answer, Served, client, digest, token};
use support::Community;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}

/// What was asked for, under which role, and by whom.
type Found = Vec<(Call, String, String)>;

/// A node that writes look-ups down, and the members of its ledger.
struct Node {
    served: Served,
    community: Community,
}

impl Node {
    async fn start(directory: &std::path::Path) -> Node {
        let tokens = Tokens { read: vec![digest("read")], submit: vec![digest("submit")], ..Tokens::default() };
        let served = Served::start(Settings { tokens, ..Settings::default() }).await;
        served.ledger.keep_accesses_in(directory).unwrap();
        Node { served, community: Community::new(4, 4) }
    }

    async fn get(&self, path: &str, role: &str) -> Answer {
        self.served.call(&client(HERE), Method::GET, path, Some(&token(role))).await
    }

    fn question(&self, member: MemberId, key: &SecretKey, at: i64) -> Sealed {
        (&Signed::sign(Question { member, at }, &self.served.ledger.chain(), key)).into()
    }

    /// What the log says to the member of this number, which checks it.
    async fn asked(&self, number: usize, seen: Option<&Seen>) -> Result<(Seen, Found), AnswerFault> {
        let member = &self.community.members[number];
        let question = self.question(member.id, &member.key, now());
        let known = seen.map_or(0, |seen| seen.entries);
        let path = format!("/v1/members/{}/accesses?seen={known}&question={question}", member.id);
        let (status, _, body) = self.get(&path, "read").await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let answer: Accesses = serde_json::from_value(body).unwrap();
        let (seen, found) = answer.check(&self.served.ledger.chain(), member.id, 0, seen)?;
        Ok((seen, found.into_iter().map(|access| (access.call, access.role, access.who)).collect()))
    }
}

#[tokio::test]
async fn a_household_sees_who_looked_it_up_and_nobody_else_does() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path()).await;
    let [ada, bob] = [0, 1].map(|number| node.community.members[number].id);
    let start = node.community.genesis.first_interval.start_text();
    for (path, role) in [
        (format!("/v1/members/{ada}/statement"), "read"),
        (format!("/v1/members/{ada}/statement"), "read"),
        (format!("/v1/members/{bob}/statement"), "read"),
        (format!("/v1/settlements/{start}/receipts"), "submit"),
        (format!("/v1/settlements?member={ada}"), "submit"),
        ("/v1/status".into(), "read"),
    ] {
        assert_eq!(node.get(&path, role).await.0, StatusCode::OK, "{path}");
    }
    // What is not let in looks nothing up.
    let refused = node.get(&format!("/v1/members/{ada}/statement"), "stranger").await;
    assert_eq!(refused.0, StatusCode::UNAUTHORIZED);
    let who = |role: &str| Hash::of(token(role).as_bytes()).to_string()[..8].to_owned();
    let (seen, found) = node.asked(0, None).await.unwrap();
    let (read, submit) = (("read".to_owned(), who("read")), ("submit".to_owned(), who("submit")));
    let expected = [
        (Call::Statement, read.clone()),
        (Call::Receipts, submit.clone()),
        (Call::Settlements, submit.clone()),
        // It is written down before it is answered.
        (Call::Accesses, read.clone()),
    ];
    assert_eq!(found, expected.map(|(call, (role, who))| (call, role, who)));
    let (_, found) = node.asked(1, None).await.unwrap();
    assert_eq!(
        found.iter().map(|(call, ..)| *call).collect::<Vec<_>>(),
        [Call::Statement, Call::Receipts, Call::Accesses]
    );
    // It has grown since, and all that was is there.
    let (grown, _) = node.asked(0, Some(&seen)).await.unwrap();
    assert!(grown.entries > seen.entries);
    let rewritten = Seen { root: Hash::ZERO, ..seen };
    assert_eq!(node.asked(0, Some(&rewritten)).await.unwrap_err(), AnswerFault::Rewritten(rewritten.entries));

    // Nobody else reads it, whatever token they show; the device's key is the household's, too.
    let (own, other) = (&node.community.members[0], &node.community.members[1]);
    let log = format!("/v1/members/{ada}/accesses");
    let asked = async |question: Sealed| node.get(&format!("{log}?question={question}"), "submit").await.0;
    assert_eq!(asked(node.question(ada, &own.device, now())).await, StatusCode::OK);
    for question in [
        node.question(ada, &other.key, now()),
        node.question(bob, &own.key, now()),
        node.question(ada, &own.key, now() - 400),
    ] {
        assert_eq!(asked(question).await, StatusCode::FORBIDDEN);
    }
    assert_eq!(node.get(&log, "submit").await.0, StatusCode::FORBIDDEN);
    let nobody = format!("/v1/members/{}/accesses", MemberId::from_bytes([0; 16]));
    assert_eq!(node.get(&nobody, "read").await.0, StatusCode::NOT_FOUND);
}
