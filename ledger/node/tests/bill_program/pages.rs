//! The pages of bills: in each language, with who bills whom, and whole on paper.

use std::{fs, process::Command};

use protocol::member::MemberId;

use crate::{
    payments::{paid, ready},
    world::{JUNE, OF_JUNE, World},
};

fn page(world: &World, out: &str, member: MemberId) -> String {
    fs::read_to_string(world.path(&format!("{out}/{member}.html"))).unwrap()
}

#[test]
fn a_page_is_in_the_language_that_is_asked_for_and_the_files_for_machines_are_the_same_in_each() {
    let world = World::new(OF_JUNE);
    let giver = world.members[0];
    world.succeeds(&[&JUNE[..], &["plain"]].concat());
    for (language, said) in [
        (
            "en",
            [
                "<html lang=\"en\">",
                "Bill for June 2026",
                "2026-06-30\u{a0}22:00 to 2026-07-01\u{a0}00:00",
                "Day by day",
            ],
        ),
        (
            "fr",
            [
                "<html lang=\"fr\">",
                "Décompte pour juin 2026",
                "du 30\u{a0}juin\u{a0}2026\u{a0}22:00 au 1\u{a0}juil.\u{a0}2026\u{a0}00:00",
                "Jour par jour",
            ],
        ),
        (
            "de",
            [
                "<html lang=\"de\">",
                "Abrechnung für Juni 2026",
                "30.06.2026\u{a0}22:00 bis 01.07.2026\u{a0}00:00",
                "Tag für Tag",
            ],
        ),
    ] {
        world.succeeds(&[&JUNE[..], &[language, "--language", language]].concat());
        let page = page(&world, language, giver);
        for expected in said {
            assert!(page.contains(expected), "{language}: {expected}: {page}");
        }
        let body = page.split_once("</style>").unwrap().1;
        assert!(!body.contains(['{', '}']), "{language}: something is not filled in: {body}");
        for file in ["bills.csv", &format!("{giver}.csv")] {
            let text = |out: &str| fs::read_to_string(world.path(out).join(file)).unwrap();
            assert_eq!(text(language), text("plain"), "{file}");
        }
    }
    assert_eq!(page(&world, "plain", giver), page(&world, "en", giver), "English, if nobody says otherwise");
    let refused = world.ledger(&[&JUNE[..], &["out", "--language", "it"]].concat());
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("it") && stderr.lines().count() == 1, "{stderr}");
}

#[test]
fn a_page_says_by_which_number_until_when_and_between_whom_it_is_paid_as_the_invoice_does() {
    let world = ready(OF_JUNE);
    world.succeeds(&paid("june", &[]));
    world.succeeds(&paid("english", &[("--language", "en")]));
    let payments = world.rows("june/payments.csv");
    let (mut paid_out, mut collected) = (0, 0);
    for (payment, member) in payments.iter().zip(&world.members) {
        let german = page(&world, "june", *member);
        assert!(german.contains("<html lang=\"de\">"), "as biller.toml says: {german}");
        let english = page(&world, "english", *member);
        let number = &payment["number"];
        let kinds = ["invoice", "self-billed"];
        let invoices = kinds.map(|kind| world.path(&format!("june/{member}.{kind}.xml")));
        let invoices: String = invoices.iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
        assert!(invoices.contains(&format!("<ram:ID>{number}")), "{number}: {invoices}");
        assert!(invoices.contains("20260715") && invoices.contains("20260701"), "{invoices}");
        let iban = payment["iban"].as_bytes().chunks(4).map(|four| str::from_utf8(four).unwrap()).collect::<Vec<_>>();
        let (iban, is_out) = (iban.join("\u{a0}"), !payment["amount"].starts_with('-'));
        (paid_out, collected) = (paid_out + usize::from(is_out), collected + usize::from(!is_out));
        let how = if is_out { "Paid out on 2026-07-15 to" } else { "Collected on 2026-07-15 from" };
        for expected in [
            &format!("<dt>Bill number</dt><dd>{number}</dd>"),
            "<dt>Issued</dt><dd>2026-07-01</dd>",
            "<dt>Due</dt><dd>2026-07-15</dd>",
            "<strong>Energiegemeinschaft Musterstadt eG</strong><p>Hauptstraße 1</p><p>12345 Musterstadt</p>",
            "IBAN DE02\u{a0}1203\u{a0}0000\u{a0}0000\u{a0}2020\u{a0}51",
            "VAT ID DE123456789",
            &format!("{how} your account {iban}"),
            &format!("<code>{member}</code>"),
        ] {
            assert!(english.replace("</strong></p>", "</strong>").contains(expected), "{expected}: {english}");
        }
        assert_eq!(english.contains("creditor DE98ZZZ09999999999"), !is_out, "{english}");
    }
    assert!(paid_out > 0 && collected > 0, "{paid_out}, {collected}");
    let first = page(&world, "june", world.members[0]);
    assert!(first.contains("<p class=\"name\">Ada &amp; Söhne</p><p>Weg 0</p><p>10000 Ort</p></section>"), "{first}");
    let abroad = page(&world, "june", world.members[1]);
    assert!(abroad.contains("<p class=\"name\">=Bob</p><p>Weg 1</p><p>10001 Ort</p><p>NL</p></section>"), "{abroad}");
    assert!(!abroad.contains("Ada"), "a bill is nobody else's: {abroad}");
}

