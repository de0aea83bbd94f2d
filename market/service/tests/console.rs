//! The console, asked over HTTP as its users ask it: the numbers are exact, answers and memory bounded.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/neighbourhood.rs"]
#[allow(dead_code, reason = "the browser is shown the rest")]
mod neighbourhood;
#[path = "support/console.rs"]
mod served;
#[path = "support/small.rs"]
mod small;

use market_service::console::{Board, MemberInfo, ValidatorView, limits};
use protocol::{
    answer::Refusal,
    api::Settled,
    money::Amount,
    settlement::{Balance, Provisional},
};
use reqwest::{Response, StatusCode, header};
use serde_json::{Value, json};
use served::{Console, HANG};
use small::{interval, line, small_settlement, validator};

#[tokio::test]
async fn every_number_is_exact() {
    let board = Board::new(neighbourhood::community());
    let (settled, picture) = small_settlement(0);
    board.settled(&settled, Some(&picture));
    board.opened(Some(interval(1)));
    board.reading_taken(3, 41);
    let console = Console::serve(board).await;

    let community = console.json("/api/v1/community").await;
    assert_eq!(community["retail_price"], "0.3");
    assert_eq!(community["chain"], neighbourhood::community().chain.to_string());
    assert_eq!(community["first_interval"], "2026-06-01T00:00:00Z/PT15M");

    let state = console.json("/api/v1/state").await;
    let summary = json!({
        "start": "2026-06-01T00:00:00Z", "end": "2026-06-01T00:15:00Z", "height": 7, "price": "0.190001",
        "average_price": "0.190001", "traded_wh": 1001, "imported_wh": 10, "exported_wh": 5, "members": 2, "trades": 1,
        "supplier": "0.0026", "operator": "0", "retail_price": "0.3", "feed_in_price": "0.08",
    });
    assert_eq!(state["intervals"], json!([summary]));
    assert_eq!(state["details"], 1);
    let status = &state["status"];
    assert_eq!(status["phase"], "open");
    assert_eq!(status["open"], "2026-06-01T00:15:00Z");
    assert_eq!((&status["readings_received"], &status["readings_expected"]), (&json!(3), &json!(41)));
    assert_eq!(status["last"], summary);
    assert_eq!(status["last_price"], json!({"start": "2026-06-01T00:00:00Z", "price": "0.190001"}));
    assert_eq!(
        status["totals"],
        json!({
            "intervals": 1, "traded_wh": 1001, "imported_wh": 10, "exported_wh": 5, "members": "-0.0026",
            "supplier": "0.0026", "operator": "0", "accounts_sum": "0", "receipts_forwarded": 0,
        })
    );

    let households = console.json("/api/v1/households?limit=2").await;
    assert_eq!(households["next"], 2);
    assert_eq!(
        households["households"][0],
        json!({
            "member": neighbourhood::member(0).to_string(), "name": "d001", "bus": "bus_1", "metered": true, "bought_wh": 1001,
            "sold_wh": 0, "imported_wh": 10, "exported_wh": 0, "paid": "0.190191001", "earned": "0",
            "supply_cost": "0.003", "supply_revenue": "0", "net": "-0.193191001",
        })
    );
    assert_eq!(households["households"][1]["net"], "0.190591001");

    let curves = console.json("/api/v1/intervals/2026-06-01T00:00:00Z/curves").await;
    assert_eq!(
        curves,
        json!({
            "interval": summary, "origin": "kept", "mechanism": "uniform", "picture": "merit_order", "grid": [],
            "paid": [{"price": "0.190001", "energy_wh": 1001}], "received": [{"price": "0.190001", "energy_wh": 1001}],
            "curves": {
                "demand": [{"price": "0.3", "energy_wh": 1011}], "supply": [{"price": "0.080001", "energy_wh": 1006}],
            },
        })
    );
}

#[tokio::test]
async fn sums_go_on_where_an_i64_of_nano_units_ends() {
    let board = Board::new(neighbourhood::community());
    for number in 0..3 {
        let (mut settled, _) = small_settlement(number);
        settled.lines = vec![line(0, [u64::MAX, 0, 0, 0], [i64::MAX, 0, 0, 0])];
        settled.supplier = Amount::from_nano(i64::MAX);
        board.settled(&settled, None);
    }
    let console = Console::serve(board).await;
    let state = console.json("/api/v1/state").await;
    assert_eq!(state["households"]["households"][0]["paid"], "27670116110.564327421");
    assert_eq!(state["households"]["households"][0]["net"], "-27670116110.564327421");
    assert_eq!(state["status"]["totals"]["supplier"], "27670116110.564327421");
    assert_eq!(state["status"]["totals"]["accounts_sum"], "0");
    let text = console.get("/api/v1/state").await.text().await.unwrap();
    assert!(text.contains("\"traded_wh\":55340232221128654845,"), "{text:.2000}");
}

