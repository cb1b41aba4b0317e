//! What a unit writes, in quantity and with nobody to take it: nothing is lost but what is said to
//! be, and nothing stalls but the unit.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use loom::protocol::message::{FromWorker, HEARTBEAT, Report, ToWorker, UnitOrder};
use loom::unit::{Canceller, Kill, Outcome};
use nix::sys::stat::Mode;

use crate::rig::{Rig, Worker, eventually, rig, stdout, text};

const MEMORY: u64 = 30 << 20;

/// With a job log, whose path comes back.
fn logged(rig: &Rig, line: &str) -> (UnitOrder, String) {
    let mut order = rig.order("loom.run", &[line]);
    let log = rig.path(&format!("jobs/{}.log", order.unit));
    order.output.log = Some(log.clone().into());
    (order, log)
}

/// Its disk hangs: writing its log never comes to an end.
fn hung(rig: &Rig, line: &str) -> UnitOrder {
    let order = rig.order("loom.run", &[line]);
    fs::create_dir_all(order.output.file.parent().unwrap()).unwrap();
    nix::unistd::mkfifo(&order.output.file, Mode::S_IRWXU).unwrap();
    order
}

fn detail(report: &Report) -> &str {
    report.detail.as_deref().unwrap_or_default()
}

#[test]
fn the_job_log_has_the_plain_lines_of_both_streams() {
    let rig = rig();
    let mut worker = Worker::start();
    let log = rig.path("jobs/nightly.log");
    for line in
        ["echo one; sleep 0.2; echo two >&2; sleep 0.2; printf 'a\\0\\377\\033[1mb'", "echo"]
    {
        let mut order = rig.order("loom.run", &[line]);
        order.output.log = Some(log.clone().into());
        assert_eq!(worker.run(order).outcome, Outcome::Succeeded);
    }
    assert_eq!(fs::read(log).unwrap(), b"one\ntwo\na\0\xff\x1b[1mb\n\n");
}

#[test]
fn units_may_share_a_job_log() {
    let rig = rig();
    let log = rig.path("shared.log");
    let line = |mark: char| format!("yes {} | head -n 20000", mark.to_string().repeat(99));
    let mut workers = [Worker::start(), Worker::start(), Worker::start()];
    for (worker, mark) in workers.iter_mut().zip('a'..) {
        let mut order = rig.order("loom.run", &[&line(mark)]);
        order.output.log = Some(log.clone().into());
        worker.order(order);
    }
    workers.iter_mut().for_each(|worker| assert_eq!(worker.done().outcome, Outcome::Succeeded));
    let log = fs::read_to_string(log).unwrap();
    assert_eq!(log.len(), 3 * 20_000 * 100);
    let whole = |line: &str| line.len() == 99 && line.bytes().all(|b| b == line.as_bytes()[0]);
    assert!(log.lines().all(whole));
}

#[test]
fn a_job_log_that_cannot_be_written_is_said_once_and_fails_nothing() {
    let rig = rig();
    let mut worker = Worker::start();
    let fifo = rig.path("fifo");
    nix::unistd::mkfifo(fifo.as_str(), Mode::S_IRWXU).unwrap();
    for log in [fifo, rig.path(""), "/proc/nowhere/job.log".into()] {
        let mut order = rig.order("loom.run", &["seq 100000"]);
        order.output.log = Some(log.clone().into());
        let report = worker.run(order);
        assert_eq!(report.outcome, Outcome::Succeeded);
        let said = format!("its output could not be appended to {log}: ");
        assert!(
            detail(&report).starts_with(&said) && !detail(&report).contains("; "),
            "{report:?}"
        );
        assert_eq!(stdout(&report).lines().count(), 100_000);
    }
}

