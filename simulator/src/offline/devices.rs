//! The devices of the homes: who has which, and what they remember from interval to interval.

use std::collections::BTreeMap;

use household::home::{Home, HomeState, Step, appliance::Window, battery::Battery, ev::Session};
use protocol::{interval::Interval, money::Price};

use super::{
    chance::{Chance, Purpose, happens, place},
    faults::{Faults, Outages},
    learning::Learned,
    member::Member,
    pool::Pool,
    season,
    uses::{Use, narrow},
};
use crate::scenario::{Device, Equipment, Of, Range, Scenario, ScenarioError, Weather};

/// What the homes' devices need to know of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Remembers {
    /// Nothing: intervals can be played in any order.
    Nothing,
    /// Their own state: the energy of intervals comes in order, and may be traded in any.
    State,
    /// What earlier intervals came to, too: each interval waits for the one before.
    Market,
}

/// Who has which devices.
#[derive(Debug)]
pub(crate) struct Devices {
    /// By member; none where a home has none.
    homes: Vec<Option<Equipped>>,
    weather: Weather,
    chance: Chance,
    remembers: Remembers,
}

#[derive(Debug)]
struct Equipped {
    home: Home,
    battery: Option<usize>,
    vehicle: Option<usize>,
    appliances: Option<usize>,
}

/// What the homes remember.
#[derive(Debug)]
pub struct Memory {
    homes: Vec<Remembered>,
    /// The prices of the last two intervals, the older one first.
    prices: [Option<Price>; 2],
    pub(super) outages: Outages,
    pub(super) learned: Learned,
    /// The quotas of the next interval, by its number, in an outage.
    pub(super) quotas: Option<(usize, Vec<u32>)>,
    /// Those of the one after it.
    pub(super) planned: Option<(usize, Vec<u32>)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Remembered {
    state: HomeState,
    /// The day of the sessions and of the window, and the sessions that began the day before and on it.
    day: Option<i64>,
    sessions: [Option<Session>; 2],
    window: Option<Window>,
}

impl Devices {
    pub(crate) fn of(scenario: &Scenario, members: &[Member], chance: &Chance) -> Result<Devices, ScenarioError> {
        let mut tables: BTreeMap<usize, (toml::Table, [Option<usize>; 3])> = BTreeMap::new();
        for (lot, device) in [Device::Battery, Device::Ev, Device::HeatPump, Device::Appliances].into_iter().enumerate()
        {
            for (entry, member) in by_lot(&scenario.equipment, device, members, chance, 2 + lot as u64) {
                let (table, of) = tables.entry(member).or_default();
                table.extend(scenario.equipment[entry].settings.clone());
                match device {
                    Device::Ev => of[0] = Some(entry),
                    Device::Appliances => of[1] = Some(entry),
                    Device::Battery => of[2] = Some(entry),
                    Device::HeatPump => {}
                }
            }
        }
        let mut homes: Vec<Option<Equipped>> = members.iter().map(|_| None).collect();
        for (member, (table, [vehicle, appliances, battery])) in tables {
            let home: Home =
                table.try_into().map_err(|error: toml::de::Error| ScenarioError::at("equipment", error.message()))?;
            homes[member] = Some(Equipped { home, battery, vehicle, appliances });
        }
        let remembers = match homes.iter().flatten().any(|equipped| equipped.home.follows_prices()) {
            true => Remembers::Market,
            false if homes.iter().any(Option::is_some) => Remembers::State,
            false => Remembers::Nothing,
        };
        Ok(Devices { homes, weather: scenario.weather.clone(), chance: chance.clone(), remembers })
    }

    pub(crate) fn remembers(&self) -> Remembers {
        self.remembers
    }

    /// A home's battery, and which entry of the equipment it is.
    pub(crate) fn battery(&self, member: usize) -> Option<(Battery, usize)> {
        let equipped = self.homes[member].as_ref()?;
        Some((*equipped.home.battery()?, equipped.battery?))
    }

    /// Has a home's battery give so many Wh at the meter, or as many as it holds, and says how many.
    pub(super) fn discharge(&self, member: usize, wh: u64, memory: &mut Memory) -> u64 {
        let given = self.battery(member).zip(memory.homes.get_mut(member));
        given.map_or(0, |((battery, _), home)| battery.give(&mut home.state.battery, wh))
    }

    /// All batteries as one, if there are any.
    pub(crate) fn pool(&self) -> Option<Pool> {
        Pool::of(self.homes.iter().flatten().filter_map(|equipped| equipped.home.battery()))
    }

    /// How the homes begin.
    pub(super) fn start(&self, learned: Learned) -> Memory {
        let begin = |equipped: &Option<Equipped>| Remembered {
            state: equipped.as_ref().map_or_else(HomeState::default, |equipped| equipped.home.start()),
            ..Remembered::default()
        };
        let homes = match self.remembers {
            Remembers::Nothing => Vec::new(),
            Remembers::State | Remembers::Market => self.homes.iter().map(begin).collect(),
        };
        Memory { homes, prices: [None; 2], outages: Outages::default(), learned, quotas: None, planned: None }
    }

