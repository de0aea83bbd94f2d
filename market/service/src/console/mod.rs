//! The operator's console: what the market does, in a browser, as JSON and as Prometheus metrics.
//!
//! The service tells the [`Board`] what happens; whoever looks (page, API, scraper) reads from the board. The console
//! changes nothing in the market: no request here writes, but that somebody knows of an alarm. Everything it holds is
//! bounded ([`limits`]), and everything it shows is exact: sums are integers, prices and amounts travel as decimal
//! text.
//!
//! | file | what |
//! |---|---|
//! | `board.rs` | the model behind the page: pure, told of events, asked for views |
//! | `view.rs` | the JSON that is shown |
//! | `signs.rs`, `health.rs` | what was heard of ledger and broker, and what it means; pure |
//! | `recent.rs` | what happened within minutes, to be judged; pure |
//! | `alarms.rs` | which alarms are to be on, by what is shown; pure |
//! | `api.rs` | `/api/v1`, OpenAPI, Swagger UI |
//! | `answer.rs` | how the API says what is wrong, and gives files |
//! | `looking_back.rs`, `history/` | days, months and intervals from the ledger |
//! | `summary.rs` | a settled interval in one line, and what is drawn of it |
//! | `first_picture.rs` | supply and demand as a small SVG, shown until the library of all charts has come |
//! | `events.rs` | server-sent events: what is new since the browser last heard |
//! | `metrics.rs` | `/metrics` |
//! | `operators.rs` | who may acknowledge alarms here |
//! | `sign_in.rs` | who may look, where the configuration knows tokens |
//! | `page.rs` | the page and its files, all served from here: nothing comes from outside |

mod alarms;
mod answer;
mod api;
mod board;
mod events;
mod first_picture;
mod health;
mod history;
mod households;
mod looking_back;
mod metrics;
mod moment;
mod operators;
mod page;
mod provisional;
mod recent;
mod sign_in;
mod signs;
mod summary;
mod view;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use axum::middleware::from_fn;
use protocol::{
    answer::Refusal,
    api::{MemberStatus, RulesInForce, Settled},
    commit::Validator,
    envelope::ChainId,
    genesis::Genesis,
    interval::Interval,
    member::MemberId,
    money::Price,
    settlement::Line,
};
use tokio::sync::{Semaphore, watch};

use crate::alarms::{Acknowledged, AlarmName, Alarms, list::Change, notices::outbox::ChannelState};
use board::Model;
use history::{History, HistoryError};
use market::settlement::Picture;
use moment::Moment;
use public_http::{Access, Names, Page, Site, pack};
pub(crate) use view::Disk;

pub use self::operators::{Operators, OperatorsError};

use crate::ledger_client::LedgerClient;

/// Every limit of the console.
pub mod limits {
    /// Most settled intervals whose summary is kept: almost three years of quarter hours, about 13 MB.
    pub const SUMMARIES_MAX: usize = 100_000;
    /// Most settled intervals of which curves and households' lines are kept.
    pub const DETAILS_MAX: usize = 200;
    /// Most lines, curve steps and buses kept in all of these together, about 40 MB: large communities keep fewer
    /// intervals.
    pub const DETAIL_ITEMS_MAX: usize = 500_000;
    /// Most intervals in one answer, and in the page's first load.
    pub const INTERVALS_PER_PAGE_MAX: usize = 1_000;
    /// Most households in one answer.
    pub const HOUSEHOLDS_PER_PAGE_MAX: usize = 1_000;
    /// Most intervals in one event; who has missed more is told to fetch everything anew.
    pub const INTERVALS_PER_EVENT_MAX: u64 = 100;
    /// Most browsers that listen to events at the same time.
    pub const LISTENERS_MAX: usize = 48;
    /// Shortest time between two events to one browser, ms.
    pub const EVENT_SPACING_MS_MIN: u64 = 200;
    /// Longest time between two events to one browser, ms: one that hears nothing for longer has lost the market.
    pub const EVENT_SPACING_MS_MAX: u64 = 3_000;
}

/// What the console says of the community: as it starts, until the ledger says [how it is](Board::rules_and_members).
#[derive(Debug, Clone)]
pub struct CommunityInfo {
    /// Name of the community.
    pub community: String,
    /// Currency of all prices and amounts.
    pub currency: String,
    /// The chain: hash of the genesis.
    pub chain: ChainId,
    /// Name of the clearing mechanism.
    pub mechanism: String,
    /// What the supplier takes for a kWh.
    pub retail_price: Price,
    /// What the supplier gives for a kWh.
    pub feed_in_price: Price,
    /// The first interval that is settled.
    pub first_interval: Interval,
    /// The members, in the order to list them.
    pub members: Vec<MemberInfo>,
    /// Names of participants, also of those who are no members yet.
    pub names: BTreeMap<MemberId, String>,
    /// The broker's address.
    pub broker: String,
    /// Who votes on the ledger.
    pub validators: Vec<Validator>,
}

