//! Bills from the program itself: each line is what a receipt proves, everything adds up to the last nano-unit, and
//! whatever is wrong is one line and no file.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod pages;
mod payments;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::fs;

use ledger::proof::Verifier;
use protocol::{
    hash::Hash,
    interval::Interval,
    member::MemberId,
    pack::{NetworkDiscount, RulePack},
    receipt::Receipt,
};
use support::Community;
use world::{FIRST, JUNE, OF_JUNE, World, number, sum};

#[test]
fn bills_add_up_to_their_receipts_to_the_last_nano_unit() {
    let world = World::new(OF_JUNE + 1);
    let names = format!(
        "member,name\n{},\"<i>Ada</i> & Söhne, Basel\"\n{},\"=HYPERLINK(\"\"x\"\")\"\n",
        world.members[0], world.members[1]
    );
    world.write("who.csv", &names);
    let said = world.succeeds(&[&JUNE[..], &["june/zurich", "--names", "who.csv"]].concat());

    let bills = world.rows("june/zurich/bills.csv");
    assert_eq!(bills.iter().map(|bill| bill["member"].parse().unwrap()).collect::<Vec<MemberId>>(), world.members);
    assert_eq!(
        [&bills[0]["name"], &bills[1]["name"]],
        ["<i>Ada</i> & Söhne, Basel", "'=HYPERLINK(\"x\")"],
        "no formula"
    );
    let verifier = Verifier::new(&world.genesis);
    let (mut rounded, mut exact, mut remainders) = (0, 0, 0);
    for bill in &bills {
        let member = &bill["member"];
        let lines = world.rows(&format!("june/zurich/{member}.csv"));
        let is_last = *member == world.members.last().unwrap().to_string();
        assert_eq!(lines.len(), OF_JUNE - usize::from(is_last), "{member}");
        for line in &lines {
            let (start, correction) = (&line["interval"], &line["correction"]);
            let arguments = ["receipt", "node", "--member", member, "--interval", start, "--correction", correction];
            let receipt = Receipt::from_json(world.succeeds(&arguments).as_bytes()).unwrap();
            assert_eq!(verifier.verify(&receipt), Ok(()));
            assert_eq!(number(line, "block"), receipt.header.height.into());
            let entry = &receipt.entry;
            assert_eq!(line["provisional"] == "1", entry.provisional);
            let proved = &entry.line;
            for (column, energy) in [
                ("bought_wh", proved.bought),
                ("sold_wh", proved.sold),
                ("imported_wh", proved.imported),
                ("exported_wh", proved.exported),
            ] {
                assert_eq!(number(line, column), energy.wh().into(), "{column}");
            }
            for (column, amount) in [
                ("paid_nano", proved.paid),
                ("earned_nano", proved.earned),
                ("supply_cost_nano", proved.supply_cost),
                ("supply_revenue_nano", proved.supply_revenue),
                ("net_nano", proved.net().unwrap()),
            ] {
                assert_eq!(number(line, column), amount.nano().into(), "{column}");
            }
            // No later correction has taken its place.
            let next = (correction.parse::<u32>().unwrap() + 1).to_string();
            let later = ["receipt", "node", "--member", member, "--interval", start, "--correction", &next];
            assert_eq!(world.ledger(&later).status.code(), Some(2), "{start}, {next}");
            if correction != "0" {
                // Without a number, it is the one in force; and whoever checks it reads which one that is.
                let in_force = world.succeeds(&arguments[..arguments.len() - 2]);
                assert_eq!(Receipt::from_json(in_force.as_bytes()).unwrap().entry.correction.to_string(), *correction);
                world.write("receipt.json", &in_force);
                let said = world.succeeds(&["verify", "receipt.json", "--genesis", "genesis.json"]);
                assert!(said.contains(&format!("settled    again, correction {correction}\n")), "{said}");
                fs::remove_file(world.path("receipt.json")).unwrap();
            }
        }
        let corrections: Vec<&str> = lines.iter().map(|line| line["correction"].as_str()).take(4).collect();
        assert_eq!(corrections, ["0", "2", "1", "0"]);
        for column in ["bought_wh", "sold_wh", "imported_wh", "exported_wh", "paid_nano", "earned_nano", "net_nano"] {
            assert_eq!(number(bill, column), sum(&lines, column), "{column}");
        }
        assert_eq!((number(bill, "corrected"), number(bill, "intervals")), (2, lines.len() as i128));
        // What the member did not measure in time came late, with the interval after.
        let late = sum(&lines, "late_import_wh") + sum(&lines, "late_export_wh");
        assert_eq!(late > 0, is_last, "{member}: {late}");
        assert_eq!(number(bill, "late_import_wh") + number(bill, "late_export_wh"), late);

        let cents: i128 = bill["bill"].replace('.', "").parse().unwrap();
        let (net, remainder) = (number(bill, "net_nano"), number(bill, "remainder_nano"));
        assert_eq!(cents * 10_000_000 + remainder, net);
        assert!(remainder.abs() <= 5_000_000, "{remainder}");
        rounded += cents * 10_000_000;
        exact += net;
        remainders += remainder;
    }
    assert_eq!(rounded + remainders, exact);
    assert!(exact != 0 && remainders != 0, "{exact}, {remainders}");
    let transfers: Vec<i128> = bills.iter().map(|bill| number(bill, "transfers_nano")).collect();
    assert_eq!(transfers, [-3_000, 3_000, 0, 0, 0]);
    for expected in ["sum         0.000000000 EUR", "bills       5 of 2026-06 in june/zurich"] {
        assert!(said.contains(expected), "{said}");
    }

    let page = fs::read_to_string(world.path(&format!("june/zurich/{}.html", world.members[0]))).unwrap();
    let chain = world.genesis.chain().to_string();
    for expected in ["&lt;i&gt;Ada&lt;/i&gt; &amp; Söhne, Basel", "&lt;b&gt;ladder&lt;/b&gt;", &chain, "ledger verify"]
    {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    assert!(!page.contains("<i>") && !page.contains("<b>ladder"), "{page}");
    let other = fs::read_to_string(world.path(&format!("june/zurich/{}.html", world.members[2]))).unwrap();
    assert!(!other.contains("Ada"), "{other}");

    // By the clock of UTC the month is not over.
    let refused = world.ledger(&[
        "bill",
        "node",
        "--month",
        "2026-06",
        "--time-zone",
        "UTC",
        "--genesis",
        "genesis.json",
        "--out",
        "utc",
    ]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(world.files(), ["genesis.json", "june", "node", "who.csv"]);
}

#[test]
fn a_network_that_costs_less_is_a_line_beside_the_bills_until_its_rule_pack_ends() {
    let first: Interval = FIRST.parse().unwrap();
    const DISCOUNTED: usize = 1;
    let pack = RulePack {
        id: "test".into(),
        hash: Hash::of(b"its file"),
        currency: "EUR".into(),
        first,
        last: first.offset(DISCOUNTED as i64 - 1).unwrap(),
        mechanisms: vec!["uniform".into()],
        network: Some(NetworkDiscount { price: "0.40".parse().unwrap(), ppm: 570_000 }),
    };
    let world = World::following(OF_JUNE, Some(pack));
    let said = world.succeeds(&[&JUNE[..], &["june"]].concat());
    assert!(said.contains("sum         0.000000000 EUR"), "{said}");
    let discounted = world.rows("june/network.csv");
    let mut afterwards = 0;
    for row in &discounted {
        let lines = world.rows(&format!("june/{}.csv", row["member"]));
        let bought = sum(&lines[..DISCOUNTED].to_vec(), "bought_wh");
        afterwards += sum(&lines, "bought_wh") - bought;
        assert!(bought > 0, "{bought}");
        assert_eq!(number(row, "bought_wh"), bought);
        // 0.228 for a kWh, to the nearest cent.
        let cents = (bought * 228 + 5_000) / 10_000;
        assert_eq!(row["network_discount"], format!("{}.{:02}", cents / 100, cents % 100));
        let page = fs::read_to_string(world.path(&format!("june/{}.html", row["member"]))).unwrap();
        assert!(page.contains(&format!("the network costs {}\u{a0}EUR less", row["network_discount"])), "{page}");
    }
    assert!(afterwards > 0, "what comes after its end is in nobody's");
}

#[test]
fn what_cannot_be_billed_is_one_line_and_no_file() {
    let world = World::new(OF_JUNE - 1);
    let bill = |changes: &[(&str, &str)]| {
        let mut arguments: Vec<&str> = JUNE[..].iter().copied().chain(["out"]).collect();
        for (option, value) in changes {
            match arguments.iter().position(|argument| argument == option) {
                Some(at) => arguments[at + 1] = value,
                None => arguments.extend([*option, *value]),
            }
        }
        world.ledger(&arguments)
    };
    world.write("other.json", &serde_json::to_string(&Community::new(3, 1).genesis).unwrap());
    world.write("no-names.csv", "name,member\nAda,00\n");
    world.write("bad-names.csv", "member,name\nAda,Basel\n");
    fs::create_dir(world.path("taken")).unwrap();
    world.write("taken/mine", "mine");
    world.write("file", "mine");
    let before = world.files();
    for (changes, said) in [
        (&[][..], "expected June 2026 to be settled, found settled until 2026-06-30T23:45:00+02:00"),
        (&[("--month", "2026-07")], "expected July 2026 to be settled, found settled until"),
        (&[("--month", "2026-05")], "expected a month from 2026-06 on, in which the ledger begins, found 2026-05"),
        (&[("--month", "2026-13")], "--month: expected a month such as 2026-06"),
        (&[("--month", "last\nmonth")], "--month: expected a month such as 2026-06"),
        (&[("--time-zone", "Europe/Zuerich")], "--time-zone: expected an IANA time zone such as Europe/Zurich"),
        (&[("--genesis", "other.json")], "expected the ledger of the chain"),
        (&[("--names", "no-names.csv")], "no-names.csv: expected the columns member,name, found `name,member`"),
        (&[("--names", "bad-names.csv")], "bad-names.csv: "),
        (&[("--names", "missing.csv")], "missing.csv: "),
    ] {
        let output = bill(changes);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{changes:?}: {stderr}");
        assert!(stderr.contains(said) && stderr.lines().count() == 1, "{changes:?}: {stderr}\nexpected: {said}");
        assert_eq!(world.files(), before, "{changes:?}");
    }

    let world = World::new(OF_JUNE);
    fs::create_dir(world.path("taken")).unwrap();
    world.write("taken/mine", "mine");
    world.write("file", "mine");
    fs::create_dir(world.path("empty")).unwrap();
    for (out, said) in [("taken", "found one with something in it"), ("file", "found a file")] {
        let output = world.ledger(&[&JUNE[..], &[out]].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{out}: {stderr}");
        assert!(stderr.contains(said) && stderr.lines().count() == 1, "{out}: {stderr}");
    }
    assert_eq!(fs::read_to_string(world.path("taken/mine")).unwrap(), "mine");
    assert_eq!(world.files(), ["empty", "file", "genesis.json", "node", "taken"]);
    world.succeeds(&[&JUNE[..], &["empty"]].concat());
    assert_eq!(fs::read_dir(world.path("empty")).unwrap().count(), 1 + 2 * world.members.len());
}
