//! What nodes and manifests say is text.

use crate::harness::SOON;
use crate::{Browser, Scene};

/// A name and a description that would be markup, and output that would be more.
const JOBS: &str = r#"
jobs:
  nasty:
    task: loom.run
    args: ["printf '<script>document.title=1</script><img src=x onerror=document.title=2>\\n\\033[31mred\\033[0m\\033]0;owned\\007 \\033[2Jcleared \\xff\\xfe \\342\\200\\256turned\\n'"]
    schedule: '@yearly'
    targets: [n1]
    description: "<b onclick=document.title=3>bold</b> \u202eturned"
    tags: ["<i>tag"]
"#;

#[test]
fn markup_and_escapes_are_shown_and_not_obeyed() {
    let Some(browser) = Browser::start("markup_and_escapes") else { return };
    let scene = Scene::with(JOBS);
    let mut daemon = scene.start();
    let run = daemon.run("nasty");
    daemon.ledger().wait_for_run("nasty", run, SOON);
    scene.sign_in(&browser, &scene.token("viewer", &[]));
    let tame = || {
        let odd = "document.querySelectorAll('main script, main img, main b, main i, [onclick], [onerror]').length";
        assert_eq!(browser.value(odd), 0);
        let title = browser.value("document.title");
        assert!(title.as_str().unwrap().ends_with("· Loom"), "{title}");
        // Neither escapes nor what turns the order of letters.
        let left = r"/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/.test(document.body.innerText)";
        assert_eq!(browser.value(left), false, "{}", browser.text());
    };
    for show in ["", "?node=n1", "?show=alike"] {
        browser.open(&scene.url(&format!("#/runs/{run}{show}")));
        browser.until_text("<script>document.title=1</script><img src=x onerror=document.title=2>");
        browser.until_text("red^[]0;owned^G ^[[2Jcleared");
        browser.until_text("⟨U+202E⟩turned");
        tame();
    }
    browser.screenshot("hostile");
    for view in ["#/jobs/nasty", "#/jobs", "#/nodes/n1", "#/runs"] {
        browser.open(&scene.url(view));
        browser.until_text("nasty");
        tame();
    }
    browser.open(&scene.url("#/jobs/nasty"));
    browser.until_text("<b onclick=document.title=3>bold</b> ⟨U+202E⟩turned");
    browser.open(&scene.url("#/jobs/<script>document.title=4<%2Fscript>"));
    browser.until_text("there is no job");
    tame();
    // Nothing can be made markup, by whatever script.
    let tried = "try { document.body.insertAdjacentHTML('beforeend', '<u>'); return 'made' } catch (e) { return e.name }";
    assert_eq!(browser.run(tried, &[]), "TypeError");
    daemon.stop();
}
