//! A headless Chromium, spoken with over WebDriver (W3C) by way of chromedriver.
//!
//! The protocol is JSON over HTTP, a few requests of it are needed, and the crates that speak it
//! bring an async runtime and some fifty more crates: so it is spoken here. Every wait has an end;
//! Chromium can reach loopback addresses and nothing else.

// Shared with the bench; neither uses all of it.
#![allow(dead_code)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

use crate::harness::process;
use crate::harness::skip::skip;

/// For one answer of the driver, and for what a page is to come to.
const PATIENCE: Duration = Duration::from_secs(60);
/// What WebDriver calls an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub const WIDE: (u32, u32) = (1280, 800);
pub const PHONE: (u32, u32) = (390, 844);

/// A browser takes a good part of a small machine, but waits a good part of its time: there are two
/// at a time.
const AT_A_TIME: usize = 2;
static FREE: Mutex<usize> = Mutex::new(AT_A_TIME);
static FREED: Condvar = Condvar::new();

/// So many of the places for browsers.
struct Turn(usize);

impl Turn {
    fn wait(places: usize) -> Turn {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let free = FREED.wait_while(free, |free| *free < places);
        *free.unwrap_or_else(PoisonError::into_inner) -= places;
        Turn(places)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(PoisonError::into_inner) += self.0;
        FREED.notify_all();
    }
}

pub struct Browser {
    driver: Child,
    session: String,
    agent: Agent,
    /// What it keeps, gone with it.
    _profile: TempDir,
    _turn: Turn,
}

impl Browser {
    /// `None` if there is none on this machine, which is reported.
    pub fn start(test: &str) -> Option<Browser> {
        Browser::among(test, 1)
    }

    /// Without another beside it: for what is measured.
    pub fn alone(test: &str) -> Option<Browser> {
        Browser::among(test, AT_A_TIME)
    }

