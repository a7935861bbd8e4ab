//! The embedded database.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use axum::http::StatusCode;
use serde_json::Value;

use super::{Known, UNLIMITED, readiness};
use crate::{
    inbox::kill::{source, webhook},
    support::{
        database::{TestDatabase, on_postgres},
        faulty_disk::FaultyDisk,
        process::{Server, run_on, token, until},
    },
};

/// How many writes follow when the disk works again.
const AFTERWARDS: usize = 1_000;

/// How a disk is filled and freed.
trait Disk {
    fn fill(&self);
    fn free(&self);
}

impl Disk for FaultyDisk {
    fn fill(&self) {
        Self::fill(self);
    }

    fn free(&self) {
        self.repair();
    }
}

/// A file system of 24 MiB in memory.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    /// Mounts it; nothing without the right to mount.
    fn mount(folder: &'a Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
            .arg(folder)
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Disk for Small<'_> {
    fn fill(&self) {
        // Until nothing more fits.
        let mut file = std::fs::File::create(self.0.join("ballast")).unwrap();
        while std::io::Write::write_all(&mut file, &[1; 4_096]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

/// Fills the disk under a running server, lets mutations and webhooks fail, frees it, and goes on.
async fn fill_and_go_on(database: &TestDatabase, mut server: Server, disk: &impl Disk) {
    let admin = token(database, "admin");
    let hook = source(&server, &admin).await;
    let mut known = Known::default();
    for count in 0..20 {
        assert!(known.make(&server, &admin, &format!("before {count}")).await);
    }

    disk.fill();
    let mut count = 0;
    while known.refused.len() < 5 {
        count += 1;
        assert!(count < 10_000, "the disk was never full");
        known.make(&server, &admin, &format!("full {count}")).await;
        // A refusal by a rule: its transaction is rolled back, too.
        let taken = super::make(&server, &admin, "before 1").await;
        assert!(taken.status == StatusCode::OK || taken.codes() == ["SERVICE_UNAVAILABLE"], "{}", taken.text);
        if taken.status == StatusCode::OK {
            known.refused.remove("before 1");
        }
    }
    let (status, ready) = readiness(&server).await.unwrap();
    assert_eq!((status, &ready["storage"]), (StatusCode::SERVICE_UNAVAILABLE, &Value::from("failing")), "{ready}");
    let mut wire = server.wire().await;
    wire.send(&webhook(&hook, "evt_full")).await.unwrap();
    let reply = wire.reply().await.unwrap();
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "a webhook that was not kept: {}", reply.text);
    assert!(!reply.header("retry-after").is_empty());

    disk.free();
    until("the server is ready again", async || {
        readiness(&server).await.is_some_and(|(status, _)| status == StatusCode::OK).then_some(())
    })
    .await;
    for count in 0..AFTERWARDS {
        assert!(known.make(&server, &admin, &format!("after {count}")).await, "write {count} after the disk was freed");
    }
    wire.send(&webhook(&hook, "evt_after")).await.unwrap();
    assert_eq!(wire.reply().await.unwrap().status, StatusCode::OK);
    // Nothing is locked: another process writes, too.
    let revocable = token(database, "viewer");

    server.kill9();
    server.again().await;
    known.agrees(&server, &admin).await;
    assert_eq!(server.ask(&revocable, "{ viewer { role } }", Value::Null).await.data()["viewer"]["role"], "VIEWER");
    let kept = server.ask(&admin, "{ webhookEvents { totalCount } }", Value::Null).await.data();
    assert_eq!(kept["webhookEvents"]["totalCount"], 1, "the one that was acknowledged");
    let checked = run_on(database, &["audit", "verify", "--tenant", "default"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_and_none_is_lost_once_there_is_room() {
    if on_postgres() {
        return;
    }
    let Some(disk) = FaultyDisk::over("/portolan.db") else {
        println!("left out: there is no C compiler");
        return;
    };
    let database = TestDatabase::create().await;
    let environment = disk.environment();
    let mut settings: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    settings.push(UNLIMITED);
    let server = Server::with(&database, &settings).await;
    fill_and_go_on(&database, server, &disk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_file_system_that_is_full_refuses_writes_and_none_is_lost_once_there_is_room() {
    if on_postgres() {
        return;
    }
    let database = TestDatabase::create().await;
    let folder = database.folder().to_owned();
    let Some(disk) = Small::mount(&folder) else {
        println!("left out: nothing can be mounted here");
        return;
    };
    let server = Server::with(&database, &[UNLIMITED, ("PORTOLAN_LOG_LEVEL", "error")]).await;
    fill_and_go_on(&database, server, &disk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_at_any_write_of_a_commit_loses_nothing_that_was_acknowledged() {
    if on_postgres() {
        return;
    }
    let Some(disk) = FaultyDisk::over("/portolan.db") else {
        println!("left out: there is no C compiler");
        return;
    };
    let database = TestDatabase::create().await;
    let environment = disk.environment();
    let mut settings: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    // A commit that is moved into the file itself at once has more places to fail at.
    settings.extend([UNLIMITED, ("PORTOLAN_LOG_LEVEL", "error")]);
    let mut server = Server::with(&database, &settings).await;
    let admin = token(&database, "admin");
    let mut known = Known::default();
    assert!(known.make(&server, &admin, "first").await);
    let before = disk.seen();
    assert!(known.make(&server, &admin, "second").await);
    // What the server does besides is in there, so this is no fewer than a commit has.
    let (writes, mut failed) = (disk.seen() - before, 0);
    for at in 1..=writes + 10 {
        disk.fail_at(at);
        failed += usize::from(!known.make(&server, &admin, &format!("fault {at}")).await);
        disk.repair();
        until("writes are stored again", async || {
            known.make(&server, &admin, &format!("after fault {at}")).await.then_some(())
        })
        .await;
    }
    println!("{writes} writes of a commit; {failed} faults were noticed");
    assert!(failed > 0, "no fault met a commit");
    server.kill9();
    server.again().await;
    known.agrees(&server, &admin).await;
    let checked = run_on(&database, &["audit", "verify", "--tenant", "default"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_folder_ends_and_names_the_first() {
    if on_postgres() {
        return;
    }
    let database = TestDatabase::create().await;
    let mut first = Server::start(&database).await;
    let second = run_on(&database, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains(&format!("process {}", first.pid())), "{}", second.stderr);
    // Commands work beside it.
    token(&database, "viewer");
    // However the first ends, its folder is free.
    first.kill9();
    first.again().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_users_of_the_machine_cannot_read_the_database() {
    if on_postgres() {
        return;
    }
    let database = TestDatabase::create().await;
    let path = database.folder().join("portolan.db");
    // As versions before made it.
    std::fs::write(&path, b"").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let old = Server::start(&database).await;
    assert_eq!(mode(&path), 0o640);
    drop(old);
    let database = TestDatabase::create().await;
    let _server = Server::start(&database).await;
    for name in ["portolan.db", "portolan.db-wal", "portolan.db-shm"] {
        assert_eq!(mode(&database.folder().join(name)), 0o600, "{name}");
    }
}
