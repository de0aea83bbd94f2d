//! English.

use access_log::Call;
use household::strategy::Why;
use protocol::{genesis::Technology, money::Price};

use super::{
    super::prices::{meaning::Meaning, refused::Refused},
    Checked, LookedUpWords, PriceWords, Words,
};
use crate::{
    alarm::{AlarmKind, Detail},
    check::ReceiptFault,
    clock::ClockFault,
};

pub(super) static WORDS: Words = Words {
    your_home: "Your home",
    connected: "connected to the broker",
    not_connected: "not connected to the broker",
    market_heard: "last word of the market: {}",
    market_not_heard: "no word of the market yet",
    language: "Language",
    not_live: "This page is not live: the agent does not answer. What it shows was true a while ago.",

    recording: "This is not a meter: a recording is played. Nothing on this page was measured here.",
    made_up: "This is not a meter: this home is made up. Nothing on this page was ever measured.",

    not_registered: "Not registered yet",
    hand_in: "Hand enrolment.json to your operator: meter-agent init has made it, and meter-agent enrolment prints it again.",
    then_by_itself: "When the validators have taken you in, this agent hears of it by itself, checks the proof, and begins \
                     to sign from your first interval on. Until then nothing is signed and nothing is sent.",
    member_key: "Member key",
    registration_refused: "A registration came that is not proved, and was not believed.",

    now: "Now",
    drawing: "Drawing {} from the grid",
    feeding_in: "Feeding {} into the grid",
    nothing_flows: "Nothing flows",
    no_power: "The meter does not show its power",
    price_among_neighbours: "Among neighbours",
    nothing_traded: "nothing was traded",
    supplier_takes: "From the supplier",
    supplier_gives: "To the supplier",
    per_kwh: "per kWh",
    last_proved: "in the last proved interval, {}",

    today: "Today",
    this_month: "This month",
    since_the_start: "Since the start",
    worth: "What your neighbours were worth",
    worth_means: "What the same energy would have cost and brought with the supplier alone, less what it did; from \
                  verified receipts.",
    balance: "Balance",

    own_roof: "From your own roof",
    from_neighbours: "From neighbours",
    from_supplier: "From the supplier",
    to_neighbours: "To neighbours",
    to_supplier: "To the supplier",
    chart: "Energy by interval: drawn above the line, fed in below it",
    price_chart: "Price among neighbours, per kWh",
    no_intervals: "No interval of this day is proved yet.",
    consumed: "Consumed",
    produced: "Produced",

    whose_roof: "Whose roof it came from, and where yours went",
    neighbour: "Neighbour",
    made_from: "Made from",
    technology,
    no_certificate: "no certificate",
    other_neighbours: "Others: {}",
    not_told: "not told",
    not_told_means: "Of what is not told, only the sum is proved: the market did not send the names that belong to it. \
                     Ask your operator for them.",
    neighbours_proved: "Proved: the validators have signed these neighbours with each receipt, and they add up to its \
                        figures. Neighbours have no names here, only the pseudonyms of the ledger.",

    day_before: "Day before",
    day_after: "Day after",
    month_before: "Month before",
    month_after: "Month after",
    intervals: "Intervals",
    time: "Time",
    price: "Price",
    amount: "Amount",
    day: "Day",
    total: "Total",
    statement: "Statement",
    print: "Print",
    figures_mean: "Every figure is from receipts that this agent verified. Amounts are rounded to cents here; sums are of \
                   exact amounts.",

    alarms: "Alarms",
    no_alarms: "No alarms. Every receipt so far was checked, and is proved.",
    what_to_do: "What to do:",
    remedy,

    detail,
    fault,
    refused_so_far: "So far: {}; they are kept as evidence.",

    order: "Your order",
    strategy: "Strategy",
    order_placed: "Placed last",
    no_order: "None: without one, the market's price is taken, whatever it is.",
    battery: "Proposed to the battery",
    battery_charges: "charge at {}",
    battery_discharges: "discharge at {}",
    battery_rests: "nothing: leave it alone",
    battery_until: "until {}; nothing is steered from here",
    island: "On the island",
    island_means: "The grid above is gone. What there is was shared out before each interval, by the plan that was decided; \
                   your part is proved.",
    island_until: "You may draw, until {}",
    island_then: "And then, until {}",
    island_drawn: "Drawn so far",
    island_unserved: "claimed and not there: {}",
    island_settled: "Drawn {}",
    island_beyond: "beyond your quota: {}",
    island_price: "Price on the island",
    buy_up_to: "buy up to {} per kWh",
    sell_from: "sell from {} per kWh",
    buy_at_most: "buy at most {}",
    sell_at_most: "sell at most {}",
    at_any_price: "at any price",
    why,
    order_from: "from {} on",
    order_open: "not answered yet",
    order_accepted: "taken in by the market",
    order_refused: "refused by the market",

    prices: PriceWords {
        title: "Your prices",
        change: "Look at your prices, or change them",
        set_here: "set on this page, in the place of {} in agent.toml",
        stands_now: "What stands now",
        as_in_file: "as in agent.toml",
        limits: "Limits",
        set_where: "Set",
        no_pin: "Nothing can be changed here as long as there is no PIN. Set one on the machine that the agent runs on, \
                 and load this page again:",
        no_pin_packaged: "With the package:",
        how: "How you trade",
        any_price: "At any price: never worse than with the supplier alone",
        within_limits: "Within limits of my own",
        buy: "Buy from neighbours up to ({} per kWh)",
        sell: "Sell to neighbours from ({} per kWh)",
        buy_cap: "Buy at most in one interval (Wh)",
        sell_cap: "Sell at most in one interval (Wh)",
        empty_means: "What is left empty is not limited: the supplier's price counts, and any amount.",
        look: "See what that means",
        would_mean: "What that would mean",
        meaning,
        from_then_on: "Your agent then signs an order that says so. It stands from the next interval on that nobody \
                       trades in yet; what is traded stays as it is.",
        pin: "PIN",
        set: "Set these prices",
        take_back: "As in agent.toml again",
        take_back_means: "What was set on this page is dropped, and the strategy {} of agent.toml counts again.",
        nothing_changed: "Nothing was changed.",
        refused,
    },

    looked_up: LookedUpWords {
        title: "Who looked you up",
        means: "A ledger node writes down, hour by hour, who asks it for what is yours, before it answers; here is what its log \
                had when you asked last, proved, with nothing taken back since the time before. What a node leaves out nobody can \
                see. Your name is on no ledger: who looks it up in your operator's own files is not written down here.",
        never_asked: "You have not asked yet. On the machine that the agent runs on, best of each node that you know:",
        asked: "asked {}",
        refused: "The last answer was not believed, or there was none. What is below is from before.",
        nobody: "Nobody looked you up.",
        hour: "In the hour from",
        what: "What",
        of_whom: "Of whom",
        you: "you",
        everybody: "everybody",
        role: "Role",
        who: "Token",
        call: |call| match call {
            Call::Receipts => "receipts of an interval",
            Call::Inputs => "what an interval was computed from",
            Call::Settlements => "settled intervals, line by line",
            Call::Statement => "all that was booked to the account",
            Call::Members => "accounts, devices and orders",
            Call::Registration => "the registration",
            Call::Certificates => "certificates of origin",
            Call::Accesses => "this log",
            Call::Standby => "what you may draw on an island",
        },
    },

    proof: "Proof",
    proved_until: "Proved until",
    nothing_yet: "nothing yet",
    receipts_verified: "Receipts verified",
    receipts_refused: "Receipts refused",
    waiting: "Readings that wait for a receipt: {}",
    last_reading: "Last reading",
    member: "Member",
    device: "Device",
    refused_by_market: "Refused by the market",
    finished: "The recording is over, and everything is settled.",

    proof_of: "Proof of {}",
    proof_intro: "This agent has verified the receipt of this interval. It checked that",
    checked: Checked {
        committed: "more than two thirds of the validators, known by the community's genesis file, have signed the block \
                    that holds it",
        in_block: "the receipt is in that block, unchanged (a Merkle proof leads from it to what was signed)",
        energy: "it settles exactly the energy that your meter measured and this agent signed",
        amounts: "its amounts follow from its energy and prices, to the last unit",
        limits: "it keeps to the price limits of your own order",
        semicolon: ";",
    },
    drew_otherwise: "Drawn from the grid: your meter measured {}; the validated value that was decided is {}.",
    fed_in_otherwise: "Fed into the grid: your meter measured {}; the validated value that was decided is {}.",
    energy_not_compared: "Its energy is what was decided. It was not compared with what your meter measured: this agent \
                          has no reading at hand any more that is of this interval alone.",
    limits_not_on_island: "This interval was on an island, by your proved quota: the price limits of your order do not count \
                           there, and nobody pays more than the island’s price.",
    limits_not_checked: "A correction is not checked against the price limits of your order.",
    block: "Block",
    correction: "Correction",
    corrected: "corrected (no. {})",
    corrected_of_day: "corrected: {}",
    corrected_mean: "Corrected intervals: {}. Their energy is what was decided, and may differ from what your meter \
                     measured; the proof of each says more.",
    validators_signed: "Validators that signed",
    receipt_itself: "The receipt itself (JSON), to be verified by anyone: meter-agent verify",
    back: "Back",

    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    weekdays: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    long_date: |weekday, day, month, year| format!("{weekday}, {day} {month} {year}"),
    decimal_point: '.',
    sign_first: true,
};

