//! Parts of the page that decide something, each by itself. None has to know of a daemon, so that all
//! are asked in one browser.

use serde_json::{Value, json};

use crate::{Browser, Scene};

/// What a function of `what`, which is exported by a file of the page, comes to.
pub fn part(browser: &Browser, file: &str, what: &str, body: &str) -> Value {
    let script = format!(
        "return import(new URL({file:?}, document.querySelector('script').src)).then(({{ {what} }}) => {{ {body} }})"
    );
    browser.run(&script, &[])
}

#[test]
fn what_decides_something_decides_right() {
    let Some(browser) = Browser::start("what_decides_something") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    browser.open(&scene.url(""));
    browser.until("document.querySelector('#token') !== null");
    differences_lead_from_one_text_to_the_other(&browser);
    parts_of_lines_are_one_line(&browser);
    times_are_told_in_two_units(&browser);
    what_is_drawn_anew_keeps_what_one_holds(&browser);
    controls_are_made_visible(&browser);
    links_lead_to_views_alone(&browser);
    a_box_of_output_keeps_the_end_and_says_so(&browser);
    axes_have_two_to_four_round_values(&browser);
    commands_are_told_apart(&browser);
    arguments_are_read_as_they_are_written(&browser);
    what_is_asked_for_again_is_asked_for_one_at_a_time(&browser);
    globs_are_tried_once(&browser);
    who_signs_out_takes_lent_tokens_along(&browser);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

fn differences_lead_from_one_text_to_the_other(browser: &Browser) {
    let difference = |body: &str| part(browser, "compare.js", "difference", body);
    assert_eq!(
        difference("return difference(['a', 'b', 'c'], ['a', 'x', 'c'])"),
        json!([[" ", "a"], ["-", "b"], ["+", "x"], [" ", "c"]])
    );
    let tried = "
        const text = () => Array.from({ length: Math.random() * 9 }, () => 'abc'[Math.floor(Math.random() * 3)]);
        for (let n = 0; n < 3000; n++) {
            const [a, b] = [text(), text()];
            const found = difference(a, b);
            const side = (but) => found.filter(([mark]) => mark !== but).map(([, line]) => line).join();
            if (side('+') !== a.join() || side('-') !== b.join()) return [a, b, found];
        }
        return 'all';";
    assert_eq!(difference(tried), "all");
    // More than is of any use.
    let far = "return difference(Array.from({ length: 2000 }, (_, n) => `a${n}`), Array.from({ length: 2000 }, (_, n) => `b${n}`))";
    assert_eq!(difference(far), Value::Null);
}

fn parts_of_lines_are_one_line(browser: &Browser) {
    let logged = |text: &str| {
        let text = serde_json::to_string(text).unwrap();
        let body =
            format!("return logged({text}).map(({{ stream, text }}) => `${{stream}} ${{text}}`)");
        part(browser, "follow.js", "logged", &body)
    };
    let log = "2026-01-01T00:00:00Z stdout P be\n2026-01-01T00:00:00Z stderr F  err\n2026-01-01T00:00:00Z stdout F gun\nno line\n";
    assert_eq!(logged(log), json!(["stdout begun", "stderr  err"]));
    let seam = "2026-01-01T00:00:00Z stdout P be\n2026-01-01T00:00:01Z stderr P:from=82496366 \n2026-01-01T00:00:00Z stdout F gun\n";
    let shown = ["stdout be", "undefined … the middle is not kept …", "stdout gun"];
    assert_eq!(logged(seam), json!(shown));
}

fn times_are_told_in_two_units(browser: &Browser) {
    let times = "
        const all = [0.0301, 4.25, 59.6, 61, 3600, 3661, 90000, 86400 * 3 + 60].map(duration);
        return all.join('; ');";
    let said = part(browser, "time.js", "duration", times);
    assert_eq!(said, "30 ms; 4.3 s; 1 min; 1 min 1 s; 1 h; 1 h 1 min; 1 d 1 h; 3 d");

    // On new year's day of last night, and the other way round, the time is what one wants to know.
    let near = "
        const RealDate = Date;
        const shown = (now, at) => {
            globalThis.Date = class extends RealDate {
                constructor(...of) { super(...(of.length ? of : [now])); }
                static now() { return RealDate.parse(now); }
            };
            try { return clock(new RealDate(at)); } finally { globalThis.Date = RealDate; }
        };
        return [
            shown('2031-01-01T12:00:00', '2030-12-31T23:30:00'),
            shown('2030-12-31T12:00:00', '2031-01-01T02:30:00'),
            shown('2030-12-31T12:00:00', '2030-12-31T02:30:00'),
            shown('2030-12-31T12:00:00', '2030-01-31T02:30:00'),
            shown('2030-12-31T12:00:00', '2029-12-31T02:30:00'),
        ].join('; ');";
    let said = part(browser, "time.js", "clock", near);
    assert_eq!(said, "31 Dec 23:30; 1 Jan 02:30; 02:30; 31 Jan 02:30; 31 Dec 2029");
}

fn what_is_drawn_anew_keeps_what_one_holds(browser: &Browser) {
    let tried = "
        const box = h('div');
        document.body.append(box);
        let pressed = [];
        const draw = (count, name) => fill(box,
            h('p', null, `${count} done`),
            h('p', null, h('button', { onclick: () => pressed.push(name) }, name)));
        draw(1, 'Disable');
        const [first, button] = [box.firstChild, box.querySelector('button')];
        button.focus();
        draw(2, 'Disable');
        const kept = first === box.firstChild && first.textContent === '2 done' && document.activeElement === button;
        // What means something else now does so.
        draw(3, 'Enable');
        box.querySelector('button').click();
        fill(box, 'text', null, false, ['more', h('b')]);
        return [kept, pressed, box.childNodes.length];";
    let found = part(browser, "dom.js", "h, fill", tried);
    assert_eq!(found, json!([true, ["Enable"], 3]));
}

fn links_lead_to_views_alone(browser: &Browser) {
    let tried =
        "return ['#/jobs', 'javascript:alert(1)', '//example.com', 'https://example.com', '/api']
        .map((href) => h('a', { href }).getAttribute('href'));";
    let found = part(browser, "dom.js", "h", tried);
    assert_eq!(found, json!(["#/jobs", null, null, null, null]));
}

fn a_box_of_output_keeps_the_end_and_says_so(browser: &Browser) {
    let tried = "
        const out = box('much');
        document.body.append(out.element);
        const some = (from) => Array.from({ length: 3000 }, (_, n) => ({ text: `line ${from + n}`, stream: 'stdout' }));
        const lines = () => [...out.element.querySelectorAll('.line')];
        const drawn = async (last) => {
            for (let n = 0; n < 500 && lines().at(-1)?.textContent !== `line ${last}`; n++) await new Promise((done) => setTimeout(done, 10));
        };
        const told = () => [lines().length, lines()[0].textContent, out.element.innerText.includes('Some lines are not shown here')];
        return (async () => {
            out.add(some(1));
            await drawn(3000);
            const before = told();
            out.add(some(3001));
            await drawn(6000);
            return [before, told()];
        })();";
    let found = part(browser, "output.js", "box", tried);
    assert_eq!(found, json!([[3000, "line 1", false], [5000, "line 1001", true]]));
}

fn controls_are_made_visible(browser: &Browser) {
    let cleaned = part(
        browser,
        "dom.js",
        "clean",
        r"return clean('a\x1b[1;31mb\x1b[0m\tc\r\n\x07\u202ed\x9b')",
    );
    assert_eq!(cleaned, "ab\tc\n^G⟨U+202E⟩d⟨U+009B⟩");
}

fn axes_have_two_to_four_round_values(browser: &Browser) {
    let tried = "
        for (let most = 0.02; most < 5e6; most *= 1.07) {
            const found = lines(most);
            const fits = found.length >= 2 && found.length <= 4 && found.at(-1) >= most && (found.length === 2 || found.at(-2) < most);
            if (!fits) return [most, found];
        }
        return lines(250);";
    assert_eq!(part(browser, "plot.js", "lines", tried), json!([120, 240, 360]));
}

fn commands_are_told_apart(browser: &Browser) {
    let said = "const p = document.createElement('p'); p.append(...words('see `loom show 3`, `x`').map((w) => w)); return p.querySelectorAll('code').length + p.textContent";
    assert_eq!(part(browser, "why.js", "words", said), "2see loom show 3, x");
}

fn arguments_are_read_as_they_are_written(browser: &Browser) {
    let read = |text: &str| {
        let text = serde_json::to_string(text).unwrap();
        let body = format!("try {{ return read({text}) }} catch (e) {{ return e.message }}");
        part(browser, "runwith.js", "read", &body)
    };
    let all = "a=1\nb=01\n c = x y\nd=\"3\"\ne=[1, {\"f\": null}]\ng='it''s'\nh=a=b\ni=\n";
    let expected = json!({ "a": 1, "b": "01", "c": "x y", "d": "3", "e": [1, { "f": null }], "g": "it's", "h": "a=b", "i": "" });
    assert_eq!(read(all), expected);
    assert_eq!(read("a=1\na=2"), "a is given twice.");
    for (bad, said) in
        [("=1", "write NAME=VALUE"), ("a", "write NAME=VALUE"), ("a=[1", "is no JSON")]
    {
        assert!(read(bad).as_str().unwrap().contains(said), "{bad}");
    }
}

fn what_is_asked_for_again_is_asked_for_one_at_a_time(browser: &Browser) {
    let tried = "
        const [leaving, told, answers] = [new AbortController(), [], []];
        const again = seldom(0, () => new Promise((done, failed) => answers.push([done, failed])), leaving.signal);
        const asked = async (count) => {
            for (let n = 0; n < 200 && answers.length < count; n++) await new Promise((done) => setTimeout(done, 5));
            told.push(answers.length);
        };
        return (async () => {
            again();
            again();
            await asked(1);
            // While it is on its way, there is no other; then one for all that wanted one.
            again();
            again();
            await new Promise((done) => setTimeout(done, 50));
            told.push(answers.length);
            answers[0][1](new Error('not this time'));
            await asked(2);
            answers[1][0]();
            again();
            await asked(3);
            again();
            leaving.abort();
            answers[2][0]();
            await new Promise((done) => setTimeout(done, 50));
            told.push(answers.length);
            return told;
        })();";
    assert_eq!(part(browser, "dom.js", "seldom", tried), json!([1, 1, 2, 3, 3]));
}

fn globs_are_tried_once(browser: &Browser) {
    let fits = |glob: &str, name: &str| {
        part(browser, "units.js", "named", &format!("return named({glob:?})({name:?})"))
    };
    for (glob, name) in [
        ("eb", "web1"),
        ("w*1", "web1"),
        ("w??1", "web1"),
        ("*", "x"),
        ("*a*b*", "ab"),
        ("**b", "b"),
    ] {
        assert_eq!(fits(glob, name), json!(true), "{glob} {name}");
    }
    for (glob, name) in [("w*", "1web"), ("w?1", "web1"), ("*a", "ab"), ("?", ""), ("a.*", "ab")] {
        assert_eq!(fits(glob, name), json!(false), "{glob} {name}");
    }
    // An expression would go on for hours.
    let (glob, name) = ("*a".repeat(30) + "b", "a".repeat(64));
    assert_eq!(fits(&glob, &name), json!(false));
}

/// A token that came from another tab goes with it, even if nobody knows yet whose it is.
fn who_signs_out_takes_lent_tokens_along(browser: &Browser) {
    let left = "
        signIn('loom_lent');
        new BroadcastChannel('loom').postMessage({ signedOut: true });
        return (async () => {
            for (let n = 0; n < 200 && isSignedIn(); n++) await new Promise((done) => setTimeout(done, 5));
            return [isSignedIn(), sessionStorage.length];
        })();";
    assert_eq!(part(browser, "api.js", "signIn, isSignedIn", left), json!([false, 0]));
}