/// What stands on each sheet of paper.
fn sheets(world: &World, page: &str) -> Vec<String> {
    world.write("page.html", page);
    let (html, pdf) = (world.path("page.html"), world.path("page.pdf"));
    let mut chromium = Command::new("chromium");
    chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]);
    chromium.arg(format!("--user-data-dir={}", world.path("profile").display()));
    chromium.arg(format!("--print-to-pdf={}", pdf.display()));
    let printed = chromium.arg(format!("file://{}", html.display())).output().unwrap();
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let text = Command::new("pdftotext").arg("-layout").arg(pdf).arg("-").output().unwrap();
    assert!(text.status.success(), "{}", String::from_utf8_lossy(&text.stderr));
    let text = String::from_utf8(text.stdout).unwrap();
    text.split_terminator('\x0c').map(str::to_owned).collect()
}

#[test]
#[ignore = "needs Chromium and pdftotext: apt-get install chromium poppler-utils"]
fn on_paper_a_table_says_on_each_sheet_whose_it_is_and_what_is_in_its_columns() {
    let world = ready(OF_JUNE);
    world.succeeds(&paid("june", &[]));
    let page = page(&world, "june", world.members[0]);
    // More days than two sheets hold.
    let (before, _) = page.rsplit_once("</tbody><tfoot>").unwrap();
    let (_, row) = before.rsplit_once("<tbody>").unwrap();
    assert!(row.starts_with("<tr><th scope=\"row\">30.06.2026"), "{row}");
    let sheets = sheets(&world, &page.replace(row, &row.repeat(200)));
    let running = "V-2026-06-0001, Ada & Söhne: Tag für Tag";
    let with_days = sheets.iter().filter(|sheet| sheet.contains("30.06.2026  ")).collect::<Vec<_>>();
    assert!(with_days.len() >= 3, "{sheets:?}");
    for sheet in &with_days {
        assert_eq!(sheet.matches(running).count(), 1, "{sheet}");
        let head = sheet.lines().find(|line| line.contains("Gekauft")).unwrap_or_else(|| panic!("no head: {sheet}"));
        assert!(head.contains("Verkauft") && head.contains("EUR"), "{head}");
    }
    let totals = sheets.iter().map(|sheet| sheet.lines().filter(|line| line.trim_start().starts_with("Summe")).count());
    assert_eq!(totals.sum::<usize>(), 2, "of the positions and of the days, once each: {sheets:?}");
}
