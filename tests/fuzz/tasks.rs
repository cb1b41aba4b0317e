//! Calls of tasks: any task, with any arguments.

use loom::arg::Arg;
use loom::task::{self, Problem, TASKS};
use proptest::prelude::*;

use crate::meter::{MB, bounded};
use crate::runner::fuzz;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "(?s:.{0,12})",
        prop::sample::select(vec![
            "0644",
            "99999",
            "u=rwx",
            "/etc/x",
            "~/x",
            "../..",
            "present",
            "absent",
            "true",
            "5s",
            "1h30m",
            "-1",
            "\0",
            "\n",
            "root",
            "*",
            "[",
            "$(x)",
            "\u{202e}",
            "99999999999999999999",
        ])
        .prop_map(str::to_owned),
    ]
}

fn arg() -> impl Strategy<Value = Arg> {
    let scalar = prop_oneof![
        1 => Just(Arg::Null),
        1 => any::<bool>().prop_map(Arg::Bool),
        1 => prop_oneof![any::<i64>(), -2i64..1000, Just(i64::MIN), Just(i64::MAX)].prop_map(Arg::Int),
        1 => any::<f64>().prop_map(Arg::Float),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, -0.0, 1e300, 0.1]).prop_map(Arg::Float),
        4 => text().prop_map(Arg::Str),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Arg::List),
            prop::collection::vec(pair, 0..4).prop_map(Arg::Map),
        ]
    })
}

/// A task and names, most of them of its own parameters.
fn call() -> impl Strategy<Value = (String, Vec<Arg>, Vec<(String, Arg)>)> {
    let paths: Vec<&str> =
        TASKS.iter().flat_map(|task| task.aliases.iter().chain([&task.path])).copied().collect();
    let path = prop_oneof![
        8 => prop::sample::select(paths).prop_map(str::to_owned),
        1 => text(),
        1 => "loom\\.[a-z.]{0,12}",
    ];
    path.prop_flat_map(|path| {
        let params = task::find(&path).map_or(&[][..], |task| task.params);
        let names: Vec<String> = params.iter().map(|param| param.name.to_owned()).collect();
        let known = prop::sample::select([names, vec!["timeout".to_owned()]].concat());
        let name = prop_oneof![6 => known, 1 => text()];
        let kwargs = prop::collection::vec((name, arg()), 0..5);
        (Just(path), prop::collection::vec(arg(), 0..4), kwargs)
    })
}

#[test]
fn calls_bind_or_are_explained() {
    fuzz(call(), |(path, args, kwargs)| {
        let input = (&path, &args, &kwargs);
        let checked = bounded(&input, MB, || task::check(&path, &args, &kwargs));
        assert!(!checked.is_empty() || task::find(&path).is_some());
        for problem in checked {
            match problem {
                Problem::Unknown { .. } => assert!(task::find(&path).is_none(), "{path}"),
                Problem::Kwarg { name, message } => {
                    assert!(kwargs.iter().any(|(known, _)| *known == name), "{name} {message}");
                    assert!(!message.is_empty());
                }
                Problem::Arg { index, message } => {
                    assert!(index < args.len() && !message.is_empty(), "{index} {message}");
                }
                Problem::Call { message } => assert!(!message.is_empty()),
            }
        }
        bounded(&input, MB, || {
            let (wants, limit) =
                (task::wants_password(&path, &args, &kwargs), task::timeout(&path, &args, &kwargs));
            // What a Python task will want is not known.
            if task::is_native(&path) && (wants || limit.is_some()) {
                assert!(task::check(&path, &args, &kwargs).is_empty());
            }
        });
    });
}

#[test]
fn calls_made_to_hurt() {
    let deep = (0..64).fold(Arg::Null, |inner, _| Arg::List(vec![inner]));
    let deep_map = (0..64).fold(Arg::Null, |inner, _| Arg::Map(vec![(Arg::Null, inner)]));
    let same = Arg::Map(vec![(Arg::Str("A".into()), Arg::Null); 1000]);
    let long = Arg::Str("x".repeat(100_000));
    for path in TASKS.iter().map(|task| task.path).chain(["", ".", "loom", "a.b", "\0"]) {
        let params = task::find(path).map_or(&[][..], |task| task.params);
        for arg in [&deep, &deep_map, &same, &long, &Arg::Float(f64::NAN), &Arg::Int(i64::MIN)] {
            let check = |args: &[Arg], kwargs: &[(String, Arg)]| {
                let _ = bounded(&path, 8 * MB, || task::check(path, args, kwargs));
                bounded(&path, 8 * MB, || task::timeout(path, args, kwargs));
            };
            check(std::slice::from_ref(arg), &[]);
            check(&vec![arg.clone(); 4], &[]);
            for param in params {
                check(&[], &[(param.name.to_owned(), arg.clone())]);
                check(&[], &vec![(param.name.to_owned(), arg.clone()); 3]);
            }
        }
    }
    let long = "loom.".repeat(100_000);
    let kwargs = [(long.clone(), Arg::Null)];
    for (path, kwargs) in [(long.as_str(), &[][..]), ("loom.run", &kwargs)] {
        assert!(!bounded(&"a long name", 8 * MB, || task::check(path, &[], kwargs)).is_empty());
    }
}
