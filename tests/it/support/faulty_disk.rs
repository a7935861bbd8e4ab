//! A disk that is full, or fails at a chosen write, for one process: a library that is loaded before all others.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/faulty_disk.c");

/// "No space left on device".
const ENOSPC: i64 = 28;
/// "Input/output error".
const EIO: i64 = 5;

/// The library, and the file that says what fails.
pub struct FaultyDisk {
    folder: TempDir,
    control: File,
    part: String,
}

impl FaultyDisk {
    /// A disk that works, until told otherwise, for files with `part` in their paths; none without a C compiler.
    pub fn over(part: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(library(folder.path()))
            .args([SOURCE, "-ldl"])
            .stdin(Stdio::null())
            .status();
        if !built.is_ok_and(|status| status.success()) {
            return None;
        }
        let path = folder.path().join("control");
        let control = File::options().create_new(true).read(true).write(true).open(&path).unwrap();
        control.write_all_at(&[0; 32], 0).unwrap();
        // A server that runs as another user uses both.
        for path in [folder.path(), &path, &library(folder.path())] {
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
            std::fs::set_permissions(path, open).unwrap();
        }
        Some(Self { folder, control, part: part.to_owned() })
    }

    /// The environment of the process that is to have this disk.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", library(self.folder.path()).display().to_string()),
            ("FAULTY_DISK_CONTROL", self.folder.path().join("control").display().to_string()),
            ("FAULTY_DISK_PATH", self.part.clone()),
        ]
    }

    /// From now on no file becomes longer.
    pub fn fill(&self) {
        self.set(1, ENOSPC);
        self.set(0, 1);
    }

    /// Everything works again.
    pub fn repair(&self) {
        self.set(0, 0);
    }

    /// Of the writes, cuts and flushes from now on, that one fails; those after it work.
    pub fn fail_at(&self, count: i64) {
        self.set(0, 0);
        self.set(1, EIO);
        self.set(2, count);
        self.set(0, 2);
    }

    /// How many writes, cuts and flushes there were.
    pub fn seen(&self) -> i64 {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, 24).unwrap();
        i64::from_ne_bytes(bytes)
    }

    fn set(&self, place: u64, value: i64) {
        self.control.write_all_at(&value.to_ne_bytes(), place * 8).unwrap();
    }
}

fn library(folder: &Path) -> PathBuf {
    folder.join("faulty_disk.so")
}
