use proptest::prelude::*;

use super::*;
use crate::bill::{
    parties::{BillerFile, accounts},
    statement::{Bill, Sums},
};

const MEMBER: &str = "111116891d33d74071b50321864f3b7f";

fn paying(vat: Vat) -> Paying {
    let shipped: BillerFile = toml::from_str(include_str!("../../../../../config/biller.toml")).unwrap();
    let mut biller = shipped.check().unwrap();
    biller.supplied = vat;
    let line = format!("{MEMBER},Ada,DE75512108001245126199,M-1,2026-05-31,Weg 1,Ort,10001,DE");
    let accounts = accounts(format!("{}\n{line}\n", crate::bill::parties::COLUMNS.join(",")).as_bytes()).unwrap();
    let day = |text: &str| text.parse().unwrap();
    Paying { biller, accounts, issued_s: 1_782_900_000, issued: day("2026-07-01"), due: day("2026-07-15") }
}

fn vat(category: Category, rate: Decimal) -> Vat {
    let has_reason = matches!(category, Category::E | Category::O);
    Vat { category, rate, reason: has_reason.then(|| "A reason".into()), note: None }
}

/// Type, gross, paid, rounding and due of a bill's invoices, in cents, as they are read back from the XML.
fn invoiced(vat: Vat, sums: Sums) -> (i64, Vec<(String, [i64; 4])>) {
    let paying = paying(vat);
    let bill = Bill { sums, ..Bill::default() };
    let member = MEMBER.parse().unwrap();
    let cents = bill.cents().try_into().unwrap();
    let numbered = Numbered { number: "V-1".into(), member, account: &paying.accounts[&member], bill: &bill, cents };
    let day = |text: &str| text.parse().unwrap();
    let files = of(&paying, Days { first: day("2026-06-01"), last: day("2026-06-30") }, &numbered).unwrap();
    let read = files.into_iter().map(|(_, xml)| {
        let invoice = en16931_formats::read(xml.as_bytes()).unwrap().invoice;
        let totals = invoice.totals;
        let cents = |of: Option<InvoiceAmount>| of.map_or(0, InvoiceAmount::to_minor_units);
        let amounts = [Some(totals.gross_total), totals.paid, totals.rounding, Some(totals.due)].map(cents);
        (invoice.type_code.unwrap().to_string(), amounts)
    });
    (cents, read.collect())
}

proptest! {
    #[test]
    fn both_invoices_are_due_for_what_the_bill_says(
        wh in [0_u64..2_000_000, 0_u64..2_000_000, 0_u64..2_000_000, 0_u64..2_000_000],
        nano in [
            -1_000_000_000_i64..700_000_000_000, -1_000_000_000_i64..700_000_000_000,
            -1_000_000_000_i64..700_000_000_000, -1_000_000_000_i64..700_000_000_000,
        ],
        scale in prop_oneof![Just(1_i64), Just(1_000), Just(100_000)],
        (category, rate) in prop_oneof![
            (Just(Category::S), (50_i64..10_000).prop_map(|rate| Decimal::new(rate, 2))),
            (Just(Category::Z), Just(Decimal::ZERO)),
            (Just(Category::E), Just(Decimal::ZERO)),
            (Just(Category::O), Just(Decimal::ZERO)),
        ],
    ) {
        // Also of next to nothing, where a cent is much.
        let nano = nano.map(|nano| i128::from(nano / scale));
        let [bought_wh, sold_wh, imported_wh, exported_wh] = wh.map(u128::from);
        let [paid_nano, earned_nano, supply_cost_nano, supply_revenue_nano] = nano;
        let energy = Sums { bought_wh, sold_wh, imported_wh, exported_wh, ..Sums::default() };
        let sums = Sums { paid_nano, earned_nano, supply_cost_nano, supply_revenue_nano, ..energy };
        let (bill, invoices) = invoiced(vat(category, rate), sums);
        let mut owed = 0;
        for (kind, [gross, paid, rounding, due]) in &invoices {
            let (sign, total) = match kind.as_str() {
                INVOICE => (-1, paid_nano + supply_cost_nano),
                _ => (1, earned_nano + supply_revenue_nano),
            };
            owed += sign * due;
            prop_assert!(*due >= 0, "{due}");
            prop_assert!(rounding.abs() <= 2, "{rounding}");
            prop_assert!((i128::from(*gross) - cents(total)).abs() <= 1, "{gross} of {total}");
            prop_assert_eq!(gross - paid + rounding, *due);
        }
        prop_assert_eq!(owed, bill);
    }
}

#[test]
fn what_is_netted_is_two_invoices_one_of_them_paid() {
    let sums = Sums {
        bought_wh: 10_000,
        imported_wh: 5_000,
        sold_wh: 20_000,
        paid_nano: 1_504_999_999,
        supply_cost_nano: 1_500_000_000,
        earned_nano: 4_014_999_999,
        ..Sums::default()
    };
    // 3.00 and 4.01, of which 1.01 remains: the bill is of 1.01.
    let (bill, invoices) = invoiced(vat(Category::S, Decimal::new(19, 0)), sums);
    assert_eq!(bill, 101);
    let expected = [("389".to_owned(), [401, 300, 0, 101]), ("380".to_owned(), [300, 300, 0, 0])];
    assert_eq!(invoices, expected);
    // Where each is rounded down and their difference up, a cent is rounded in.
    let (bill, invoices) = invoiced(vat(Category::Z, Decimal::ZERO), Sums { paid_nano: 1_506_000_000, ..sums });
    assert_eq!((bill, &invoices[0].1), (101, &[401, 301, 1, 101]));
}
