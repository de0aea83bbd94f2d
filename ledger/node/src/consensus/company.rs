//! Which other nodes are connected, said when it changes: once when one comes, once when one goes. The engine itself
//! would log each of its attempts to reach one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_malachitebft_app_channel::{NetworkRequest, Reply};
use protocol::{api::ConnectedNode, key::PublicKey};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval},
};
use tracing::info;

/// How often the engine is asked.
const LOOK: Duration = Duration::from_secs(1);
/// How long the others get to answer at the start before it is said that they do not.
const GRACE: Duration = Duration::from_secs(3);
/// Most of a name that another node gave itself.
const NAME_CHARACTERS_MAX: usize = 64;

/// The nodes that are connected, as the engine said last. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Connected(Arc<Mutex<Vec<ConnectedNode>>>);

impl Connected {
    /// All of them.
    pub fn all(&self) -> Vec<ConnectedNode> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, nodes: Vec<ConnectedNode>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = nodes;
    }
}

/// Follows who is connected until the engine ends. `configured` is how many others there should be.
pub(super) async fn follow(engine: mpsc::Sender<NetworkRequest>, configured: usize, shared: Connected) {
    let mut company = Company { configured, connected: BTreeMap::new(), missed: false };
    let start = Instant::now();
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let Some(connected) = ask(&engine).await else { return };
        let names = connected.iter().map(|(id, node)| (id.clone(), node.name.clone())).collect();
        shared.set(connected.into_values().collect());
        for line in company.look(names, start.elapsed() >= GRACE) {
            info!("{line}");
        }
    }
}

/// The nodes that are connected and either configured here or validators, by id; `None` once the engine has ended.
/// Whoever else connects is none of ours, and could fill the log by coming and going.
async fn ask(engine: &mpsc::Sender<NetworkRequest>) -> Option<BTreeMap<String, ConnectedNode>> {
    let (reply, answer): (Reply<_>, _) = oneshot::channel();
    engine.send(NetworkRequest::DumpState(reply)).await.ok()?;
    let peers = answer.await.ok()?.map(|state| state.peers).unwrap_or_default();
    let ours = peers.iter().filter(|(_, peer)| peer.peer_type.is_persistent() || peer.peer_type.is_validator());
    let named = |name: &str| name.chars().take(NAME_CHARACTERS_MAX).collect::<String>();
    let key = |bytes: &Vec<u8>| PublicKey::from_bytes(bytes.as_slice().try_into().ok()?);
    let nodes = ours.map(|(id, peer)| {
        let validator = peer.consensus_public_key.as_ref().and_then(key);
        (id.to_string(), ConnectedNode { name: named(&peer.moniker), validator })
    });
    Some(nodes.collect())
}

/// Who is connected as far as was said.
struct Company {
    configured: usize,
    connected: BTreeMap<String, String>,
    /// Whether it was said that some have not answered.
    missed: bool,
}

impl Company {
    /// What there is to say, now that these are connected. Those that are away at first are missed once, when they had
    /// their time.
    fn look(&mut self, connected: BTreeMap<String, String>, had_time: bool) -> Vec<String> {
        let before = std::mem::replace(&mut self.connected, connected);
        let came = self.connected.iter().filter(|(id, _)| !before.contains_key(*id));
        let went = before.iter().filter(|(id, _)| !self.connected.contains_key(*id));
        let (now, of) = (self.connected.len(), self.configured.max(self.connected.len()));
        let mut lines: Vec<String> = came
            .map(|(_, name)| format!("node {name:?} is connected: {now} of {of} others are"))
            .chain(went.map(|(_, name)| format!("node {name:?} is gone: {now} of {of} others are connected")))
            .collect();
        if had_time && !self.missed {
            self.missed = true;
            if now < of {
                lines
                    .push(format!("{now} of {of} other nodes have answered; the others are tried again until they do"));
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(names: &[&str]) -> BTreeMap<String, String> {
        names.iter().map(|name| (format!("id of {name}"), (*name).to_owned())).collect()
    }

    #[test]
    fn who_comes_and_goes_is_named_once_and_who_is_away_from_the_start_is_counted_once() {
        let mut company = Company { configured: 3, connected: BTreeMap::new(), missed: false };
        assert_eq!(company.look(nodes(&[]), false), [""; 0]);
        assert_eq!(company.look(nodes(&["b"]), false), ["node \"b\" is connected: 1 of 3 others are"]);
        assert_eq!(company.look(nodes(&["b"]), false), [""; 0]);
        let missing = "1 of 3 other nodes have answered; the others are tried again until they do";
        assert_eq!(company.look(nodes(&["b"]), true), [missing]);
        assert_eq!(company.look(nodes(&["b"]), true), [""; 0]);
        let came = ["node \"c\" is connected: 3 of 3 others are", "node \"d\" is connected: 3 of 3 others are"];
        assert_eq!(company.look(nodes(&["b", "c", "d"]), true), came);
        assert_eq!(company.look(nodes(&["b", "d"]), true), ["node \"c\" is gone: 2 of 3 others are connected"]);
        assert_eq!(company.look(nodes(&["b", "c", "d"]), true), ["node \"c\" is connected: 3 of 3 others are"]);

        let mut complete = Company { configured: 1, connected: BTreeMap::new(), missed: false };
        assert_eq!(complete.look(nodes(&["b"]), true).len(), 1, "nobody is missed");
    }

    #[test]
    fn a_name_from_elsewhere_stays_on_its_line() {
        let mut company = Company { configured: 1, connected: BTreeMap::new(), missed: false };
        let lines = company.look(nodes(&["b\nERROR \u{1b}[31m all is lost"]), false);
        assert!(lines.iter().all(|line| !line.contains(char::is_control)), "{lines:?}");
    }
}
