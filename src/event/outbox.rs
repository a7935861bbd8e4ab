//! The write side of the event log.
//!
//! Only the write transaction of `context` calls this, once, just before it commits: all facts of a
//! change go out in one statement.

use sea_orm::{ActiveValue::NotSet, ConnectionTrait, EntityTrait, IntoActiveModel};

use super::Fact;
use crate::{
    entity::outbox,
    kernel::{
        actor::Actor,
        clock::Moment,
        error::{Error, Result},
        id::{EventId, TenantId},
    },
};

/// An event that waits for its commit.
#[derive(Clone, Debug)]
pub struct Draft {
    row: outbox::Model,
}

impl Draft {
    /// Puts a fact on paper.
    pub fn new<F: Fact>(
        fact: &F,
        id: EventId,
        tenant: TenantId,
        actor: &Actor,
        request: &str,
        at: Moment,
    ) -> Result<Self> {
        let data = serde_json::to_value(fact)
            .map_err(|error| Error::Internal("an event could not be written", error.into()))?;
        let row = outbox::Model {
            position: 0,
            event_id: id,
            tenant_id: tenant,
            topic: F::TOPIC.to_owned(),
            kind: fact.kind().to_owned(),
            subject: fact.subject(),
            data,
            actor: actor.to_string(),
            request_id: Some(request.to_owned()),
            at,
        };
        Ok(Self { row })
    }
}

/// Adds the drafts to the outbox, in order.
pub async fn insert(db: &impl ConnectionTrait, drafts: Vec<Draft>) -> Result<()> {
    if drafts.is_empty() {
        return Ok(());
    }
    let rows = drafts.into_iter().map(|draft| {
        let mut row = draft.row.into_active_model();
        row.position = NotSet;
        row
    });
    outbox::Entity::insert_many(rows).exec_without_returning(db).await?;
    Ok(())
}
