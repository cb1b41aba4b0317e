//! Parts of the page that decide something, by themselves.

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
fn differences_lead_from_one_text_to_the_other() {
    let Some(browser) = Browser::start("differences_lead_from_one_text") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    browser.open(&scene.url(""));
    browser.until("document.querySelector('#token') !== null");
    let difference = |body: &str| part(&browser, "compare.js", "difference", body);
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

    let logged = |text: &str| {
        let text = serde_json::to_string(text).unwrap();
        let body =
            format!("return logged({text}).map(({{ stream, text }}) => `${{stream}} ${{text}}`)");
        part(&browser, "follow.js", "logged", &body)
    };
    let log = "2026-01-01T00:00:00Z stdout P be\n2026-01-01T00:00:00Z stderr F  err\n2026-01-01T00:00:00Z stdout F gun\nno line\n";
    assert_eq!(logged(log), json!(["stdout begun", "stderr  err"]));
    let seam = "2026-01-01T00:00:00Z stdout P be\n2026-01-01T00:00:01Z stderr P:from=82496366 \n2026-01-01T00:00:00Z stdout F gun\n";
    let shown = ["stdout be", "undefined … the middle is not kept …", "stdout gun"];
    assert_eq!(logged(seam), json!(shown));

    let times = "
        const all = [0.0301, 4.25, 59.6, 61, 3600, 3661, 90000, 86400 * 3 + 60].map(duration);
        return all.join('; ');";
    let said = part(&browser, "time.js", "duration", times);
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
    let said = part(&browser, "time.js", "clock", near);
    assert_eq!(said, "31 Dec 23:30; 1 Jan 02:30; 02:30; 31 Jan 02:30; 31 Dec 2029");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn what_is_drawn_anew_keeps_what_one_holds() {
    let Some(browser) = Browser::start("what_is_drawn_anew_keeps") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    browser.open(&scene.url(""));
    browser.until("document.querySelector('#token') !== null");
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
    let found = part(&browser, "dom.js", "h, fill", tried);
    assert_eq!(found, json!([true, ["Enable"], 3]));
    let cleaned = part(
        &browser,
        "dom.js",
        "clean",
        r"return clean('a\x1b[1;31mb\x1b[0m\tc\r\n\x07\u202ed\x9b')",
    );
    assert_eq!(cleaned, "ab\tc\n^G⟨U+202E⟩d⟨U+009B⟩");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}
