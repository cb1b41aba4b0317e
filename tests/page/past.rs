//! A job's past as a picture, and running it otherwise than it is written.

use serde_json::{Value, json};

use crate::browser::{PHONE, WIDE};
use crate::harness::SOON;
use crate::{Browser, Scene};

const JOBS: &str = r#"
jobs:
  varies:
    task: loom.run
    args: ["n=$(ls $LOOM_EVIDENCE | wc -l); touch $LOOM_EVIDENCE/$$; sleep 0.$((n * 3 % 5)); [ $n != 4 ]"]
    schedule: '@yearly'
    targets: [n1]
  says:
    task: fabric.api.local
    kwargs: {command: "echo as it is written"}
    schedule: '@yearly'
    targets: [n1, n2]
  much:
    task: fabric.api.local
    args: ["seq -f 'line %g of much that is to be said' 1 5000"]
    schedule: '@yearly'
    targets: [n1, n2]
  alone:
    task: loom.run
    args: [echo]
    schedule: '@yearly'
    targets: [n1]
"#;

const LEFT: &str = "\u{e012}";
const HOME: &str = "\u{e011}";
const ENTER: &str = "\u{e007}";

#[test]
fn runs_and_how_long_they_took_stand_in_the_same_columns() {
    let Some(browser) = Browser::start("runs_and_how_long_they_took") else { return };
    let scene = Scene::with(JOBS);
    let mut daemon = scene.start();
    for _ in 0..9 {
        let run = daemon.run("varies");
        daemon.ledger().wait_for_run("varies", run, SOON);
    }
    scene.sign_in(&browser, &scene.token("viewer", &[]));
    browser.open(&scene.url("#/jobs/varies"));
    browser.until("document.querySelectorAll('.dot').length === 9");
    let columns = "[...document.querySelectorAll('.history a')].map(a => Math.round(a.getBoundingClientRect().left))";
    let both = browser.value(columns);
    let both = both.as_array().unwrap();
    assert_eq!(both[..9], both[9..], "the cells stand above the dots");
    let values = "[...document.querySelectorAll('.plot text[text-anchor=end]:not(.named)')].map(t => t.textContent).filter(t => / m?s$|^0$/.test(t)).length";
    let values = browser.value(values).as_u64().unwrap();
    assert!((3..=5).contains(&values), "{values} values at the axis");
    browser.until("document.querySelector('.named').textContent.startsWith('median ')");
    browser.until("document.querySelectorAll('.plot path.bad').length === 1");

    // By keyboard: one stop for all dots, the arrows within.
    browser.run("document.querySelectorAll('.dot')[8].focus()", &[]);
    browser.keys(LEFT);
    browser.keys(LEFT);
    browser.until("document.activeElement === document.querySelectorAll('.dot')[6]");
    let told = "document.querySelector('.readout').textContent";
    browser.until(&format!("{told}.includes('Run 7, succeeded')"));
    browser.until("document.querySelectorAll('.cell')[6].classList.contains('here')");
    browser.screenshot("past");
    assert_eq!(browser.value("document.querySelectorAll('.dot[tabindex=\"0\"]').length"), 1);
    // What ends meanwhile takes nobody's place away.
    let run = daemon.run("varies");
    daemon.ledger().wait_for_run("varies", run, SOON);
    browser.until("document.querySelectorAll('.dot').length === 10");
    browser.until("document.activeElement === document.querySelectorAll('.dot')[6]");
    browser.keys(HOME);
    browser.keys(ENTER);
    browser.until("location.hash === '#/runs/1'");

    browser.open(&scene.url("#/jobs/varies"));
    browser.size(PHONE);
    browser.until("document.querySelectorAll('.dot').length === 10");
    assert_eq!(browser.value("document.documentElement.scrollWidth > innerWidth"), json!(false));
    browser.screenshot("past-phone");
    browser.size(WIDE);
    browser.dark(true);
    browser.screenshot("past-dark");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn a_job_is_run_elsewhere_and_with_other_arguments() {
    let Some(browser) = Browser::start("a_job_is_run_elsewhere") else { return };
    let scene = Scene::with(JOBS);
    let nodes = std::fs::read_to_string(scene.site.path("nodes.yaml")).unwrap();
    let n1 = nodes.split("n2:").next().unwrap();
    scene.site.write("nodes.yaml", &format!("{nodes}{}", n1.replacen("n1:", "n3:", 1)));
    let mut daemon = scene.start();
    let submit =
        || browser.run("document.querySelector('dialog button[type=submit]').click()", &[]);
    let says = |text: &str| {
        let text = serde_json::to_string(text).unwrap();
        browser.until(&format!(
            "document.querySelector('dialog .error').textContent.includes({text})"
        ));
    };
    // Who may run it where it belongs is told by the daemon that elsewhere takes more.
    scene.sign_in(&browser, &scene.token("operator", &[]));
    browser.open(&scene.url("#/jobs/alone"));
    browser.until_text("Run now");
    assert!(!browser.text().contains("Run with…"));
    browser.open(&scene.url("#/jobs/says"));
    browser.press("Run with…");
    browser.until("document.activeElement.id === 'with-on'");
    assert_eq!(browser.value("document.querySelector('#with-args')"), Value::Null);
    browser.write("#with-on", "n3");
    submit();
    says("on nodes that are not its own, this takes admin");
    browser.press("Do nothing");
    browser.until("document.querySelector('dialog') === null");
    browser.press("Sign out");

    scene.sign_in(&browser, &scene.token("admin", &[]));
    browser.open(&scene.url("#/jobs/says"));
    browser.press("Run with…");
    browser.write("#with-on", "n7");
    browser.write("#with-args", "command=echo on another day");
    browser.screenshot("run-with");
    submit();
    says("n7");
    // What was written is still there.
    assert_eq!(
        browser.value("document.querySelector('#with-args').value"),
        "command=echo on another day"
    );
    browser.write("#with-args", "comand=x");
    browser.write("#with-on", "n3");
    submit();
    says("comand");
    browser.write("#with-args", "command=echo on another day");
    browser.size(PHONE);
    assert_eq!(browser.value("document.documentElement.scrollWidth > innerWidth"), json!(false));
    browser.screenshot("run-with-phone");
    submit();
    browser.until("/^#\\/runs\\/[0-9]+/.test(location.hash)");
    browser.until_text("on another day");
    let run = scene.get("runs?job=says")["items"][0]["id"].clone();
    assert_eq!(scene.get(&format!("runs/{run}"))["nodes"][0]["node"], "n3");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn of_much_output_the_end_of_each_node_is_shown() {
    let Some(browser) = Browser::start("of_much_output_the_end_of_each_node_is_shown") else {
        return;
    };
    let scene = Scene::with(JOBS);
    let mut daemon = scene.start();
    let run = daemon.run("much");
    daemon.ledger().wait_for_run("much", run, SOON);
    scene.sign_in(&browser, &scene.token("viewer", &[]));
    browser.open(&scene.url(&format!("#/runs/{run}")));
    browser.until_text("The last 1500 lines of each node.");
    let count = "document.querySelectorAll('.output .line').length";
    browser.until(&format!("{count} === 3000"));
    let of = |part: &str| {
        let lines = "[...document.querySelectorAll('.output .line')]";
        browser
            .value(&format!("{lines}.filter(l => l.textContent.includes('line {part} of')).length"))
    };
    assert_eq!([of("3500"), of("3501"), of("5000")], [json!(0), json!(2), json!(2)]);
    browser.press("One node");
    browser.until_text("Earlier (");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}
