//! The situation for authorities: its figures, who may ask for it, the alert, and the page.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{net::SocketAddr, path::Path, process::Command, sync::Arc};

use ledger_node::{
    api::{self, Settings},
    node::Ledger,
    situation::alert,
};
use protocol::{
    decision::Action,
    genesis::{GridLine, GridPlan},
    hash::Hash,
    island::Class,
    situation::{ClassSums, Situation},
};
use public_http::Tokens;
use serde_json::json;
use support::{Community, history::History};
use testkit::{
    axe::Axe,
    chromium::{Chromium, Screen},
    island::{GRID_GONE, ON_GRID, planned, read, status},
    page::{DESKTOP, DRAWN, MISSING, PHONE, click, text},
};
use tokio::net::TcpListener;

const TOKEN: &str = "a-token-of-an-authority-that-nobody-guesses";

/// Two streets, and the validators of which three go on running.
fn community() -> Community {
    let mut community = planned(None);
    let line = |street: &str| GridLine {
        line: format!("to {street}"),
        from: "station".into(),
        to: street.into(),
        rated_va: 40_000,
    };
    let lines = vec![line("East Street"), line("West Street")];
    community.genesis.grid =
        Some(GridPlan { transformer: "T1".into(), transformer_va: 100_000, root: "station".into(), lines });
    for (member, bus) in community.genesis.members.iter_mut().zip(["East", "East", "West", "West", "station"]) {
        member.bus = Some(if bus == "station" { bus.into() } else { format!("{bus} Street") });
    }
    let mut validators: Vec<_> = community.validators[..3].iter().map(|key| key.public()).collect();
    validators.sort_unstable();
    let parameters = community.genesis.rules.parameters.as_mut().unwrap();
    parameters.island.as_mut().unwrap().validators = validators;
    community.genesis.check().unwrap();
    community
}

fn settle(history: &mut History, flows: [i64; 5]) {
    let readings = read(&mut history.community, history.state.next(), flows);
    let settlement = history.community.settlement(&history.state, &readings);
    history.block(vec![history.community.transaction(settlement, &readings)]);
}

/// On the island since an interval: a battery told what it stores, one member drew more than its quota.
fn islanded() -> History {
    let mut history = History::of(community());
    let from = history.state.next().offset(2).unwrap();
    let declare = history.community.decide(1, Action::DeclareIsland { from, until: None });
    let told = status(&history.community, &history.state, 0, |_| ());
    history.block(vec![declare, told]);
    settle(&mut history, ON_GRID);
    settle(&mut history, ON_GRID);
    settle(&mut history, [-600, 300, 100, 300, 0]);
    history
}

/// The same, and the one with a claim for life-safety was not read.
fn dark() -> History {
    let mut history = islanded();
    let open = history.state.next();
    let readings: Vec<_> = read(&mut history.community, open, GRID_GONE)
        .into_iter()
        .filter(|reading| reading.signer() != history.community.members[1].device.public())
        .collect();
    let settlement = history.community.settlement(&history.state, &readings);
    history.block(vec![history.community.transaction(settlement, &readings)]);
    history
}

fn of(history: History) -> Situation {
    ledger(history).situation().unwrap()
}

fn ledger(history: History) -> Ledger {
    Ledger::open(history.community.genesis.clone(), Arc::new(history.store), None).unwrap().0
}

#[test]
fn on_the_grid_there_is_nothing_to_alert_anybody_of() {
    let mut history = History::of(community());
    let before = of(History::of(community()));
    assert_eq!((before.settled, before.island, &before.dark[..]), (None, None, &[][..]));
    settle(&mut history, ON_GRID);
    let situation = of(history);
    assert_eq!((situation.island, situation.served.as_ref(), &situation.planned[..]), (None, None, &[][..]));
    assert!(alert(&situation, 0).unwrap_err().to_string().contains("nothing to alert"));
    // Nobody said what is stored, and more is fed in than is claimed for life-safety.
    assert_eq!(situation.autonomy_minutes, None);
    let quorum = situation.quorum.unwrap();
    assert_eq!((quorum.power, quorum.whole, quorum.suffices), (3, 4, true));
}

