//! What the console has heard of the market's surroundings: nodes of the ledger, the two connections to the broker, and
//! where the interval is. Bare facts with the moment since when; what they mean is [judged](super::health) elsewhere.

use protocol::{commit::Validator, interval::Interval};

use super::{BrokerLink, LinkState, ValidatorView, moment::Moment};

/// What was heard.
#[derive(Debug, Default)]
pub(crate) struct Signs {
    /// The nodes that are asked, in the order of the configuration.
    pub(crate) nodes: Vec<NodeSign>,
    /// Keys and powers of those who vote.
    pub(crate) voters: Vec<(String, u64)>,
    /// The highest block that was heard of, and when it was first.
    pub(crate) highest: Option<(u64, Moment)>,
    /// By [`BrokerLink`].
    pub(crate) broker: [LinkSign; 2],
    /// Whether the ledger has said where it stands.
    pub(crate) heard: bool,
    pub(crate) stage: Stage,
    pub(crate) refused: Option<RefusedSign>,
    /// Why what the ledger says cannot be cleared.
    pub(crate) unfit: Option<(String, Moment)>,
}

/// A node of the ledger.
#[derive(Debug, Clone)]
pub(crate) struct NodeSign {
    pub(crate) url: String,
    /// Its key, once it has said it.
    pub(crate) key: Option<String>,
    pub(crate) silence: Option<Silence>,
}

/// A node that did not answer once or twice is slow, not away; the market asks once a second.
const MISSES_MAX: u32 = 2;

const REASON_CHARACTERS_MAX: usize = 300;

impl NodeSign {
    /// Why it is taken to be away; none while it is not.
    pub(crate) fn away(&self) -> Option<&Silence> {
        self.silence.as_ref().filter(|silence| silence.times > MISSES_MAX)
    }
}

/// Something that was tried in vain.
#[derive(Debug, Clone)]
pub(crate) struct Silence {
    /// When it was in vain for the first time.
    pub(crate) since: Moment,
    /// How often since.
    pub(crate) times: u32,
    /// Why, the last time.
    pub(crate) reason: String,
}

impl Silence {
    fn again(before: Option<Silence>, reason: String, now: Moment) -> Silence {
        let (since, times) = before.map_or((now, 0), |silence| (silence.since, silence.times));
        // It may come from whoever answers there.
        let reason = reason.chars().take(REASON_CHARACTERS_MAX).collect();
        Silence { since, times: times.saturating_add(1), reason }
    }
}

/// A connection to the broker.
#[derive(Debug, Clone, Default)]
pub(crate) enum LinkSign {
    /// It is made when the ledger has been heard of.
    #[default]
    NotTried,
    Up,
    Down(Silence),
    /// It stands, and is of no use.
    Refused(Silence),
}

/// Where the market is with the interval.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Stage {
    /// None is open, and none under way.
    #[default]
    Between,
    /// Readings are awaited since then.
    Open {
        interval: Interval,
        since: Moment,
        /// Whether any has come.
        read: bool,
    },
    /// Its settlement was made then, and is not known to be on the ledger.
    Settling { interval: Interval, since: Moment },
}

/// A settlement that the ledger refuses, again and again.
#[derive(Debug, Clone)]
pub(crate) struct RefusedSign {
    pub(crate) interval: Interval,
    /// The refusal's name and what it says.
    pub(crate) silence: Silence,
}

impl Signs {
    /// The answers of a round of questions.
    pub(crate) fn validators(&mut self, views: &[ValidatorView], now: Moment) {
        let mut before = std::mem::take(&mut self.nodes).into_iter();
        for view in views {
            let before = before.next().filter(|node| node.url == view.url);
            let (key, silence) = before.map_or((None, None), |node| (node.key, node.silence));
            let silence = view.silence.as_ref().map(|reason| Silence::again(silence, reason.clone(), now));
            self.nodes.push(NodeSign { url: view.url.clone(), key: view.key.clone().or(key), silence });
        }
        let heights = views.iter().filter(|view| view.silence.is_none()).filter_map(|view| view.height);
        if let Some(height) = heights.max()
            && self.highest.is_none_or(|(highest, _)| height > highest)
        {
            self.highest = Some((height, now));
        }
    }

    pub(crate) fn voters(&mut self, voters: &[Validator]) {
        self.voters = voters.iter().map(|voter| (voter.key.to_string(), voter.power)).collect();
    }

    pub(crate) fn broker(&mut self, link: BrokerLink, state: LinkState, now: Moment) {
        let sign = &mut self.broker[link as usize];
        let before = match std::mem::take(sign) {
            LinkSign::Down(silence) | LinkSign::Refused(silence) => Some(silence),
            LinkSign::NotTried | LinkSign::Up => None,
        };
        *sign = match state {
            LinkState::Up => LinkSign::Up,
            LinkState::Failed(reason) => LinkSign::Down(Silence::again(before, reason, now)),
            LinkState::Refused(reason) => LinkSign::Refused(Silence::again(before, reason, now)),
        };
    }

    pub(crate) fn opened(&mut self, interval: Option<Interval>, now: Moment) {
        self.heard = true;
        self.stage = interval.map_or(Stage::Between, |interval| Stage::Open { interval, since: now, read: false });
    }

    pub(crate) fn read(&mut self, received: usize) {
        if let Stage::Open { read, .. } = &mut self.stage {
            *read |= received > 0;
        }
    }

    pub(crate) fn closed(&mut self, interval: Interval, now: Moment) {
        self.stage = Stage::Settling { interval, since: now };
    }

    pub(crate) fn settled(&mut self, interval: Interval) {
        self.heard = true;
        if matches!(self.stage, Stage::Settling { interval: waits, .. } if waits <= interval) {
            self.stage = Stage::Between;
        }
        self.refused.take_if(|refused| refused.interval <= interval);
    }

    pub(crate) fn settlement_refused(&mut self, interval: Interval, reason: String, now: Moment) {
        let before = self.refused.take().filter(|refused| refused.interval == interval);
        let silence = Silence::again(before.map(|refused| refused.silence), reason, now);
        self.refused = Some(RefusedSign { interval, silence });
    }

    pub(crate) fn unfit(&mut self, reason: String, now: Moment) {
        let since = self.unfit.take().map_or(now, |(_, since)| since);
        self.unfit = Some((reason, since));
    }

    pub(crate) fn fit(&mut self) {
        self.heard = true;
        self.unfit = None;
    }
}
