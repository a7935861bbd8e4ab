//! Idempotency keys: the same request twice has one effect.
//!
//! The key is claimed by the first statement of the transaction that has the effect, together with a
//! digest of the input. A second request with the key waits for the first one's commit (the unique key
//! sees to that on PostgreSQL, the single writer on SQLite) and then finds what it created. If the first
//! one rolled back, the claim went with it. Keys are remembered for 48 hours.

use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel, sea_query::OnConflict};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Txn;
use crate::{
    entity::{
        first::First,
        idempotency_key::{self as entity, Column},
    },
    kernel::{
        error::{Code, Error, Issue, Result},
        id::Id,
    },
};

/// How long a key is remembered.
const REMEMBERED: TimeDelta = TimeDelta::hours(48);

/// The longest key taken.
const LONGEST: usize = 255;

/// Whether a request came before.
pub enum Once<K> {
    /// It did, and created this.
    Repeated(Id<K>),
    /// It is the first; its effect is to be noted in the ticket.
    First(Ticket),
}

/// Where the effect of a first request is noted. Without a key there is nothing to note.
#[derive(Debug)]
#[must_use = "the effect must be noted, or a repetition will not find it"]
pub struct Ticket(Option<entity::Model>);

impl Ticket {
    /// Notes what was created.
    pub async fn created<K>(self, txn: &Txn, id: Id<K>) -> Result<()> {
        if let Some(claim) = self.0 {
            let mut row = claim.into_active_model();
            row.subject = Set(Some(id.uuid()));
            row.update(&**txn).await?;
        }
        Ok(())
    }
}

impl Txn {
    /// Asks whether `operation` ran before under that key with that input.
    pub async fn once<K>(&self, operation: &'static str, key: Option<&str>, input: &impl Serialize) -> Result<Once<K>> {
        let Some(key) = key else {
            return Ok(Once::First(Ticket(None)));
        };
        if key.is_empty() || key.len() > LONGEST || key.contains(char::is_control) {
            let message = format!("an idempotency key has 1 to {LONGEST} bytes, none of them a control character");
            return Err(Error::invalid("idempotencyKey", message));
        }
        let input = serde_json::to_vec(input)
            .map_err(|error| Error::Internal("an input could not be digested", error.into()))?;
        let claim = entity::Model {
            tenant_id: self.cx().tenant()?,
            key: key.to_owned(),
            operation: operation.to_owned(),
            input_digest: Sha256::digest(input).to_vec(),
            subject: None,
            created_at: self.now(),
        };
        entity::older_than(claim.tenant_id, self.now() - REMEMBERED).exec(&**self).await?;
        let untouched = OnConflict::columns([Column::TenantId, Column::Key]).do_nothing().to_owned();
        let taken = entity::Entity::insert(claim.clone().into_active_model())
            .on_conflict(untouched)
            .exec_without_returning(&**self)
            .await?;
        if taken == 1 {
            return Ok(Once::First(Ticket(Some(claim))));
        }
        let known = entity::of(claim.tenant_id, key).first(&**self).await?;
        match known {
            Some(known) if known.operation == claim.operation && known.input_digest == claim.input_digest => {
                let subject = known.subject.ok_or_else(|| {
                    Error::conflict("idempotencyKey", "the first request with this key has not ended")
                })?;
                Ok(Once::Repeated(Id::new(subject)))
            }
            _ => Err(Error::Refused(vec![Issue {
                code: Code::IdempotencyKeyReused,
                ..Issue::at("idempotencyKey", "this key was used before with another input")
            }])),
        }
    }
}