/// A member, by the name that the operator knows it by.
#[derive(Debug, Clone)]
pub struct MemberInfo {
    /// The pseudonym.
    pub member: MemberId,
    /// The participant's name.
    pub name: String,
    /// The bus of the grid that it is connected to, if known.
    pub bus: Option<String>,
    /// Whether a device measures for it; not after it was revoked.
    pub metered: bool,
}

/// What the market last heard of a validator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatorView {
    /// Where its HTTP API is.
    pub url: String,
    /// Its key, once known.
    pub key: Option<String>,
    /// Height of its last block.
    pub height: Option<u64>,
    /// Milliseconds since that block, when it was asked.
    pub height_age_ms: Option<u64>,
    /// Hash of that block.
    pub block: Option<String>,
    /// Why it did not answer the last time; none where it did.
    pub silence: Option<String>,
    /// By how many seconds its clock is ahead of the market's; none where it does not say.
    pub clock_off_s: Option<i64>,
    /// Pairs of contradicting messages that it has seen since it started.
    pub equivocations: u64,
}

/// One of the market's two connections to its broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerLink {
    /// Readings and orders come in.
    Readings,
    /// Announcements, answers and receipts go out.
    Answers,
}

/// How such a connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// It stands.
    Up,
    /// It was lost, or could not be made, for this reason; it is tried again.
    Failed(String),
    /// It stands, but the broker does not let the market do what it is for.
    Refused(String),
}

/// What can be said of a reading that was not refused, and did not come in order either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Noted {
    /// Its interval was closed when it came.
    Late,
    /// It was settled, but what it says does not close, and will be corrected.
    Provisional,
}

/// Why a reading was late: its interval was closed, so its energy was settled with the supplier in a later one.
pub const SETTLED_LATER: &str = "SettledWithALaterInterval";

impl Noted {
    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Noted::Late => "late",
            Noted::Provisional => "provisional",
        }
    }
}

/// The console's board: the service writes on it, browsers read from it. Cheap to clone; all clones are one board.
#[derive(Debug, Clone)]
pub struct Board(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    model: Mutex<Model>,
    alarms: Mutex<Alarms>,
    /// What became of the list outside of the [watch](Board::watch_alarms).
    acknowledged: Mutex<Vec<Change>>,
    operators: OnceLock<Operators>,
    /// Wakes the listeners. A watch, not a queue: a slow browser skips states instead of piling them up.
    pulse: watch::Sender<Pulse>,
    listeners: Arc<Semaphore>,
    history: OnceLock<History>,
}

/// What wakes a listener.
#[derive(Debug, Clone, Copy, Default)]
struct Pulse {
    closed: bool,
}

impl Board {
    /// An empty board: nothing open, nothing settled.
    pub fn new(info: CommunityInfo) -> Board {
        Board(Arc::new(Shared {
            model: Mutex::new(Model::new(info)),
            alarms: Mutex::default(),
            acknowledged: Mutex::default(),
            operators: OnceLock::new(),
            pulse: watch::Sender::new(Pulse::default()),
            listeners: Arc::new(Semaphore::new(limits::LISTENERS_MAX)),
            history: OnceLock::new(),
        }))
    }

    /// The rules in force and the present members, as the ledger has them.
    pub fn rules_and_members(&self, rules: &RulesInForce, members: &[MemberStatus]) {
        let changed = self.model().rules_and_members(rules, members);
        if changed {
            self.0.pulse.send_modify(|_| ());
        }
    }

    /// What the members are called from now on.
    pub(crate) fn renamed(&self, names: BTreeMap<MemberId, String>) {
        let changed = self.model().renamed(names);
        if changed {
            self.0.pulse.send_modify(|_| ());
        }
    }

    /// Which interval is open; none when the market has reached the end of its time.
    pub fn opened(&self, interval: Option<Interval>) {
        self.change(|model| model.opened(interval, Moment::now()));
    }

    /// The interval's settlement was made, and is on its way to the ledger.
    pub fn closed(&self, interval: Interval) {
        self.change(|model| model.signs().closed(interval, Moment::now()));
    }

    /// The ledger refuses the interval's settlement, for this reason.
    pub fn settlement_refused(&self, interval: Interval, reason: String) {
        self.change(|model| model.signs().settlement_refused(interval, reason, Moment::now()));
    }

    /// The ledger has rules or members that cannot be cleared, for this reason.
    pub fn unfit(&self, reason: String) {
        self.change(|model| model.signs().unfit(reason, Moment::now()));
    }

    /// How a connection to the broker is.
    pub fn broker(&self, link: BrokerLink, state: LinkState) {
        self.change(|model| model.signs().broker(link, state, Moment::now()));
    }

    /// How many devices of the open interval have been read, of how many.
    pub fn reading_taken(&self, received: usize, expected: usize) {
        self.change(|model| model.reading_taken(received, expected));
    }

    /// An interval is settled on the ledger. In order of interval, the history first; one told of twice counts once.
    pub fn settled(&self, settled: &Settled, picture: Option<&Picture>) {
        self.change(|model| model.settled(settled, picture, Moment::now()));
    }

    /// How often an interval was corrected, as far as its figures here tell; `None` if it is not shown yet.
    pub(crate) fn corrections(&self, interval: Interval) -> Option<u32> {
        self.model().corrections(interval)
    }

