//! How a resolver reaches the request it serves.

use async_graphql::Context;

use super::loader::Loaders;
use crate::context::Cx;

/// Short ways from a resolver's context to ours.
pub trait Ask {
    /// Who asks, with what.
    fn cx(&self) -> &Cx;
    /// Batched reads of this request.
    fn loaders(&self) -> &Loaders;
}

impl Ask for Context<'_> {
    fn cx(&self) -> &Cx {
        // The endpoint puts both into every request before the engine sees it.
        self.data_unchecked::<Cx>()
    }

    fn loaders(&self) -> &Loaders {
        self.data_unchecked::<Loaders>()
    }
}