fn technology(technology: Technology) -> &'static str {
    match technology {
        Technology::Solar => "sun",
        Technology::Wind => "wind",
        Technology::Hydro => "water",
        Technology::Biomass => "biomass",
        Technology::Geothermal => "heat of the earth",
    }
}

fn remedy(kind: AlarmKind) -> (&'static str, &'static str) {
    match kind {
        AlarmKind::TwoTruths => (
            "The validators have committed two different entries for the same interval of yours.",
            "Both receipts are kept as evidence. Show them to your neighbours and your operator.",
        ),
        AlarmKind::OtherHistory => (
            "Witnesses outside of the community have seen another history of the ledger than the one that you were told.",
            "The receipt and the proof are kept as evidence. Show them to your neighbours, your operator and the witnesses.",
        ),
        AlarmKind::ReceiptDoesNotVerify => (
            "A receipt does not prove what it must, or says something else than your meter measured.",
            "It is kept as evidence and not counted. Ask your operator, and show it to your neighbours.",
        ),
        AlarmKind::ReadingRefused => (
            "The market refuses a reading of your meter.",
            "The reading is kept and sent again. If it stays, tell your operator the name of the refusal.",
        ),
        AlarmKind::SequenceConflict => (
            "The market knows another reading under the same number: somebody may have your key, or an old copy of the \
             state was restored.",
            "Stop the agent and ask your operator for a new device key.",
        ),
        AlarmKind::OrderRefused => {
            ("The market refuses your order.", "Set other prices, here or in agent.toml (then start the agent again).")
        }
        AlarmKind::StatusRefused => (
            "The market or the ledger refuses what your agent reports of your battery and your critical devices.",
            "Correct [battery] and [island] in agent.toml, and start the agent again. What was decided for your household, \
             your operator knows.",
        ),
        AlarmKind::ReceiptMissing => (
            "A reading has no receipt long after its interval.",
            "It is kept and sent again. Ask your operator for the receipt of that interval.",
        ),
        AlarmKind::StorageFailed => (
            "Nothing can be stored, and what cannot be stored is not signed.",
            "Make space or replace the card, then start the agent again. No energy is lost.",
        ),
        AlarmKind::StateDamaged => (
            "Some of what was stored could not be read any more.",
            "Once, after a power cut: nothing. Again: replace the card, and use meter-agent recover.",
        ),
        AlarmKind::MeterFailed => (
            "The meter is silent, or shows what no meter shows.",
            "Look at its cable and settings: meter-agent check says what is wrong. A replaced meter has to be registered \
             anew.",
        ),
        AlarmKind::ClockWrong => {
            ("This machine's clock is wrong.", "Let the network set it: timedatectl shows whether it does.")
        }
        AlarmKind::BrokerUnreachable => (
            "The community's broker cannot be reached.",
            "Look at your network. Readings wait and are sent later; a day without costs trades, never energy.",
        ),
        AlarmKind::BrokerRefuses => {
            ("The broker does not let this device read its own topics.", "Ask your operator for this device's access.")
        }
        AlarmKind::ReceiptMisdelivered => (
            "Somebody sends you receipts of other households.",
            "They are counted and not kept. Tell your operator: the broker lets somebody write where only the market may.",
        ),
        AlarmKind::RegistrationDiffers => (
            "The validators have registered this household otherwise than agent.toml says.",
            "agent.toml counts for now. Correct [registration] in it, or take the section out, and start the agent again.",
        ),
        AlarmKind::NotWitnessed => (
            "It is not known that enough witnesses have seen the ledger as you are told it.",
            "If it stays for a day, ask your operator. If other households do not have it, you may be told another history.",
        ),
        AlarmKind::MarketUnclear => {
            ("The market says something that this agent does not understand.", "If it stays, update the agent.")
        }
    }
}

