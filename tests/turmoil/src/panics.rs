//! Panics that nobody would notice: of tasks and threads whose failure is turned into an answer.

use std::sync::Once;

use parking_lot::Mutex;

/// Names of the threads that panicked.
static PANICKED: Mutex<Vec<String>> = Mutex::new(Vec::new());
static WATCH: Once = Once::new();

/// Notes all panics of this process from now on.
pub(crate) fn watch() {
    WATCH.call_once(|| {
        let inner = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICKED.lock().push(thread_name());
            inner(info);
        }));
    });
}

/// How many panics there were that this thread has to answer for: its own, on which hosts run, and those of threads beside the simulation, which may be of
/// any test that runs now.
pub(crate) fn count() -> usize {
    let mine = thread_name();
    let is_of_another_test = |name: &String| name.contains("::") && *name != mine;
    PANICKED
        .lock()
        .iter()
        .filter(|name| !is_of_another_test(name))
        .count()
}

fn thread_name() -> String {
    std::thread::current().name().unwrap_or("unnamed").to_owned()
}
