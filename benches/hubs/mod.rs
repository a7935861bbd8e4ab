//! Portolan in a measurement: started in this process, where its environment says that its data are.

use std::net::SocketAddr;

use portolan::{
    app::{App, World},
    config::{Config, Flags, environment},
    context::Cx,
    domain::tenant,
};
use tokio::net::TcpListener;

/// Runs to the end on as many threads as there are cores for it.
pub(crate) fn block_on<T>(task: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(task)
}

/// A hub with what the environment says and these settings, and a context of the tenant that every hub begins with.
pub(crate) async fn start(settings: impl IntoIterator<Item = (&str, impl Into<String>)>) -> (App, Cx) {
    let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
    let folder = std::env::current_dir().unwrap();
    let config = Config::load(&Flags::default(), environment().chain(settings), &folder).unwrap();
    let (app, _) = App::start(&config, World::default()).await.unwrap();
    let home = tenant::named(app.hub(), "default").await.unwrap();
    let cx = Cx::system(app.hub().clone(), "bench", home.id);
    (app, cx)
}

/// Listens at a port of this machine; 0 is any that is free.
pub(crate) async fn listen(port: u16) -> TcpListener {
    TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap()
}