#[test]
fn on_the_island_the_figures_are_those_of_the_ledger() {
    let situation = of(islanded());
    let island = situation.island.unwrap();
    assert!(island.is_on && !island.by_itself);
    let sums = |class: ClassSums| (class.class, class.claimed.wh(), class.awarded.wh(), class.members_unserved);
    // 100 Wh are expected, and the battery gives 750 Wh: 200 Wh for life-safety, 100 Wh a household, the rest for all.
    let first = &situation.planned[0];
    assert_eq!((first.interval, first.available_wh), (situation.open, 850));
    assert_eq!(sums(first.classes[0]), (Class::LifeSafety, 200, 200, 0));
    assert_eq!(sums(first.classes[2]), (Class::Basic, 400, 400, 0));
    assert_eq!(first.classes[3].awarded.wh(), 250);
    // 162 Wh or 163 were for each of the others, and one drew 300.
    let served = situation.served.as_ref().unwrap();
    assert_eq!((served.overdrawn.wh(), served.members_overdrawn), (138, 1));
    let buses: Vec<_> = situation
        .buses
        .iter()
        .map(|bus| {
            let name = bus.bus.as_deref().unwrap();
            (name, bus.members, bus.drawn.wh(), bus.fed_in.wh(), bus.stored_wh, bus.capacity_wh, bus.dark)
        })
        .collect();
    assert_eq!(buses, [("East Street", 2, 300, 600, 4_000, 10_000, 0), ("West Street", 2, 400, 0, 0, 0, 0)]);
    // 200 Wh are claimed, 100 Wh are expected: 4,000 Wh last for forty quarter hours.
    assert_eq!(situation.autonomy_minutes, Some(600));
    assert_eq!(situation.dark, []);
}

#[test]
fn who_is_dark_is_named_by_its_pseudonym_and_said_to_be_critical() {
    let history = dark();
    let members = history.community.members.clone();
    let situation = of(history);
    let [dark] = &situation.dark[..] else { panic!("{:?}", situation.dark) };
    assert_eq!((dark.member, dark.critical), (members[1].id, true));
    assert!(dark.read < situation.settled.unwrap());
    let text = serde_json::to_string(&situation).unwrap();
    for member in &members {
        assert!(!text.contains(&member.device.public().to_string()), "a device is named");
    }
    let xml = String::from_utf8(alert(&situation, 1_780_000_000).unwrap()).unwrap();
    assert!(xml.contains("<severity>Severe</severity>") && xml.contains("-00:00</sent>"), "{xml}");
    assert!(!xml.contains(&dark.member.to_string()), "an alert says how many, and not who: {xml}");
}

/// A node that gives authorities their token.
async fn serve(history: History, tokens: Tokens) -> SocketAddr {
    let ledger = Arc::new(ledger(history));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let opened = Settings { tokens, ..Settings::default() }.open(address).unwrap();
    tokio::spawn(api::serve(listener, ledger, u64::MAX, opened, std::future::pending()));
    address
}

fn authority() -> Tokens {
    Tokens { authority: vec![Hash::of(TOKEN.as_bytes()).to_string()], ..Tokens::default() }
}

#[tokio::test]
async fn an_authority_asks_for_the_situation_and_nothing_else() {
    let address = serve(islanded(), authority()).await;
    let http = reqwest::Client::new();
    let status = async |path: &str, token: Option<&str>| {
        let request = http.get(format!("http://{address}{path}"));
        let request = token.map_or(request.try_clone().unwrap(), |token| request.bearer_auth(token));
        request.send().await.unwrap().status().as_u16()
    };
    for path in ["/v1/situation", "/v1/situation/alert"] {
        assert_eq!([status(path, None).await, status(path, Some(TOKEN)).await], [401, 200], "{path}");
    }
    for path in ["/v1/status", "/v1/members", "/metrics"] {
        assert_eq!(status(path, Some(TOKEN)).await, 403, "{path}");
    }
    assert_eq!(status("/situation", None).await, 200, "the page itself says nothing");
    assert_eq!(status("/assets/situation.js", None).await, 200);
    let answer = http.get(format!("http://{address}/v1/situation")).bearer_auth(TOKEN).send().await.unwrap();
    let found: Situation = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(found, Situation { checkpoint: found.checkpoint.clone(), ..of(islanded()) });
    let on_grid = serve(History::of(community()), authority()).await;
    let none = http.get(format!("http://{on_grid}/v1/situation/alert")).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(none.status().as_u16(), 404);
}

