//! Thousands of jobs.

use std::fmt::Write;

use crate::harness::api;
use crate::{Browser, Scene};

#[test]
fn five_thousand_jobs_are_a_list_like_another() {
    let Some(browser) = Browser::start("five_thousand_jobs") else { return };
    let mut jobs = "jobs:\n".to_owned();
    for n in 0..5000 {
        let (minute, hour) = (n % 60, n % 24);
        let _ = writeln!(
            jobs,
            "  job-{n:04}: {{task: loom.run, args: [echo], schedule: '{minute} {hour} * * *', \
             targets: [n1], tags: [t{}]}}",
            n % 50
        );
    }
    let scene = Scene::with(&jobs);
    let mut daemon = scene.start();
    scene.sign_in(&browser, &scene.token("viewer", &[]));
    browser.until("document.querySelectorAll('.stack .b-due').length > 45");
    // All that was fetched so far, the page with its files among it.
    let fetched = "['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind)).reduce((sum, one) => sum + one.transferSize, 0)";
    let fetched = browser.value(fetched).as_u64().unwrap();
    assert!((20_000..60_000).contains(&fetched), "{fetched} bytes for the first view");
    browser.press("Jobs");
    browser.until_text("5000 jobs");
    // Those in view, and no more.
    let rows = "document.querySelectorAll('tbody tr[data-key]').length";
    browser.until(&format!("{rows} > 20"));
    assert!(browser.value(rows).as_u64().unwrap() < 120);
    let shown = "[...document.querySelectorAll('tbody th a')].map(a => a.textContent)";
    browser.run("scrollTo(0, document.body.scrollHeight / 2)", &[]);
    browser.until(&format!("{shown}.some(name => name > 'job-24' && name < 'job-26')"));
    browser.run("scrollTo(0, document.body.scrollHeight)", &[]);
    browser.until(&format!("{shown}.includes('job-4999')"));
    assert!(browser.value(rows).as_u64().unwrap() < 120);
    browser.screenshot("many");
    // Somebody throws a switch: the list is fetched anew, and stays where it is.
    let at = browser.value("scrollY");
    api::ask(&scene.site, "POST", "jobs/job-4999/disable", None).unwrap();
    browser.until("[...document.querySelectorAll('tbody tr')].some(row => row.innerText.includes('job-4999') && row.innerText.includes('off'))");
    assert_eq!(browser.value("scrollY"), at);
    browser.run("scrollTo(0, 0)", &[]);
    browser.write("#f-name", "job-12?4");
    browser.until_text("10 jobs");
    browser.write("#f-name", "");
    browser.write("#f-tag", "t7");
    browser.until_text("100 jobs");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}
