//! One of four validators lies in each way that the engine's own proxy knows. The others agree, go on, and see what can
//! be seen. Needs the feature `byzantine`; `byzantine.rs` has a liar with bodies of its own, and a bad network.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod net;

use ledger_node::consensus::{Byzantine, Lie, run_byzantine};
use net::{Net, log};
use tokio::sync::oneshot;

/// The validator that lies.
const LIAR: usize = 3;
/// Blocks that the others must decide.
const BLOCKS: u64 = 20;

async fn others_agree_beside(byzantine: Byzantine) {
    println!("{byzantine:?}");
    let mut net = Net::of(4);
    (0..LIAR).for_each(|index| net.start(index));
    let (stop, stopped) = oneshot::channel();
    let stop_asked = async {
        let _ = stopped.await;
    };
    let liar = tokio::spawn(run_byzantine(net.settings(LIAR), net.toy(LIAR), stop_asked, byzantine));
    let contradicts_itself = matches!(byzantine.lie, Lie::VotesTwice | Lie::ProposesTwice);
    let evidence = |net: &Net| net.nodes[..LIAR].iter().map(|node| node.metrics.equivocations.get()).sum::<u64>();
    let mut height = 0;
    while height < BLOCKS || (contradicts_itself && evidence(&net) == 0) {
        height += 4;
        net.want(height);
        net.reach(height).await;
        // With dice that never let it lie, the test would go on for ever.
        assert!(height < 100 * BLOCKS, "no contradiction was seen in {height} blocks");
    }
    net.stop_all().await;
    let _ = stop.send(());
    liar.await.unwrap().unwrap();
    net.assert_agreement();
    assert_eq!(evidence(&net) > 0, contradicts_itself, "contradictions seen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_others_agree_and_go_on_whatever_the_fourth_says() {
    log();
    for lie in Lie::ALL {
        others_agree_beside(Byzantine { lie, seed: getrandom::u64().unwrap() }).await;
    }
}