    /// What the devices make of what the profiles say of the next interval. In an outage none follows prices.
    pub(crate) fn step(
        &self,
        interval: Interval,
        in_outage: bool,
        scenario: &[Equipment],
        faults: &Faults,
        memory: &mut Memory,
        uses: &mut [Use],
    ) {
        let outdoor_milli_c = self.weather_at(interval);
        let day = interval.start_s().div_euclid(DAY_S);
        // What receipts say by the time that the interval begins: of the one before last, whose market has closed.
        let Memory { homes, prices: [price, _], outages, .. } = memory;
        let homes = self.homes.iter().zip(homes).zip(uses).enumerate();
        for (number, ((equipped, remembered), of_home)) in homes {
            let Some(Equipped { home, vehicle, appliances, .. }) = equipped else { continue };
            if remembered.day != Some(day) {
                remembered.day = Some(day);
                let session = |day| self.session(&scenario[(*vehicle)?], number, day);
                remembered.sessions = [session(day - 1), session(day)];
                remembered.window = appliances.and_then(|entry| self.window(&scenario[entry], number, day));
            }
            let [before, today] = &remembered.sessions;
            let session = before.as_ref().filter(|session| session.departs_s > interval.start_s()).or(today.as_ref());
            let windows = [remembered.window; household::home::APPLIANCES_MAX];
            let price = price.filter(|_| !in_outage && home.follows_prices() && faults.was_read(number, outages));
            let step = Step {
                outdoor_milli_c,
                price,
                session,
                windows: &windows,
                ..Step::new(interval, of_home.consumption, of_home.production)
            };
            let flows = home.step(&mut remembered.state, &step);
            of_home.consumption = narrow(flows.consumption_wh);
            of_home.charged = narrow(flows.charged_wh);
            of_home.discharged = narrow(flows.discharged_wh);
        }
    }

    fn weather_at(&self, interval: Interval) -> i32 {
        let Weather { winter_c, summer_c, day_swing_c } = self.weather;
        let milli = |celsius: i32| i64::from(celsius) * 1_000;
        let summer = season::summer(interval.start_s());
        let mean = milli(winter_c) + ((milli(summer_c - winter_c) * summer as i64) >> 32);
        // Coldest at 3 in the morning, warmest at 15, evenly between.
        let from_coldest = (interval.start_s().rem_euclid(DAY_S) - 3 * 3_600).rem_euclid(DAY_S);
        let towards = from_coldest.min(DAY_S - from_coldest);
        let swing = milli(day_swing_c) * (towards - DAY_S / 4) / (DAY_S / 2);
        // Of some tens of degrees.
        (mean + swing) as i32
    }

    /// The vehicle's stay that begins on a day, if it was away.
    fn session(&self, entry: &Equipment, home: usize, day: i64) -> Option<Session> {
        let mut draws = self.chance.draws(Purpose::Trip, place(home, day));
        let trips = &entry.trips;
        let [away, arrives, departs, energy] = [(); 4].map(|()| draws.next_u32());
        happens(trips.share, away).then(|| Session {
            arrives_s: within(day, trips.arrives, arrives),
            departs_s: within(day + 1, trips.departs, departs),
            energy_wh: u32::try_from(trips.energy_wh.milli_at(energy) / 1_000).unwrap_or(u32::MAX),
            power_w: household::home::units::POWER_W_MAX,
        })
    }

    /// The hours of a day in which the appliances run, if they do.
    fn window(&self, entry: &Equipment, home: usize, day: i64) -> Option<Window> {
        let mut draws = self.chance.draws(Purpose::Window, place(home, day));
        let [runs, from, to] = [(); 3].map(|()| draws.next_u32());
        let at = |hours: Range, draw: u32| within(day, hours, draw);
        happens(entry.window.share, runs)
            .then(|| Window { earliest_s: at(entry.window.from, from), latest_s: at(entry.window.to, to) })
    }
}

impl Memory {
    /// Takes note of the price of the interval that was traded last.
    pub(super) fn note(&mut self, price: Option<Price>) {
        self.prices = [self.prices[1], price];
    }

    /// What a member's battery holds, µWh; 0 without one.
    pub(crate) fn stored_uwh(&self, member: usize) -> u64 {
        self.homes.get(member).map_or(0, |home| home.state.battery.stored_uwh)
    }

    /// What all batteries hold, Wh.
    pub(crate) fn stored_wh(&self) -> u64 {
        self.homes.iter().map(|home| home.state.battery.stored_uwh).sum::<u64>() / 1_000_000
    }
}

const DAY_S: i64 = 86_400;

/// When the hour that lies at `draw` of 2³² among the hours of a day is, in seconds after 1970.
fn within(day: i64, hours: Range, draw: u32) -> i64 {
    // Thousandths of an hour are 3.6 s.
    day * DAY_S + (hours.milli_at(draw) * 36 / 10) as i64
}

/// Which entry of equipment goes to which members, by lot: a share of those that may have it, and nobody has two.
fn by_lot(
    equipment: &[Equipment],
    device: Device,
    members: &[Member],
    chance: &Chance,
    lot: u64,
) -> Vec<(usize, usize)> {
    let mut lots = chance.lots(lot, members.len());
    let may_have = |of: Of, member: usize| of == Of::All || members[member].has_roof;
    let mut given = Vec::new();
    for (entry, of_entry) in equipment.iter().enumerate().filter(|(_, entry)| entry.device == device) {
        let pool = (0..members.len()).filter(|member| may_have(of_entry.of, *member)).count();
        let mut left = of_entry.share.of(u32::try_from(pool).unwrap_or(u32::MAX));
        lots.retain(|member| {
            let gets = left > 0 && may_have(of_entry.of, *member);
            if gets {
                left -= 1;
                given.push((entry, *member));
            }
            !gets
        });
    }
    given
}
