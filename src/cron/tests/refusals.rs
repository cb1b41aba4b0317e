//! What is refused, at which token, and what is offered instead; what is accepted and means what.

use jiff::tz::TimeZone;

use super::super::Schedule;
use super::{fires, schedule};

/// Refused: the expression, the token under the caret, words of the message.
const REFUSED: &[(&str, &str, &[&str])] = &[
    // Reversed ranges.
    ("* 22-2 * * *", "22-2", &["hour: ", "backwards", "write 22-23,0-2"]),
    ("30-10 * * * *", "30-10", &["minute: ", "write 30-59,0-10"]),
    ("* * * nov-feb *", "nov-feb", &["month: ", "write nov-dec,jan-feb"]),
    ("* * 31-1 * *", "31-1", &["day of month: ", "write 31,1"]),
    ("* * * * 5-0", "5-0", &["weekday: ", "write 5-7"]),
    ("* * * * sat-mon", "sat-mon", &["write sat-sun,mon instead"]),
    ("* * * * 6-2", "6-2", &["write 6-7,1-2"]),
    ("* * * * 7-3", "7-3", &["write 0-3"]),
    ("* 22-2/2 * * *", "22-2", &["values of 22-23,0-2 one by one"]),
    // A step without a range.
    ("5/15 * * * *", "5/15", &["minute: ", "write 5-59/15 instead"]),
    ("* * * * mon/2", "mon/2", &["weekday: ", "write mon-sun/2"]),
    ("* * * * 0/2", "0/2", &["write 0-6/2"]),
    ("* * * * 7/2", "7/2", &["write 0-6/2"]),
    ("59/2 * * * *", "59/2", &["write 59-59/2"]),
    // Steps.
    ("*/60 * * * *", "60", &["minute: ", "step 60", "1-59"]),
    ("* */24 * * *", "24", &["hour: ", "1-23"]),
    ("* * */32 * *", "32", &["1-31"]),
    ("* * * */13 *", "13", &["1-12"]),
    ("* * * * */8", "8", &["1-7"]),
    ("*/0 * * * *", "0", &["step 0"]),
    ("*/99999999999999999999 * * * *", "99999999999999999999", &["1-59"]),
    ("*/ * * * *", "", &["a step is a number"]),
    ("*/x * * * *", "x", &["a step is a number, not `x`"]),
    ("*/* * * * *", "*", &["a step is a number"]),
    ("1-9/2/3 * * * *", "/3", &["second step"]),
    ("*/2/3 * * * *", "/3", &["second step"]),
    ("*/-2 * * * *", "-2", &["a step is a number"]),
    // Rubbish after a number.
    ("5;3 * * * *", ";", &["minute: ", "unexpected `;` after 5", "write 5,3"]),
    ("1-5-9 * * * *", "-9", &["two ends"]),
    ("1–5 * * * *", "–", &["dash, not a hyphen", "write 1-5"]),
    ("1—5 * * * *", "—", &["write 1-5"]),
    ("1−5 * * * *", "−", &["write 1-5"]),
    ("5. * * * *", ".", &["unexpected `.` after 5"]),
    ("5* * * * *", "*", &["unexpected `*` after 5"]),
    ("*5 * * * *", "5", &["write */5"]),
    ("** * * * *", "*", &["unexpected"]),
    ("*-5 * * * *", "-5", &["unexpected `-5` after *"]),
    ("10am * * * *", "am", &["unexpected `am` after 10"]),
    ("0x10 * * * *", "x10", &["unexpected"]),
    ("* * * * mon2", "2", &["unexpected `2` after mon"]),
    ("١ * * * *", "١", &["0-59"]),
    // Out of range.
    ("60 * * * *", "60", &["minute: 60 is not one of 0-59", "write 0"]),
    ("* 24 * * *", "24", &["hour: 24 is not one of 0-23", "midnight"]),
    ("* * 0 * *", "0", &["day of month: 0 is not one of 1-31"]),
    ("* * 32 * *", "32", &["1-31"]),
    ("* * * 0 *", "0", &["month: 0 is not one of 1-12 or jan-dec"]),
    ("* * * 13 *", "13", &["1-12"]),
    ("* * * * 8", "8", &["weekday: 8 is not one of 0-7 or sun-sat"]),
    ("0-60 * * * *", "60", &["minute: 60"]),
    ("4294967296 * * * *", "4294967296", &["0-59"]),
    ("99999999999999999999999 * * * *", "99999999999999999999999", &["0-59"]),
    // Missing values.
    ("1,,2 * * * *", "", &["a value is missing"]),
    (",1 * * * *", "", &["a value is missing"]),
    ("1, * * * *", "", &["a value is missing"]),
    ("1- * * * *", "", &["missing after 1-"]),
    ("-5 * * * *", "-", &["expected 0-59, not `-5`"]),
    ("+5 * * * *", "+", &["expected 0-59, not `+5`"]),
    ("/5 * * * *", "/", &["expected"]),
    // Other schedulers' signs.
    ("* * ? * *", "?", &["day of month: ", "`?`", "write *"]),
    ("* * L * *", "L", &["`L`"]),
    ("* * LW * *", "LW", &["`L`"]),
    ("* * 15W * *", "W", &["`W`"]),
    ("* * W * *", "W", &["`W`"]),
    ("* * * * 5L", "L", &["`L`"]),
    ("* * * * friL", "friL", &["`L`"]),
    ("* * * * mon#2", "#", &["`#`"]),
    ("* * * * 5#3", "#", &["`#`"]),
    ("H * * * *", "H", &["minute: `H`"]),
    ("H/15 * * * *", "H", &["`H`"]),
    ("0~59 * * * *", "~", &["`~`"]),
    ("~ * * * *", "~", &["`~`"]),
    // Names.
    ("* * * * monday", "monday", &["weekday: ", "write mon "]),
    ("* * * sept *", "sept", &["month: ", "write sep "]),
    ("* * * jna *", "jna", &["jna is not one of 1-12 or jan-dec"]),
    ("* * * dez *", "dez", &["write dec "]),
    ("* * * * mo", "mo", &["write mon "]),
    ("mon * * * *", "mon", &["minute: mon is not one of 0-59"]),
    ("* * * fri *", "fri", &["month: "]),
    // The wrong number of fields.
    ("", "", &["empty", "five fields"]),
    ("   ", "   ", &["empty"]),
    ("* * * *", "* * * *", &["only 4 of five fields"]),
    ("0 30 2 * * *", "0", &["6 fields", "leave out the first"]),
    ("30 2 * * * 2027", "2027", &["6 fields", "years"]),
    ("0 30 2 * * * 2027", "* 2027", &["7 fields"]),
    // Nicknames.
    ("@reboot", "@reboot", &["@reboot"]),
    ("@Daily", "@Daily", &["write @daily"]),
    ("@dayly", "@dayly", &["write @daily"]),
    ("@every", "@every", &["unknown @every"]),
    ("@every 5m", "@every", &["unknown @every"]),
    ("@daily 5", "5", &["nothing may follow @daily"]),
    ("@", "@", &["known are", ", @never"]),
    ("@Never", "@Never", &["write @never"]),
    ("@nevr", "@nevr", &["write @never"]),
    ("@never 5", "5", &["nothing may follow @never"]),
    ("5 @never * * *", "@", &["hour: "]),
    // Never.
    ("0 0 31 2 *", "31 2", &["never fires: month 2 has no day 31"]),
    ("0 0 30 feb *", "30 feb", &["never fires"]),
    ("0 0 31 4,6,9,11 *", "31 4,6,9,11", &["never fires"]),
    ("0 0 31 2 */2", "31 2", &["never fires"]),
    // Nothing of the user's reaches a terminal unescaped.
    ("5\u{202e} * * * *", "\u{202e}", &["\\u{202e}"]),
    ("\u{1b}[2J * * * *", "\u{1b}", &["\\u{1b}"]),
    ("5\u{a0}* * * *", "5\u{a0}* * * *", &["only 4"]),
];