#[test]
fn what_a_unit_has_said_can_be_read_while_it_goes_on() {
    let rig = rig();
    let mut worker = Worker::start();
    let go_on = rig.path("go-on");
    let line = format!(
        "echo one; until test -e {go_on}; do sleep 0.05; done; printf 'sure? '; \
         until test -e {go_on}.2; do sleep 0.05; done; echo yes"
    );
    let order = rig.order("loom.run", &[&line]);
    let file = order.output.file.clone();
    let wait_for = |end: &str| {
        eventually(end, || fs::read(&file).is_ok_and(|log| log.ends_with(end.as_bytes())));
    };
    worker.order(order);
    worker.started();
    let said = Instant::now();
    wait_for(" stdout F one\n");
    assert!(said.elapsed() < Duration::from_secs(2), "{:?}", said.elapsed());
    fs::write(&go_on, "").unwrap();
    let said = Instant::now();
    wait_for(" stdout P sure? \n");
    assert!(said.elapsed() < Duration::from_secs(2), "{:?}", said.elapsed());
    fs::write(go_on + ".2", "").unwrap();
    let report = worker.done();
    assert_eq!((&report.outcome, &report.detail), (&Outcome::Succeeded, &None));
    assert_eq!(stdout(&report), "one\nsure? yes\n");
    assert_eq!(fs::read(&file).unwrap(), report.output.inline);

    let quick = rig.order("loom.run", &["echo quick"]);
    let file = quick.output.file.clone();
    assert_eq!(stdout(&worker.run(quick)), "quick\n");
    assert!(!file.exists());
}

#[test]
fn a_hundred_megabytes_take_no_memory() {
    let rig = rig();
    let mut worker = Worker::start();
    let (order, log) = logged(&rig, "seq -w 0 12000000 | head -c 100000000; echo the end");
    let max = order.output.max_bytes;
    let report = worker.run(order);
    assert_eq!(report.outcome, Outcome::Succeeded);
    assert_eq!((report.output.bytes, report.output.truncated), (100_000_008, true));
    assert!(worker.most_memory() < MEMORY, "{} bytes", worker.most_memory());
    let file = report.output.file.unwrap();
    let size = |path: &Path| fs::metadata(path).unwrap().len();
    let tail = format!("{}.tail", file.display());
    assert!(size(&file) + size(tail.as_ref()) <= max && size(log.as_ref()) <= max + 100);
    assert!(fs::read_to_string(tail).unwrap().ends_with("the end\n"));
    let log = fs::read_to_string(log).unwrap();
    let (kept, last) = log.trim_end().rsplit_once('\n').unwrap();
    assert!(last.starts_with("loom: the output beyond"), "{last}");
    assert!(kept.lines().enumerate().all(|(i, line)| line.parse() == Ok(i)));
}

#[test]
fn output_without_end_ends_with_its_timeout() {
    let rig = rig();
    let mut worker = Worker::start();
    let (mut order, log) = logged(&rig, "yes");
    order.timeout = Some(Duration::from_secs(3));
    let max: u64 = 256 << 10;
    order.output.max_bytes = max;
    let report = worker.run(order);
    assert_eq!(report.outcome, Outcome::TimedOut { kill: Kill::Confirmed }, "{report:?}");
    assert_eq!(detail(&report), "still running after 3s");
    assert!(report.output.truncated && report.output.bytes > max);
    assert!(worker.most_memory() < MEMORY, "{} bytes", worker.most_memory());
    assert!(fs::metadata(log).unwrap().len() <= max + 100);
}

#[test]
fn a_line_of_ten_megabytes_and_bytes_of_all_kinds_stay_as_they_are() {
    let rig = rig();
    let mut worker = Worker::start();
    let line = "head -c 10000000 /dev/zero | tr '\\0' x; echo; head -c 3000000 /dev/urandom | \
                tee RANDOM; printf 'no newline'";
    let random = rig.path("random");
    let (order, log) = logged(&rig, &line.replace("RANDOM", &random));
    let report = worker.run(order);
    assert_eq!((&report.outcome, &report.detail), (&Outcome::Succeeded, &None));
    assert!(worker.most_memory() < MEMORY, "{} bytes", worker.most_memory());
    let line = vec![b'x'; 10_000_000];
    let all = [&line, &b"\n"[..], &fs::read(random).unwrap(), b"no newline"].concat();
    assert!(text(&report, "stdout") == all);
    assert!(fs::read(log).unwrap() == [&all, &b"\n"[..]].concat());
}

