//! The node's page in a real browser: what it shows of a ledger, and a receipt checked there.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{collections::BTreeSet, path::Path, sync::Arc};

use ledger_node::{
    api::{self, Settings},
    node::Ledger,
};
use protocol::origin::{Bundle, Issue};
use serde_json::json;
use support::{
    Community,
    history::{BAKERY, History},
};
use testkit::{
    axe::Axe,
    chromium::{Chromium, Screen},
    page::{DESKTOP, DRAWN, MISSING, PHONE, SMALL_PHONE, click, count, text},
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

/// A node that serves its page, and what a member of it has in hand.
struct Node {
    root: String,
    genesis: String,
    receipt: String,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Node {
    async fn serve(history: History) -> Node {
        let genesis = history.community.genesis.clone();
        let first = genesis.first_interval;
        let (ledger, _) = Ledger::open(genesis.clone(), Arc::new(history.store), None).unwrap();
        let receipt = ledger.receipts(first).unwrap().first().map(|receipt| receipt.to_json()).unwrap_or_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let opened = Settings { public: true, ..Settings::default() }.open(address).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { stopped.await.unwrap_or_default() };
        let served = tokio::spawn(api::serve(listener, Arc::new(ledger), u64::MAX, opened, stopped));
        let genesis = serde_json::to_string(&genesis).unwrap();
        let receipt = String::from_utf8(receipt).unwrap();
        Node { root: format!("http://{address}/"), genesis, receipt, stop, served }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap();
    }
}

/// Gives the page a file, as a visitor chooses one.
fn choose(chromium: &mut Chromium, input: &str, content: &str) {
    let content = serde_json::to_string(content).unwrap();
    chromium.eval(&format!(
        "(() => {{ const list = new DataTransfer(); list.items.add(new File([{content}], 'file.json'));
            const input = document.getElementById('{input}'); input.files = list.files;
            input.dispatchEvent(new Event('change')); }})()"
    ));
}

/// Drops two files on the card, the receipt first.
fn drop_both(chromium: &mut Chromium, genesis: &str, receipt: &str) {
    let [receipt, genesis] = [receipt, genesis].map(|content| serde_json::to_string(content).unwrap());
    chromium.eval(&format!(
        "(() => {{ const dataTransfer = new DataTransfer();
            for (const content of [{receipt}, {genesis}]) dataTransfer.items.add(new File([content], 'file.json'));
            document.getElementById('check').dispatchEvent(new DragEvent('drop', {{ dataTransfer, cancelable: true }})); }})()"
    ));
}

const VERDICT: &str = "document.querySelector('#checked .verdict-line')?.textContent";

/// What the page has asked for: where, whatever the answer.
fn asked(chromium: &Chromium) -> BTreeSet<String> {
    chromium.fetched().iter().map(|fetched| fetched.url.clone()).collect()
}

/// In another language, from now on.
fn speak(chromium: &mut Chromium, language: &str) {
    chromium.eval(&format!(
        "document.getElementById('language').value = '{language}';
         document.getElementById('language').dispatchEvent(new Event('change'))"
    ));
    chromium.wait_for("document.documentElement?.lang", language);
    chromium.wait_for(DRAWN, "false");
}