    /// An interval stands corrected; its lines were `before`, as its figures here tell. Told of twice, it counts once.
    pub(crate) fn corrected(&self, stands: &Settled, before: &[Line]) {
        self.change(|model| model.corrected(stands, before));
    }

    /// This many readings were late or settled provisionally, for this reason.
    pub fn noted(&self, what: Noted, reason: &'static str, count: usize) {
        if count > 0 {
            self.change(|model| model.noted(what, reason, count));
        }
    }

    /// A message was refused.
    pub fn refused(&self, refusal: Refusal) {
        self.change(|model| model.refused(refusal));
    }

    /// What the validators last said of themselves, in the order of the configuration.
    pub fn validators(&self, validators: Vec<ValidatorView>) {
        self.change(|model| model.validators(validators, Moment::now()));
    }

    /// Who votes on the ledger.
    pub fn voters(&self, voters: &[Validator]) {
        self.change(|model| model.signs().voters(voters));
    }

    /// This many receipts were published to their devices.
    pub fn receipts_forwarded(&self, count: usize) {
        self.change(|model| model.receipts_forwarded(count));
    }

    /// The room on the disk with the market's state, where it is known.
    pub(crate) fn disk(&self, disk: Option<Disk>) {
        self.model().disk(disk);
    }

    /// How it goes with telling people of alarms.
    pub(crate) fn notices(&self, channels: Vec<ChannelState>) {
        self.model().notices(channels);
    }

    /// The time, seconds after the epoch.
    pub(crate) fn now_s(&self) -> i64 {
        Moment::now().utc_s()
    }

    /// The list of alarms as it was when the market stopped.
    pub(crate) fn restore_alarms(&self, alarms: Alarms) {
        *self.list() = alarms;
    }

    /// Judges what is the matter now, with what was acknowledged meanwhile: what of it is new.
    pub(crate) fn watch_alarms(&self, acknowledged: Vec<(AlarmName, Acknowledged)>) -> Vec<Change> {
        let now = Moment::now();
        let found = self.model().judge_alarms(now);
        let mut list = self.list();
        let mut changes = list.judged(found, now.utc_s());
        changes.extend(acknowledged.into_iter().filter_map(|(name, known)| list.acknowledge(name, known)));
        changes.append(&mut self.0.acknowledged.lock().unwrap_or_else(PoisonError::into_inner));
        changes
    }

    /// Who may acknowledge alarms at the console; nobody, unless this was said.
    pub fn operated_by(&self, operators: Operators) {
        self.0.operators.get_or_init(|| operators);
    }

    /// Whose token it is, among those who may acknowledge alarms.
    fn operator(&self, token: Option<&[u8]>) -> Option<&str> {
        self.0.operators.get()?.name(token?)
    }

    /// Somebody knows of an alarm. Whether it is on, and nobody had said so before.
    fn acknowledge(&self, name: AlarmName, by: &str) -> bool {
        let known = Acknowledged { by: by.into(), at: self.now_s() };
        let Some(change) = self.list().acknowledge(name, known) else { return false };
        self.0.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(change);
        true
    }

    /// The list of alarms.
    pub(crate) fn alarms(&self) -> Alarms {
        self.list().clone()
    }

    /// Lets browsers look back on the days of this ledger.
    pub(crate) fn looks_back(&self, ledger: LedgerClient, genesis: &Genesis) {
        self.0.history.get_or_init(|| History::new(ledger, genesis));
    }

    /// Ends every browser's event stream, so that a server that waits for its connections can stop.
    pub fn close(&self) {
        self.0.pulse.send_modify(|pulse| pulse.closed = true);
    }

    /// The page, its files, the JSON API with its events and documentation, and the metrics; for whom `access` lets in,
    /// to be asked under these names.
    pub fn site(&self, names: Names, access: Access) -> Site<Page> {
        let tokens = Arc::new(access.tokens);
        // Answers are as long as the community is large.
        let (asks, router) = (!tokens.is_empty(), api::router(self.clone()).layer(from_fn(pack)));
        self.model().sign_in(asks);
        let router = if asks { sign_in::guarded(router, &tokens) } else { router };
        let site = Page::site("the console", router, page::CONTENT_SECURITY_POLICY, names, "console_names");
        let forms = |tokens| operators::forms(self.clone(), Arc::clone(&tokens)).merge(sign_in::forms(tokens));
        let site = if asks { site.with_forms(forms(tokens)) } else { site };
        site.over(access.tls)
    }

    fn change(&self, change: impl FnOnce(&mut Model)) {
        change(&mut self.model());
        self.0.pulse.send_modify(|_| ());
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        // A panic elsewhere while the lock was held leaves a board that is at worst one event short.
        self.0.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self) -> MutexGuard<'_, Alarms> {
        // A panic elsewhere while the lock was held leaves a list that is at worst one change short.
        self.0.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn history(&self) -> Result<&History, HistoryError> {
        self.0.history.get().ok_or(HistoryError::NoLedger)
    }

    fn pulse(&self) -> watch::Receiver<Pulse> {
        self.0.pulse.subscribe()
    }

    fn listeners(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.listeners)
    }
}
