//! Setting runs going, and waiting for their end.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use loom::api::run::Started;
use loom::arg::Arg;
use loom::job::policy::Share;
use loom::protocol::control::{
    Answer, Command, Exec, FlowOf, FlowOrder, GivenPart, JobEntry, Who, Why,
};
use loom::unit::{Outcome, RunEnd, RunId};
use serde_json::{Value, json};

use super::rig::{How, Rig, close_unit, job, node, refusal, whole_run};

fn rig() -> Rig {
    let jobs = [job("a", "@yearly"), JobEntry { targets: vec![], ..job("nowhere", "@yearly") }];
    Rig::local(&jobs, &[node("n1")])
}

fn run(rig: &Rig, body: Option<Value>) -> super::http::Answer {
    rig.client.post("/api/v1/jobs/a/run", body)
}

#[test]
fn a_job_is_run_by_the_parent_on_the_word_of_the_peer() {
    let rig = rig();
    rig.react(|_, _| Ok(Answer::Run(Some(RunId(7)))));
    let answer = run(&rig, None);
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.head.header("location"), Some("/api/v1/runs/7"));
    let started: Started = answer.of();
    assert_eq!(started, Started { run: Some(7), state: None, left_out: vec![] });
    let asked = rig.last_asked();
    assert_eq!(asked.command, Command::run("a"));
    assert_eq!((asked.who, asked.key), (Who::Peer { uid: nix::unistd::getuid().as_raw() }, None));

    assert_eq!(run(&rig, Some(Value::Null)).status(), 201);

    let client = rig.client.clone().with("Idempotency-Key", "k-1");
    let body =
        json!({"on": "n[1-3]", "args": {"n": 1, "list": [1.5, null, "x"], "map": {"k": true}}});
    assert_eq!(client.post("/api/v1/jobs/a%2Fb/run", Some(body)).status(), 201);
    let asked = rig.last_asked();
    assert_eq!(asked.key.as_deref(), Some("k-1"));
    let text = |text: &str| Arg::Str(text.to_owned());
    let args = vec![
        ("list".to_owned(), Arg::List(vec![Arg::Float(1.5), Arg::Null, text("x")])),
        ("map".to_owned(), Arg::Map(vec![(text("k"), Arg::Bool(true))])),
        ("n".to_owned(), Arg::Int(1)),
    ];
    let (job, on) = ("a/b".to_owned(), Some("n[1-3]".to_owned()));
    assert_eq!(asked.command, Command::Run { job, on, args, retry_of: None });
}