    fn among(test: &str, places: usize) -> Option<Browser> {
        for program in ["chromedriver", "chromium"] {
            if !is_there(program) {
                skip(test, &format!("there is no {program}; `make deps` installs it"));
                return None;
            }
        }
        let turn = Turn::wait(places);
        let profile = tempfile::Builder::new().prefix("loom-page.").tempdir().unwrap();
        let mut driver = Command::new("chromedriver");
        driver.args(["--port=0", "--allowed-ips=127.0.0.1"]);
        driver.env("HOME", profile.path()).env("TMPDIR", profile.path());
        driver.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = driver.spawn().expect("chromedriver does not start");
        let port = port(&mut driver);
        let config = Agent::config_builder().http_status_as_error(false).proxy(None);
        let agent = config.timeout_global(Some(PATIENCE)).build().new_agent();
        let address = format!("http://127.0.0.1:{port}/session");
        let mut browser =
            Browser { driver, session: address, agent, _profile: profile, _turn: turn };
        let made = browser.ask("POST", "", Some(capabilities(browser._profile.path())));
        let id = made["sessionId"].as_str().expect("a session has an id");
        browser.session = format!("{}/{id}", browser.session);
        browser.size(WIDE);
        Some(browser)
    }

    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        self.try_ask(method, path, body).unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    fn try_ask(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, String> {
        let url = format!("{}{path}", self.session);
        let answer = match (method, body) {
            ("GET", _) => self.agent.get(url).call(),
            ("DELETE", _) => self.agent.delete(url).call(),
            (_, body) => self
                .agent
                .post(url)
                .content_type("application/json")
                .send(body.unwrap_or_else(|| json!({})).to_string()),
        };
        let mut answer = answer.map_err(|e| e.to_string())?;
        let body = answer.body_mut().with_config().limit(64 << 20).read_to_string();
        let body: Value = serde_json::from_str(&body.map_err(|e| e.to_string())?)
            .map_err(|e| format!("no JSON: {e}"))?;
        let value = &body["value"];
        match value["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", value["message"].as_str().unwrap_or(""))),
            None => Ok(value.clone()),
        }
    }

    pub fn open(&self, url: &str) {
        self.ask("POST", "/url", Some(json!({ "url": url })));
    }

    /// A further tab, to which all that follows applies.
    pub fn another_tab(&self) -> Value {
        let made = self.ask("POST", "/window/new", Some(json!({ "type": "tab" })));
        self.to_tab(&made["handle"]);
        made["handle"].clone()
    }

    /// The one that all applies to now.
    pub fn tab(&self) -> Value {
        self.ask("GET", "/window", None)
    }

    pub fn to_tab(&self, tab: &Value) {
        self.ask("POST", "/window", Some(json!({ "handle": tab })));
    }

    /// Another is to be gone to then.
    pub fn close_tab(&self) {
        self.ask("DELETE", "/window", None);
    }

    /// What a function of this body returns.
    pub fn run(&self, script: &str, args: &[Value]) -> Value {
        self.ask("POST", "/execute/sync", Some(json!({ "script": script, "args": args })))
    }

    /// The value of an expression.
    pub fn value(&self, expression: &str) -> Value {
        self.run(&format!("return {expression}"), &[])
    }

    /// All that can be read.
    pub fn text(&self) -> String {
        self.value("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true; panics with what the page says instead.
    pub fn until(&self, expression: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            // It may be between two pages.
            let value = self.run(&format!("try {{ return {expression} }} catch {{}}"), &[]);
            if !matches!(value, Value::Null | Value::Bool(false)) {
                return value;
            }
            if Instant::now() > end {
                self.screenshot("failed");
                let (text, said) = (self.text(), self.complaints());
                panic!("waited in vain for `{expression}`; the page says:\n{text}\n{said:#?}");
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    pub fn until_text(&self, part: &str) {
        let part = serde_json::to_string(part).unwrap();
        self.until(&format!("document.body.innerText.includes({part})"));
    }

    /// Presses what bears this text, as somebody with a mouse does.
    pub fn press(&self, text: &str) {
        let path =
            format!("//*[self::button or self::a or self::summary][normalize-space()={text:?}]");
        self.element("xpath", &path, "/click", json!({}));
    }

    /// Writes into a field, in place of what is there.
    pub fn write(&self, css: &str, text: &str) {
        self.element("css selector", css, "/clear", json!({}));
        self.element("css selector", css, "/value", json!({ "text": text }));
    }

    /// Presses keys, wherever the focus is; special ones are those of WebDriver.
    pub fn keys(&self, keys: &str) {
        let each = |key: char| {
            let key = key.to_string();
            [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
        };
        let actions: Vec<Value> = keys.chars().flat_map(each).collect();
        let keyboard = json!([{ "type": "key", "id": "keyboard", "actions": actions }]);
        self.ask("POST", "/actions", Some(json!({ "actions": keyboard })));
    }

    /// The page may just be drawing it anew.
    fn element(&self, by: &str, what: &str, action: &str, body: Value) {
        let end = Instant::now() + PATIENCE;
        loop {
            let wanted = json!({ "using": by, "value": what });
            let done = self.try_ask("POST", "/element", Some(wanted)).and_then(|found| {
                let id = found[ELEMENT].as_str().ok_or("no element")?;
                self.try_ask("POST", &format!("/element/{id}{action}"), Some(body.clone()))
            });
            let Err(error) = done else { return };
            if Instant::now() > end {
                self.screenshot("failed");
                panic!("{what}: {error}\n{}", self.text());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn devtools(&self, command: &str, params: Value) {
        self.ask("POST", "/goog/cdp/execute", Some(json!({ "cmd": command, "params": params })));
    }

    /// All that it has kept of pages it was shown.
    pub fn forget(&self) {
        self.devtools("Network.clearBrowserCache", json!({}));
    }

    /// A script that runs in every page from now on, before any of its own.
    pub fn before_pages(&self, source: &str) {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source }));
    }

    pub fn size(&self, (width, height): (u32, u32)) {
        let mobile = width < 500;
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.devtools("Emulation.setDeviceMetricsOverride", size);
    }

    /// So many times slower than this machine is.
    pub fn slow_down(&self, times: u32) {
        self.devtools("Emulation.setCPUThrottlingRate", json!({ "rate": times }));
    }

    pub fn dark(&self, dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// What was changed is painted.
    pub fn settle(&self) {
        let frame = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))";
        self.run(&format!("return {frame}"), &[]);
    }

    /// To `target/screenshots`; the file.
    pub fn screenshot(&self, name: &str) -> PathBuf {
        use base64::Engine;
        let picture = self.ask("GET", "/screenshot", None);
        let picture = picture.as_str().unwrap_or_default();
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture).unwrap();
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join(format!("{name}.png"));
        fs::write(&file, bytes).unwrap();
        file
    }

    /// What the browser has found wrong since it was last asked, as breaches of the policy; not
    /// that the daemon refused something.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.ask("POST", "/se/log", Some(json!({ "type": "browser" })));
        let severe =
            log.as_array().into_iter().flatten().filter(|entry| entry["level"] == "SEVERE");
        let said = severe.filter_map(|entry| entry["message"].as_str());
        said.filter(|said| !said.contains("the server responded with a status of 4"))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let shot = std::panic::AssertUnwindSafe(|| drop(self.screenshot("failed")));
            let _ = std::panic::catch_unwind(shot);
        }
        let _ = self.try_ask("DELETE", "", None);
        process::end(&mut self.driver);
    }
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |dir: PathBuf| dir.join(program).is_file();
    std::env::split_paths(&path).any(found)
}

/// As it tells.
fn port(driver: &mut Child) -> u16 {
    let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        let port = line.split("on port ").nth(1).filter(|_| line.contains("successfully"));
        if let Some(port) = port.and_then(|rest| rest.trim_end_matches('.').parse().ok()) {
            return port;
        }
    }
    panic!("chromedriver does not say where it listens");
}

fn capabilities(profile: &Path) -> Value {
    let mut args = vec![
        "--headless=new".to_owned(),
        format!("--user-data-dir={}", profile.join("profile").display()),
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.*".to_owned(),
    ];
    let more = [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-sync",
        "--hide-scrollbars",
        "--no-first-run",
        "--no-proxy-server",
    ];
    args.extend(more.map(str::to_owned));
    // Chromium's sandbox refuses root.
    if nix::unistd::geteuid().is_root() {
        args.push("--no-sandbox".to_owned());
    }
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": { "args": args },
    }}})
}
