//! A core for each side of a measurement: servers have the second, and the load the first, where there are two.

use std::{path::PathBuf, process::Command, sync::LazyLock};

/// Whether there is a core for each side, and a way to give it to them.
fn has_cores() -> bool {
    static HAS: LazyLock<bool> = LazyLock::new(|| {
        let cores = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
        cores && Command::new("taskset").arg("--version").output().is_ok()
    });
    *HAS
}

/// Moves this process, the load, to the core that belongs to it.
pub(crate) fn take_own_core() {
    if has_cores() {
        let own = std::process::id().to_string();
        assert!(Command::new("taskset").args(["-cp", "0", &own]).output().unwrap().status.success());
    }
}

/// A command on the core that belongs to servers.
pub(crate) fn on_its_core(program: PathBuf) -> Command {
    if !has_cores() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", "1"]).arg(program);
    command
}
