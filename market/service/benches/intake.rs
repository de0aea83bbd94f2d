//! How fast readings are taken in (sifted, opened, verified, decided about, stored with `fsync`), beside the least that
//! any intake must do: verify the same signatures in batches on the same cores. That is done twice: by keys whose
//! points are worked out, as the market does it, and by the bytes of the keys, as whoever does not know them must.
//!
//! `cargo bench -p market-service --bench intake` prints all ratios of one run; `-- short` does so for a small
//! community. Where others use the machine, too, trust the ratio of the CPU times: whoever hands work from one thread
//! to another waits at each step until it is its turn.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic, and prints")]

use std::{
    collections::BTreeMap,
    env,
    num::NonZero,
    thread,
    time::{Duration, Instant},
};

use coset::{CborSerializable, CoseSign1};
use market_service::rehearsal::{Rehearsal, Rehearsed};
use protocol::{
    answer::Refusal,
    batch::Claims,
    cbor,
    commit::Validator,
    envelope::{Payload, Signed},
    genesis::{Genesis, GenesisMember, Rules},
    hash::Hash,
    key::{Claim, KnownKey, SecretKey, Signature, all_hold},
    member::MemberId,
    reading::{Reading, Registers},
    topic::Topics,
};

const ROUNDS: usize = 15;
/// Signatures in one batch of the bare verification: the fastest of these counts.
const BATCHES: [usize; 4] = [512, 1_024, 2_048, 4_096];

fn main() {
    let short = env::args().any(|argument| argument == "short");
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    println!(
        "{cores} cores; µs for each different message, best of {ROUNDS}; in brackets bare verification beside it:"
    );
    println!("by known keys: time, CPU time; by bytes of keys: time, CPU time");
    println!(
        "{:>17}  {:<17}{:<17}{:<32}{:<32}{:<32}",
        "devices", "known (batch)", "bytes (batch)", "each once", "each twice", "1 % forged"
    );
    for devices in [1_000, 10_000].into_iter().filter(|devices| !short || *devices <= 1_000) {
        let made = Made::new(devices);
        let claims: Vec<Claim> = made.messages.iter().map(|(_, bytes)| made.claim(bytes)).collect();
        let shares: Vec<Claims> = claims.chunks(devices.div_ceil(cores)).map(known).collect();
        let by_known =
            |batch| on_all_cores(shares.len(), |core| shares[core].which_hold(batch).iter().all(|holds| *holds));
        let by_bytes = |batch: usize| {
            let batch = batch.min(devices.div_ceil(cores));
            on_all_cores(cores, |core| claims.chunks(batch).skip(core).step_by(cores).all(all_hold));
        };
        let once = made.messages.clone();
        let twice = once.iter().flat_map(|message| [message.clone(), message.clone()]).collect::<Vec<_>>();
        let mut forged = once.clone();
        for (_, bytes) in forged.iter_mut().step_by(100) {
            *bytes.last_mut().unwrap() ^= 1;
        }
        let is_forged = devices.div_ceil(100);

        let (mut known, mut bytes) = (Bare([NONE_YET; BATCHES.len()]), Bare([NONE_YET; BATCHES.len()]));
        let mut taken = [NONE_YET; 3];
        for _ in 0..ROUNDS {
            known.round(by_known);
            bytes.round(by_bytes);
            let no = BTreeMap::new();
            let duplicates = BTreeMap::from([(Refusal::Duplicate, devices)]);
            let bad = BTreeMap::from([(Refusal::BadSignature, is_forged)]);
            let cases = [(&once, devices, no), (&twice, devices, duplicates), (&forged, devices - is_forged, bad)];
            for ((best, sum), (messages, accepted, refused)) in taken.iter_mut().zip(cases) {
                let (time, cpu, found) = made.take_in(messages);
                assert_eq!(found, Rehearsed { accepted, refused });
                *best = time.min(*best);
                *sum += cpu;
            }
        }
        let each = |time: Duration| time.as_secs_f64() * 1e6 / devices as f64;
        let bare = |bare: &Bare| format!("{:<17}", format!("{:.1} ({})", each(bare.best().0), bare.best().1));
        let beside = |(time, cpu): (Duration, Duration)| {
            let ratio = |bare: Duration, taken: Duration| bare.as_secs_f64() / taken.as_secs_f64();
            let [known, bytes] = [&known, &bytes]
                .map(|bare| format!("{:.2}, {:.2}", ratio(bare.best().0, time), ratio(bare.least_cpu(), cpu)));
            format!("{:<32}", format!("{:.1} ({known}; {bytes})", each(time)))
        };
        println!("{devices:>17}  {}{}{}", bare(&known), bare(&bytes), taken.map(beside).concat());
    }
}

