//! The first start on an empty database.
//!
//! Several nodes may start at once: the unique slug lets one of them win, and the others find its work.

use std::sync::Arc;

use sea_orm::PaginatorTrait;

use super::{link, membership, user};
use crate::{
    context::{Cx, Hub},
    domain::tenant::{self, NewTenant, SettingsInput, Tenant},
    entity::tenant as entity,
    kernel::{
        error::{Code, Result},
        id::TenantId,
        scope::Role,
        secret::Secret,
    },
};

/// The slug of the tenant that the first start makes.
const SLUG: &str = "default";

/// The address of its administrator, until somebody sets a real one.
pub const ADMINISTRATOR: &str = "admin@localhost";

/// Makes the tenant `default` and an administrator, unless there is a tenant already. Gives the tenant and
/// the address where the administrator signs in, once, since there is no password yet.
pub async fn bootstrap(hub: &Arc<Hub>) -> Result<Option<(Tenant, Secret)>> {
    if entity::of_hub().count(hub.database.reader()).await? > 0 {
        return Ok(None);
    }
    let id: TenantId = hub.chance.id(hub.clock.now());
    let cx = Cx::system(Arc::clone(hub), "bootstrap", id);
    let new = NewTenant { slug: SLUG.to_owned(), name: "Default".to_owned(), settings: SettingsInput::default() };
    let made = cx
        .write(async |txn| {
            tenant::insert(txn, id, &new).await?;
            let user = user::insert(txn, ADMINISTRATOR.to_owned(), "Administrator".to_owned()).await?;
            membership::insert(txn, user, Role::SuperAdmin).await?;
            link::insert(txn, user, link::Purpose::SignIn).await
        })
        .await;
    match made {
        Ok((token, _)) => {
            let address = link::address(hub, link::Purpose::SignIn, &token);
            Ok(Some((tenant::get(&cx, id).await?, address)))
        }
        Err(error) if error.code() == Code::Conflict => Ok(None),
        Err(error) => Err(error),
    }
}
