//! What breaks formats: bytes changed, left out, repeated, moved, and numbers at their limits.

use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Debug, Clone)]
pub enum Op {
    Set(Index, u8),
    /// A little-endian number of 1 to 8 bytes.
    Number(Index, u64, usize),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// A stretch once more, somewhere.
    Repeat {
        from: Index,
        length: usize,
        to: Index,
        times: usize,
    },
    Cut(Index),
}

/// Up to eight changes. `words` are pieces of the format.
pub fn ops(words: &'static [&'static str]) -> impl Strategy<Value = Vec<Op>> {
    let at = any::<Index>;
    let number = prop_oneof![
        Just(0),
        Just(u64::MAX),
        Just(i64::MAX as u64),
        Just(u64::from(u32::MAX)),
        Just(1 << 20),
        Just((1 << 28) + 1),
        0u64..64,
        any::<u64>(),
    ];
    let word = prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec());
    let bytes = prop_oneof![3 => word, 1 => prop::collection::vec(any::<u8>(), 1..9)];
    let op = prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Op::Set(at, byte)),
        (at(), number, prop::sample::select(vec![1usize, 2, 4, 8]))
            .prop_map(|(at, number, width)| Op::Number(at, number, width)),
        (at(), bytes).prop_map(|(at, bytes)| Op::Insert(at, bytes)),
        (at(), 1usize..20).prop_map(|(at, length)| Op::Remove(at, length)),
        (at(), 1usize..40, at(), 1usize..20).prop_map(|(from, length, to, times)| Op::Repeat {
            from,
            length,
            to,
            times
        }),
        at().prop_map(Op::Cut),
    ];
    prop::collection::vec(op, 0..8)
}

pub fn apply(bytes: &mut Vec<u8>, ops: &[Op]) {
    for op in ops {
        let length = bytes.len();
        let place = |at: &Index| at.index(length + 1);
        let end = |start: usize, count: usize| (start + count).min(length);
        match op {
            Op::Set(at, byte) => {
                if let Some(found) = bytes.get_mut(place(at)) {
                    *found = *byte;
                }
            }
            Op::Number(at, number, width) => {
                let at = place(at);
                for (to, byte) in bytes[at..end(at, *width)].iter_mut().zip(number.to_le_bytes()) {
                    *to = byte;
                }
            }
            Op::Insert(at, more) => drop(bytes.splice(place(at)..place(at), more.clone())),
            Op::Remove(at, count) => drop(bytes.drain(place(at)..end(place(at), *count))),
            Op::Repeat { from, length, to, times } => {
                let piece = bytes[place(from)..end(place(from), *length)].repeat(*times);
                bytes.splice(place(to)..place(to), piece);
            }
            Op::Cut(at) => bytes.truncate(place(at)),
        }
    }
}

/// Valid text, changed; what is no text any more is made text again.
pub fn text(
    valid: impl Strategy<Value = String>,
    words: &'static [&'static str],
) -> impl Strategy<Value = String> {
    (valid, ops(words)).prop_map(|(text, ops)| {
        let mut bytes = text.into_bytes();
        apply(&mut bytes, &ops);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
