//! A real browser for tests: headless Chromium, spoken to over the DevTools protocol through a pair of pipes
//! (`--remote-debugging-pipe`: JSON messages that end with a zero byte on its descriptors 3 and 4).

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Far longer than anything takes on the slowest machine: only a hang fails.
const HANG: Duration = Duration::from_secs(120);

/// What the page is shown on.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// Width, CSS pixels.
    pub width: u32,
    /// Height, CSS pixels.
    pub height: u32,
    /// Whether the person prefers light letters on a dark ground.
    pub dark: bool,
}

/// A running Chromium with one page.
pub struct Chromium {
    process: Child,
    to: File,
    from: Receiver<Value>,
    session: Option<String>,
    calls: u64,
    complaints: Vec<String>,
    fetched: BTreeMap<String, Fetched>,
    _profile: TempDir,
}

/// Something that a page asked for.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    /// Where.
    pub url: String,
    /// When it was asked for, ms after the epoch.
    pub asked_ms: f64,
    /// What came over the wire for it so far, bytes; heads count too once it is whole.
    pub bytes: u64,
}

impl Chromium {
    /// Starts the Chromium that is installed. A test that asks for it is `#[ignore]`d, as those that need
    /// [Mosquitto](../../../protocol/tests/support/mosquitto.rs) are.
    pub fn start() -> Chromium {
        let program = installed().expect("expected chromium on the PATH, found none: apt-get install chromium");
        let profile = tempfile::tempdir().unwrap();
        let [to, from] = ["to", "from"].map(|name| profile.path().join(name));
        assert!(Command::new("mkfifo").args([&to, &from]).status().unwrap().success());
        let process = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<"$TO" 4>"$FROM""#])
            .arg(program)
            .args(["--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-quic"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
            .arg("about:blank")
            .envs([("TO", &to), ("FROM", &from)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let to = File::options().write(true).open(to).unwrap();
        let from = messages(File::open(from).unwrap());
        let (session, calls, complaints, fetched) = (None, 0, Vec::new(), BTreeMap::new());
        let mut chromium = Chromium { process, to, from, session, calls, complaints, fetched, _profile: profile };
        let page = chromium.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = chromium.call("Target.attachToTarget", json!({"targetId": page, "flatten": true}));
        chromium.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            chromium.call(&format!("{domain}.enable"), json!({}));
        }
        chromium
    }

    /// Opens `url`.
    pub fn open(&mut self, url: &str, screen: Screen) {
        let Screen { width, height, dark } = screen;
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = json!([{"name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" }}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": scheme}));
        self.complaints.clear();
        self.fetched.clear();
        let opened = self.call("Page.navigate", json!({"url": url}));
        assert!(opened.get("errorText").is_none(), "{url}: {opened}");
    }

    /// Shows the page as it is printed, by who prefers light letters on a dark ground on a screen.
    #[allow(dead_code, reason = "each test file uses its own part of this")]
    pub fn on_paper(&mut self) {
        let dark = json!([{"name": "prefers-color-scheme", "value": "dark"}]);
        self.call("Emulation.setEmulatedMedia", json!({"media": "print", "features": dark}));
    }

    /// From now on, nothing is fetched from addresses like one of `patterns` (`*` is any text).
    #[allow(dead_code, reason = "each test file uses its own part of this")]
    pub fn block(&mut self, patterns: &[&str]) {
        self.call("Network.setBlockedURLs", json!({"urls": patterns}));
    }

    /// The value of a JavaScript expression in the page.
    pub fn eval(&mut self, expression: &str) -> Value {
        self.try_eval(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Like [`eval`](Self::eval); an error where the page went to another before it answered.
    fn try_eval(&mut self, expression: &str) -> Result<Value, Value> {
        let parameters = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.try_call("Runtime.evaluate", parameters)?;
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        Ok(answer["result"]["value"].clone())
    }

    /// Waits until `expression` is `expected`, also over the page's going to another.
    pub fn wait_for(&mut self, expression: &str, expected: impl Into<Value>) {
        let expected = expected.into();
        let deadline = Instant::now() + HANG;
        loop {
            let found = self.try_eval(expression).unwrap_or_else(|going| going);
            if found == expected {
                return;
            }
            let page = if Instant::now() > deadline { self.eval("document.body?.innerText") } else { Value::Null };
            assert!(page.is_null(), "{expression}: expected {expected}, found {found} in\n{page:#}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What scripts and the security policy complained about since the page was opened.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// What was asked for since the page was opened.
    pub fn fetched(&self) -> Vec<&Fetched> {
        self.fetched.values().collect()
    }

    /// Takes a picture of the whole page.
    pub fn picture(&mut self, file: &Path) {
        let size = self.call("Page.getLayoutMetrics", json!({}))["cssContentSize"].clone();
        let clip = json!({"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1});
        let parameters = json!({"format": "png", "clip": clip, "captureBeyondViewport": true});
        let picture = self.call("Page.captureScreenshot", parameters);
        std::fs::write(file, decode_base64(picture["data"].as_str().unwrap())).unwrap();
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.try_call(method, parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn try_call(&mut self, method: &str, parameters: Value) -> Result<Value, Value> {
        self.calls += 1;
        let mut call = json!({"id": self.calls, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            call["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{call}\0").as_bytes()).unwrap();
        loop {
            let message = self.from.recv_timeout(HANG).unwrap_or_else(|error| panic!("{method}: {error}"));
            if message["id"] == json!(self.calls) {
                return match message.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(message["result"].clone()),
                };
            }
            self.count(&message);
            let complaint = match message["method"].as_str() {
                Some("Runtime.exceptionThrown" | "Runtime.consoleAPICalled") => true,
                Some("Log.entryAdded") => message["params"]["entry"]["level"] != "verbose",
                Some("Network.responseReceived") => {
                    message["params"]["response"]["status"].as_u64().is_some_and(|status| status >= 400)
                }
                _ => false,
            };
            if complaint {
                self.complaints.push(message["params"].to_string());
            }
        }
    }
}

impl Chromium {
    /// Counts what an event says of the traffic.
    fn count(&mut self, event: &Value) {
        let parameters = &event["params"];
        let Some(id) = parameters["requestId"].as_str() else { return };
        let bytes = parameters["encodedDataLength"].as_f64().unwrap_or(0.0) as u64;
        let known = self.fetched.entry(id.to_owned());
        match event["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                let url = parameters["request"]["url"].as_str().unwrap_or_default().to_owned();
                let asked_ms = parameters["wallTime"].as_f64().unwrap_or_default() * 1_000.0;
                *known.or_default() = Fetched { url, asked_ms, bytes: 0 };
            }
            Some("Network.dataReceived") => known.or_default().bytes += bytes,
            Some("Network.loadingFinished") => known.or_default().bytes = bytes,
            _ => {}
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        self.session = None;
        // Chromium closes itself and its helpers; a panic on the way here must not hang on one that is gone.
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            if Instant::now() > deadline {
                let _ = self.process.kill();
                let _ = self.process.wait();
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn installed() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name))).find(|program| program.is_file())
}

/// What Chromium says, read by a thread of its own so that waiting for it can end.
fn messages(from: File) -> Receiver<Value> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for message in BufReader::new(from).split(0).map_while(Result::ok) {
            let sent = serde_json::from_slice(&message).ok().map(|message| sender.send(message));
            if !matches!(sent, Some(Ok(()))) {
                return;
            }
        }
    });
    receiver
}

fn decode_base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = group.iter().fold(0, |bits, byte| bits << 6 | digit(*byte)) << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}