/// The shortest time, and the CPU time of all rounds, before the first.
const NONE_YET: (Duration, Duration) = (Duration::MAX, Duration::ZERO);

/// Bare verification: the shortest time, and the CPU time of all rounds, for each size of batches.
struct Bare([(Duration, Duration); BATCHES.len()]);

impl Bare {
    fn round(&mut self, verify: impl Fn(usize)) {
        for (batch, (best, sum)) in BATCHES.into_iter().zip(&mut self.0) {
            let before = cpu_time();
            *best = time(|| verify(batch)).min(*best);
            *sum += cpu_time() - before;
        }
    }

    /// The shortest time, and the size of batches that took it.
    fn best(&self) -> (Duration, usize) {
        let times = self.0.iter().zip(BATCHES).map(|((best, _), batch)| (*best, batch));
        times.min().unwrap()
    }

    fn least_cpu(&self) -> Duration {
        self.0.iter().map(|(_, sum)| *sum).min().unwrap()
    }
}

fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// CPU time of all threads of this program so far, as Linux counts it: in steps of 10 ms, so that only sums say much.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}

/// Has every core find that what it verifies holds.
fn on_all_cores(cores: usize, holds: impl Fn(usize) -> bool + Sync) {
    let holds = &holds;
    thread::scope(|scope| {
        for core in 0..cores {
            scope.spawn(move || assert!(holds(core)));
        }
    });
}

/// The same claims, by known keys.
fn known(claims: &[Claim]) -> Claims {
    let mut known = Claims::with_room(claims.len());
    for Claim { signer, message, signature } in claims {
        known.add(KnownKey::from(signer), signature, |bytes| bytes.extend(message));
    }
    known
}

/// A community, and one reading of each of its devices.
struct Made {
    genesis: Genesis,
    chain: Hash,
    market: SecretKey,
    messages: Vec<(String, Vec<u8>)>,
}

impl Made {
    fn new(devices: usize) -> Made {
        let key = |kind: u8, number: usize| {
            let mut seed = [kind; 32];
            seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
            SecretKey::from_seed(&seed)
        };
        let (market, first) = (key(0, 0), "2026-06-01T12:00:00Z/PT15M".parse().unwrap());
        let member = |number: usize| GenesisMember {
            member: MemberId::from_bytes((number as u128).to_be_bytes()),
            key: key(1, number).public(),
            device: key(2, number).public(),
            rated_power_w: 10_000,
            bus: None,
            import_wh: 0,
            export_wh: 0,
            technology: None,
        };
        let genesis = Genesis {
            community: "Bench".into(),
            currency: "EUR".into(),
            first_interval: first,
            rules: Rules::new("0.30".parse().unwrap(), "0.08".parse().unwrap(), "uniform"),
            market: market.public(),
            validators: vec![Validator { key: key(3, 0).public(), power: 1 }],
            members: (0..devices).map(member).collect(),
            grid: None,
            time_zone: None,
        };
        let chain = genesis.chain();
        let topics = Topics::new(&chain);
        let message = |number: usize| {
            let reading = Reading {
                interval: first,
                sequence: 1,
                previous: Hash::ZERO,
                registers: Registers { import_wh: number as u64 % 2_000, export_wh: 0 },
                salt: (number as u128).to_be_bytes(),
            };
            let key = key(2, number);
            (topics.reading(&key.public()), Signed::sign(reading, &chain, &key).bytes().to_vec())
        };
        let messages = (0..devices).map(message).collect();
        Made { genesis, chain, market, messages }
    }

    /// What the signature of a message says.
    fn claim(&self, bytes: &[u8]) -> Claim {
        let sign1 = CoseSign1::from_slice(bytes).unwrap();
        let aad = cbor::encode(&(Reading::DOMAIN, self.chain));
        let signer = sign1.protected.header.key_id.as_slice().try_into().unwrap();
        let signer = protocol::key::PublicKey::from_bytes(signer).unwrap();
        let signature = Signature::from_bytes(sign1.signature.as_slice().try_into().unwrap());
        Claim { signer, message: sign1.tbs_data(&aad), signature }
    }

    fn take_in(&self, messages: &[(String, Vec<u8>)]) -> (Duration, Duration, Rehearsed) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let state = tempfile::tempdir().unwrap();
        let mut rehearsal = Rehearsal::new(self.genesis.clone(), self.market.clone(), state.path()).unwrap();
        let messages = messages.iter().map(|(topic, bytes)| (topic.clone(), bytes.as_slice())).collect();
        let (start, before) = (Instant::now(), cpu_time());
        let rehearsed = runtime.block_on(rehearsal.take_in(messages)).unwrap();
        (start.elapsed(), cpu_time() - before, rehearsed)
    }
}
