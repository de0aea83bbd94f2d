//! An island, as households know it: real processes, a real Mosquitto, four validators. What a device says of itself
//! travels to the ledger; the household has its proved quota before the interval begins, shows it, and takes the
//! receipts of the island for it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/spread.rs"]
mod spread;
#[path = "support/truth.rs"]
#[allow(dead_code, reason = "only the data are used")]
mod truth;

use std::{
    fs,
    io::Write,
    path::Path,
    sync::{Arc, Mutex},
};

use protocol::{
    block::Transaction,
    cbor::{self, Encoded},
    commit::CommitSignature,
    decision::{Action, Decision},
    genesis::Genesis,
    interval::Interval,
    island::{IslandPlan, MemberClaim, ProvedStandby},
    parameters::Parameters,
    topic::Topics,
};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::Value;
use settings::owner_only::read_key;
use spread::{Neighbourhood, Process, agents, audits, eventually, get, value};
use testkit::mosquitto::Mosquitto;

const INTERVALS: usize = 40;
const INTERVAL_MS: u64 = 1_000;
/// Intervals on the island, and how many the declaration comes before it.
const ON_ISLAND: i64 = 10;
const AHEAD: i64 = 6;

/// The same neighbourhood, with a plan in which the household of this device has a claim for life-safety.
fn plan(run: &Path, device: &str) -> Genesis {
    let path = run.join("genesis.json");
    let mut genesis = Genesis::from_json(&fs::read(&path).unwrap()).unwrap();
    let member = genesis.members.iter().find(|member| member.device.to_string() == device).unwrap().member;
    let island = IslandPlan {
        posted_price: "0.4".parse().unwrap(),
        price_cap: "0.35".parse().unwrap(),
        zero_intervals: None,
        basic_w: 300,
        recharge_intervals: 4,
        reserve_ppm: 0,
        claims: vec![MemberClaim { life_safety_w: 100, ..MemberClaim::of_one_person(member) }],
        validators: Vec::new(),
    };
    let parameters = genesis.rules.parameters.take().unwrap_or_default();
    genesis.rules.parameters = Some(Parameters { island: Some(Box::new(island)), ..parameters });
    fs::write(&path, genesis.to_json()).unwrap();
    genesis
}

/// The key of a household's device.
fn device(config: &Path) -> String {
    let key = ["device.key", "state/device.key"].map(|name| config.with_file_name(name));
    read_key(key.iter().find(|path| path.exists()).unwrap()).unwrap().public().to_string()
}

fn append(config: &Path, text: &str) {
    fs::OpenOptions::new().append(true).open(config).unwrap().write_all(text.as_bytes()).unwrap();
}

/// What an agent's page says: at `/status`, and in English.
fn status(config: &Path) -> Option<Value> {
    get(&format!("http://{}/status", address(config)?))
}

fn page(config: &Path) -> Option<String> {
    let url = format!("http://{}/?lang=en", address(config)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { reqwest::get(url).await.ok()?.text().await.ok() })
}

fn address(config: &Path) -> Option<String> {
    let state = config.parent().unwrap().join(value(config, "state").as_str().unwrap());
    Some(fs::read_to_string(state.join("status.addr")).ok()?.trim().to_owned())
}

fn declare(neighbourhood: &Neighbourhood, genesis: &Genesis) -> Interval {
    let keys = (0..4).map(|n| read_key(&neighbourhood.run.join(format!("validator-{n}/validator.key"))).unwrap());
    let open: Interval = neighbourhood.status(0).unwrap()["next"].as_str().unwrap().parse().unwrap();
    let from = open.offset(AHEAD).unwrap();
    let action = Action::DeclareIsland { from, until: from.offset(ON_ISLAND) };
    let decision = Decision { sequence: 1, action };
    let mut approvals: Vec<CommitSignature> = keys.map(|key| decision.approve(&genesis.chain(), &key)).collect();
    approvals.sort_by_key(|approval| approval.validator);
    let transaction = cbor::encode(&Transaction::Decide { decision: Encoded::of(&decision), approvals });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = format!("{}/v1/transactions", neighbourhood.api(0));
    eventually("the declaration", || {
        let request = reqwest::Client::new().post(&url).header("content-type", "application/cbor");
        let request = request.body(transaction.clone());
        let answer: Value = runtime.block_on(async { request.send().await.unwrap().json().await.unwrap() });
        assert_ne!(answer["outcome"], "refused", "{answer}");
        Some(()).filter(|()| answer["outcome"] == "exists")
    });
    from
}

/// Everything that is said on a topic from now on.
fn listen(runtime: &tokio::runtime::Runtime, port: u16, topic: String) -> Arc<Mutex<Vec<Vec<u8>>>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = heard.clone();
    runtime.spawn(async move {
        let mut options = MqttOptions::new("a-listener", "127.0.0.1", port);
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut events) = AsyncClient::new(options, 8);
        client.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
        loop {
            if let Event::Incoming(Packet::Publish(publish)) = events.poll().await.unwrap() {
                hears.lock().unwrap().push(publish.payload.to_vec());
            }
        }
    });
    heard
}

