//! `top`: what it shows, and the terminal it leaves behind.

use super::*;

fn daemon() -> Value {
    json!({"version": "1.2.3", "pid": 42, "hostname": "control", "paused": true, "stopping": false,
           "started_at": "2024-02-29T23:59:59Z", "loaded_at": "2024-02-29T23:59:59Z",
           "generation": 1, "jobs": 1, "nodes": 2, "connections": 1, "runs": 1,
           "units": {"recording": 0, "held": 0, "waiting": 0, "running": 1},
           "workers": {"live": 2, "busy": 1, "min": 0, "max": 4}, "ledger": {"backlog": 0}})
}

fn watched(asked: &Asked) -> Reply {
    match asked.line.as_str() {
        "GET /daemon" => Reply::Json(200, daemon()),
        line if line.starts_with("GET /units?state=open") => {
            let mut unit = running(1, "web1");
            unit["job"] = json!("hello");
            Reply::Json(200, json!({"items": [unit]}))
        }
        line if line.starts_with("GET /runs?state=") => {
            Reply::Json(200, json!({"items": [run("failed", 1)]}))
        }
        _ => problem(404, "there is nothing of that name"),
    }
}

#[test]
fn top_is_shown_once_in_a_pipe_and_again_and_again_as_json() {
    let site = Site::empty();
    let api = Api::start(site.root(), watched);
    let output = ended(&site, &api, &["top"]);
    let shown = stdout(&output);
    assert!(shown.contains("1 busy of 2, at most 4") && shown.contains("web1  hello"), "{shown}");
    assert!(!shown.contains('\x1b'), "{shown:?}");
    let mut loom = loom(&site, &api, &["top", "--json", "--interval", "0.1"]);
    let mut child = loom.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    for line in lines.take(3) {
        let told: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!(told["daemon"]["pid"], json!(42));
        assert_eq!(told["units"][0]["job"], json!("hello"));
    }
    // Nobody reads it any more.
    assert_eq!(process::wait(&mut child, SOON).unwrap().code(), Some(0));
}

#[test]
fn top_puts_the_terminal_back_on_every_way_out() {
    for way in ["q", CTRL_C, "term"] {
        let site = Site::empty();
        let api = Api::start(site.root(), watched);
        let mut terminal = Terminal::run(&loom(&site, &api, &["top", "--interval", "0.1"]));
        terminal.wait_for("\x1b[?1049h");
        terminal.wait_for("All schedules are paused");
        until("a second look", SOON, || (api.asked("GET /daemon").len() > 2).then_some(()));
        assert!(!terminal.is_restored());
        match way {
            "term" => Process::of(terminal.pid()).unwrap().signal(Signal::SIGTERM),
            keys => terminal.press(keys),
        }
        let expected = if way == "term" { 143 } else { 0 };
        assert_eq!(terminal.end().code(), Some(expected), "{way:?}");
        terminal.wait_for("\x1b[?1049l");
        assert!(terminal.is_restored(), "{way:?}");
    }
}

#[test]
fn top_is_as_wide_as_its_terminal_at_once() {
    let site = Site::empty();
    let api = Api::start(site.root(), watched);
    // No second look helps it.
    let mut terminal = Terminal::run(&loom(&site, &api, &["top", "--interval", "3600"]));
    terminal.wait_for("`loom resume` ends that");
    let before = terminal.seen().len();
    terminal.resize(30);
    let drawn = || terminal.seen()[before..].to_owned();
    until("a screen of that width", SOON, || drawn().contains("All schedules are").then_some(()));
    assert!(!drawn().contains("`loom resume` ends that"), "{}", drawn());
    terminal.press("q");
    assert_eq!(terminal.end().code(), Some(0));
}

#[test]
fn top_says_when_what_it_shows_is_old() {
    let site = Site::empty();
    let looks = AtomicUsize::new(0);
    let api = Api::start(site.root(), move |asked| match asked.line.as_str() {
        "GET /daemon" if (1..20).contains(&looks.fetch_add(1, Ordering::SeqCst)) => Reply::Hangup,
        _ => watched(asked),
    });
    let mut terminal = Terminal::run(&loom(&site, &api, &["top", "--interval", "0.1"]));
    terminal.wait_for("What is shown is old");
    terminal.press("q");
    assert_eq!(terminal.end().code(), Some(0));
}
