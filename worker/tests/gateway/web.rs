//! The page's files: what they are served with, and what is in none of them.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use loom::api::job::Coming;
use loom::protocol::control::{JobEntry, News, Switched};

use super::http::Answer;
use super::rig::{Rig, at, job, node};

/// All that the first view fetches, in bytes, headers and answers of the API not counted.
const FIRST: usize = 35_000;
const ALL: usize = 70_000;

fn sources() -> Vec<(String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gateway/web/assets");
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    entries.map(read).collect()
}

/// The paths of the files that the page names.
fn named(page: &Answer) -> Vec<String> {
    let text = page.text();
    let attributes = text.split("=\"").skip(1).filter_map(|rest| rest.split_once('"'));
    let paths = attributes.map(|(value, _)| value).filter(|value| value.starts_with("assets/"));
    paths.map(|path| format!("/{path}")).collect()
}

#[test]
fn whoever_comes_gets_the_page_and_not_what_it_shows() {
    let rig = Rig::remote(&[job("a", "@hourly")], &[node("n1")]);
    let page = rig.client.get("/");
    assert_eq!(page.status(), 200);
    assert_eq!(page.head.header("content-type"), Some("text/html; charset=utf-8"));
    for path in named(&page) {
        assert_eq!(rig.client.get(&path).status(), 200, "{path}");
    }
    rig.client.get("/api/v1/jobs").problem(401);
    rig.client.get("/api/v1/openapi.json").problem(401);
    // A link on another site's page may lead here; what speaks with the API may not come from it.
    let from_elsewhere = rig.client.clone().with("Sec-Fetch-Site", "cross-site");
    assert_eq!(from_elsewhere.get("/").status(), 200);
    from_elsewhere.get("/api/v1/jobs").problem(403);
    // Nothing of a foreign name, which could be anybody's.
    let elsewhere = rig.client.clone().with("Host", "evil.example");
    assert!([400, 421].contains(&elsewhere.get("/").status()));
    rig.heard();
}

