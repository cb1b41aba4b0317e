//! What the page is shown: a farm, jobs of every kind, and a daemon that listens.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::{Value, json};
use ureq::Agent;

use crate::Browser;
use crate::harness::{Daemon, Farm, SOON, Site, api, until};

/// Of `loom.yaml`, beyond what every site has.
const SETTINGS: &str = "connect_timeout: 10\nstop_timeout: 1\nmax_workers: 4\n";

const JOBS: &str = r#"
jobs:
  greet:
    task: loom.run
    args: ["echo hello from $LOOM_NODE"]
    schedule: '0 2 * * *'
    timezone: Asia/Tokyo
    targets: [n1, n2]
    tags: [nice, short]
    description: Says hello.
  same:
    task: loom.run
    args: ["echo the same everywhere"]
    schedule: '@hourly'
    targets: [n1, n2]
  breaks:
    task: loom.run
    args: ["echo it begins; sleep 0.3; echo no space left >&2; exit 3"]
    schedule: '*/10 * * * *'
    targets: [n2]
    tags: [bad]
  ticks:
    task: loom.run
    args: ["i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo tick $i; sleep 0.1; done"]
    schedule: '@yearly'
    targets: [n1]
  off:
    task: loom.run
    args: ['true']
    schedule: '@daily'
    targets: [n1]
    enabled: false
flows:
  rollout:
    description: One after the other.
    schedule: '@yearly'
    slots:
      - [greet, same]
      - [breaks]
      - [greet]
"#;

pub struct Scene {
    _farm: Farm,
    pub site: Site,
    address: SocketAddr,
}

impl Scene {
    pub fn set() -> Scene {
        Scene::with(JOBS)
    }

    pub fn with(jobs: &str) -> Scene {
        let scene = Scene::on(Farm::start(2), SETTINGS);
        scene.site.write("jobs/all.yaml", jobs);
        scene
    }

    /// All nodes of the farm, no jobs, and these settings.
    pub fn on(farm: Farm, settings: &str) -> Scene {
        let site = Site::new(&farm);
        let address = address();
        site.settings(&format!("{settings}listen: {address}\n"));
        Scene { _farm: farm, site, address }
    }

    pub fn start(&self) -> Daemon<'_> {
        let daemon = Daemon::start_with_control(&self.site);
        until("the gateway listens", SOON, || std::net::TcpStream::connect(self.address).ok());
        daemon
    }

    pub fn url(&self, view: &str) -> String {
        format!("http://{}/{view}", self.address)
    }

    /// The secret of a new token.
    pub fn token(&self, role: &str, jobs: &[&str]) -> String {
        static MADE: AtomicU16 = AtomicU16::new(0);
        let name = format!("{role}-{}", MADE.fetch_add(1, Ordering::Relaxed));
        made(&self.site, &name, role, jobs)
    }

    /// As one does it: by writing the token into the page.
    pub fn sign_in(&self, browser: &Browser, token: &str) {
        browser.open(&self.url(""));
        browser.until("document.querySelector('#token') !== null");
        browser.write("#token", token);
        browser.press("Sign in");
        browser.until("document.querySelector('nav') !== null");
    }

    /// Runs a job as whom the token belongs to; the run's id.
    pub fn run_as(&self, token: &str, job: &str) -> i64 {
        let agent = Agent::config_builder().proxy(None).timeout_global(Some(SOON)).build();
        let asked = agent.new_agent().post(self.url(&format!("api/v1/jobs/{job}/run")));
        let asked = asked.header("authorization", format!("Bearer {token}"));
        let mut answer = asked.content_type("application/json").send("{}").unwrap();
        let said = answer.body_mut().read_to_string().unwrap();
        let said: Value = serde_json::from_str(&said).unwrap();
        said["run"].as_i64().unwrap_or_else(|| panic!("{job} was not run: {said}"))
    }

    pub fn get(&self, path: &str) -> Value {
        api::get(&self.site, path).unwrap().json()
    }
}

/// A token's secret.
pub fn made(site: &Site, name: &str, role: &str, jobs: &[&str]) -> String {
    let request = json!({ "name": name, "role": role, "jobs": jobs });
    let made = api::ask(site, "POST", "tokens", Some(request)).unwrap();
    made.json()["token"].as_str().expect(&made.body).to_owned()
}

/// One that no other test listens on, in this process or another.
pub fn address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let pid = std::process::id();
    let ip = Ipv4Addr::new(127, 64 | (pid >> 16) as u8, (pid >> 8) as u8, pid as u8 | 1);
    (ip, NEXT.fetch_add(1, Ordering::Relaxed)).into()
}