#[test]
fn who_does_not_read_along_holds_up_the_unit_and_nothing_else() {
    let rig = rig();
    let mut worker = Worker::start();
    let finished = rig.path("finished");
    let mut order = rig.order("loom.run", &[&format!("yes | head -c 30000000; touch {finished}")]);
    order.output.echo = Some("n | ".into());
    let ordered = Instant::now();
    worker.order(order);
    worker.started();
    assert_eq!(worker.next(), Some(FromWorker::Heartbeat));
    assert!(ordered.elapsed() < HEARTBEAT + Duration::from_secs(3), "{:?}", ordered.elapsed());
    assert!(!Path::new(&finished).exists(), "the command waits until there is room");
    assert!(worker.most_memory() < MEMORY, "{} bytes", worker.most_memory());

    let mut pipe = worker.child.stdout.take().unwrap();
    let reader = thread::spawn(move || {
        let (mut chunk, mut read) = (vec![0; 1 << 16], 0);
        while read < 15_000_000 * 6 {
            read += pipe.read(&mut chunk).unwrap();
        }
        read
    });
    let report = worker.done();
    assert_eq!((&report.outcome, &report.detail), (&Outcome::Succeeded, &None));
    assert_eq!((report.output.bytes, reader.join().unwrap()), (30_000_000, 15_000_000 * 6));
}

#[test]
fn who_does_not_read_along_keeps_no_unit_from_its_end() {
    let rig = rig();
    let mut worker = Worker::start();
    // A flood from the beginning on may hold up the word that the unit has started.
    let mut order = rig.order("loom.run", &["sleep 0.3; yes"]);
    order.output.echo = Some("n | ".into());
    let (unit, grace) = (order.unit, order.kill_grace);
    worker.order(order);
    worker.started();
    thread::sleep(Duration::from_millis(800));
    let cancelled = Instant::now();
    let by = Canceller::User("ann".into());
    worker.tell(&ToWorker::Cancel { unit, by: by.clone() });
    let report = worker.done();
    assert!(cancelled.elapsed() < grace + Duration::from_secs(5), "{:?}", cancelled.elapsed());
    assert_eq!(report.outcome, Outcome::Cancelled { by, kill: Kill::Confirmed });
    assert_eq!(detail(&report), "its output could not be kept: writing it has stalled");
}

#[test]
fn a_disk_that_hangs_keeps_no_unit_from_its_timeout() {
    let rig = rig();
    let mut worker = Worker::start();
    for line in ["yes", "seq 5000; sleep 600", "trap '' TERM; yes"] {
        let mut order = hung(&rig, line);
        order.timeout = Some(Duration::from_secs(1));
        let grace = order.kill_grace;
        let ordered = Instant::now();
        let report = worker.run(order);
        let took = ordered.elapsed();
        assert!(took < Duration::from_secs(6) + grace, "{line}: {took:?}");
        assert_eq!(report.outcome, Outcome::TimedOut { kill: Kill::Confirmed }, "{line}");
        assert!(
            detail(&report).ends_with("; its output could not be kept: writing it has stalled")
        );
        assert!(report.output.truncated && report.output.file.is_none());
    }
    assert_eq!(stdout(&worker.run(rig.order("loom.run", &["echo fine"]))), "fine\n");
    assert!(worker.most_memory() < MEMORY, "{} bytes", worker.most_memory());
}

#[test]
fn a_disk_that_hangs_costs_little_output_nothing_but_its_file() {
    let rig = rig();
    let mut worker = Worker::start();
    let slept = rig.path("slept");
    let order = hung(&rig, &format!("echo one; sleep 2; touch {slept}"));
    worker.order(order);
    eventually("the command ends", || Path::new(&slept).exists());
    let ended = Instant::now();
    let report = worker.done();
    assert!(ended.elapsed() < Duration::from_secs(5), "{:?}", ended.elapsed());
    assert_eq!(report.outcome, Outcome::Succeeded);
    assert_eq!((stdout(&report).as_str(), report.output.truncated), ("one\n", false));
    let said = "its output could not be written while it ran: writing it has stalled";
    assert_eq!(detail(&report), said);
}

#[test]
fn a_unit_that_ended_by_itself_keeps_its_outcome_whatever_became_of_its_output() {
    let rig = rig();
    let mut worker = Worker::start();
    let finished = rig.path("finished");
    let order = hung(&rig, &format!("seq 5000; touch {finished}; exit 3"));
    let unit = order.unit;
    worker.order(order);
    eventually("the command ends", || Path::new(&finished).exists());
    thread::sleep(Duration::from_secs(1));
    worker.tell(&ToWorker::Cancel { unit, by: Canceller::Shutdown });
    let report = worker.done();
    assert_eq!(report.outcome, Outcome::Failed { exit: Some(3) });
    assert_eq!(detail(&report), "its output could not be kept: writing it has stalled");
}