fn meaning(meaning: &Meaning) -> &'static str {
    match meaning {
        Meaning::Unproved => "The supplier's prices are not proved yet: they come with the first receipt.",
        Meaning::BuyUpToSupplier { .. } => {
            "From neighbours you buy up to the supplier's price, {}: never dearer than without them."
        }
        Meaning::BuyBelow { .. } => {
            "From neighbours you buy at {} or less, at least {} below the supplier. What is dearer, or not there, comes \
             from the supplier at {}."
        }
        Meaning::BuyAbove { .. } => "You may pay a neighbour up to {}, which is {} more than the supplier takes.",
        Meaning::BuyHardly { .. } => {
            "You will hardly buy from neighbours: at {} they get more from the supplier, who gives {}."
        }
        Meaning::SellDownToSupplier { .. } => {
            "To neighbours you sell down to what the supplier gives, {}: never for less than without them."
        }
        Meaning::SellAbove { .. } => {
            "To neighbours you sell at {} or more, at least {} above the supplier. What nobody takes at that goes to the \
             supplier at {}."
        }
        Meaning::SellBelow { .. } => {
            "A neighbour may pay you as little as {}, which is {} less than the supplier gives."
        }
        Meaning::SellHardly { .. } => {
            "You will hardly sell to neighbours: at {} they pay less to the supplier, who takes {}."
        }
        Meaning::SellAboveBuy => {
            "You ask for more than you would pay yourself. That may be so: in one interval you either buy or sell."
        }
    }
}

