//! `portolan schema`: the API as text, without a database.

use clap::Args;

use super::{Outcome, speak::print};
use crate::graphql;

/// Print the GraphQL schema.
#[derive(Args, Debug)]
pub(super) struct Schema {}

impl Schema {
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "commands are called alike")]
    pub(super) fn run(self) -> Outcome {
        print(&graphql::sdl());
        Ok(())
    }
}