#[test]
fn refusals_name_field_and_token() {
    for (expr, token, words) in REFUSED {
        let error = Schedule::parse(expr).expect_err(expr);
        assert_eq!(&expr[error.span.clone()], *token, "{expr:?}: {error}");
        for word in *words {
            assert!(error.message.contains(word), "{expr:?} lacks {word:?}: {error}");
        }
        assert!(!error.message.contains(char::is_control), "{expr:?}: {error:?}");
    }
}

#[test]
fn what_is_offered_instead_is_accepted() {
    for (expr, ..) in REFUSED {
        let error = Schedule::parse(expr).expect_err(expr);
        let Some((_, offer)) = error.message.split_once("write ") else { continue };
        let Some((offer, "")) = offer.split_once(" instead") else { continue };
        if offer.starts_with('@') {
            schedule(offer);
            continue;
        }
        let field = ["minute", "hour", "day of month", "month", "weekday"]
            .iter()
            .position(|field| error.message.starts_with(&format!("{field}:")))
            .expect("a field");
        let mut fields = ["*"; 5];
        fields[field] = offer;
        schedule(&fields.join(" "));
    }
}

#[test]
fn a_long_token_is_cut_in_the_message() {
    let error = Schedule::parse(&format!("{} * * * *", "x".repeat(1 << 20))).unwrap_err();
    assert!(error.message.len() < 200, "{} bytes", error.message.len());
    assert_eq!(error.span, 0..1 << 20);
}

