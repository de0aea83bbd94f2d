//! What holds for every list of events, whatever is heard, fails or comes in between. The [watch](super::watch) looks
//! at all of it.

use proptest::{
    prelude::*,
    strategy::Strategy,
    test_runner::{Config, FileFailurePersistence},
};

use super::{home::fixed, *};

/// Something that happens to a household, or what comes of what it wants done.
#[derive(Debug, Clone)]
enum Happening {
    Connects,
    Disconnects,
    Announces { open: i64, orders_from: i64 },
    AnswersReading { sequence: u64, refusal: Option<Refusal> },
    AnswersOrder(Option<Refusal>),
    ProvesAllUpTo(i64),
    Proves { at: i64, imported_wh: u64 },
    ProvesToNeighbour(i64),
    SaysNonsense(Inbound),
    WantsOther { buy: u8 },
    Chooses { buy: Option<u8> },
    Passes { ms: u64 },
    Succeeds { times: usize },
    MeterFails,
    MeterMisses,
    MeterWaits,
    TakesOnly(usize),
    FailsToWrite { reached: bool },
}

fn happening() -> impl Strategy<Value = Happening> {
    let at = || -2..12_i64;
    let refusal = || prop_oneof![Just(None), prop::sample::select(&Refusal::ALL[..]).prop_map(Some)];
    let kind = prop::sample::select(&[Inbound::Gate, Inbound::Answer, Inbound::Receipt, Inbound::Quota][..]);
    prop_oneof![
        2 => Just(Happening::Connects),
        1 => Just(Happening::Disconnects),
        4 => (at(), at()).prop_map(|(open, orders_from)| Happening::Announces { open, orders_from }),
        2 => (1..12_u64, refusal())
            .prop_map(|(sequence, refusal)| Happening::AnswersReading { sequence, refusal }),
        2 => refusal().prop_map(Happening::AnswersOrder),
        2 => at().prop_map(Happening::ProvesAllUpTo),
        1 => (at(), 0..30_u64).prop_map(|(at, imported_wh)| Happening::Proves { at, imported_wh }),
        1 => at().prop_map(Happening::ProvesToNeighbour),
        1 => kind.prop_map(Happening::SaysNonsense),
        1 => (1..4_u8).prop_map(|buy| Happening::WantsOther { buy }),
        2 => prop::option::of(1..4_u8).prop_map(|buy| Happening::Chooses { buy }),
        2 => (0..20_000_u64).prop_map(|ms| Happening::Passes { ms }),
        16 => (1..9_usize).prop_map(|times| Happening::Succeeds { times }),
        1 => Just(Happening::MeterFails),
        1 => Just(Happening::MeterMisses),
        1 => Just(Happening::MeterWaits),
        1 => (0..3_usize).prop_map(Happening::TakesOnly),
        1 => any::<bool>().prop_map(|reached| Happening::FailsToWrite { reached }),
    ]
}

impl Happening {
    /// Happens to a household; not, where it cannot.
    fn to(&self, home: &mut Home) {
        match *self {
            Happening::Connects => drop(home.connects()),
            Happening::Disconnects => drop(home.disconnects(1)),
            Happening::Announces { open, orders_from } => drop(home.announced(open, Some(orders_from))),
            Happening::AnswersReading { sequence, refusal } => {
                if let Some(message) = home.memory.readings.get(&sequence).map(|record| record.message.clone()) {
                    home.answered(&message, refusal);
                }
            }
            Happening::AnswersOrder(refusal) => {
                if let Some(message) = home.memory.orders.values().last().map(|record| record.message.clone()) {
                    home.answered(&message, refusal);
                }
            }
            Happening::ProvesAllUpTo(at) => {
                let readings = home.memory.readings.values();
                let unsettled = readings.filter(|record| !record.settled && record.interval <= interval(at));
                let imported_wh = unsettled.map(|record| record.import.wh()).sum();
                home.receives(&home.receipt(at, imported_wh));
            }
            Happening::Proves { at, imported_wh } => drop(home.receives(&home.receipt(at, imported_wh))),
            Happening::ProvesToNeighbour(at) => drop(home.receives(&home.receipt_of_the_neighbour(at))),
            Happening::SaysNonsense(kind) => drop(home.hears(kind, b"{".to_vec())),
            Happening::WantsOther { buy } => {
                home.core.identity.strategy = fixed(Some(&format!("0.{buy}")));
            }
            Happening::Chooses { buy } => drop(home.chooses(buy.map(|buy| format!("0.{buy}")).as_deref())),
            Happening::Passes { ms } => drop(home.passes(Duration::from_millis(ms))),
            Happening::Succeeds { times } => (0..times).for_each(|_| drop(home.succeeds())),
            Happening::MeterFails if home.is_reading() => {
                home.done(Outcome::MeterRead(Err("no answer".into())));
            }
            Happening::MeterWaits if home.is_reading() => {
                home.done(Outcome::MeterRead(Ok(Shown { reading: Reading::NotYet, salt: [0; 16] })));
            }
            Happening::MeterMisses if home.is_reading() => {
                home.done(Outcome::MeterRead(Ok(Shown { reading: Reading::Missed, salt: [0; 16] })));
            }
            Happening::TakesOnly(taken) => {
                if let Some(Effect::Publish(messages)) = &home.awaited {
                    home.takes(taken.min(messages.len()));
                }
            }
            Happening::FailsToWrite { reached } if home.is_writing() => drop(home.fails_to_write(reached)),
            Happening::MeterFails | Happening::MeterMisses | Happening::MeterWaits | Happening::FailsToWrite { .. } => {
            }
        }
    }
}

fn config() -> Config {
    Config {
        cases: 512,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("seeds"))),
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_numbers_are_signed_once_stored_then_sent_and_nothing_is_acknowledged_after_a_failure(
        happenings in prop::collection::vec(happening(), 0..80)
    ) {
        let play = || {
            let mut home = Home::new(Some("0.1"));
            home.core.identity.behind = crate::island::Behind::of(None, Some(&crate::island::IslandConfig { critical_w: 0 }));
            let mut wanted = Vec::new();
            for happening in &happenings {
                happening.to(&mut home);
                wanted.push(home.awaited.clone());
            }
            home.all_goes_well();
            prop_assert!(home.core.work.later.is_empty() && home.core.work.stage == Stage::Idle, "it comes to rest");
            if !home.core.live.halted {
                prop_assert_eq!(home.core.identity.choice, home.memory.choice, "what is chosen is stored");
                let unsettled = home.memory.readings.values().filter(|record| !record.settled).count();
                prop_assert_eq!(home.core.outbox.unsettled(), unsettled, "no reading is lost before it is settled");
            }
            Ok(wanted)
        };
        prop_assert_eq!(play()?, play()?, "the same events have the same effects");
    }
}
