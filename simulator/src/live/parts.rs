//! The parts of a live neighbourhood, each started as its own program would start it: from its configuration file.
//!
//! This is the only place that holds their handles, and all it does with them is to start and stop them.

use std::{collections::BTreeMap, future::pending, path::Path};

use futures::future::select_all;
use ledger_node::{consensus::Halt, node};
use tokio::sync::watch;

use super::tariffs::{self, TariffsError};
use crate::state::{Neighbourhood, Setup};

/// Why a part does not start.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// A validator.
    #[error("validator {index} does not start: {reason}")]
    Validator {
        /// Which, from 0.
        index: usize,
        /// Why.
        reason: String,
    },
    /// The market.
    #[error("the market does not start: {0}")]
    Market(String),
    /// An agent.
    #[error("the agent of {participant} does not start: {reason}")]
    Agent {
        /// Whose.
        participant: String,
        /// Why.
        reason: String,
    },
    /// The supplier's prices of later.
    #[error(transparent)]
    Tariffs(#[from] TariffsError),
    /// The market cannot go on.
    #[error("the market stopped: {0}")]
    Stopped(market_service::Ended),
    /// An agent that ended.
    #[error("the agent of {participant} stopped: {reason}")]
    AgentStopped {
        /// Whose.
        participant: String,
        /// Why.
        reason: meter_agent::Ended,
    },
    /// A validator that ended.
    #[error("validator {index} stopped: {reason}")]
    Halted {
        /// Which, from 0.
        index: usize,
        /// Why.
        reason: Halt,
    },
}

/// Everything that runs.
pub(super) struct Parts {
    validators: Vec<node::Running>,
    market: Option<market_service::Running>,
    agents: BTreeMap<String, meter_agent::Running>,
}

impl Parts {
    /// Starts validators, market and agents; stops again what was started if one of them does not.
    pub(super) async fn start(
        state: &Neighbourhood,
        setup: &Setup,
        interrupted: &watch::Receiver<bool>,
    ) -> Result<Parts, PartError> {
        let mut parts = Parts { validators: Vec::new(), market: None, agents: BTreeMap::new() };
        match parts.start_all(state, setup, interrupted).await {
            Ok(()) => Ok(parts),
            Err(error) => {
                parts.stop().await;
                Err(error)
            }
        }
    }

    async fn start_all(
        &mut self,
        state: &Neighbourhood,
        setup: &Setup,
        interrupted: &watch::Receiver<bool>,
    ) -> Result<(), PartError> {
        for (index, path) in state.validator_configs().iter().enumerate() {
            let failed = |reason: String| PartError::Validator { index, reason };
            let config = node::Config::load(path).map_err(|error| failed(error.to_string()))?;
            self.validators.push(node::start(config).await.map_err(|error| failed(error.to_string()))?);
        }
        // Before the market opens the first interval: what is decided holds for later ones alone.
        tariffs::decide(state, &setup.tariffs, interrupted).await?;
        self.market = Some(start_market(&state.market_config()).await?);
        for (participant, path) in state.agent_configs() {
            let agent = start_agent(&participant, &path).await?;
            self.agents.insert(participant, agent);
        }
        Ok(())
    }

    /// Waits until a part ends that should not.
    pub(super) async fn failed(&mut self) -> PartError {
        let halted = self.validators.iter_mut().map(|validator| Box::pin(validator.failed()));
        let market = async {
            match &mut self.market {
                Some(market) => PartError::Stopped(market.failed().await),
                None => pending().await,
            }
        };
        let agents = self.agents.iter_mut().map(|(participant, agent)| {
            Box::pin(async {
                PartError::AgentStopped { participant: participant.clone(), reason: agent.failed().await }
            })
        });
        tokio::select! {
            (reason, index, _) = select_all(halted) => PartError::Halted { index, reason },
            (error, _, _) = select_all(agents) => error,
            error = market => error,
        }
    }

    /// Stops the market: no interval is settled from now on but the one that is under way.
    pub(super) async fn stop_market(&mut self) {
        if let Some(market) = self.market.take()
            && let Err(error) = market.stop().await
        {
            tracing::warn!(%error, "the market did not stop cleanly");
        }
    }

    /// Stops everything, in the order in which nobody misses anybody.
    pub(super) async fn stop(mut self) {
        self.stop_market().await;
        let agents = self.agents.into_values().map(meter_agent::Running::stop);
        futures::future::join_all(agents).await;
        let validators = self.validators.into_iter().map(node::Running::stop);
        for (index, outcome) in futures::future::join_all(validators).await.into_iter().enumerate() {
            if let Err(error) = outcome {
                tracing::warn!(%error, index, "a validator did not stop cleanly");
            }
        }
    }
}

async fn start_market(path: &Path) -> Result<market_service::Running, PartError> {
    let config = market_service::Config::load(path).map_err(|error| PartError::Market(error.to_string()))?;
    market_service::start(config).await.map_err(|error| PartError::Market(error.to_string()))
}

async fn start_agent(participant: &str, path: &Path) -> Result<meter_agent::Running, PartError> {
    let failed = |reason: String| PartError::Agent { participant: participant.to_owned(), reason };
    let config = meter_agent::Config::load(path).map_err(|error| failed(error.to_string()))?;
    meter_agent::start(config).await.map_err(|error| failed(error.to_string()))
}