#[test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
fn a_household_reports_what_it_has_and_knows_what_it_may_draw_before_the_interval_begins() {
    let broker = Mosquitto::start();
    let directory = tempfile::tempdir().unwrap();
    let summer = truth::built_in("summer");
    let neighbourhood = Neighbourhood::init(directory.path(), &summer, broker.port, INTERVALS, INTERVAL_MS);
    let configs = agents(&neighbourhood.run);
    // Both draw from the grid all the while.
    let [ours, other] = [&configs[4], &configs[5]];
    let genesis = plan(&neighbourhood.run, &device(ours));
    let member_of = |config: &Path| {
        let device = device(config);
        genesis.members.iter().find(|member| member.device.to_string() == device).unwrap().clone()
    };
    // Ours would buy for less than the island's price. The other says what was not decided for it.
    append(ours, "\n[island]\ncritical_w = 80\n\n[order]\nbuy = \"0.2\"\n");
    append(other, "\n[island]\ncritical_w = 80\n");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let topic = Topics::new(&genesis.chain()).quota(&member_of(ours).device);
    let heard = listen(&runtime, broker.port, topic);

    let validators: Vec<Process> = (0..4).map(|n| neighbourhood.validator(n)).collect();
    eventually("the validators", || neighbourhood.status(3));
    let market = neighbourhood.market();
    let running = neighbourhood.agents();
    neighbourhood.settled(0, 1);
    let from = declare(&neighbourhood, &genesis);

    // What the device says is on the ledger; of the other one nothing is, and its household is told why.
    let standby = |config: &Path| format!("{}/v1/members/{}/standby", neighbourhood.api(1), member_of(config).member);
    let on_ledger = eventually("a status on the ledger", || {
        get(&standby(ours)).filter(|found| found["standby"]["status"]["critical_w"] == 80)
    });
    assert_eq!(on_ledger["standby"]["status"]["stored_wh"], 0, "nobody knows what is stored");
    let refused = eventually("a refusal", || status(other).filter(|said| !said["alarms"][0].is_null()));
    assert!(refused["alarms"][0].as_str().unwrap().starts_with("status refused: ClassNotDecided: class_not_decided"));

    // A quota of an interval that is not open yet, proved, on the page.
    let shown = eventually("a quota before its interval", || {
        let said = status(ours)?;
        assert_ne!(said["finished"], true, "{said}");
        let open: Interval = said["open"].as_str()?.parse().unwrap();
        let quotas = said["island"]["quotas"].as_array()?.clone();
        let of = |quota: &Value| quota["interval"].as_str().unwrap().parse::<Interval>().unwrap();
        quotas.into_iter().find(|quota| of(quota) > open)
    });
    let of: Interval = shown["interval"].as_str().unwrap().parse().unwrap();
    assert!(of >= from && of < from.offset(ON_ISLAND).unwrap(), "{of}");
    assert_eq!(shown["quota"]["claims"][0], 20, "80 W for a quarter of an hour, of the 100 W that were decided");
    eventually("the page", || {
        page(ours).filter(|page| page.contains("On the island") && page.contains("You may draw"))
    });

    // What it drew, by its receipt, beside what it might.
    let last = eventually("a receipt of the island", || status(ours).filter(|said| !said["island"]["last"].is_null()));
    let last = &last["island"]["last"];
    assert_eq!(last["price"], "0.35");
    let settled = get(&format!("{}/v1/settlements", neighbourhood.api(0))).unwrap();
    let settled = settled.as_array().unwrap();
    let settled = settled.iter().find(|settled| settled["interval"] == last["interval"]).unwrap();
    let id = member_of(ours).member.to_string();
    let line = settled["lines"].as_array().unwrap().iter().find(|line| line["member"] == id.as_str()).unwrap();
    let wh = |figure: &Value| figure.as_u64().unwrap();
    let drawn = wh(&line["bought"]) + wh(&line["imported"]);
    assert_eq!(wh(&last["drawn_wh"]), drawn);
    let overdrawn = drawn - wh(&last["quota_wh"]);
    assert_eq!(wh(&last["overdrawn_wh"]), overdrawn);
    assert!(overdrawn > 0, "a recording keeps to no quota");

    // It is over, and said to be: nothing is retained any more.
    let end = neighbourhood.settled(0, INTERVALS);
    assert_eq!((&end["settlements"], &end["balances_sum"]), (&INTERVALS.into(), &"0".into()));
    let said = eventually("the end of the island", || {
        let heard = heard.lock().unwrap();
        let first = heard.iter().position(|said| !said.is_empty())?;
        heard.last().is_some_and(Vec::is_empty).then(|| heard[first].clone())
    });
    assert_eq!(ProvedStandby::from_json(&said).unwrap().member, member_of(ours).member);
    let said = eventually("all receipts", || {
        let said = status(ours)?;
        assert_eq!(said["receipts_refused"], 0, "{said}");
        Some(said).filter(|said| said["outbox"] == 0)
    });
    assert_eq!(said["alarms"], Value::Array(Vec::new()), "{said}");
    let bought_dearer = get(&format!("{}/v1/settlements", neighbourhood.api(0))).unwrap();
    let dearer = |settled: &Value| {
        settled["price"] == "0.35"
            && settled["lines"]
                .as_array()
                .unwrap()
                .iter()
                .any(|line| line["member"] == id.as_str() && line["bought"] != 0)
    };
    assert!(bought_dearer.as_array().unwrap().iter().any(dearer), "it bought above the limit of its order");

    running.into_iter().for_each(Process::stop);
    market.stop();
    validators.into_iter().for_each(Process::stop);
    audits(&neighbourhood.run);
}
