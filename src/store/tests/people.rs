//! Tokens, the audit, idempotency keys, and jobs switched off by hand.

use super::*;
use crate::access::{Globs, Role, TokenHash};

fn token(name: &str, secret: &str, jobs: &[&str]) -> TokenRow {
    TokenRow {
        name: name.to_string(),
        hash: TokenHash::of(secret),
        role: Role::Operator,
        jobs: Globs::new(jobs).unwrap(),
        created_at: at(5),
        created_by: "root".to_string(),
        revoked_at: None,
    }
}

fn request(who: &str, key: &str, second: i64) -> RequestRow {
    let digest = [second as u8; 32];
    RequestRow { key: key.to_string(), who: who.to_string(), digest, run: None, at: at(second) }
}

#[test]
fn tokens_outlive_the_daemon_until_they_are_revoked() {
    let dir = statedir();
    let (mut ledger, first) = open(&dir);
    assert!(first.tokens.is_empty());
    let (ci, all) = (token("ci", "s1", &["deploy-*", "[ab]"]), token("all", "s2", &[]));
    ledger.apply(&[Record::Token(ci.clone()), Record::Token(all.clone())]).unwrap();
    ledger.close().unwrap();
    let (mut ledger, second) = open(&dir);
    assert_eq!(second.tokens, [all.clone(), ci]);
    ledger.apply(&[Record::RevokeToken { name: "ci".to_string(), at: at(9) }]).unwrap();
    ledger.close().unwrap();
    assert_eq!(open(&dir).1.tokens, [all]);
    let listed = Reader::open(dir.path()).unwrap().tokens().unwrap();
    let names: Vec<_> = listed.iter().map(|row| (row.name.as_str(), row.revoked_at)).collect();
    assert_eq!(names, [("all", None), ("ci", Some(at(9)))], "a revoked token stays in the books");
}

#[test]
fn a_token_s_name_can_be_given_anew_once_it_is_revoked() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let revoke = || Record::RevokeToken { name: "ci".to_string(), at: at(9) };
    let why = ledger.apply(&[revoke()]).unwrap_err();
    assert!(why.is_refusal() && why.to_string().contains("no token \"ci\""), "{why}");
    ledger.apply(&[Record::Token(token("ci", "s1", &["x"]))]).unwrap();
    let again = Record::Token(token("ci", "s2", &[]));
    let why = ledger.apply(std::slice::from_ref(&again)).unwrap_err();
    assert!(why.is_refusal() && why.to_string().contains("\"ci\" already"), "{why}");
    ledger.apply(&[revoke(), again]).unwrap();
    let tokens = open_again(ledger, &dir).1.tokens;
    assert_eq!(tokens, [token("ci", "s2", &[])]);
}

#[test]
fn a_limit_that_cannot_be_read_is_not_taken_for_none() {
    for jobs in ["", "[]", "[\"\"]", "{}", "[\"a[b\"]"] {
        let dir = statedir();
        let (mut ledger, _) = open(&dir);
        ledger.apply(&[Record::Token(token("ci", "s", &["x"]))]).unwrap();
        ledger.conn.execute("UPDATE tokens SET jobs = ?1", [jobs]).unwrap();
        ledger.close().unwrap();
        let Err(error) = Ledger::open(dir.path(), at(0)) else { panic!("{jobs:?} was read") };
        assert!(error.to_string().contains("column jobs holds"), "{error}");
    }
}

#[test]
fn what_is_switched_off_stays_off_until_it_is_switched_on() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let switch = |job: &str, by: Option<&str>| Record::Switch {
        job: job.to_string(),
        off: by.map(|by| Switched { by: by.to_string(), at: at(7) }),
    };
    ledger
        .apply(&[
            switch("a", Some("ann")),
            switch("b", Some("ann")),
            switch("b", Some("bob")),
            switch("a", None),
            switch("never off", None),
        ])
        .unwrap();
    let read = Reader::open(dir.path()).unwrap().switched_off().unwrap();
    let off = open_again(ledger, &dir).1.switched_off;
    assert_eq!(off, read);
    assert!(off.into_iter().eq([("b".to_string(), Switched { by: "bob".to_string(), at: at(7) })]));
}

#[test]
fn a_request_is_remembered_by_who_and_key_for_a_day() {
    const HOUR: i64 = 60 * 60;
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let done = RequestRow { run: Some(RunId(4)), ..request("ann", "k", 2 * HOUR) };
    ledger
        .apply(&[
            Record::Request(request("ann", "k", HOUR)),
            Record::Request(request("bob", "k", HOUR)),
            Record::Request(request("ann", "old", HOUR - 1)),
            Record::Request(done.clone()),
        ])
        .unwrap();
    drop(ledger);
    let (_, opened) = Ledger::open(dir.path(), at(25 * HOUR)).unwrap();
    assert_eq!(opened.requests, [done, request("bob", "k", HOUR)]);
}

#[test]
fn the_audit_keeps_the_order_in_which_it_was_told() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    for (subject, detail) in [("run 1", None), ("run 2", Some("refused: ann is a viewer"))] {
        let row = AuditRow {
            at: at(1),
            who: "ann".to_string(),
            via: "token".to_string(),
            action: "cancel".to_string(),
            subject: subject.to_string(),
            detail: detail.map(str::to_string),
        };
        ledger.apply(&[Record::Audit(row)]).unwrap();
    }
    let reader = Reader::open(dir.path()).unwrap();
    let read = |filter: &AuditFilter, before, limit| {
        let rows = reader.audit(filter, before, limit).unwrap();
        rows.into_iter().map(|(id, row)| (id, row.subject, row.detail)).collect::<Vec<_>>()
    };
    let first = (1, "run 1".to_string(), None);
    let second = (2, "run 2".to_string(), Some("refused: ann is a viewer".to_string()));
    let any = AuditFilter::default();
    assert_eq!(read(&any, None, 9), [second.clone(), first.clone()]);
    assert_eq!(read(&any, None, 1), std::slice::from_ref(&second));
    assert_eq!(read(&any, Some(2), 9), std::slice::from_ref(&first));
    let by = |who: &str, action: &str| AuditFilter {
        who: Some(who.to_string()),
        action: Some(action.to_string()),
    };
    assert_eq!(read(&by("ann", "cancel"), None, 9), [second, first]);
    assert!(read(&by("ann", "run"), None, 9).is_empty());
    assert!(read(&by("bob", "cancel"), None, 9).is_empty());
}

fn open_again(ledger: Ledger, dir: &TempDir) -> (Ledger, Opened) {
    drop(ledger);
    open(dir)
}
