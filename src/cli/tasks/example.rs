//! How a Python task is called, as far as its signature tells.

use crate::inspect::{Found, Param};

/// `deploy.release(version, *, restart=True)`
pub fn signature(found: &Found) -> String {
    let Some(params) = &found.params else { return format!("{}(…)", found.task) };
    let written = |param: &Param| match &param.default {
        Some(default) => format!("{}={default}", param.name),
        None => param.name.clone(),
    };
    let params: Vec<String> = params.iter().map(written).collect();
    format!("{}({})", found.task, params.join(", "))
}

/// The lines of a job, from `task:` on. What must be given is a name in angle brackets.
pub fn job(found: &Found) -> String {
    let mut lines = vec![format!("task: {}", found.task)];
    let Some(params) = &found.params else {
        lines.push("# What it takes is known to the module alone.".into());
        return lines.join("\n");
    };
    let by_name = params.iter().position(|param| param.name.starts_with('*'));
    let (by_place, by_name) = params.split_at(by_name.unwrap_or(params.len()));
    let required = |param: &&Param| {
        param.default.is_none() && param.name != "/" && !param.name.starts_with('*')
    };
    let args: Vec<String> =
        by_place.iter().filter(required).map(|param| format!("<{}>", param.name)).collect();
    let kwargs = by_name.iter().filter(required);
    let kwargs: Vec<String> =
        kwargs.map(|Param { name, .. }| format!("{name}: <{name}>")).collect();
    if !args.is_empty() {
        lines.push(format!("args: [{}]", args.join(", ")));
    }
    if !kwargs.is_empty() {
        lines.push(format!("kwargs: {{{}}}", kwargs.join(", ")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::catalog::tests::found;
    use super::*;

    fn taking(params: &[(&str, Option<&str>)]) -> Found {
        let param = |(name, default): &(&str, Option<&str>)| Param {
            name: (*name).into(),
            default: default.map(str::to_owned),
        };
        Found { params: Some(params.iter().map(param).collect()), ..found("a.b") }
    }

    #[test]
    fn what_must_be_given_stands_in_the_example() {
        for (params, signature, example) in [
            (&[][..], "a.b()", "task: a.b"),
            (&[("x", None), ("y", Some("1"))], "a.b(x, y=1)", "task: a.b\nargs: [<x>]"),
            (
                &[("x", None), ("/", None), ("y", None), ("*", None), ("z", None)],
                "a.b(x, /, y, *, z)",
                "task: a.b\nargs: [<x>, <y>]\nkwargs: {z: <z>}",
            ),
            (
                &[("*all", None), ("k", Some("'='")), ("**more", None)],
                "a.b(*all, k='=', **more)",
                "task: a.b",
            ),
        ] {
            let found = taking(params);
            assert_eq!(
                (super::signature(&found).as_str(), job(&found).as_str()),
                (signature, example)
            );
        }
        let hidden = Found { params: None, ..found("a.b") };
        assert_eq!(super::signature(&hidden), "a.b(…)");
        assert!(job(&hidden).starts_with("task: a.b\n# "));
    }

    #[test]
    fn the_example_is_yaml() {
        let found = taking(&[("x", None), ("*", None), ("z", None)]);
        let (value, _) =
            crate::config::read_argument(&format!("{{{}}}", job(&found).replace('\n', ", ")))
                .unwrap();
        assert_eq!(
            value,
            serde_json::json!({"task": "a.b", "args": ["<x>"], "kwargs": {"z": "<z>"}})
        );
    }
}
