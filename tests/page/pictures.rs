//! Every view, wide and on a phone, by day and by night: what it looks like is left in
//! `target/screenshots`, and four of these pictures illustrate the README.
//!
//! On each: nothing is wider than the screen, the browser has nothing to complain of, and axe-core
//! finds nothing serious.

use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use crate::browser::{PHONE, WIDE};
use crate::harness::farm::user;
use crate::harness::until;
use crate::scene::made;
use crate::{Axe, Browser, Scene, fleet};

/// Each view, and what can be read there once it is whole.
const VIEWS: [(&str, &str, &[&str]); 11] = [
    ("overview", "#/", &["updates", "certificates", "on ops1"]),
    ("jobs", "#/jobs", &["13 jobs", "warm-cache"]),
    ("job", "#/jobs/dump", &["Dumps every", "Median"]),
    ("runs", "#/runs", &["updates", "deploy"]),
    ("run", "#/runs/UPDATES", &["Setting up", "web6"]),
    ("run-failed", "#/runs/DISK?show=alike", &["on web3", "on 11 nodes"]),
    ("run-compared", "#/runs/DISK?show=compare&node=web3", &["95 %", "97 %"]),
    ("flow", "#/runs/FLOW", &["Slot 4", "not begun"]),
    ("nodes", "#/nodes", &["16 nodes", "web8"]),
    ("node", "#/nodes/web3", &["10.20.0.", "disk"]),
    ("audit", "#/audit", &["jonas", "added a token"]),
];

/// In the README, and what each is called there.
const ILLUSTRATIONS: [(&str, &str); 4] = [
    ("overview-wide-light", "overview"),
    ("flow-wide-dark", "flow"),
    ("job-wide-light", "job"),
    ("run-phone-light", "run"),
];
const LARGEST: u64 = 120_000;
/// The narrowest phones there are.
const NARROW: (u32, u32) = (360, 740);

#[test]
fn every_view_is_fit_to_be_seen() {
    let Some(browser) = Browser::start("every_view_is_fit_to_be_seen") else { return };
    let begun = Instant::now();
    let scene = fleet::scene();
    let mut daemon = scene.start();
    browser.before_pages(&disguise(&scene));
    let mia = made(&scene.site, "mia", "admin", &[]);
    let runs = set_going(&scene, &mia);
    let axe = Axe::get("every_view_is_fit_to_be_seen");
    let mut looked = Looked { browser: &browser, axe, found: Vec::new() };
    browser.open(&scene.url(""));
    looked.at("sign-in", &["Sign in"]);
    under_way(&scene, &runs);
    scene.sign_in(&browser, &mia);
    for (view, hash, whole) in VIEWS {
        let hash = runs
            .iter()
            .fold(hash.to_owned(), |hash, (word, run)| hash.replace(word, &run.to_string()));
        browser.open(&scene.url(&hash));
        looked.at(view, whole);
    }
    browser.open(&scene.url("#/jobs/dump"));
    browser.press("Run now");
    browser.until("document.querySelector('dialog[open]') !== null");
    looked.barriers("a dialog");
    println!("{} pictures in {:.0?}", (VIEWS.len() + 1) * 4, begun.elapsed());
    assert!(looked.found.is_empty(), "{}", looked.found.join("\n"));
    if std::env::var_os("LOOM_WRITE_PICTURES").is_some() {
        ILLUSTRATIONS.iter().for_each(|(picture, name)| illustrate(picture, name));
    }
    daemon.stop();
}

/// A failure and the run before it, a flow, and one of the rest.
fn set_going(scene: &Scene, token: &str) -> [(&'static str, i64); 3] {
    let mut disk = 0;
    for _ in 0..2 {
        disk = scene.run_as(token, "disk");
        let over = || run(scene, disk)["finished_at"].is_string().then_some(());
        until("the disks", fleet::PATIENCE, over);
    }
    let flow = scene.run_as(token, "deploy");
    [("DISK", disk), ("FLOW", flow), ("UPDATES", scene.run_as(token, "updates"))]
}

/// Until no more becomes of what runs than time that passes and lines that come.
fn under_way(scene: &Scene, [_, (_, flow), (_, updates)]: &[(&str, i64); 3]) {
    until("the servers' updates", fleet::PATIENCE, || {
        (run(scene, *updates)["units"]["succeeded"] == 8).then_some(())
    });
    until("half of the shop", fleet::PATIENCE, || {
        let shop = &run(scene, *flow)["slots"][2][0]["run"]["units"];
        (shop["succeeded"] == 3 && shop["failed"] == 1).then_some(())
    });
}

fn run(scene: &Scene, id: i64) -> Value {
    scene.get(&format!("runs/{id}"))
}

struct Looked<'a> {
    browser: &'a Browser,
    /// `None`: there is none here.
    axe: Option<Axe>,
    /// All that is wrong.
    found: Vec<String>,
}

impl Looked<'_> {
    /// At the view that is open.
    fn at(&mut self, view: &str, whole: &[&str]) {
        let browser = self.browser;
        for (size, of) in [("wide", WIDE), ("phone", PHONE)] {
            browser.size(of);
            browser.run("location.reload()", &[]);
            whole.iter().for_each(|part| browser.until_text(part));
            for scheme in ["light", "dark"] {
                browser.dark(scheme == "dark");
                browser.settle();
                let name = format!("{view}-{size}-{scheme}");
                browser.screenshot(&name);
                self.dark(&name, scheme == "dark");
                self.barriers(&name);
            }
            browser.dark(false);
            self.width(&format!("{view}-{size}"));
        }
        browser.size(NARROW);
        browser.settle();
        self.width(&format!("{view} on a narrow phone"));
        browser.size(WIDE);
        let complaints = browser.complaints().into_iter().map(|said| format!("{view}: {said}"));
        self.found.extend(complaints);
        let text = browser.text();
        let told = ["127.0.0.", "/tmp/"].into_iter().filter(|part| text.contains(part));
        self.found.extend(told.map(|part| format!("{view} tells of this machine: {part}")));
    }

    fn width(&mut self, name: &str) {
        if self.browser.value("document.documentElement.scrollWidth > innerWidth") == true {
            self.found.push(format!("{name}: wider than the screen"));
        }
    }

    fn dark(&mut self, name: &str, dark: bool) {
        let back = "getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g)";
        let bright = self.browser.value(&format!("{back}.slice(0, 3).every(part => part > 127)"));
        if bright == dark {
            self.found.push(format!("{name}: its background is another one's"));
        }
    }

    fn barriers(&mut self, name: &str) {
        if let Some(axe) = &self.axe {
            self.found.extend(axe.look(self.browser, name));
        }
    }
}

fn disguise(scene: &Scene) -> String {
    let hostname = nix::unistd::gethostname().unwrap();
    let here = json!({
        "hostname": hostname.to_string_lossy(),
        "user": user(),
        "root": scene.site.root(),
    });
    format!("{}\ndisguise({here});", include_str!("disguise.js"))
}

/// What was taken anew, for the README.
fn illustrate(picture: &str, name: &str) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let from = here.join(format!("target/screenshots/{picture}.png"));
    let bytes = fs::copy(from, here.join(format!("docs/pictures/{name}.png"))).unwrap();
    assert!(bytes < LARGEST, "docs/pictures/{name}.png has {bytes} bytes");
}