const SCREENS: [(&str, Screen); 5] = [
    ("desktop-light", DESKTOP),
    ("desktop-dark", Screen { dark: true, ..DESKTOP }),
    ("phone-light", PHONE),
    ("phone-dark", Screen { dark: true, ..PHONE }),
    ("small-phone-light", SMALL_PHONE),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium and axe-core, which .ci/run installs"]
async fn what_was_settled_and_decided_is_shown_on_every_screen_in_every_language() {
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("public");
    std::fs::create_dir_all(&pictures).unwrap();
    let mut chromium = Chromium::start();
    let axe = Axe::installed(env!("CARGO_TARGET_TMPDIR"));
    let empty = Node::serve(History::of(Community::new(4, 4))).await;
    let full = Node::serve(History::eventful()).await;
    for (name, screen) in SCREENS {
        chromium.open(&empty.root, screen);
        chromium.wait_for(DRAWN, "false");
        for (expression, expected) in [
            (text("sums-rows"), json!("Nothing is settled yet")),
            (text("decisions"), json!("Nothing was decided yet")),
            (text("blocks-rows"), json!("There is no block yet")),
            (text("settled"), json!("0")),
            (text("sum"), json!("exactly 0")),
            ("document.documentElement.scrollWidth".into(), json!(screen.width)),
            (MISSING.into(), json!([])),
        ] {
            assert_eq!(chromium.eval(&expression), expected, "{name}: {expression}");
        }
        assert_eq!(axe.faults(&mut chromium), Vec::<String>::new(), "{name}");
        chromium.picture(&pictures.join(format!("empty-{name}.png")));
        assert_eq!(chromium.complaints(), &[] as &[String], "{name}");

        chromium.open(&full.root, screen);
        chromium.wait_for(DRAWN, "false");
        choose(&mut chromium, "genesis", &full.genesis);
        choose(&mut chromium, "receipt", &full.receipt);
        chromium.wait_for(VERDICT, "This receipt is proved.");
        for (expression, expected) in [
            (text("settled"), json!("4")),
            (count("#sums-rows > tr"), json!(4)),
            (count("#sums-rows .gain"), json!(4)),
            (count("#decisions > li"), json!(4)),
            (count("#blocks-rows > tr"), json!(8)),
            (count("#checked .passed"), json!(6)),
            (text("sums-rows") + ".includes('corrected 2×')", json!(true)),
            (text("decisions") + ".includes('Approved by 4 of 4 voting power')", json!(true)),
            ("document.documentElement.scrollWidth".into(), json!(screen.width)),
            (MISSING.into(), json!([])),
        ] {
            assert_eq!(chromium.eval(&expression), expected, "{name}: {expression}");
        }
        chromium.eval(&click("#decisions summary"));
        assert_eq!(axe.faults(&mut chromium), Vec::<String>::new(), "{name}");
        chromium.picture(&pictures.join(format!("settled-{name}.png")));
        assert_eq!(chromium.complaints(), &[] as &[String], "{name}");
    }
    // Back to the first blocks, which the page then leaves in front of who went there.
    chromium.eval(&click("#blocks-older"));
    chromium.wait_for(&count("#blocks-rows > tr"), 3);
    assert_eq!(chromium.eval("document.getElementById('blocks-older').disabled"), true);
    for (language, said) in [("de", "Dieser Beleg ist bewiesen."), ("fr", "Ce reçu est prouvé.")] {
        speak(&mut chromium, language);
        choose(&mut chromium, "genesis", &full.genesis);
        choose(&mut chromium, "receipt", &full.receipt);
        chromium.wait_for(VERDICT, said);
        assert_eq!(chromium.eval("document.documentElement.scrollWidth"), SMALL_PHONE.width);
        assert_eq!(axe.faults(&mut chromium), Vec::<String>::new(), "{language}");
        chromium.picture(&pictures.join(format!("settled-{language}.png")));
    }
    assert_eq!(chromium.complaints(), &[] as &[String]);
    println!("pictures are in {}", pictures.display());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium, which .ci/run installs"]
async fn a_receipt_is_checked_without_the_node_and_a_changed_one_is_refused_by_name() {
    let mut chromium = Chromium::start();
    let node = Node::serve(History::eventful()).await;
    let (genesis, receipt) = (node.genesis.clone(), node.receipt.clone());
    chromium.open(&node.root, DESKTOP);
    chromium.wait_for(DRAWN, "false");
    // What the page asks for when nobody gives it a file is all that it ever asks for.
    let before = asked(&chromium);
    choose(&mut chromium, "genesis", &genesis);
    chromium.wait_for(&text("checked"), "Now choose the receipt.");

    let signature = receipt.find("\"signature\":\"").unwrap() + "\"signature\":\"".len();
    let mut forged = receipt.clone();
    let digit = if &receipt[signature..=signature] == "0" { "1" } else { "0" };
    forged.replace_range(signature..=signature, digit);
    let other_figures = receipt.replacen("\"index\":0", "\"index\":1", 1);
    let other = genesis.replacen("\"community\":\"", "\"community\":\"Another ", 1);
    for (name, genesis, receipt) in [
        ("bad_signature", &genesis, &forged),
        ("not_in_block", &genesis, &other_figures),
        ("malformed_receipt", &genesis, &receipt.replacen(':', ": ", 1)),
        ("malformed_genesis", &receipt, &receipt),
        ("another_chain", &other, &receipt),
    ] {
        choose(&mut chromium, "genesis", genesis);
        choose(&mut chromium, "receipt", receipt);
        chromium.wait_for(VERDICT, format!("This receipt is refused: {name}"));
        assert_eq!(chromium.eval(&count("#checked .refused")), 1, "{name}");
    }
    drop_both(&mut chromium, &genesis, &receipt);
    chromium.wait_for(VERDICT, "This receipt is proved.");
    assert_eq!(asked(&chromium).difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(before.iter().all(|url| url.starts_with(&node.root)), "{before:?}");
    assert_eq!(chromium.complaints(), &[] as &[String]);

    // Who has the page needs the node no more.
    node.stop().await;
    choose(&mut chromium, "receipt", &forged);
    chromium.wait_for(VERDICT, "This receipt is refused: bad_signature");
    choose(&mut chromium, "receipt", &receipt);
    chromium.wait_for(VERDICT, "This receipt is proved.");
    let gone = "document.getElementById('alarm').hidden ? null : document.getElementById('alarm').textContent";
    let said = "The node does not answer. What is shown is of before; it is asked again every 15 seconds.";
    chromium.wait_for(gone, said);
    assert_eq!(chromium.eval(&count("#sums-rows > tr")), 4, "what was shown stays");
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("public");
    std::fs::create_dir_all(&pictures).unwrap();
    chromium.picture(&pictures.join("gone.png"));
}

/// The certificates of the first interval that were claimed for somebody, and one that nobody has claimed: the names by
/// which the page shows them.
fn names(history: &History) -> [String; 2] {
    let first = history.community.genesis.first_interval;
    let issues = history.state.record(first).unwrap().issues;
    let named = |wanted: fn(&Bundle) -> bool| {
        let of = |issue: &Issue| {
            let (number, _) = issue.numbered().find(|(_, bundle)| wanted(bundle))?;
            Some(format!("{}/{}/{number}", first.start_text(), issue.device))
        };
        issues.iter().find_map(of).unwrap()
    };
    [named(|bundle| bundle.retired.is_some() && bundle.energy.wh() == 4), named(|bundle| bundle.retired.is_none())]
}

const WAY: &str = "document.getElementById('stations').textContent";
const SAID: &str = "document.getElementById('said').textContent";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium and axe-core, which .ci/run installs"]
async fn a_claimed_certificates_way_is_shown_and_checked_and_nothing_of_others() {
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("public");
    std::fs::create_dir_all(&pictures).unwrap();
    let mut chromium = Chromium::start();
    let axe = Axe::installed(env!("CARGO_TARGET_TMPDIR"));
    let history = History::claimed();
    let [claimed, held] = names(&history);
    let node = Node::serve(history).await;
    let page = format!("{}certificate", node.root);
    for (name, screen) in SCREENS {
        chromium.open(&page, screen);
        chromium.wait_for(DRAWN, "false");
        chromium.wait_for(&count("main .card:not([hidden])"), 1);
        assert_eq!(axe.faults(&mut chromium), Vec::<String>::new(), "{name}, empty");

        chromium.open(&format!("{page}#{claimed}"), screen);
        chromium.wait_for(DRAWN, "false");
        chromium.wait_for(&count("#stations > li"), 4);
        for said in
            ["1 Wh, number", "sun", BAKERY, "bread of \"June\"", ": 4 Wh", "A neighbour held it", "In block 13, while"]
        {
            assert_eq!(chromium.eval(&format!("{WAY}.includes({})", json!(said))), true, "{name}: {said}");
        }
        choose(&mut chromium, "genesis", &node.genesis);
        chromium.wait_for(VERDICT, "This claim is proved.");
        for (expression, expected) in [
            (count("#checked .passed"), json!(6)),
            ("document.documentElement.scrollWidth".into(), json!(screen.width)),
            (MISSING.into(), json!([])),
        ] {
            assert_eq!(chromium.eval(&expression), expected, "{name}: {expression}");
        }
        assert_eq!(axe.faults(&mut chromium), Vec::<String>::new(), "{name}");
        chromium.picture(&pictures.join(format!("certificate-{name}.png")));
        assert_eq!(chromium.complaints(), &[] as &[String], "{name}");
    }
    for (language, said) in [("de", "Dieser Anspruch ist bewiesen."), ("fr", "Cette revendication est prouvée.")] {
        speak(&mut chromium, language);
        chromium.wait_for(&count("#stations > li"), 4);
        choose(&mut chromium, "genesis", &node.genesis);
        chromium.wait_for(VERDICT, said);
        assert_eq!(chromium.eval("document.documentElement.scrollWidth"), SMALL_PHONE.width);
        assert_eq!(axe.faults(&mut chromium), Vec::<String>::new(), "{language}");
    }
    speak(&mut chromium, "en");
    chromium.wait_for(&count("#stations > li"), 4);
    chromium.on_paper();
    assert_eq!(chromium.eval("getComputedStyle(document.getElementById('which')).display"), "none");
    chromium.picture(&pictures.join("certificate-paper.png"));
    let other = node.genesis.replacen("\"community\":\"", "\"community\":\"Another ", 1);
    for (genesis, name) in [(&other, "another_chain"), (&"{}".to_owned(), "malformed_genesis")] {
        choose(&mut chromium, "genesis", genesis);
        chromium.wait_for(VERDICT, format!("This claim is refused: {name}"));
        assert_eq!(chromium.eval(&count("#checked .refused")), 1, "{name}");
    }

    // Asked by the form. One that is held is not told from one that there is not.
    let (start, rest) = claimed.split_once('/').unwrap();
    let (device, _) = rest.split_once('/').unwrap();
    let unknown = format!("{start}/{device}/1000000");
    let not_claimed = "There is no such certificate that anyone has claimed";
    let no_name = "This is no certificate’s name";
    for (name, said) in [
        (held.as_str(), not_claimed),
        (unknown.as_str(), not_claimed),
        ("2026-06-01/did:key:z6Mk/0", no_name),
        ("2026-06-01T12:00:00Z/did:key:z6Mk/0", no_name),
        (format!("{start}/{device}/-1").as_str(), no_name),
        (format!("{start}/{device}/99999999999999999999").as_str(), no_name),
    ] {
        let fields: Vec<&str> = name.split('/').collect();
        chromium.eval(&format!(
            "for (const [at, id] of ['start', 'device', 'number'].entries()) document.getElementById(id).value = {}[at];
             document.querySelector('#which button').click()",
            json!(fields)
        ));
        chromium.wait_for(
            &format!(
                "{SAID}.startsWith({}) && document.getElementById('start').value === {}",
                json!(said),
                json!(fields[0])
            ),
            true,
        );
        chromium.wait_for(DRAWN, "false");
        assert_eq!(chromium.eval(&count("main .card:not([hidden])")), 1, "{name}");
    }
    for hash in ["%E0%A4%A", "x", "a/b/0/d"] {
        chromium.eval(&format!("location.hash = {}", json!(claimed)));
        chromium.wait_for(&count("main .card:not([hidden])"), 3);
        chromium.eval(&format!("location.hash = {}", json!(hash)));
        chromium.wait_for(&format!("{SAID}.startsWith({})", json!(no_name)), true);
    }
    chromium.eval(&format!("location.hash = {}", json!(claimed)));
    chromium.wait_for(&count("main .card:not([hidden])"), 3);
    node.stop().await;
    chromium.eval(&format!("location.hash = {}", json!(held)));
    chromium.wait_for(&text("alarm"), "The node does not answer. Try again later.");
    assert_eq!(chromium.eval(&count("main .card:not([hidden])")), 1, "what was asked for before is gone");
}
