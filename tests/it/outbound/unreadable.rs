//! Stored settings of a destination that can no longer be read stop it, and never mean that everything is wanted.

use portolan::{
    domain::{
        alert::{self, AlertFilter, Kind},
        outbound::destination::{self, DestinationChange, NewDestination},
    },
    kernel::{input::Patch, page::PageArgs},
};
use sea_orm::ConnectionTrait;

use super::Outbound;

async fn alerts(world: &Outbound) -> Vec<String> {
    let filter = AlertFilter { open: Some(true), kinds: Some(vec![Kind::UnreadableSetting]), ..AlertFilter::default() };
    let args = PageArgs { after: None, before: None, size: 100, backward: false };
    let page = alert::list(&world.hub.cx(), &filter, &args).await.unwrap();
    page.rows.into_iter().map(|(_, alert)| alert.text).collect()
}

fn change(events: Option<Vec<String>>, filter: &str) -> DestinationChange {
    DestinationChange { name: None, url: None, events, filter: Patch::Set(filter.to_owned()) }
}

async fn damage(world: &Outbound, what: &str) {
    let change = format!("UPDATE webhook_destinations SET {what}");
    world.hub.app.hub().database.writer().execute_unprepared(&change).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_filter_that_cannot_be_read_sends_nothing_and_raises_an_alert() {
    let world = Outbound::start().await;
    let filter = "data.subject == 'int_wanted'";
    let made = world.make(NewDestination { filter: Some(filter.to_owned()), ..world.plain("some") }).await;
    let id = made.destination.id;
    world.happens(&["int_wanted", "int_other"]).await;
    world.work().await;
    assert_eq!(world.sink.came().len(), 1);
    for (damaged, said) in [
        ("filter = 'data.subject == '", "filter"),
        ("patterns = '{\"*\": true}'", "list of events"),
        ("patterns = '[\"*\", 1]'", "list of events"),
        ("topics = '\"integration\"'", "list of topics"),
    ] {
        damage(&world, damaged).await;
        world.later(chrono::TimeDelta::seconds(1));
        world.happens(&["int_wanted", "int_other"]).await;
        world.work().await;
        assert_eq!(world.sink.came().len(), 1, "{damaged}");
        let open = alerts(&world).await;
        assert!(open.len() == 1 && open[0].contains(said) && open[0].contains("some"), "{damaged}: {open:?}");
        let events = Some(vec!["*".to_owned()]);
        let change = change(events, "data.subject == 'int_never'");
        destination::update(&world.hub.cx(), id, change).await.unwrap();
        assert!(alerts(&world).await.is_empty(), "it was set again");
    }
    let change = change(None, filter);
    destination::update(&world.hub.cx(), id, change).await.unwrap();
    world.later(chrono::TimeDelta::seconds(1));
    world.happens(&["int_wanted", "int_other"]).await;
    world.work().await;
    let came = world.sink.came();
    assert!(came.len() > 1 && came.iter().all(|came| came.subject() == "int_wanted"), "{came:?}");
}
