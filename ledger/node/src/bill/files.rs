//! The files of a month's bills: all at once, or none.

use std::{
    ffi::OsStr,
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use protocol::member::MemberId;

use super::{
    BillError, Issue, in_currency, page,
    payments::{Numbered, Payments},
    statement::{Bill, Bills, Row, Sums},
};

const BILLS: [&str; 20] = [
    "member",
    "name",
    "intervals",
    "corrected",
    "provisional",
    "bought_wh",
    "sold_wh",
    "imported_wh",
    "exported_wh",
    "late_import_wh",
    "late_export_wh",
    "paid_nano",
    "earned_nano",
    "supply_cost_nano",
    "supply_revenue_nano",
    "net_nano",
    "bill",
    "remainder_nano",
    "transfers_nano",
    "currency",
];

const LINES: [&str; 17] = [
    "interval",
    "local",
    "block",
    "correction",
    "provisional",
    "bought_wh",
    "sold_wh",
    "imported_wh",
    "exported_wh",
    "late_import_wh",
    "late_export_wh",
    "paid_nano",
    "earned_nano",
    "supply_cost_nano",
    "supply_revenue_nano",
    "net_nano",
    "price_micro_per_kwh",
];

const NETWORK: [&str; 5] = ["member", "name", "bought_wh", "network_discount", "currency"];

const PAYMENTS: [&str; 5] = ["number", "member", "name", "iban", "amount"];

/// Checks that bills can be written to `out`.
pub(super) fn check_free(out: &Path) -> Result<(), BillError> {
    let taken = |found| BillError::Taken { path: out.into(), found };
    match fs::read_dir(out) {
        Ok(mut entries) => entries.next().map_or(Ok(()), |_| Err(taken("one with something in it"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(taken("a file")),
        Err(error) => Err(BillError::Write { path: out.into(), error }),
    }
}

/// Lets `write` fill a directory beside `out`, which takes the place of `out` once everything in it is on the disk. If
/// anything fails before, it is removed, and nothing is left that looks whole. Only its owner may read it.
pub(super) fn write_at_once(out: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), BillError> {
    let attempt = || -> io::Result<()> {
        let parent = match out.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent)?;
        let name = out.file_name().unwrap_or(OsStr::new("bills")).to_string_lossy();
        let partial = tempfile::Builder::new()
            .prefix(&format!(".{name}.partial-"))
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)?;
        write(partial.path())?;
        File::open(partial.path())?.sync_all()?;
        // Takes the place of an empty directory, and of no other.
        fs::rename(partial.path(), out)?;
        // It is not there any more, under this name.
        let _ = partial.keep();
        File::open(parent)?.sync_all()
    };
    attempt().map_err(|error| BillError::Write { path: out.into(), error })
}

/// Writes `bills.csv`, for each member a CSV and a page, and `network.csv` where the network cost somebody less.
pub(super) fn write_all(directory: &Path, issue: &Issue<'_>, bills: &Bills) -> io::Result<()> {
    let rows = bills.members.iter().map(|(member, bill)| bill_row(issue, *member, bill));
    write_csv(&directory.join("bills.csv"), &BILLS, rows)?;
    let mut discounted = bills.members.iter().filter(|(_, bill)| bill.sums.discounted_wh > 0).peekable();
    if discounted.peek().is_some() {
        let rows = discounted.map(|(member, bill)| network_row(issue, *member, bill));
        write_csv(&directory.join("network.csv"), &NETWORK, rows)?;
    }
    for (member, bill) in &bills.members {
        let rows = bill.rows.iter().map(|row| line_row(issue, row));
        write_csv(&directory.join(format!("{member}.csv")), &LINES, rows)?;
        let page = page::page(issue, *member, bill).into_string();
        write_text(&directory.join(format!("{member}.html")), &page)?;
    }
    Ok(())
}

/// Writes `payments.csv`, and the files for banks and tax offices.
pub(super) fn write_payments(
    directory: &Path,
    payments: &Payments<'_>,
    invoices: &[(String, String)],
) -> io::Result<()> {
    write_csv(&directory.join("payments.csv"), &PAYMENTS, payments.bills.iter().map(payment_row))?;
    let files = payments.files.iter().chain(invoices);
    files.into_iter().try_for_each(|(name, text)| write_text(&directory.join(name), text))
}

fn write_text(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn write_csv<const N: usize>(
    path: &Path,
    columns: &[&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(File::create_new(path)?);
    writer.write_record(columns)?;
    for row in rows {
        writer.write_record(row)?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)?.sync_all()
}

/// A text from outside as a cell that no spreadsheet takes for a formula: where one could, an apostrophe stands
/// before it.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    if formula { format!("'{text}") } else { text.to_owned() }
}

fn payment_row(of: &Numbered<'_>) -> [String; 5] {
    [
        cell(&of.number),
        of.member.to_string(),
        cell(&of.account.name),
        of.account.iban.as_str().to_owned(),
        in_currency(of.cents.into()),
    ]
}

fn bill_row(issue: &Issue<'_>, member: MemberId, bill: &Bill) -> [String; 20] {
    let Sums { intervals, corrected, provisional, bought_wh, sold_wh, imported_wh, exported_wh, .. } = bill.sums;
    let Sums { late_import_wh, late_export_wh, late_unknown, .. } = bill.sums;
    let Sums { paid_nano, earned_nano, supply_cost_nano, supply_revenue_nano, .. } = bill.sums;
    let late = |wh: u128| if late_unknown == 0 { wh.to_string() } else { String::new() };
    [
        member.to_string(),
        issue.names.get(&member).map(|name| cell(name)).unwrap_or_default(),
        intervals.to_string(),
        corrected.to_string(),
        provisional.to_string(),
        bought_wh.to_string(),
        sold_wh.to_string(),
        imported_wh.to_string(),
        exported_wh.to_string(),
        late(late_import_wh),
        late(late_export_wh),
        paid_nano.to_string(),
        earned_nano.to_string(),
        supply_cost_nano.to_string(),
        supply_revenue_nano.to_string(),
        bill.sums.net_nano().to_string(),
        in_currency(bill.cents()),
        bill.remainder_nano().to_string(),
        bill.transfers_nano(member).to_string(),
        issue.genesis.currency.clone(),
    ]
}

fn network_row(issue: &Issue<'_>, member: MemberId, bill: &Bill) -> [String; 5] {
    [
        member.to_string(),
        issue.names.get(&member).map(|name| cell(name)).unwrap_or_default(),
        bill.sums.discounted_wh.to_string(),
        in_currency(bill.network_discount_cents()),
        issue.genesis.currency.clone(),
    ]
}

fn line_row(issue: &Issue<'_>, row: &Row) -> [String; 17] {
    let (entry, line) = (&row.entry, &row.entry.line);
    let late = |wh: fn(&protocol::reading::Flow) -> u64| {
        row.late.as_ref().map_or_else(String::new, |flow| wh(flow).to_string())
    };
    // What was booked fits an amount.
    let net = line.net().map_or_else(String::new, |net| net.nano().to_string());
    [
        entry.interval.start_text(),
        issue.billed.zone.text(entry.interval),
        row.height.to_string(),
        entry.correction.to_string(),
        u8::from(entry.provisional).to_string(),
        line.bought.wh().to_string(),
        line.sold.wh().to_string(),
        line.imported.wh().to_string(),
        line.exported.wh().to_string(),
        late(|flow| flow.import.wh()),
        late(|flow| flow.export.wh()),
        line.paid.nano().to_string(),
        line.earned.nano().to_string(),
        line.supply_cost.nano().to_string(),
        line.supply_revenue.nano().to_string(),
        net,
        entry.price.map_or_else(String::new, |price| price.micro().to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_formula() {
        for name in ["=1+1", "+49", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"] {
            assert_eq!(cell(name), format!("'{name}"));
        }
        for name in ["", "Ada", "d'Ada = Söhne", "'=1"] {
            assert_eq!(cell(name), name);
        }
    }

    #[test]
    fn a_disk_that_fills_up_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("june");
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let error = write_at_once(&out, |partial| {
            fs::write(partial.join("bills.csv"), "member\n")?;
            Err(full())
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains("june") && error.ends_with("no bill was written"), "{error}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);

        let write = |partial: &Path| fs::write(partial.join("bills.csv"), "member\n");
        fs::create_dir(&out).unwrap();
        write_at_once(&out, write).unwrap();
        assert_eq!(fs::read_to_string(out.join("bills.csv")).unwrap(), "member\n");
        assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o700, "names are personal");
        // What somebody put there meanwhile stays.
        assert!(write_at_once(&out, |_| Ok(())).is_err());
        assert_eq!(fs::read_to_string(out.join("bills.csv")).unwrap(), "member\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
