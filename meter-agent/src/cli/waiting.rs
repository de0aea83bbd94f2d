//! `meter-agent run` before the household is registered: nothing is signed, the page says what is missing, and the
//! proved decision of the validators is waited for.

use std::{
    fs, io,
    time::{Duration, Instant},
};

use ledger::proof::Verifier;
use protocol::topic::Topics;
use public_http::{Names, serve};
use settings::owner_only;
use tokio::{
    sync::{mpsc, watch},
    time::{sleep_until, timeout},
};

use super::service;
use crate::{
    config::Config,
    key::read_key,
    mqtt::{self, DeviceTopics, Incoming},
    registered::{Household, RegistrationFault},
    registered_file,
    running::Beside,
    server,
    start::{STATUS_FILE, StartError, access, listen, read_genesis},
    waiting::Waiting,
};

/// Messages of the broker that wait.
const EVENTS_MAX: usize = 16;
/// How long the broker is waited for when there is nothing more to wait for.
const GOODBYE: Duration = Duration::from_secs(1);

/// How the waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    /// The registration is proved and kept.
    Registered,
    /// It was told to stop.
    Stopped,
}

/// Waits for this household's registration, until it is told to stop.
pub(super) async fn wait(config: &Config, stop: impl Future<Output = io::Result<()>>) -> Result<Waited, StartError> {
    let genesis = read_genesis(&config.genesis)?;
    let (device_key, member_key) = (read_key(&config.device_key())?, read_key(&config.member_key())?);
    let device = device_key.public();
    let access = access(config, &device)?;
    let verifier = Verifier::new(&genesis);
    let household = Household { genesis: &genesis, verifier: &verifier, device, member_key: member_key.public() };
    let state_failed =
        |error: io::Error| StartError::Registration { path: registered_file::path(&config.state), error };
    owner_only::create_directory(&config.state).map_err(state_failed)?;

    let (shown, waiting) = watch::channel(Waiting::new(config.name.clone(), &household));
    let listener = listen(&config.status).await?;
    let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let status_file = config.state.join(STATUS_FILE);
    if let Some(address) = address {
        tracing::info!("status page at http://{address}/");
        if let Err(error) = fs::write(&status_file, format!("{address}\n")) {
            tracing::warn!("{}: {error}; `meter-agent status` will not find this agent", status_file.display());
        }
    }
    let mut server = listener.map(|listener| {
        let site = server::waiting_site(waiting, Names::known(config.page_names()));
        Beside::spawn("the status page", |stopped| serve(listener, site, stopped))
    });

    let topics = DeviceTopics::of_registration(&Topics::new(&genesis.chain()), &device);
    let (client, connection) = mqtt::client(&access, &device);
    let (events, mut inbox) = mpsc::channel(EVENTS_MAX);
    let poll = mqtt::poll(connection, client.clone(), access, topics, Duration::ZERO, events);
    let mut connection = tokio::spawn(poll);

    tracing::info!("{}", shown.borrow().in_words());
    service::waiting(&shown.borrow().in_words());
    let mut stop = std::pin::pin!(stop);
    let beat = service::beat();
    let mut beat_at = beat.map(|beat| Instant::now() + beat);
    let waited = loop {
        let incoming = tokio::select! {
            biased;
            signal = &mut stop => {
                signal.map_err(|error| StartError::Internal(error.to_string()))?;
                break Waited::Stopped;
            }
            // Before the messages, of which there may always be another.
            () = sleep_until(beat_at.unwrap_or_else(Instant::now).into()), if beat_at.is_some() => {
                service::beats();
                beat_at = beat.map(|beat| Instant::now() + beat);
                continue;
            }
            incoming = inbox.recv() => incoming,
        };
        match incoming {
            None => return Err(StartError::Internal("the connection to the broker ended before its time".into())),
            Some(Incoming::Connected { .. }) => shown.send_modify(|shown| shown.connected = true),
            Some(Incoming::Disconnected { failures, error }) => {
                if failures == 1 {
                    tracing::warn!("no connection to the broker: {error}; trying again");
                }
                shown.send_modify(|shown| shown.connected = false);
            }
            Some(Incoming::SubscriptionRefused) => {
                tracing::warn!("the broker does not let this device read its own topics; ask your operator for access");
            }
            Some(Incoming::Message { publish, .. }) => {
                let heard = household.check(&publish.payload);
                if let Ok(registration) = &heard {
                    registered_file::keep(&config.state, &publish.payload, config.fsync).map_err(state_failed)?;
                    tracing::info!(
                        member = %registration.member, first = %registration.first_interval,
                        "the validators have registered this household, and it is proved"
                    );
                }
                // What is kept, or refused for good, need not come again.
                let _ = client.try_ack(&publish);
                match heard {
                    Ok(_) => break Waited::Registered,
                    Err(fault) => refuse(&shown, &fault),
                }
            }
        }
    };
    let _ = client.try_disconnect();
    if timeout(GOODBYE, &mut connection).await.is_err() {
        connection.abort();
    }
    if let Some(server) = &mut server {
        server.stop().await;
    }
    let _ = fs::remove_file(&status_file);
    Ok(waited)
}

fn refuse(shown: &watch::Sender<Waiting>, fault: &RegistrationFault) {
    tracing::warn!(refusal = fault.name(), "a registration is not believed: {fault}");
    shown.send_modify(|shown| shown.refused(fault));
}
