//! Words that nobody can guess.

use std::fs::File;
use std::io::Read;
use std::sync::LazyLock;

static RANDOM: LazyLock<File> =
    LazyLock::new(|| File::open("/dev/urandom").expect("/dev/urandom can be opened"));

/// 24 hexadecimal digits.
pub fn fresh() -> String {
    let mut bytes = [0; 12];
    (&*RANDOM).read_exact(&mut bytes).expect("/dev/urandom can be read");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
