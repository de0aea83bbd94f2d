//! What pays the bills: files that a foreign validator takes, of exactly what the bills say, and nothing where anything
//! is wrong.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

use crate::world::{JUNE, OF_JUNE, Rows, World, number as amount};

/// Of five banks in five countries, as their registries give examples.
const IBANS: [&str; 5] = [
    "DE75512108001245126199",
    "NL91 ABNA 0417 1643 00",
    "FR1420041010050500013M02606",
    "AT611904300234573201",
    "BE68539007547034",
];
const NAMES: [&str; 5] = ["Ada & Söhne", "=Bob", "Łucja Żak", "<Dora>", "Émile O'Neill"];
const COLUMNS: &str = "member,name,iban,mandate,signed,street,city,post_code,country";

fn shipped(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(file)).unwrap()
}

/// The lines of a file of accounts, one a member.
fn accounts(world: &World) -> Vec<String> {
    let countries = ["DE", "NL", "FR", "AT", "BE"];
    let lines = world.members.iter().enumerate().map(|(at, member)| {
        let (name, iban, country) = (NAMES[at], IBANS[at], countries[at]);
        format!("{member},{name},{iban},M-{at},2026-05-31,Weg {at},Ort,1000{at},{country}")
    });
    lines.collect()
}

fn write_accounts(world: &World, file: &str, lines: &[String]) {
    world.write(file, &format!("{COLUMNS}\n{}\n", lines.join("\n")));
    fs::set_permissions(world.path(file), fs::Permissions::from_mode(0o600)).unwrap();
}

/// June with payments, in `out`.
pub(crate) fn paid<'a>(out: &'a str, changes: &[(&'a str, &'a str)]) -> Vec<&'a str> {
    let mut arguments = [&JUNE[..], &[out]].concat();
    let paying = [
        ("--biller", "biller.toml"),
        ("--accounts", "accounts.csv"),
        ("--due", "2026-07-15"),
        ("--issued", "2026-07-01T09:00:00Z"),
    ];
    for (option, value) in paying {
        let changed = changes.iter().find(|(of, _)| *of == option).map(|(_, value)| *value);
        arguments.extend([option, changed.unwrap_or(value)]);
    }
    for (option, value) in changes.iter().filter(|(of, _)| paying.iter().all(|(option, _)| option != of)) {
        arguments.extend([*option, *value]);
    }
    arguments
}

pub(crate) fn ready(intervals: usize) -> World {
    let world = World::new(intervals);
    world.write("biller.toml", &shipped("biller.toml"));
    write_accounts(&world, "accounts.csv", &accounts(&world));
    world
}

fn cents(amount: &str) -> i64 {
    amount.replace('.', "").parse().unwrap()
}

fn names_in(directory: &PathBuf) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What the validators' own parsers read in the files of a month.
#[derive(Deserialize)]
struct Read {
    payments: BTreeMap<String, ForBank>,
    invoices: Vec<Invoice>,
}

#[derive(Deserialize)]
struct Invoice {
    number: String,
    r#type: String,
    seller: String,
    gross: String,
    paid: String,
    rounding: String,
    due: String,
    kwh: Vec<String>,
}

#[derive(Deserialize)]
struct ForBank {
    message: String,
    count: usize,
    sum: String,
    /// End-to-end identifier, name, IBAN and amount.
    payments: Vec<(String, String, String, String)>,
}

/// Holds the months of some directories against schemas and rules.
fn validated(world: &World, directories: &[&str]) -> BTreeMap<String, Read> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(here.join("../../target/bank/bin/python"));
    python.arg(here.join("tests/bill_program/validate.py")).args(directories).current_dir(world.path(""));
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Holds files for the bank against the bills.
fn check_payments(bills: &Rows, read: &BTreeMap<String, ForBank>) {
    for (file, sign) in [("payouts.pain.001.001.09.xml", 1), ("debits.pain.008.001.08.xml", -1)] {
        let read = &read[file];
        let expected: Vec<(&str, &str, i64)> = bills
            .iter()
            .map(|bill| (bill["number"].as_str(), bill["iban"].as_str(), cents(&bill["amount"]) * sign))
            .filter(|(.., cents)| *cents > 0)
            .collect();
        assert!(!expected.is_empty(), "{file}");
        let found: Vec<(&str, &str, i64)> =
            read.payments.iter().map(|(id, _, iban, amount)| (id.as_str(), iban.as_str(), cents(amount))).collect();
        assert_eq!(found, expected, "{file}");
        assert_eq!((read.count, cents(&read.sum)), (expected.len(), expected.iter().map(|(.., cents)| cents).sum()));
        assert!(read.message.len() <= 35 && read.message.contains("-2026-06-"), "{}", read.message);
    }
    let named: Vec<&str> = read.values().flat_map(|read| &read.payments).map(|(_, name, ..)| name.as_str()).collect();
    assert!(named.contains(&"Ada + Soehne") && named.contains(&"Lucja Zak"), "{named:?}");
}