#[test]
#[ignore = "needs capvalidator, which .ci/run installs"]
fn a_foreign_validator_takes_the_alert() {
    let directory = tempfile::tempdir().unwrap();
    for (name, history) in [("island", islanded()), ("dark", dark())] {
        let path = directory.path().join(name);
        std::fs::write(&path, alert(&of(history), 1_780_000_000).unwrap()).unwrap();
        let said = validated(&path);
        assert_eq!(said, "CAP alert follows the CAP v1.2 schema.");
        // What is none is none.
        let broken = std::fs::read_to_string(&path).unwrap().replace("Infra", "Weather");
        std::fs::write(&path, broken).unwrap();
        assert_eq!(validated(&path), "CAP alert does not follow the CAP v1.2 schema.");
    }
}

/// What `capvalidator` says of a file.
fn validated(path: &Path) -> String {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bank/bin/python");
    let script = "import sys, capvalidator; print(capvalidator.check_schema(open(sys.argv[1], 'rb').read()).message)";
    let output = Command::new(python).args(["-c", script]).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium and axe-core, which .ci/run installs"]
async fn the_page_says_how_it_is_on_a_telephone_and_a_desk() {
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("situation");
    std::fs::create_dir_all(&pictures).unwrap();
    let mut chromium = Chromium::start();
    let axe = Axe::installed(env!("CARGO_TARGET_TMPDIR"));
    let mut on_grid = History::of(community());
    settle(&mut on_grid, ON_GRID);
    let screens = [
        ("phone-light", PHONE),
        ("phone-dark", Screen { dark: true, ..PHONE }),
        ("desktop-light", DESKTOP),
        ("desktop-dark", Screen { dark: true, ..DESKTOP }),
    ];
    for (state, history) in [("grid", on_grid), ("island", islanded()), ("dark", dark())] {
        let address = serve(history, Tokens::default()).await;
        for (name, screen) in screens {
            chromium.open(&format!("http://{address}/situation"), screen);
            chromium.wait_for(DRAWN, "false");
            let title = if state == "grid" { "On the grid" } else { "On its own since" };
            assert!(chromium.eval(&text("state-title")).as_str().unwrap().starts_with(title));
            assert_eq!(chromium.eval(MISSING), json!([]), "{state}: {name}");
            chromium.picture(&pictures.join(format!("{state}-{name}.png")));
            assert_eq!(axe.faults(&mut chromium), Vec::<String>::new(), "{state}: {name}");
        }
    }
    // Behind a token: asked for, refused by name, and kept for the tab.
    let address = serve(islanded(), authority()).await;
    chromium.open(&format!("http://{address}/situation"), PHONE);
    chromium.wait_for(DRAWN, "false");
    assert_eq!(chromium.eval("document.getElementById('state').hidden"), json!(true));
    let enter = |token: &str| format!("document.getElementById('token').value = '{token}'");
    chromium.eval(&enter("another"));
    chromium.eval(&click("#sign button"));
    chromium.wait_for("document.getElementById('alarm').textContent.includes('does not know that token')", true);
    chromium.eval(&enter(TOKEN));
    chromium.eval(&click("#sign button"));
    chromium.wait_for("document.getElementById('state').hidden", false);
    assert_eq!(chromium.eval("document.getElementById('alarm').hidden"), json!(true));
}