#[test]
fn it_may_do_nothing_but_what_it_needs() {
    let rig = Rig::local(&[], &[]);
    let page = rig.client.get("/");
    let files = named(&page);
    assert!(files.len() > 10, "{files:?}");
    for path in ["/".to_owned()].into_iter().chain(files) {
        let answer = rig.client.get(&path);
        let header = |name: &str| answer.head.header(name).unwrap_or_default().to_owned();
        let policy = header("content-security-policy");
        let parts: Vec<&str> = policy.split("; ").collect();
        let wanted = [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ];
        assert_eq!(parts, wanted, "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
        assert!(header("permissions-policy").contains("camera=()"));
    }
}

#[test]
fn what_a_browser_has_is_not_sent_again() {
    let rig = Rig::local(&[], &[]);
    let page = rig.client.get("/");
    assert_eq!(page.head.header("cache-control"), Some("no-cache"));
    let file = &named(&page)[0];
    let kept = rig.client.get(file);
    assert_eq!(kept.head.header("cache-control"), Some("public, max-age=31536000, immutable"));
    for (path, answer) in [("/", &page), (file.as_str(), &kept)] {
        let tag = answer.head.header("etag").unwrap();
        for known in [tag.to_owned(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            let again = rig.client.clone().with("If-None-Match", &known).get(path);
            assert_eq!((again.status(), again.body.len()), (304, 0), "{path} {known}");
            assert_eq!(again.head.header("etag"), Some(tag));
        }
        let other = rig.client.clone().with("If-None-Match", "\"other\"").get(path);
        assert_eq!((other.status(), &other.body), (200, &answer.body));
    }
}

#[test]
fn there_is_nothing_else_and_nothing_is_taken() {
    let rig = Rig::local(&[], &[]);
    let page = rig.client.get("/");
    let file = &named(&page)[0];
    let (edition, name) = file.rsplit_once('/').unwrap();
    for path in [
        format!("{edition}/nothing.js"),
        format!("{edition}/index.html"),
        format!("{edition}/..%2fmod.rs"),
        format!("/assets/other/{name}"),
    ] {
        let said = rig.client.get(&path).problem(404);
        assert!(said.contains("no such file"), "{said}");
    }
    rig.client.get("/assets").problem(404);
    rig.client.post("/", None).problem(405);
    rig.client.post(file, None).problem(405);
    let head = rig.client.open("HEAD", "/", None);
    assert_eq!(head.status(), 200);
    // It is no part of what the API is described as.
    let paths = rig.client.get("/api/v1/openapi.json").json()["paths"].clone();
    assert!(paths.get("/").is_none() && !paths.to_string().contains("assets"));
    assert!(rig.client.get("/metrics").text().contains("/assets/{edition}/{name}"));
}

#[test]
fn no_file_makes_markup_of_text_or_asks_elsewhere() {
    let all = sources();
    assert!(all.len() > 20);
    for (name, text) in &all {
        for bad in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "createContextualFragment",
            "DOMParser",
            "eval(",
            "Function(",
            "setTimeout(\"",
            "style=",
            "javascript:",
            "<style",
            "localStorage.setItem(KEPT",
            "document.cookie",
        ] {
            assert!(!text.contains(bad), "{name} has {bad}");
        }
        for scheme in ["http://", "https://"] {
            let hosts = text.match_indices(scheme).map(|(at, _)| &text[at..]);
            let foreign = hosts.filter(|rest| !rest.starts_with("http://www.w3.org/2000/svg"));
            assert_eq!(foreign.count(), 0, "{name} names a host");
        }
    }
    let (_, page) = all.iter().find(|(name, _)| name == "index.html").unwrap();
    assert!(!page.contains(" on"), "{page}");
    let files = page.matches("<script type=\"module\" src=").count();
    assert_eq!(page.matches("<script").count(), files, "a script in the page itself");
    assert_eq!(page.matches("\"></script>").count(), files, "{page}");
}

#[test]
fn it_is_small() {
    let rig = Rig::local(&[], &[]);
    let page = rig.client.get("/");
    let (dir, _) =
        named(&page)[0].rsplit_once('/').map(|(dir, name)| (dir.to_owned(), name)).unwrap();
    let packing = rig.client.clone().with("Accept-Encoding", "gzip, br");
    let mut all = 0;
    for (name, text) in sources().iter().filter(|(name, _)| name != "index.html") {
        let path = format!("{dir}/{name}");
        let packed = packing.get(&path);
        assert_eq!(packed.head.header("content-encoding"), Some("gzip"), "{name}");
        let mut back = String::new();
        GzDecoder::new(&packed.body[..]).read_to_string(&mut back).unwrap();
        assert_eq!(&back, text);
        all += packed.body.len();
        let plain = rig.client.get(&path);
        assert_eq!((plain.head.header("content-encoding"), &plain.text()), (None, text));
        for answer in [&packed, &plain] {
            assert_eq!(answer.head.header("vary"), Some("accept-encoding"));
        }
        assert_ne!(packed.head.header("etag"), plain.head.header("etag"));
    }
    assert!(all < ALL, "all files have {all} bytes");
    let size = |path: &String| packing.get(path).body.len();
    let first = page.body.len() + named(&page).iter().map(size).sum::<usize>();
    assert!(first < FIRST, "the first view fetches {first} bytes");
}

#[test]
fn what_comes_due_is_told_over_all_jobs() {
    let off = Switched { by: "me".to_owned(), at: at("2026-01-01T00:00:00Z") };
    let jobs = [
        job("quarters", "*/15 * * * *"),
        JobEntry { timezone: Some("Asia/Tokyo".to_owned()), ..job("tokyo", "0 9 * * *") },
        job("midnight", "0 0 * * *"),
        JobEntry { enabled: false, ..job("off", "* * * * *") },
        JobEntry { switched_off: Some(off), ..job("switched", "* * * * *") },
    ];
    let rig = Rig::local(&jobs, &[node("n1")]);
    let ask =
        |query: &str| rig.client.get(&format!("/api/v1/fires?from=2026-01-02T00:00:00Z{query}"));
    let coming: Coming = ask("&limit=4").of();
    assert_eq!(coming.until, at("2026-01-03T00:00:00Z"));
    assert_eq!((coming.step, coming.spans.len()), (900, 96));
    let count: u64 = coming.spans.iter().map(|span| span.count).sum();
    assert_eq!(count, 96 + 1 + 1);
    // Nine in Tokyo is midnight in UTC.
    assert_eq!(coming.spans[0].at, at("2026-01-02T00:00:00Z"));
    assert_eq!((coming.spans[0].count, coming.spans[1].count), (3, 1));
    assert_eq!(coming.spans[0].jobs, ["midnight", "quarters", "tokyo"]);
    let next: Vec<&str> = coming.next.iter().map(|due| due.job.as_str()).collect();
    assert_eq!(next, ["midnight", "quarters", "tokyo", "quarters"]);
    assert_eq!(coming.next[3].at, at("2026-01-02T00:15:00Z"));
    assert_eq!(coming.next[2].timezone.as_deref(), Some("Asia/Tokyo"));

    let hourly: Coming = ask("&hours=2&step=3600&limit=0").of();
    assert_eq!(hourly.spans.iter().map(|span| span.count).collect::<Vec<_>>(), [6, 4]);
    assert!(hourly.next.is_empty());
    for (query, says) in [
        ("&hours=0", "1 to 168"),
        ("&step=59", "step is from 87 to 86400"),
        ("&limit=1001", "at most 1000"),
    ] {
        let said = ask(query).problem(400);
        assert!(said.contains(says), "{said}");
    }

    rig.tell(News::Switched { job: "quarters".to_owned(), off: None });
    rig.tell(News::Paused(true));
    rig.heard();
    let paused: Coming = ask("").of();
    assert!(paused.spans.is_empty() && paused.next.is_empty());
}

#[test]
fn who_may_see_some_jobs_is_told_of_them() {
    let rig = Rig::remote(&[job("web-a", "@hourly"), job("db", "@hourly")], &[node("n1")]);
    let token = rig.token("web", loom::access::Role::Viewer, &["web-*"]);
    let coming: Coming = rig.client.clone().bearer(&token).get("/api/v1/fires").of();
    assert!(coming.spans.iter().all(|span| span.count == 1 && span.jobs == ["web-a"]));
    assert!(coming.next.len() == 20 && coming.next.iter().all(|due| due.job == "web-a"));
}
