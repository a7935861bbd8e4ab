//! Destinations that are dead or slow take no places from others for long.

use std::{sync::Arc, time::Duration};

use portolan::worker::outbound::Sender;
use tokio_util::sync::CancellationToken;

use super::{Outbound, sink::Say};

#[tokio::test(flavor = "multi_thread")]
async fn who_never_answers_holds_up_nobody_else() {
    const SUBJECTS: usize = 60;
    let world = Outbound::with(&[("PORTOLAN_OUTBOUND_AT_ONCE", "16")]).await;
    for path in ["stuck", "dead", "sound", "quick"] {
        world.destination(path, &["integration.*"]).await;
    }
    world.sink.at("stuck", |_| Say::Late(Duration::from_mins(5), 200));
    world.sink.at("dead", |_| Say::Status(500));
    let subjects: Vec<_> = (0..SUBJECTS).map(|number| format!("int_{number}")).collect();
    world.happens(&subjects.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.route().await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(Sender::new(Arc::clone(world.hub.app.hub())).run(stop.clone()));
    // Far sooner than the one that never answers is given up, which takes 15 seconds each time.
    world
        .hub
        .until(async || {
            let all = ["sound", "quick"].iter().all(|path| world.sink.came_to(path).len() == SUBJECTS);
            all.then_some(())
        })
        .await;
    assert!(world.sink.came_to("stuck").len() <= 16, "{}", world.sink.came_to("stuck").len());
    stop.cancel();
    running.abort();
}
