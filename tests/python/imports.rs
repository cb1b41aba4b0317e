//! What a unit pays before its task begins: modules that only some tasks need are imported by
//! those.

use std::path::Path;
use std::process::Command;

use crate::harness::{SOON, process};

/// Each takes milliseconds of a start that takes few.
const COSTLY: &str = "codecs contextlib functools glob json random re socket subprocess tempfile \
                      textwrap threading traceback typing";

const LOOK: &str = r#"
import sys
common, fabric, costly = sys.argv[1:]
before = set(sys.modules)
sys.path[:0] = [common, fabric]
import fabric.api
print(" ".join(sorted((set(sys.modules) - before) & set(costly.split()))))
"#;

#[test]
fn a_fabfiles_first_import_brings_in_nothing_costly() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("worker/python");
    let mut python = Command::new("python3");
    python.args(["-S", "-B", "-c", LOOK]).arg(package.join("common"));
    python.arg(package.join("fabric1")).arg(COSTLY);
    let output = process::run(&mut python, SOON);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "");
}