/// Holds invoices against the bills: both directions of each are due for what the bill says, and have its energy.
fn check_invoices(bills: &Rows, payments: &Rows, invoices: &[Invoice]) {
    for (bill, payment) in bills.iter().zip(payments) {
        let number = &payment["number"];
        let mut owed = 0;
        for (own, kind, sign, energy, money) in [
            (number.clone(), "380", -1, ["bought_wh", "imported_wh"], ["paid_nano", "supply_cost_nano"]),
            (format!("{number}-S"), "389", 1, ["sold_wh", "exported_wh"], ["earned_nano", "supply_revenue_nano"]),
        ] {
            let sum = |columns: [&str; 2]| columns.iter().map(|column| amount(bill, column)).sum::<i128>();
            let Some(invoice) = invoices.iter().find(|invoice| invoice.number == own) else {
                assert!(sum(money).abs() < 5_000_000, "{own}: expected an invoice");
                continue;
            };
            let [gross, paid, rounding, due] =
                [&invoice.gross, &invoice.paid, &invoice.rounding, &invoice.due].map(|text| cents(text));
            assert_eq!(gross - paid + rounding, due, "{own}");
            assert!(rounding.abs() <= 2 && due >= 0, "{own}: {rounding}, {due}");
            assert!((i128::from(gross) * 10_000_000 - sum(money)).abs() <= 10_000_000, "{own}: {gross}");
            let wh: i128 = invoice.kwh.iter().map(|kwh| i128::from(thousandths(kwh))).sum();
            assert_eq!(wh, sum(energy), "{own}");
            assert_eq!(invoice.r#type, kind);
            let by_member = payment["name"].trim_start_matches('\'') == invoice.seller;
            assert_eq!(by_member, kind == "389", "{own}: {}", invoice.seller);
            owed += sign * due;
        }
        assert_eq!(owed, cents(&payment["amount"]), "{number}");
    }
}

fn thousandths(kwh: &str) -> i64 {
    let (whole, part) = kwh.split_once('.').unwrap_or((kwh, ""));
    format!("{whole}{part:0<3}").parse().unwrap()
}

#[test]
#[ignore = "needs sepaxml, factur-x and saxonche in target/bank: .ci/run installs them"]
fn foreign_validators_take_all_files_and_read_the_bills_in_them() {
    let world = ready(OF_JUNE);
    let shipped = shipped("biller.toml");
    let taxed = "category = \"S\"\nrate = \"19\"";
    assert!(shipped.contains(taxed));
    let treatments = [
        ("standard", taxed),
        ("reduced", "category = \"S\"\nrate = \"8.1\""),
        ("zero", "category = \"Z\""),
        ("exempt", "category = \"E\"\nreason = \"Kleinunternehmer\""),
        ("outside", "category = \"O\"\nreason = \"No taxable person\""),
    ];
    for (out, treatment) in treatments {
        world.write("biller.toml", &shipped.replace(taxed, treatment));
        world.succeeds(&paid(out, &[]));
    }
    let read = validated(&world, &treatments.map(|(out, _)| out));
    for (out, _) in treatments {
        let (bills, payments) = (world.rows(&format!("{out}/bills.csv")), world.rows(&format!("{out}/payments.csv")));
        assert_eq!(payments.len(), world.members.len());
        check_payments(&payments, &read[out].payments);
        check_invoices(&bills, &payments, &read[out].invoices);
        assert!(read[out].invoices.len() > world.members.len(), "{out}");
    }
}

#[test]
fn files_made_again_are_the_same_and_owe_what_the_bills_say() {
    let world = ready(OF_JUNE);
    world.succeeds(&paid("june", &[]));
    world.succeeds(&paid("again", &[]));
    world.succeeds(&paid("later", &[("--issued", "2026-07-02T09:00:00Z")]));
    let names = names_in(&world.path("june"));
    assert_eq!(names, names_in(&world.path("again")));
    let text = |directory: &str, name: &str| fs::read_to_string(world.path(directory).join(name)).unwrap();
    for name in &names {
        assert_eq!(text("june", name), text("again", name), "{name}");
        // A bank knows a file by what does not change with the hour.
        if name.contains(".pain.") {
            assert_ne!(text("june", name), text("later", name), "{name}");
            assert_eq!(text("june", name), text("later", name).replace("2026-07-02T", "2026-07-01T"), "{name}");
        }
    }
    let (bills, payments) = (world.rows("june/bills.csv"), world.rows("june/payments.csv"));
    let amounts = |rows: &Rows, column: &str| rows.iter().map(|row| cents(&row[column])).collect::<Vec<_>>();
    assert_eq!(amounts(&payments, "amount"), amounts(&bills, "bill"));
    let mode = fs::metadata(world.path("june")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "accounts are personal");
}

#[test]
fn what_cannot_be_paid_is_one_line_and_no_file() {
    let world = ready(OF_JUNE);
    world.succeeds(&paid("june", &[]));
    let payments = world.rows("june/payments.csv");
    let debtor = payments.iter().position(|row| cents(&row["amount"]) < 0).unwrap();
    let lines = accounts(&world);
    let change = |file: &str, at: usize, column: usize, value: &str| {
        let mut lines = lines.clone();
        let mut cells: Vec<&str> = lines[at].split(',').collect();
        cells[column] = value;
        lines[at] = cells.join(",");
        write_accounts(&world, file, &lines);
    };
    change("checksum.csv", 0, 2, "DE76512108001245126199");
    change("country.csv", 0, 2, "BR1500000000000010932840814P2");
    change("half.csv", 0, 3, "");
    change("day.csv", 0, 4, "2026-02-30");
    change("later.csv", debtor, 4, "2026-07-16");
    change("town.csv", 0, 6, " ");
    change("nowhere.csv", 0, 8, "XX");
    change("long.csv", 0, 1, &"A".repeat(71));
    change("slash.csv", 0, 3, "M//1");
    change("nobody.csv", 0, 0, "00");
    let mut unsigned = lines.clone();
    unsigned[debtor] = lines[debtor].replace(&format!("M-{debtor},2026-05-31"), ",");
    write_accounts(&world, "unsigned.csv", &unsigned);
    write_accounts(&world, "missing.csv", &lines[1..]);
    write_accounts(&world, "twice.csv", &[&lines[..], &lines[..1]].concat());
    world.write("open.csv", &format!("{COLUMNS}\n"));
    fs::set_permissions(world.path("open.csv"), fs::Permissions::from_mode(0o644)).unwrap();
    world.write("columns.csv", "member,iban\n");
    fs::set_permissions(world.path("columns.csv"), fs::Permissions::from_mode(0o600)).unwrap();
    let biller = |file: &str, from: &str, to: &str| {
        let shipped = shipped("biller.toml");
        assert!(shipped.contains(from), "{from}");
        world.write(file, &shipped.replace(from, to));
    };
    biller("key.toml", "vat_id", "vat_ids");
    biller("iban.toml", "DE02120300000000202051", "DE03120300000000202051");
    biller("creditor.toml", "DE98ZZZ", "DE99ZZZ");
    biller("no-creditor.toml", "creditor_id", "# creditor_id");
    biller("prefix.toml", "\"V-\"", "\"ä\"");
    biller("prefix-long.toml", "\"V-\"", "\"12345678901234567\"");
    biller("rate.toml", "rate = \"19\"", "rate = \"0\"");
    biller("rate-small.toml", "rate = \"19\"", "rate = \"0.49\"");
    biller("untaxed.toml", "category = \"O\"\nreason", "category = \"E\"\nreason");
    biller("reason.toml", "reason = ", "# reason = ");
    biller("language.toml", "language = \"de\"", "language = \"it\"");
    let (first, debtor) = (world.members[0].to_string(), world.members[debtor].to_string());
    let before = world.files();
    for (option, value, said) in [
        ("--accounts", "checksum.csv", format!("checksum.csv: {first}: expected an IBAN, found none: IBAN checksum")),
        ("--accounts", "country.csv", format!("{first}: expected an account in SEPA, found one in BR")),
        ("--accounts", "half.csv", format!("{first}: expected a mandate with the day on which it was signed")),
        ("--accounts", "day.csv", format!("{first}: expected the day on which the mandate was signed")),
        ("--accounts", "later.csv", format!("{debtor}: ")),
        ("--accounts", "town.csv", format!("{first}: expected street, city, post code and country, found: city")),
        ("--accounts", "nowhere.csv", format!("{first}: expected street, city, post code and country, found: ")),
        ("--accounts", "long.csv", format!("{first}: name is 71 characters")),
        ("--accounts", "slash.csv", format!("{first}: mandate must not start or end with '/'")),
        ("--accounts", "nobody.csv", "nobody.csv: expected a line a member, of nine columns: ".into()),
        (
            "--accounts",
            "unsigned.csv",
            format!("{debtor}: expected a mandate in the file of accounts, as the member owes"),
        ),
        ("--accounts", "missing.csv", format!("{first}: expected a line in the file of accounts, found none")),
        ("--accounts", "twice.csv", format!("{first}: expected one line, found two")),
        ("--accounts", "open.csv", "expected that nobody but its owner may read or write it".into()),
        ("--accounts", "columns.csv", format!("expected the columns {COLUMNS}, found `member,iban`")),
        ("--accounts", "gone.csv", "gone.csv: ".into()),
        ("--biller", "key.toml", "key.toml: line 10: unknown field `vat_ids`".into()),
        ("--biller", "iban.toml", "iban.toml: iban: expected an IBAN, found none: IBAN checksum".into()),
        ("--biller", "creditor.toml", "creditor_id: expected a SEPA creditor identifier".into()),
        ("--biller", "no-creditor.toml", "expected creditor_id in the biller's file, as members owe".into()),
        ("--biller", "prefix.toml", "number_prefix: ".into()),
        ("--biller", "prefix-long.toml", "number_prefix: ".into()),
        ("--biller", "rate.toml", "[supplied]: expected a rate from \"0.50\" to \"99.99\" with category S".into()),
        (
            "--biller",
            "rate-small.toml",
            "[supplied]: expected a rate from \"0.50\" to \"99.99\" with category S".into(),
        ),
        ("--biller", "reason.toml", "[received]: expected a reason with category O".into()),
        ("--biller", "untaxed.toml", "-S: BR-E-02: ".into()),
        (
            "--biller",
            "language.toml",
            "language.toml: line 8: unknown variant `it`, expected one of `en`, `fr`, `de`".into(),
        ),
        ("--biller", "gone.toml", "gone.toml: ".into()),
        ("--due", "2026-06-30", "expected a day to pay from 2026-07-01 on".into()),
        ("--due", "soon", "--due: expected a day such as 2026-07-15, found `soon`".into()),
        ("--issued", "today", "--issued: expected a UTC time such as".into()),
    ] {
        let output = world.ledger(&paid("out", &[(option, value)]));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{value}: {stderr}");
        assert!(stderr.contains(&said) && stderr.lines().count() == 1, "{value}: {stderr}\nexpected: {said}");
        let secret = IBANS.iter().any(|iban| stderr.contains(iban));
        assert!(!secret, "{value}: {stderr}");
        assert_eq!(world.files(), before, "{value}");
    }
    for half in [&["--biller", "biller.toml"][..], &["--accounts", "accounts.csv"], &["--due", "2026-07-15"]] {
        let output = world.ledger(&[&JUNE[..], &["out"], half].concat());
        assert_eq!(output.status.code(), Some(2), "{half:?}");
        assert_eq!(world.files(), before, "{half:?}");
    }
}
