//! Mails: headers and text.

use super::*;

#[test]
fn a_mail_says_what_happened_where_and_when() {
    let job = mailing("backup", "ops@example.com");
    let mut failed = unit("n3", Outcome::Failed { exit: Some(3) });
    failed.detail = Some("disk\nfull \u{202e}\u{1b}[31m".to_owned());
    let away = UnitInfo { took: None, attempt: 3, ..unit("n4", Outcome::Unreachable) };
    let units = vec![unit("n1", Outcome::Succeeded), failed, away];
    let (headers, text) = mail(&job, ended(&job, RunEnd::Failed, units));
    let expected = [
        ("Auto-Submitted", "auto-generated"),
        ("Content-Transfer-Encoding", "8bit"),
        ("Content-Type", "text/plain; charset=UTF-8"),
        ("MIME-Version", "1.0"),
        ("Subject", "Loom: backup failed on n3, n4 (run 12)"),
        ("To", "ops@example.com"),
    ];
    assert_eq!(headers, expected.map(|(n, v)| (n.to_owned(), v.to_owned())).into());
    assert_eq!(
        text,
        "backup failed on n3, n4 (run 12).\n\
         \n\
         1 succeeded, 1 failed, 1 unreachable, 3 nodes in all.\n\
         \n\
         \x20 n3: failed, exit 3, after 2.1 s\n\
         \x20     disk\n\
         \x20     full \\u{202e}\\u{1b}[31m\n\
         \x20 n4: unreachable, attempt 3\n\
         \n\
         Due        2027-01-15 08:00:00 UTC\n\
         Queued     2027-01-15 08:00:01 UTC\n\
         Began      2027-01-15 08:00:02 UTC\n\
         Ended      2027-01-15 08:00:05 UTC\n\
         Trigger    schedule\n\
         Task       loom.run\n\
         Schedule   30 2 * * *\n\
         \n\
         -- \n\
         Loom on control: on_failure\n"
    );
}

#[test]
fn a_subject_names_three_nodes_and_counts_the_rest() {
    let job = mailing("backup", "ops");
    let units: Vec<UnitInfo> =
        (0..3000).map(|n| unit(&format!("n{n}"), Outcome::Failed { exit: None })).collect();
    let (headers, text) = mail(&job, ended(&job, RunEnd::Failed, units));
    assert_eq!(headers["Subject"], "Loom: backup failed on n0, n1, n2 and 2997 more (run 12)");
    assert!(text.contains("  n49: failed, after 2.1 s\n  and 2950 more\n"), "{text}");
    let subject = |event: Event| mail(&job, event).0["Subject"].clone();
    assert_eq!(
        subject(missed(&job, Reason::DaemonDown)),
        "Loom: backup was not run 3 times: daemon down"
    );
    assert_eq!(subject(Event::RunLate(run(&job, 1))), "Loom: backup is late (run 12)");
    let by = Canceller::Shutdown;
    let units = vec![
        unit("n1", Outcome::Unreachable),
        unit("n2", Outcome::Cancelled { by, kill: Kill::Confirmed }),
    ];
    assert_eq!(
        subject(ended(&job, RunEnd::Cancelled, units)),
        "Loom: backup could not reach n1 (run 12)"
    );
}

#[test]
fn a_subject_beyond_ascii_is_encoded() {
    let job = mailing("Sicherung für Zürich, täglich um halb drei, 日本 und anderswo", "ops");
    let firings = hooks().on(Instant::now(), &ended(&job, RunEnd::Succeeded, vec![]));
    let mail = String::from_utf8(firings[0].body.clone()).unwrap();
    let headers = mail.split_once("\n\n").unwrap().0;
    assert!(headers.is_ascii() && headers.lines().all(|line| line.len() <= 76), "{headers}");
    assert!(headers.contains("Subject: =?UTF-8?Q?Loom=3A_Sicherung_f=C3=BCr_Z=C3=BCrich"));
    assert!(headers.contains("=E6=97=A5"), "a character stays in one word: {headers}");
}

proptest! {
    /// Whatever names and details hold, a mail has the headers it is to have and no others.
    #[test]
    fn no_text_adds_a_header(
        name in "(?s).{0,40}",
        to in "(?s).{0,40}",
        node in "(?s).{0,40}",
        detail in "(?s)(.|\n){0,80}",
    ) {
        let job = mailing(&name, &to);
        let failed = UnitInfo { detail: Some(detail), ..unit(&node, Outcome::Crashed) };
        let (headers, text) = mail(&job, ended(&job, RunEnd::Failed, vec![failed]));
        prop_assert_eq!(headers.len(), 6);
        prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", text);
    }

    /// Against the rule as it is written: at most one of a job and occasion in an interval, none
    /// is forgotten, and a recovery is a success after a failure.
    #[test]
    fn interval_and_recovery_hold_over_any_course(
        steps in prop::collection::vec((0..2usize, 0..4usize, 0..50u64), 0..60),
        interval in 0..100u64,
    ) {
        let jobs = ["one", "two"].map(|name| Job {
            notify_interval: Duration::from_secs(interval),
            ..job(name)
        });
        let mut hooks = hooks();
        let start = Instant::now();
        let mut second = 0;
        let mut failing = [false; 2];
        // By job and occasion: what was due to be told, and when it was told, with the count.
        let mut due: BTreeMap<(usize, Occasion), Vec<u64>> = BTreeMap::new();
        let mut told: BTreeMap<(usize, Occasion), Vec<(u64, u64)>> = BTreeMap::new();
        for (which, what, later) in steps {
            second += later;
            let reason = Reason::Constraint;
            let end = [RunEnd::Succeeded, RunEnd::Failed, RunEnd::Cancelled, RunEnd::Skipped { reason }][what];
            match end {
                RunEnd::Succeeded => {
                    due.entry((which, Occasion::Success)).or_default().push(second);
                    if std::mem::take(&mut failing[which]) {
                        due.entry((which, Occasion::Recovery)).or_default().push(second);
                    }
                }
                RunEnd::Failed => {
                    due.entry((which, Occasion::Failure)).or_default().push(second);
                    failing[which] = true;
                }
                RunEnd::Cancelled | RunEnd::Lost | RunEnd::Skipped { .. } => {}
            }
            let now = start + Duration::from_secs(second);
            for firing in hooks.on(now, &ended(&jobs[which], end, vec![])) {
                prop_assert_eq!(&firing.job, &jobs[which].name);
                let suppressed = json_of(&firing)["suppressed"].as_u64().unwrap();
                told.entry((which, firing.occasion)).or_default().push((second, suppressed));
            }
        }
        prop_assert!(told.keys().eq(due.keys()));
        for (of, due) in due {
            let told = &told[&of];
            prop_assert_eq!(told[0], (due[0], 0));
            for pair in told.windows(2) {
                prop_assert!(pair[1].0 - pair[0].0 >= interval);
            }
            // Each that was due was told, or is counted in the next, or may yet be.
            let mut heard = 0;
            for (at, suppressed) in told {
                let index = heard + *suppressed as usize;
                prop_assert_eq!(due[index], *at);
                heard = index + 1;
            }
            let last = told[told.len() - 1].0;
            prop_assert!(due[heard..].iter().all(|at| at - last < interval));
        }
    }
}
