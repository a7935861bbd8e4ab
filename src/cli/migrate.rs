//! `portolan migrate`: the shape of the database.

use clap::Args;

use super::{Failure, Outcome, block_on, load, speak::say};
use crate::{
    app::{App, World, database_settings},
    config::Flags,
    context::database,
};

/// Bring the database to the shape this version needs, or take changes back.
#[derive(Args, Debug)]
pub(super) struct Migrate {
    /// Take back this many changes instead. Data in what they added is lost.
    #[arg(long, value_name = "STEPS")]
    down: Option<u32>,
    /// Really take changes back.
    #[arg(long, requires = "down")]
    yes: bool,
    #[command(flatten)]
    settings: Flags,
}

impl Migrate {
    pub(super) fn run(self) -> Outcome {
        let config = load(&self.settings)?;
        block_on(async {
            match self.down {
                Some(_) if !self.yes => {
                    Err(Failure::Usage("taking changes back loses data; say --yes if you mean it".to_owned()))
                }
                Some(steps) => {
                    database::migrate_down(&database_settings(&config), Some(steps)).await?;
                    say(&format!("took {steps} changes back"));
                    Ok(())
                }
                None => {
                    let (app, prepared) = App::start(&config, World::default()).await?;
                    say(&format!("{} changes made; the database is ready", prepared.migrations));
                    if let Some(tenant) = prepared.tenant {
                        say(&format!("made the tenant \"{}\" and an administrator", tenant.slug));
                    }
                    app.close().await;
                    Ok(())
                }
            }
        })
    }
}