#[test]
fn what_makes_no_sense_does_not_reach_the_parent() {
    let rig = rig();
    rig.react(|_, _| Ok(Answer::Run(Some(RunId(7)))));
    let deep = (0..70).fold(json!(1), |inner, _| json!([inner]));
    let said = run(&rig, Some(json!({"args": {"x": deep}}))).problem(400);
    assert_eq!(said, r#"argument "x" is nested deeper than 64 levels"#);
    assert!(run(&rig, Some(json!({"wait": 61}))).problem(400).contains("0 to 60"));
    assert!(run(&rig, Some(json!({"onn": "n1"}))).problem(400).contains("`onn`"));
    for body in [json!([1]), json!({"wait": -1}), json!({"args": {"": 1}}), json!({"args": 1})] {
        run(&rig, Some(body)).problem(400);
    }
    let key = rig.client.clone().with("Idempotency-Key", "clé");
    key.post("/api/v1/jobs/a/run", None).problem(400);
    for body in [
        json!({}),
        json!({"on": "n1"}),
        json!({"on": "n1", "command": " "}),
        json!({"on": "n1", "command": "x", "task": "y"}),
        json!({"on": "n1", "command": "x", "args": [1]}),
        json!({"on": "n1", "command": "x", "timeout": 0}),
        json!({"on": "n1", "command": "x", "timeout": 1e30}),
        json!({"on": "n1", "command": "x", "parallel": 0}),
    ] {
        rig.client.post("/api/v1/exec", Some(body)).problem(400);
    }
    assert_eq!(rig.asked(), []);
}

#[test]
fn a_body_must_say_that_it_is_json() {
    let rig = rig();
    let mut connection = rig.client.clone().with("Content-Type", "text/plain").connect();
    // Both are sent, and the first counts.
    connection.request("POST", "/api/v1/jobs/a/run", Some(&json!({}))).problem(415);
    assert_eq!(rig.asked(), []);
}

#[test]
fn refusals_of_the_parent_are_problems() {
    let rig = rig();
    for (why, status) in [
        (Why::Unknown, 404),
        (Why::Conflict, 409),
        (Why::Invalid, 400),
        (Why::Forbidden, 403),
        (Why::Unavailable, 503),
    ] {
        rig.react(move |_, _| refusal(why, "so it is"));
        assert_eq!(run(&rig, None).problem(status), "so it is");
    }
}

#[test]
fn what_runs_nowhere_is_no_run() {
    let rig = rig();
    rig.react(|_, _| Ok(Answer::Run(None)));
    let answer = run(&rig, Some(json!({"wait": 60})));
    assert_eq!((answer.status(), answer.head.header("location")), (200, None));
    assert_eq!(answer.of::<Started>().run, None);
}

#[test]
fn a_command_is_handed_to_the_parent() {
    let rig = rig();
    rig.react(|_, _| Ok(Answer::Run(Some(RunId(7)))));
    let body = json!({"on": "@web", "command": "uptime -p", "timeout": 1.5, "parallel": 2});
    let answer = rig.client.post("/api/v1/exec", Some(body));
    assert_eq!((answer.status(), answer.head.header("location")), (201, Some("/api/v1/runs/7")));
    let exec = Exec {
        on: "@web".to_owned(),
        task: "loom.run".to_owned(),
        args: vec![Arg::Str("uptime -p".to_owned())],
        kwargs: vec![],
        timeout: Some(1500),
        parallel: Some(2),
    };
    assert_eq!(rig.last_asked().command, Command::Exec(Box::new(exec)));

    let body = json!({"on": "n1", "task": "loom.get", "args": ["/a"], "kwargs": {"mode": 384}});
    rig.client.post("/api/v1/exec", Some(body)).of::<Started>();
    let exec = Exec {
        on: "n1".to_owned(),
        task: "loom.get".to_owned(),
        args: vec![Arg::Str("/a".to_owned())],
        kwargs: vec![("mode".to_owned(), Arg::Int(384))],
        timeout: None,
        parallel: None,
    };
    assert_eq!(rig.last_asked().command, Command::Exec(Box::new(exec)));
}

#[test]
fn a_flow_is_handed_to_the_parent_with_its_numbers_read() {
    let rig = rig();
    rig.react(|_, _| Ok(Answer::Run(Some(RunId(7)))));
    let body = json!({
        "from": "deploy.json",
        "any_host": true,
        "slots": [
            [{"job": "pkg1", "command": "install pkg1", "targets": ["db[1-10]", "@db"],
              "success": "80%", "timeout": 1.5, "attempts": 3},
             {"job": "pkg2", "command": "install pkg2", "targets": ["api[1-6]"], "success": "5",
              "parallel": ["2"]}],
            [{"job": "restart", "command": "apachectl restart", "targets": ["fe[1-100]"],
              "parallel": ["1", "10%", "50%"]}],
        ],
    });
    let client = rig.client.clone().with("Idempotency-Key", "k-1");
    let answer = client.post("/api/v1/flows", Some(body));
    assert_eq!((answer.status(), answer.head.header("location")), (201, Some("/api/v1/runs/7")));
    let part = |name: &str, command: &str, targets: &[&str]| GivenPart {
        name: name.to_owned(),
        command: command.to_owned(),
        targets: targets.iter().map(|target| target.to_string()).collect(),
        success: Share::Percent(100),
        parallel: vec![],
        timeout: None,
        attempts: 1,
    };
    let slots = vec![
        vec![
            GivenPart {
                success: Share::Percent(80),
                timeout: Some(1500),
                attempts: 3,
                ..part("pkg1", "install pkg1", &["db[1-10]", "@db"])
            },
            GivenPart {
                success: Share::Count(5),
                parallel: vec![Share::Count(2)],
                ..part("pkg2", "install pkg2", &["api[1-6]"])
            },
        ],
        vec![GivenPart {
            parallel: vec![Share::Count(1), Share::Percent(10), Share::Percent(50)],
            ..part("restart", "apachectl restart", &["fe[1-100]"])
        }],
    ];
    let flow = FlowOf::Given { from: "deploy.json".to_owned(), slots, any_host: true };
    let asked = rig.last_asked();
    assert_eq!(asked.command, Command::Flow(Box::new(FlowOrder { flow, resume: None })));
    assert_eq!(asked.key.as_deref(), Some("k-1"));
}

#[test]
fn a_flow_with_a_mistake_does_not_reach_the_parent() {
    let rig = rig();
    rig.react(|_, _| Ok(Answer::Run(Some(RunId(7)))));
    let sound = json!({"job": "a", "command": "x", "targets": ["n1"]});
    let with = |key: &str, value: Value| {
        let mut job = sound.clone();
        job[key] = value;
        job
    };
    let told = |slots: Value| {
        let body = json!({"from": "f", "slots": slots});
        rig.client.post("/api/v1/flows", Some(body)).problem(400)
    };
    let of_job = |key: &str, value: Value| told(json!([[with(key, value)]]));
    assert_eq!(told(json!([])), "`slots` is empty; a flow has one at least");
    assert_eq!(told(json!([[sound], []])), "slot 2 is empty; it needs one job at least");
    assert_eq!(told(json!([[sound], [sound]])), "there are two jobs \"a\"");
    let many: Vec<Value> = (0..1001).map(|n| with("job", json!(n.to_string()))).collect();
    assert_eq!(told(json!([many])), "a flow has at most 1000 jobs");
    for name in ["", " a", "a\n"] {
        assert_eq!(of_job("job", json!(name)), format!("{name:?} is no name for a job"));
    }
    assert_eq!(of_job("job", json!("x".repeat(201))), "a job's name is longer than 200 bytes");
    assert_eq!(of_job("command", json!(" ")), "job \"a\": `command` is empty");
    assert_eq!(of_job("command", json!("a\0")), "job \"a\": `command` contains a NUL character");
    let long = of_job("command", json!("x".repeat(65537)));
    assert_eq!(long, "job \"a\": `command` is longer than 65536 bytes");
    assert_eq!(of_job("targets", json!([])), "job \"a\": `targets` is empty");
    for (key, value) in [("success", json!("101%")), ("parallel", json!(["1", "101%"]))] {
        let said = format!("job \"a\": `{key}` is a percentage from 1% to 100%, not \"101%\"");
        assert_eq!(of_job(key, value), said);
    }
    assert_eq!(
        of_job("success", json!("0")),
        "job \"a\": `success` is a count of 1 or more, not \"0\""
    );
    assert!(of_job("success", json!("most")).contains("a whole number like 2"));
    assert!(of_job("parallel", json!(vec!["1"; 21])).contains("more than 20 steps"));
    assert!(of_job("timeout", json!(0)).contains("more than 0, not 0"));
    for attempts in [0, 101] {
        let said = format!("job \"a\": `attempts` is 1 to 100, not {attempts}");
        assert_eq!(of_job("attempts", json!(attempts)), said);
    }
    assert!(of_job("atempts", json!(1)).contains("`atempts`"));
    assert!(of_job("success", json!(5)).contains("expected a string"));
    for body in [json!({"slots": [[sound]]}), json!({"from": "f", "slots": [[sound]], "wait": 61})]
    {
        rig.client.post("/api/v1/flows", Some(body)).problem(400);
    }
    assert_eq!(rig.asked(), []);
}

#[test]
fn the_end_that_comes_before_the_answer_is_not_missed() {
    let rig = rig();
    rig.react(|_, parent| {
        let now = Timestamp::now();
        parent.open_run(7, "a", How::manual(now), &["n1"]);
        parent.start_unit(7, 0, now);
        parent.record(&[close_unit(7, 0, Outcome::Succeeded, now)]);
        parent.close_run(7, "a", RunEnd::Succeeded, now);
        Ok(Answer::Run(Some(RunId(7))))
    });
    let begun = Instant::now();
    let started: Started = run(&rig, Some(json!({"wait": 60}))).of();
    assert!(begun.elapsed() < Duration::from_secs(30));
    let state = started.state.unwrap();
    assert_eq!((state.id, state.state.as_str(), state.units.succeeded), (7, "succeeded", 1));
}

#[test]
fn who_waits_is_answered_when_the_run_ends_and_not_before() {
    let rig = rig();
    let (go, going) = mpsc::channel::<()>();
    rig.react(|_, parent| {
        parent.open_run(7, "a", How::manual(Timestamp::now()), &["n1"]);
        Ok(Answer::Run(Some(RunId(7))))
    });
    let client = rig.client.clone();
    let waiting = thread::spawn(move || -> Started {
        let answer = client.post("/api/v1/jobs/a/run", Some(json!({"wait": 60})));
        go.send(()).unwrap();
        answer.of()
    });
    // Others end meanwhile, and it is asked for in vain.
    super::eventually("the run is there", || rig.client.get("/api/v1/runs/7").status() == 200);
    let late: loom::api::run::RunDetail = rig.client.get("/api/v1/runs/7?wait=1").of();
    assert_eq!(late.run.state, "queued");
    let parent = &rig.parent;
    let now = Timestamp::now();
    parent.record(&whole_run(
        8,
        "a",
        &How::manual(now),
        &[("n1", Outcome::Succeeded)],
        RunEnd::Succeeded,
    ));
    parent.news(loom::protocol::control::News::RunEnded {
        run: RunId(8),
        job: "a".to_owned(),
        at: now,
        end: RunEnd::Succeeded,
        units: 1,
        succeeded: 1,
    });
    rig.heard();
    assert!(going.try_recv().is_err(), "answered before its end");
    parent.start_unit(7, 0, now);
    parent.record(&[close_unit(7, 0, Outcome::Failed { exit: Some(1) }, now)]);
    parent.close_run(7, "a", RunEnd::Failed, now);
    going.recv_timeout(Duration::from_secs(30)).expect("an answer at its end");
    assert_eq!(waiting.join().unwrap().state.unwrap().state, "failed");
}

#[test]
fn a_run_that_was_over_before_is_not_waited_for() {
    let rig = rig();
    let now = Timestamp::now();
    let ends = [("n1", Outcome::Succeeded)];
    rig.record(&whole_run(7, "a", &How::manual(now), &ends, RunEnd::Succeeded));
    // As when a key comes again.
    rig.react(|_, _| Ok(Answer::Run(Some(RunId(7)))));
    let begun = Instant::now();
    let started: Started = run(&rig, Some(json!({"wait": 60}))).of();
    assert_eq!(started.state.unwrap().state, "succeeded");
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn after_lost_news_the_ledger_is_asked() {
    let rig = rig();
    rig.react(|_, parent| {
        let now = Timestamp::now();
        parent.open_run(7, "a", How::manual(now), &["n1"]);
        Ok(Answer::Run(Some(RunId(7))))
    });
    let client = rig.client.clone();
    let waiting = thread::spawn(move || -> Started {
        client.post("/api/v1/jobs/a/run", Some(json!({"wait": 60}))).of()
    });
    super::eventually("the run is there", || rig.client.get("/api/v1/runs/7").status() == 200);
    let now = Timestamp::now();
    rig.parent.start_unit(7, 0, now);
    let end = RunEnd::Succeeded;
    rig.record(&[
        close_unit(7, 0, Outcome::Succeeded, now),
        loom::store::Record::CloseRun { run: RunId(7), end, at: now },
    ]);
    rig.tell(loom::protocol::control::News::Resync);
    let begun = Instant::now();
    assert_eq!(waiting.join().unwrap().state.unwrap().state, "succeeded");
    assert!(begun.elapsed() < Duration::from_secs(30));
}
