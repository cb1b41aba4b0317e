//! What a piece of work costs: processor time and memory, of the thread that does it. Whoever
//! hangs is named, and the process ended.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::Debug;
use std::io::{self, Write as _};
use std::sync::{LazyLock, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// Nothing that reads input may take longer, in a build without optimizations.
const TIME: Duration = Duration::from_secs(2);

/// By the clock on the wall: what takes so long will never end.
const HANGS: Duration = Duration::from_secs(120);

pub const KB: usize = 1 << 10;
pub const MB: usize = 1 << 20;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Bytes allocated less bytes freed by this thread, and the most that ever was.
    static NOW: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // Not there any more while a thread ends.
    let _ = NOW.try_with(|now| {
        now.set(now.get() + bytes);
        let _ = MOST.try_with(|most| most.set(most.get().max(now.get())));
    });
}

// SAFETY: all memory is the system allocator's, asked for and given back with the same layout.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new may exist at once.
        count(size as isize);
        // SAFETY: as above.
        let new = unsafe { System.realloc(at, layout, size) };
        count(-(layout.size() as isize));
        new
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

static RUNNING: LazyLock<Mutex<HashMap<ThreadId, (Instant, String)>>> = LazyLock::new(|| {
    thread::spawn(|| {
        loop {
            thread::sleep(Duration::from_secs(1));
            for (began, input) in RUNNING.lock().unwrap().values() {
                if began.elapsed() > HANGS {
                    // Not by a macro, whose text the test would keep to itself.
                    let _ = writeln!(io::stderr(), "this hangs: {input}");
                    std::process::abort();
                }
            }
        }
    });
    Mutex::default()
});

/// Does the work, and panics if it took more than [`TIME`] or more than `memory` bytes. The input
/// is what is named.
pub fn bounded<T>(input: &impl Debug, memory: usize, work: impl FnOnce() -> T) -> T {
    let mut named = format!("{input:?}");
    named.truncate(named.floor_char_boundary(100_000));
    let me = thread::current().id();
    RUNNING.lock().unwrap().insert(me, (Instant::now(), named));
    let before = NOW.get();
    MOST.set(before);
    let began = thread_time();
    let result = work();
    let took = thread_time() - began;
    let most = (MOST.get() - before) as usize;
    RUNNING.lock().unwrap().remove(&me);
    if std::env::var_os("LOOM_FUZZ_COSTS").is_some() {
        eprintln!("{took:?} {} kB of {} kB", most / KB, memory / KB);
    }
    assert!(most <= memory, "took {} kB of memory, not {}", most / KB, memory / KB);
    assert!(took <= TIME, "took {took:?}");
    result
}

fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock").into()
}

#[test]
fn the_meter_counts() {
    let refused = |work: fn()| std::panic::catch_unwind(|| bounded(&"", MB, work)).is_err();
    assert!(refused(|| drop(vec![0u8; 2 * MB])));
    assert!(refused(|| drop(Vec::<u8>::with_capacity(2 * MB))));
    assert!(refused(|| while thread_time() < Duration::from_secs(3) {}));
    assert!(!refused(|| drop(vec![0u8; MB / 2])));
}