fn refused(refused: &Refused) -> &'static str {
    match refused {
        Refused::ForeignOrigin => "This did not come from this page, but from another site. Open the page itself.",
        Refused::NotAForm => "This is not what the form on this page sends. Use the form.",
        Refused::UnknownStrategy { .. } => "Expected one of the two ways to trade, found “{}”. Choose one.",
        Refused::NotAPrice { .. } => {
            "Expected a price such as 0.28, with at most 6 decimals, or nothing; found “{}”. Correct it."
        }
        Refused::NotWattHours { .. } => "Expected whole watt-hours such as 4000, or nothing; found “{}”. Correct it.",
        Refused::OldPage => {
            "This page is old, or something else stands by now. Look at it below, and enter the PIN again."
        }
        Refused::NoPin => "There is no PIN that allows a change. Set one on the agent's machine.",
        Refused::WrongPin { .. } => {
            "This is not the PIN. Wrong ones in a row that are still possible before a pause: {}."
        }
        Refused::PinPaused { .. } => {
            "Too many wrong PINs. None is accepted for now, the right one neither; minutes to wait: {}. Another PIN, set on \
             the agent's machine, ends the pause."
        }
        Refused::PinUnusable => "The PIN cannot be read or counted. The agent's log says why; set it again.",
        Refused::NotKept => "It could not be stored. Look at the alarms: is the disk full?",
    }
}

fn why(why: &Why, price: &dyn Fn(Price) -> String) -> String {
    match why {
        Why::PriceTaker => "any price will do".into(),
        Why::SameAtAllTimes => "the same limits at all times".into(),
        Why::InWindow { from, to, time_zone } => format!("in the window from {from} to {to} ({time_zone})"),
        Why::OutsideWindows => "outside of all windows".into(),
        Why::ByChance { feed_in_price, retail_price } => {
            format!("drawn by chance, between {} and {}", price(*feed_in_price), price(*retail_price))
        }
        Why::Learned { limits, lowest, highest } => {
            format!("by what each of {limits} limits from {} to {} has earned", price(*lowest), price(*highest))
        }
        Why::PricesOfTheDay { lowest, highest } => {
            format!("neighbours' prices went from {} to {} within a day", price(*lowest), price(*highest))
        }
        Why::NoPriceOfTheDay => "no price of the last day is proved yet".into(),
        Why::BatteryEmpty => "the battery was nearly empty: what is lacking cannot wait".into(),
        Why::BatteryFull => "the battery was nearly full: what is left over cannot wait".into(),
        Why::Agreed { coalition } => format!("agreed in the coalition {coalition}"),
        Why::TariffsUnproved => "the supplier's prices are not proved yet".into(),
        Why::BelowSupplier { discount, retail_price } => {
            format!("{} below the supplier's {}", price(*discount), price(*retail_price))
        }
    }
}

