//! docs/fabric-comparison.md: made of what the calls came to, and held to it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::outcome::Comparison;
use crate::python::examples;

const HEAD: &str = "\
# Libraries on the bridge and on Fabric

What two libraries do that were written on top of Fabric 1, in their last releases: every public
function of theirs is called under `bridge: loom` and under `bridge: fab-classic`, in the same order,
each time on a throwaway node that was as new (`tests/python/libraries`). A call is *identical* if
it returns the same value, or raises the same error with the same words, and if the same programs
were called on the node with the same arguments; of a result of `run` and its like, `stdout`,
`stderr`, `return_code`, `failed`, `succeeded`, `command` and `real_command` are compared too. At the
end every file of the node that was changed is compared, with its mode, its owners and what it holds.

Package managers, services, databases and what needs a network are stood in for by programs that
write down how they were called, and answer. Files, users, groups and packages that are asked for
are the real thing.

This page is written by the test: `LOOM_WRITE_TABLE=1 make libraries`.
";

/// Writes the page if that is asked for; else it must be what it would be written as.
pub fn hold(comparisons: &[Comparison]) {
    let page = page(comparisons);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/fabric-comparison.md");
    if std::env::var_os("LOOM_WRITE_TABLE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let calls: usize = comparisons.iter().map(|comparison| comparison.figures().calls).sum();
    examples::chapter_says(&format!("{calls} calls"));
    assert!(written == page, "docs/fabric-comparison.md is out of date; it would be\n{page}");
}

fn page(comparisons: &[Comparison]) -> String {
    let mut page = HEAD.to_owned();
    page += "\n| Library | Functions | called | Calls | same result class | identical | Files changed | alike |\n";
    page += "|---|---:|---:|---:|---:|---:|---:|---:|\n";
    for comparison in comparisons {
        let figures = comparison.figures();
        writeln!(
            page,
            "| {} {} | {} | {} | {} | {} | {} | {} | {} |",
            comparison.library,
            comparison.version,
            figures.functions,
            figures.called,
            figures.calls,
            figures.same_class,
            figures.identical,
            figures.files,
            figures.same_files
        )
        .unwrap();
    }
    page += "\n## What differs\n\n";
    for (call, reason) in comparisons.iter().flat_map(Comparison::different) {
        let reason = reason.unwrap_or("not explained");
        writeln!(page, "- `{call}`: {reason}.").unwrap();
    }
    for (path, reason) in comparisons.iter().flat_map(Comparison::different_files) {
        let reason = reason.unwrap_or("not explained");
        writeln!(page, "- the file {path}: {reason}.").unwrap();
    }
    page += "\n## What is left out\n\n";
    for (function, reason) in comparisons.iter().flat_map(Comparison::left_out) {
        writeln!(page, "- `{function}`: {reason}.").unwrap();
    }
    page
}
