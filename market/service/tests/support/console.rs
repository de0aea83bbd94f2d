//! A console served to a test.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::time::Duration;

use market_service::console::Board;
use public_http::{Access, Names, serve};
use reqwest::{Response, StatusCode, header};
use serde_json::Value;
use tokio::{sync::oneshot, task::JoinHandle};

/// Longest wait for something that comes at once: only a hang fails.
pub(crate) const HANG: Duration = Duration::from_secs(60);

/// A console on a loopback port, until the test ends or stops it.
pub(crate) struct Console {
    pub(crate) board: Board,
    pub(crate) root: String,
    server: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Console {
    pub(crate) async fn serve(board: Board) -> Console {
        Console::serve_at("127.0.0.1:0", board).await
    }

    pub(crate) async fn serve_at(address: &str, board: Board) -> Console {
        Console::serve_for(address, board, Access::default()).await
    }

    /// One that answers whom `access` lets in.
    pub(crate) async fn serve_for(address: &str, board: Board, access: Access) -> Console {
        let scheme = if access.tls.is_some() { "https" } else { "http" };
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let root = format!("{scheme}://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(serve(listener, board.site(Names::known([""; 0]), access), async {
            // An error only says that the test has ended.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        }));
        Console { board, root, server, stop }
    }

    /// Stops as a market does: closes the board, so that browsers let go, and waits until the last has. Returns the
    /// address.
    pub(crate) async fn stop(self) -> String {
        self.board.close();
        self.stop.send(()).unwrap();
        tokio::time::timeout(HANG, self.server).await.expect("a closed board lets its server stop").unwrap();
        self.root.trim_start_matches("http://").to_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        reqwest::get(format!("{}{path}", self.root)).await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json", "{path}");
        answer.json().await.unwrap()
    }
}