/// Pairs that mean the same.
const SAME: &[(&str, &str)] = &[
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("  0\t0  1 1 *\n", "0 0 1 1 *"),
    ("05 007 * * *", "5 7 * * *"),
    ("* * * * 7", "* * * * 0"),
    ("* * * * fri-sun", "* * * * 5,6,0"),
    ("* * * * 5-7", "* * * * 5,6,0"),
    ("* * * * FRI-Sun", "* * * * 5-7"),
    ("* * * * fri-7", "* * * * 5-7"),
    ("* * * * 1-fri", "* * * * 1-5"),
    ("* * * * sun-tue", "* * * * 0-2"),
    ("* * * * sun-sun", "* * * * 0"),
    ("* * * * 7-sun", "* * * * 0"),
    ("* * * * 0-7", "* * * * 0-6"),
    ("* * * * 1-7/2", "* * * * 1,3,5,0"),
    ("* * * * */2", "* * * * */2"),
    ("* * * jan,MAR,Oct-dec *", "* * * 1,3,10-12 *"),
    ("0-59/20 * * * *", "0,20,40 * * * *"),
    ("1-1/5 * * * *", "1 * * * *"),
    ("10-12/5 * * * *", "10 * * * *"),
    ("5-5,5,5 * * * *", "5 * * * *"),
];

#[test]
fn accepted_spellings_mean_the_same() {
    for (one, other) in SAME {
        let fires = |expr| fires(expr, &TimeZone::UTC, "2026-11-21T02:36:00Z", 200);
        assert_eq!(fires(one), fires(other), "{one:?} and {other:?}");
    }
}

#[test]
fn every_second_weekday_starts_at_sunday() {
    let weekdays = fires("0 0 * * */2", &TimeZone::UTC, "2026-11-21T02:36:00Z", 4);
    let expected = ["2026-11-22", "2026-11-24", "2026-11-26", "2026-11-28"];
    assert_eq!(weekdays, expected.map(|day| format!("{day} 00:00 +00:00")));
}

#[test]
fn wildcard_means_the_text_begins_with_a_star() {
    for expr in ["* * * * *", "*/5 3 * * *", "5 * * * *", "5 */2 * * *", "*,5 3 * * *", "@hourly"] {
        assert!(schedule(expr).is_wildcard(), "{expr}");
    }
    for expr in ["5 3 * * *", "0-59 0-23 * * *", "0,*/5 3 * * *", "@daily"] {
        assert!(!schedule(expr).is_wildcard(), "{expr}");
    }
}

#[test]
fn a_star_step_in_one_day_field_against_the_other_is_warned_of() {
    for expr in ["0 0 */2 * 1", "0 0 1 * */2", "0 0 */2 * */3", "0 0 */2 * mon-fri"] {
        assert_eq!(schedule(expr).warnings().len(), 1, "{expr}");
    }
    for expr in ["0 0 */2 * *", "0 0 * * */2", "0 0 1 * 1", "0 0 1-31 * 1", "*/2 */2 * */2 *"] {
        assert!(schedule(expr).warnings().is_empty(), "{expr}");
    }
}
