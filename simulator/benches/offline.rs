//! How long a year of homes takes offline, beside the bare work: the same energy, summed up and written in the same
//! columns, without a market.
//!
//! `cargo bench -p simulator --bench offline` prints all ratios of one run, in CPU time of one thread; `-- short` plays
//! a week.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic, and prints")]

use std::{
    collections::BTreeSet,
    env,
    fs::File,
    ops::ControlFlow,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use parquet::{
    basic::{Compression, Encoding},
    column::writer::ColumnWriter,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::{parser::parse_message_type, types::ColumnPath},
};
use protocol::hash::Hash;
use simulator::{
    offline::{self, Community, Options, Street, Use},
    scenario::Scenario,
};

const ROUNDS: usize = 3;
/// Rows that are written together, as by the simulator.
const GROUP: usize = 1 << 18;

fn main() {
    let short = env::args().any(|argument| argument == "short");
    let days = if short { 7 } else { 365 };
    let directory = tempfile::tempdir().unwrap();
    let year = |homes: u32, days: u32, more: &str| {
        format!(
            "[community.drawn]\nhomes = {homes}\npv_share = 0.4\ngrid = true\n[period]\ndays = {days}\n\
             [[strategies]]\nshare = 0.5\nstrategy = 'zi_c'\n{more}"
        )
    };
    let batteries = "[[equipment]]\nshare = 0.333333\n\
                     battery = { capacity_wh = 8000, power_w = 4000, round_trip_efficiency = 0.9 }\n";
    let follow = "[[equipment]]\nshare = 0.333333\n\
                  battery = { capacity_wh = 8000, power_w = 4000, round_trip_efficiency = 0.9, \
                  dispatch = 'price_driven', charge_below = '0.12', discharge_above = '0.2' }\n";
    let feeder = "[market]\nmechanism = 'feeder'\nfees = { between_buses = '0.01' }\n";

    println!("1,000 homes, {days} days, half of them with random limits; s of one thread, and how many times as long");
    let text = year(1_000, days, "");
    let bare = best(|| bare(&community(&text), directory.path()));
    let uniform = best(|| run(&text, directory.path(), true));
    println!("{:<48}{}", "bare: draw, net, sum, write ten columns", shown(bare, bare));
    println!("{:<48}{} the bare work", "run, `uniform`, lines.parquet", shown(uniform, bare));
    for (name, more, lines) in [
        ("without lines.parquet", "", false),
        ("batteries in a third of the homes", batteries, true),
        ("batteries that follow prices", follow, true),
        ("`feeder` on 44 buses", feeder, true),
    ] {
        let time = best(|| run(&year(1_000, days, more), directory.path(), lines));
        println!("{name:<48}{} `uniform`", shown(time, uniform));
    }

    println!("\nthe same homes, all with one strategy");
    let all = |strategy: &str| {
        format!(
            "[community.drawn]\nhomes = 1000\npv_share = 0.4\ngrid = true\n[period]\ndays = {days}\n\
             [[strategies]]\nshare = 1\n{strategy}"
        )
    };
    let fixed = best(|| run(&all("strategy = 'fixed'\nbuy = '0.25'\nsell = '0.1'\n"), directory.path(), true));
    println!("{:<48}{}", "`fixed`", shown(fixed, fixed));
    let learning = best(|| run(&all("strategy = 'roth_erev'\n"), directory.path(), true));
    println!("{:<48}{} `fixed`", "`roth_erev`: each interval waits for the last", shown(learning, fixed));

    println!("\nhow cost grows, without lines.parquet; ns for each home and interval");
    for (homes, days) in [(100, days), (1_000, days), (10_000, days.div_ceil(10)), (100_000, if short { 1 } else { 7 })]
    {
        let time = once(|| run(&year(homes, days, ""), directory.path(), false));
        let steps = f64::from(homes) * f64::from(days) * 96.0;
        let per_day = time.as_secs_f64() / f64::from(homes) / f64::from(days);
        println!(
            "{homes:>7} homes {days:>4} days {:>8.0} ns {:>10.2} µs a household-day",
            time.as_secs_f64() * 1e9 / steps,
            per_day * 1e6
        );
    }
}

fn shown(time: Duration, beside: Duration) -> String {
    format!("{:>8.3} s  {:>5.2} ×", time.as_secs_f64(), time.as_secs_f64() / beside.as_secs_f64())
}

fn once(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn best(work: impl Fn()) -> Duration {
    (0..ROUNDS).map(|_| once(&work)).min().unwrap_or_default()
}

fn community(text: &str) -> Community {
    Community::of(&Scenario::parse(text).unwrap()).unwrap()
}

fn run(text: &str, directory: &Path, lines: bool) {
    let scenario = Scenario::parse(text).unwrap();
    let community = Community::of(&scenario).unwrap();
    let out = directory.join("out");
    let _ = std::fs::remove_dir_all(&out);
    let options = Options { out, threads: 1, lines, details: BTreeSet::new(), report: true };
    offline::run(&scenario, &community, &options, &|_| ControlFlow::Continue(())).unwrap();
}

/// What any simulation has to do: the energy of every home and interval, what of it is lacking and to spare, sums, and
/// ten columns of which four stay as empty as a night without trade.
fn bare(community: &Community, directory: &Path) {
    let mut street = Street::new(community, Hash::ZERO);
    let (mut memory, mut uses) = (community.start(), vec![Use::default(); community.members()]);
    let small = ["member", "consumption_wh", "production_wh", "bought_wh", "sold_wh", "imported_wh", "exported_wh"];
    let mut schema = String::from("message lines { required int64 interval; ");
    schema.extend(small.map(|name| format!("required int32 {name}; ")));
    schema += "required int64 paid_nano; required int64 earned_nano; }";
    let mut properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    for name in ["interval", "member", "consumption_wh"] {
        let path = ColumnPath::from(name);
        properties = properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    let file = File::create(directory.join("bare.parquet")).unwrap();
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let mut file = SerializedFileWriter::new(file, schema, Arc::new(properties.build())).unwrap();
    let (mut large, mut whole): ([Vec<i64>; 3], [Vec<i32>; 7]) = Default::default();
    let mut sums = [0u64; 4];
    for at in 0..community.intervals() {
        street.measure(at, &mut memory, &mut uses);
        let start_ms = street.interval(at).start_s() * 1_000;
        for (member, of_member) in (1..).zip(&uses) {
            let deficit = of_member.consumption.saturating_sub(of_member.production);
            let surplus = of_member.production.saturating_sub(of_member.consumption);
            for (sum, wh) in sums.iter_mut().zip([of_member.consumption, of_member.production, deficit, surplus]) {
                *sum += u64::from(wh);
            }
            // What is lacking or to spare has the columns of trade and of money, too, so that they are as full.
            let row = [member, of_member.consumption, of_member.production, deficit, surplus, deficit, surplus];
            whole.iter_mut().zip(row).for_each(|(column, value)| column.push(value as i32));
            let row = [start_ms, i64::from(deficit) * 187_654, i64::from(surplus) * 123_456];
            large.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
        }
        if large[0].len() + uses.len() > GROUP || at + 1 == community.intervals() {
            let mut group = file.next_row_group().unwrap();
            for index in 0..10 {
                let mut column = group.next_column().unwrap().unwrap();
                match column.untyped() {
                    ColumnWriter::Int32ColumnWriter(column) => drop(column.write_batch(&whole[index - 1], None, None)),
                    ColumnWriter::Int64ColumnWriter(column) => {
                        drop(column.write_batch(&large[index.saturating_sub(7)], None, None));
                    }
                    _ => unreachable!("the schema has whole numbers"),
                }
                column.close().unwrap();
            }
            group.close().unwrap();
            whole.iter_mut().for_each(Vec::clear);
            large.iter_mut().for_each(Vec::clear);
        }
    }
    file.close().unwrap();
    assert!(sums.iter().all(|sum| *sum > 0));
}