#[tokio::test]
async fn an_interval_told_of_twice_counts_once_and_a_stranger_is_listed() {
    let board = Board::new(neighbourhood::community());
    let (mut settled, picture) = small_settlement(4);
    settled.lines.push(line(99, [0, 0, 2, 0], [0, 0, 600_000, 0]));
    board.settled(&settled, Some(&picture));
    board.settled(&settled, Some(&picture));
    board.settled(&small_settlement(3).0, None);
    let console = Console::serve(board).await;
    let state = console.json("/api/v1/state").await;
    assert_eq!(state["status"]["totals"]["intervals"], 1);
    assert_eq!(state["status"]["totals"]["traded_wh"], 1001);
    let stranger = neighbourhood::member(99).to_string();
    assert_eq!(state["households"]["households"][41]["name"], stranger);
    assert_eq!(state["households"]["households"][41]["imported_wh"], 2);
}

#[tokio::test]
async fn pages_and_memory_are_bounded() {
    let board = Board::new(neighbourhood::community());
    let count = limits::INTERVALS_PER_PAGE_MAX as i64 + 50;
    for number in 0..count {
        let (settled, picture) = small_settlement(number);
        board.settled(&settled, Some(&picture));
    }
    let console = Console::serve(board).await;

    let state = console.json("/api/v1/state").await;
    assert_eq!(state["intervals"].as_array().unwrap().len(), limits::INTERVALS_PER_PAGE_MAX);
    assert_eq!(state["details"], limits::DETAILS_MAX);
    let last = interval(count - 1).start_text();
    assert_eq!(state["intervals"][limits::INTERVALS_PER_PAGE_MAX - 1]["start"], last);

    // Pages follow one another without a gap and end.
    let mut starts = Vec::new();
    let mut from = Some(interval(0).start_text());
    while let Some(start) = from {
        let page = console.json(&format!("/api/v1/intervals?from={start}&limit=400")).await;
        starts.extend(page["intervals"].as_array().unwrap().iter().map(|summary| summary["start"].clone()));
        from = page["next"].as_str().map(str::to_owned);
    }
    let expected = (0..count).map(|number| json!(interval(number).start_text())).collect::<Vec<_>>();
    assert_eq!(starts, expected);

    // Lines and curves are kept of the latest only.
    let oldest = interval(count - limits::DETAILS_MAX as i64).start_text();
    let forgotten = interval(count - limits::DETAILS_MAX as i64 - 1).start_text();
    let kept = console.json(&format!("/api/v1/households?interval={oldest}")).await;
    assert_eq!(kept["interval"], oldest);
    assert_eq!(kept["households"].as_array().unwrap().len(), 2);

    let refused = [
        ("/api/v1/intervals?limit=0".to_owned(), 400, "bad_limit", "expected a limit from 1 to 1000, found 0"),
        ("/api/v1/intervals?limit=1001".into(), 400, "bad_limit", "expected a limit from 1 to 1000, found 1001"),
        ("/api/v1/intervals?limit=-1".into(), 400, "bad_query", "invalid digit"),
        ("/api/v1/intervals?until=now".into(), 400, "bad_query", "unknown field `until`"),
        (
            "/api/v1/intervals?from=yesterday".into(),
            400,
            "bad_time",
            "expected a UTC time such as 2026-06-01T12:00:00Z",
        ),
        ("/api/v1/intervals/2026-06-01T00:01:00Z/curves".into(), 400, "not_a_start", "a multiple of 15 minutes"),
        (format!("/api/v1/intervals/{forgotten}/curves"), 404, "not_kept", "no curves or lines of"),
        (
            format!("/api/v1/households?interval={forgotten}"),
            404,
            "not_kept",
            "expected one of the intervals settled last",
        ),
        ("/api/v1/households?limit=5000".into(), 400, "bad_limit", "expected a limit from 1 to 1000, found 5000"),
    ];
    for (path, status, refusal, words) in refused {
        let answer = console.get(&path).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
        let said: Value = answer.json().await.unwrap();
        assert_eq!(said["refusal"], refusal, "{path}");
        assert!(said["error"].as_str().unwrap().contains(words), "{path}: {said}");
    }
}

