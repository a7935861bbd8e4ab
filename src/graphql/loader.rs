//! Batched reads: what a hundred rows ask for one by one is read in one statement.
//!
//! One set of loaders for each request, holding its context, so a loader can never see more than its
//! caller. Values are the domain's records; a field that needs one loads it by its key.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};

use super::error::ApiError;
use crate::{
    context::Cx,
    domain::access::{
        membership::{self, Membership},
        user::{self, User},
    },
    kernel::id::UserId,
};

/// The loaders of one request.
pub type Loaders = DataLoader<Batch, HashMapCache>;

/// Reads batches for one caller.
pub struct Batch {
    cx: Cx,
}

/// Fresh loaders for a request. Their cache ends with it.
pub fn loaders(cx: &Cx) -> Loaders {
    let tasks = Arc::clone(cx.hub());
    DataLoader::with_cache(Batch { cx: cx.clone() }, move |work| tasks.tasks.spawn(work), HashMapCache::default())
}

/// The membership of a user in the caller's tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MembershipOf(pub UserId);

impl Loader<MembershipOf> for Batch {
    type Value = Membership;
    type Error = ApiError;

    async fn load(&self, keys: &[MembershipOf]) -> Result<HashMap<MembershipOf, Membership>, ApiError> {
        let users: Vec<_> = keys.iter().map(|key| key.0).collect();
        let found = membership::of_users(&self.cx, &users).await?;
        Ok(found.into_iter().map(|row| (MembershipOf(row.user_id), row)).collect())
    }
}

impl Loader<UserId> for Batch {
    type Value = User;
    type Error = ApiError;

    async fn load(&self, keys: &[UserId]) -> Result<HashMap<UserId, User>, ApiError> {
        let found = user::by_ids(&self.cx, keys).await?;
        Ok(found.into_iter().map(|row| (row.id, row)).collect())
    }
}