fn detail(detail: &Detail) -> &'static str {
    match detail {
        // These are said by what is wrong with the receipt.
        Detail::ReceiptRefused(..) | Detail::Misdelivered(_) => "",
        Detail::Said(_) => "{}",
        Detail::TopicsRefused => "It does not let this device read its own topics.",
        Detail::NothingStored(_) => "{} Nothing is signed until the agent is started again.",
        Detail::NotProved { .. } => "Reading {} of {} is not proved settled, while {} is.",
        Detail::ReceiptUnreadable(_) => {
            "The receipt of {} could not be read any more. One that came again is in its place, and no sum was \
             changed."
        }
        Detail::ReadingUnreadable(_) => "Reading {} cannot be read from the state any more, and is not sent.",
        Detail::EntriesDropped(_) => "Entries that were unreadable and dropped: {}.",
        Detail::DatabaseLost(_) => {
            "{} had been lost, set back or torn off at its end. The last signature was kept apart from it; receipts \
             and sums from before may be missing."
        }
        Detail::TwoTruths(_) => "Of {} another entry was settled before, with other figures.",
        Detail::OtherHistory(..) => "Block {} is another one in the ledger that these have seen: {}.",
        Detail::NotWitnessed(..) => "Of block {}: {}",
        Detail::ReceiptsRefused(_) => "Receipts that were refused before: {}; they are kept as evidence.",
        Detail::Refused(..) => "It calls that {} and says: {}",
        Detail::OtherReading(_) => "It says: {}",
        Detail::OtherLength(..) => "Intervals of {} minutes were expected, intervals of {} minutes found.",
        Detail::NotUnderstood { .. } => "What could not be understood: {}",
        Detail::RegistrationDiffers(..) => "Here: {}. Decided, and proved: {}.",
        Detail::Clock(ClockFault::NotSet(_)) => "It was never set: it shows {}.",
        Detail::Clock(ClockFault::NotEnded { .. }) => {
            "The market asks for {}, which ends in {} s by this machine's clock: one of the two clocks is wrong."
        }
        Detail::Clock(ClockFault::JumpedBack(_)) => "It jumped back by {} s.",
    }
}

fn fault(fault: &ReceiptFault) -> &'static str {
    match fault {
        ReceiptFault::Malformed(_) => "It is no receipt: {}.",
        ReceiptFault::TooLarge { .. } => "A receipt has at most {} bytes, this one had {}.",
        ReceiptFault::NotProved(_) => "The validators did not commit it: {}.",
        ReceiptFault::OtherCommunity { .. } => "It is of another community.",
        ReceiptFault::OtherMember { .. } => "It is of another member, {}.",
        ReceiptFault::OtherLength { .. } => "Its interval is of another length than the community's.",
        ReceiptFault::Contradiction(_) => {
            "Of {} another entry was settled before, with other figures: the validators committed two truths."
        }
        ReceiptFault::EnergyBalance { .. } => "In the interval from {} on it settles {}, where this meter signed {}.",
        ReceiptFault::BoughtAboveDeficit { .. } => "Bought from neighbours: {}, where at most {} were drawn.",
        ReceiptFault::SoldAboveSurplus { .. } => "Sold to neighbours: {}, where at most {} were fed in.",
        ReceiptFault::AboveCap { .. } => "Traded with neighbours: {}, where your own limit is {}.",
        ReceiptFault::WrongAmount { .. } => "An amount of {} for {} does not follow from energy and price: that is {}.",
        ReceiptFault::PaidAboveLimit { .. } => "Paid: {} for {}, where your own limit is {} per kWh.",
        ReceiptFault::EarnedBelowLimit { .. } => "Earned: {} for {}, where you wanted {} per kWh at least.",
        ReceiptFault::NeighboursDoNotAddUp { .. } => "Its neighbours add up to {}, where the receipt says {}.",
        ReceiptFault::OutOfRange => "Its amounts are beyond any range.",
    }
}