#[tokio::test]
async fn households_come_in_pages_of_at_most_a_thousand() {
    let mut info = neighbourhood::community();
    info.members = (0..2_500)
        .map(|house| MemberInfo {
            member: neighbourhood::member(house),
            name: format!("h{house}"),
            bus: None,
            metered: true,
        })
        .collect();
    let console = Console::serve(Board::new(info)).await;
    let mut names = Vec::new();
    let mut offset = Some(0);
    while let Some(from) = offset {
        let page = console.json(&format!("/api/v1/households?offset={from}")).await;
        let households = page["households"].as_array().unwrap();
        assert!(households.len() <= limits::HOUSEHOLDS_PER_PAGE_MAX);
        names.extend(households.iter().map(|household| household["name"].as_str().unwrap().to_owned()));
        offset = page["next"].as_u64();
    }
    assert_eq!(names, (0..2_500).map(|house| format!("h{house}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_interval_that_does_not_close_raises_an_alarm_with_its_numbers() {
    let board = Board::new(neighbourhood::community());
    let balance = |expected_wh| Balance { expected_wh, found_wh: 800, tolerance_wh: 20 };
    let provisional = |unread: &[u64], balance| {
        Some(Provisional { unread: unread.iter().map(|house| neighbourhood::member(*house)).collect(), balance })
    };
    let cases = [
        None,
        provisional(&[3, 4], None),
        provisional(&[], Some(balance(Some(900)))),
        provisional(&[5], Some(balance(Some(-7)))),
        provisional(&[6], Some(balance(None))),
    ];
    for (number, provisional) in (0..).zip(cases) {
        board.settled(&Settled { provisional, ..small_settlement(number).0 }, None);
    }
    let console = Console::serve(board.clone()).await;
    let shown = async || console.json("/api/v1/state").await["status"]["provisional"].clone();
    let last = json!({"start": interval(4).start_text(), "unread": 1, "expected_wh": null, "found_wh": 800, "tolerance_wh": 20});
    assert_eq!(shown().await, json!({"alarm": true, "unread_intervals": 3, "unbalanced_intervals": 2, "last": last}));
    let metrics = console.get("/metrics").await.text().await.unwrap();
    for expected in [
        "voisin_market_intervals_provisional_total{reason=\"unread\"} 3",
        "voisin_market_intervals_provisional_total{reason=\"unbalanced\"} 2",
        "voisin_market_provisional 1",
    ] {
        assert!(metrics.lines().any(|line| line == expected), "{expected}: {metrics}");
    }
    board.settled(&small_settlement(5).0, None);
    assert_eq!(shown().await["alarm"], false, "the next one closes");
    assert_eq!(shown().await["last"], last);
}

#[tokio::test]
async fn validators_and_refusals_are_listed_by_name() {
    let board = Board::new(neighbourhood::community());
    board.refused(Refusal::BadSignature);
    board.refused(Refusal::Duplicate);
    board.refused(Refusal::Duplicate);
    let unknown =
        ValidatorView { key: None, height: None, height_age_ms: None, block: None, ..validator(26_003, 0, false) };
    board.validators(vec![validator(26_000, 205, true), validator(26_001, 201, true), unknown]);
    let console = Console::serve(board).await;

    let refusals = console.json("/api/v1/refusals").await;
    let refusals = refusals.as_array().unwrap();
    let names = refusals.iter().map(|refusal| refusal["refusal"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(names, Refusal::ALL.map(Refusal::name));
    let counted = |name: &str| refusals.iter().find(|refusal| refusal["refusal"] == name).unwrap()["count"].clone();
    assert_eq!([counted("BadSignature"), counted("Duplicate"), counted("Stale")], [json!(1), json!(2), json!(0)]);

    let validators = console.json("/api/v1/validators").await;
    assert_eq!(
        [&validators[0]["lag"], &validators[1]["lag"], &validators[2]["lag"]],
        [&json!(0), &json!(4), &Value::Null]
    );
    assert!(validators[0]["height_age_ms"].as_u64().unwrap() >= 1_400);
    assert_eq!([&validators[2]["reachable"], &validators[2]["away"]], [false, false], "slow once");
}

#[tokio::test]
async fn metrics_have_base_units_every_refusal_and_no_household() {
    let board = Board::new(neighbourhood::community());
    let (settled, picture) = small_settlement(0);
    board.settled(&settled, Some(&picture));
    board.opened(Some(interval(1)));
    board.refused(Refusal::Stale);
    board.receipts_forwarded(2);
    board.validators(vec![validator(26_000, 12, true), validator(26_001, 11, false)]);
    let console = Console::serve(board).await;
    let answer = console.get("/metrics").await;
    assert!(answer.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = answer.text().await.unwrap();
    for line in [
        "voisin_market_intervals_settled_total 1",
        "voisin_market_traded_joules_total 3603600",
        "voisin_market_imported_joules_total 36000",
        "voisin_market_exported_joules_total 18000",
        "voisin_market_receipts_forwarded_total 2",
        "voisin_market_readings_expected 41",
        "voisin_market_open_interval_start_timestamp_seconds 1780272900",
        "voisin_market_settled_interval_end_timestamp_seconds 1780272900",
        "voisin_market_price_per_kilowatt_hour{price=\"clearing\",currency=\"EUR\"} 0.190001",
        "voisin_market_account_gain{account=\"supplier\",currency=\"EUR\"} 0.0026",
        "voisin_market_accounts_balanced 1",
        "voisin_market_healthy 1",
        "voisin_market_figures_stale 0",
        "voisin_market_trouble{trouble=\"no_quorum\"} 0",
        "voisin_ledger_height{validator=\"0\"} 12",
        "voisin_ledger_lag_blocks{validator=\"1\"} 1",
        "voisin_ledger_reachable{validator=\"1\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    for refusal in Refusal::ALL {
        let count = u64::from(refusal == Refusal::Stale);
        let line = format!("voisin_market_refusals_total{{refusal=\"{refusal}\"}} {count}");
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("voisin_ledger_height_age_seconds{validator=\"0\"} "));
    assert!(text.ends_with("# EOF\n"));
    for house in 0..41 {
        for name in [format!("\"d{:03}\"", house + 1), neighbourhood::member(house).to_string()] {
            assert!(!text.contains(&name), "household {name} is in\n{text}");
        }
    }
}

#[tokio::test]
async fn what_is_the_matter_is_told_to_programs_and_nothing_is_said_of_what_nobody_knows() {
    let board = Board::new(neighbourhood::community());
    let console = Console::serve(board.clone()).await;
    let health = console.json("/api/v1/health").await;
    assert_eq!(health, json!({"level": "well", "word": "Starting", "stale_since": null, "troubles": []}));
    // Three times in vain: the ledger is away, and so is all knowledge of what is settled.
    for _ in 0..3 {
        board.validators(vec![validator(26_000, 0, false), validator(26_001, 0, false)]);
    }
    let answer = console.get("/api/v1/health").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let health: Value = answer.json().await.unwrap();
    assert_eq!([&health["level"], &health["word"]], [&json!("stopped"), &json!("No ledger")]);
    assert_eq!(health["stale_since"], health["troubles"][0]["since"]);
    let state = console.json("/api/v1/state").await;
    assert_eq!((&state["status"]["totals"], &state["status"]["health"]), (&Value::Null, &health));
    let metrics = console.get("/metrics").await.text().await.unwrap();
    for line in [
        "voisin_market_healthy 0",
        "voisin_market_figures_stale 1",
        "voisin_market_trouble{trouble=\"ledger_silent\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
    assert!(!metrics.contains("accounts_balanced") && !metrics.contains("account_gain"), "{metrics}");

    board.validators(vec![validator(26_000, 1, true), validator(26_001, 1, true)]);
    board.opened(Some(interval(0)));
    let state = console.json("/api/v1/state").await;
    assert_eq!(
        (&state["status"]["totals"]["intervals"], &state["status"]["health"]["word"]),
        (&json!(0), &json!("Live"))
    );
}

/// The next event of a stream: its name and its data.
async fn next_event(answer: &mut Response, buffer: &mut String) -> Option<(String, Value)> {
    loop {
        if let Some((event, rest)) = buffer.split_once("\n\n") {
            let field =
                |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(|v| v.trim().to_owned());
            let found = field("event:").zip(field("data:"));
            *buffer = rest.to_owned();
            match found {
                Some((name, data)) => return Some((name, serde_json::from_str(&data).unwrap())),
                None => continue,
            }
        }
        let chunk = tokio::time::timeout(HANG, answer.chunk()).await.expect("an event was awaited").unwrap()?;
        buffer.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

#[tokio::test]
async fn listeners_are_told_what_is_new_and_sent_home_at_the_end() {
    let console = Console::serve(Board::new(neighbourhood::community())).await;
    let mut answer = console.get("/api/v1/events").await;
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut buffer = String::new();
    let (name, status) = next_event(&mut answer, &mut buffer).await.unwrap();
    assert_eq!((name.as_str(), &status["phase"]), ("status", &json!("starting")));

    console.board.settled(&small_settlement(0).0, None);
    console.board.settled(&small_settlement(1).0, None);
    let mut told = Vec::new();
    while told.len() < 2 {
        let (name, data) = next_event(&mut answer, &mut buffer).await.unwrap();
        if name == "intervals" {
            told.extend(data.as_array().unwrap().iter().map(|interval| interval["start"].clone()));
        }
    }
    assert_eq!(told, [json!("2026-06-01T00:00:00Z"), json!("2026-06-01T00:15:00Z")]);

    // Far more at once than one event holds: fetch everything anew.
    for number in 2..300 {
        console.board.settled(&small_settlement(number).0, None);
    }
    loop {
        let (name, _) = next_event(&mut answer, &mut buffer).await.unwrap();
        assert_ne!(name, "intervals");
        if name == "refetch" {
            break;
        }
    }

    console.board.close();
    while next_event(&mut answer, &mut buffer).await.is_some() {}
}

#[tokio::test]
async fn there_is_an_end_to_listeners() {
    let console = Console::serve(Board::new(neighbourhood::community())).await;
    let mut listeners = Vec::new();
    for _ in 0..limits::LISTENERS_MAX {
        let answer = console.get("/api/v1/events").await;
        assert_eq!(answer.status(), StatusCode::OK);
        listeners.push(answer);
    }
    let answer = console.get("/api/v1/events").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let expected = format!("at most {} listeners", limits::LISTENERS_MAX);
    assert!(answer.json::<Value>().await.unwrap()["error"].as_str().unwrap().contains(&expected));
}

#[tokio::test]
async fn the_page_and_the_documentation_need_nothing_from_elsewhere() {
    let console = Console::serve(Board::new(neighbourhood::community())).await;
    let page = [
        "/",
        "/assets/console.css",
        "/assets/console.js",
        "/assets/charts.js",
        "/assets/mechanism.js",
        "/assets/tables.js",
        "/assets/map.js",
        "/assets/paced.js",
        "/assets/say.js",
        "/assets/server-words.js",
        "/assets/words-de.js",
        "/assets/words-en.js",
        "/assets/words-fr.js",
        "/assets/language.js",
        "/assets/sign-in.js",
        "/assets/health.js",
        "/assets/ask.js",
        "/assets/base.css",
        "/assets/element.js",
        "/assets/figures.js",
        "/assets/words.js",
    ];
    let others = [
        "/assets/format.js",
        "/assets/icon.svg",
        "/assets/plotly.js",
        "/favicon.ico",
        "/api/docs/",
        "/api/docs/swagger-ui-bundle.js",
        "/api/openapi.json",
        "/metrics",
        "/api/v1/state",
    ];
    for path in page.into_iter().chain(others) {
        let answer = console.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}: {policy}");
        assert_eq!(answer.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
    }
    for path in page {
        let text = console.get(path).await.text().await.unwrap();
        assert!(!text.contains("//cdn") && !text.contains("https://"), "{path} names another server");
    }
    let page = console.get("/").await.text().await.unwrap();
    for script in page.split("<script").skip(1) {
        assert!(script.contains("src=\"/assets/") && script.contains("></script>"), "an inline script: {script:.80}");
    }

    let charts = console.get("/assets/charts.js").await.text().await.unwrap();
    let address = charts.split('\'').find(|text| text.starts_with("/assets/plotly.js?")).expect("by its hash");
    let plotly = console.get(address).await;
    assert_eq!(plotly.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
    let known = plotly.headers()[header::ETAG].clone();
    let again = reqwest::Client::new().get(format!("{}/assets/plotly.js", console.root));
    let again = again.header(header::IF_NONE_MATCH, known).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(console.get("/assets/../Cargo.toml").await.status(), StatusCode::NOT_FOUND);

    let openapi = console.json("/api/openapi.json").await;
    let interval = &openapi["components"]["schemas"]["IntervalSummary"]["properties"];
    assert_eq!(interval["traded_wh"]["type"], "integer");
    assert_eq!(interval["supplier"]["type"], "string");
}
