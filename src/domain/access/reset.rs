//! Asking for a new password.
//!
//! The hub sends no mail, and does not pretend to. Who forgot a password asks for a new one here; that is an
//! event and an audit entry in the tenant that founded the account, and shows beside the person in its list. If the
//! person does not belong to that tenant any more, it is recorded in the one the person has belonged to for longest.
//! An administrator who knows the person makes a link for a new password (`createLink`) and hands it over.
//! Where mail goes out one day, whoever sends it follows the event; nothing here changes.
//!
//! **What is not told**: whether there is such an account. The answer is the same and is given before anybody
//! looks; only then, outside the request, is the account looked for. Requests are counted by what was typed,
//! account or not, and for the address they come from.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel, QueryOrder, QuerySelect};

use super::{attempt_limit, session};
use crate::{
    context::Cx,
    entity::{first::First, membership, user},
    event::access::AccessEvent,
    kernel::{
        error::{Error, Result, chain},
        input,
    },
};

/// Notes that somebody asks for a new password.
pub async fn request(cx: &Cx, email: &str) -> Result<()> {
    let email = input::email(email).map_err(|reason| Error::invalid("email", reason))?;
    // What is counted here stays counted: each request is recorded.
    let _counted = attempt_limit::RESET.take(cx, &email).await?;
    let later = cx.clone();
    cx.hub().tasks.spawn(async move {
        if let Err(error) = note(&later, &email).await {
            tracing::warn!(error = chain(&error), "a request for a new password was not noted");
        }
    });
    Ok(())
}

async fn note(cx: &Cx, email: &str) -> Result<()> {
    cx.write(async |txn| {
        let Some(known) = user::by_email(email).lock_exclusive().first(&**txn).await? else { return Ok(()) };
        let (id, founding) = (known.id, known.founding_tenant_id);
        let mut row = known.into_active_model();
        row.password_reset_requested_at = Set(Some(txn.now()));
        row.update(&**txn).await?;
        let bonds = membership::of_person(id).order_by_asc(membership::Column::Id).all(&**txn).await?;
        let told = bonds.iter().find(|bond| Some(bond.tenant_id) == founding).or(bonds.first());
        match told {
            Some(bond) => {
                session::record_in(txn, bond.tenant_id, None, &AccessEvent::PasswordResetRequested { user: id })
            }
            None => Ok(()),
        }
    })
    .await
}
