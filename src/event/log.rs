//! Reading the log: how far it has come, and what is in it.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{Entry, Interest};
use crate::{
    entity::{
        event, event_head, event_log,
        first::{Bounded, First},
    },
    kernel::{
        error::{Error, Result},
        id::TenantId,
    },
};

/// How far a tenant's log has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the newest event; 0 before the first.
    pub number: i64,
    /// The number of the oldest event that is kept.
    pub oldest: i64,
}

impl Head {
    /// Whether somebody who has seen everything up to a number can go on from there.
    pub fn check(self, seen: i64) -> Result<()> {
        if seen > self.number {
            return Err(Error::CursorAhead);
        }
        if seen + 1 < self.oldest {
            return Err(Error::CursorExpired { oldest: self.oldest - 1 });
        }
        Ok(())
    }
}

/// How far the tenant's log has come.
pub async fn head(db: &impl ConnectionTrait, tenant: TenantId) -> Result<Head> {
    let row = event_head::of(tenant).first(db).await?;
    Ok(row.map_or(Head { number: 0, oldest: 1 }, |row| Head { number: row.number, oldest: row.oldest }))
}

/// How far the log of all tenants has come.
pub async fn position(db: &impl ConnectionTrait) -> Result<i64> {
    Ok(event_log::row().first(db).await?.map_or(0, |row| row.position))
}

/// Events of a tenant after a number and up to another, of those that interest, in order.
pub async fn page(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    interest: &Interest,
    (after, through): (i64, i64),
    most: u64,
) -> Result<Vec<Entry>> {
    let columns = event::COLUMN;
    let mut select = event::of(tenant).filter(columns.number.gt(after)).filter(columns.number.lte(through));
    if let Some(topics) = interest.topics() {
        select = select.filter(columns.topic.is_in(topics.iter().copied()));
    }
    if let Some(subjects) = interest.subjects() {
        select = select.filter(columns.subject.is_in(subjects));
    }
    let rows = select.order_by_asc(event::Column::Number).limit(most).all(&Bounded(db)).await?;
    Ok(rows.into_iter().map(Arc::new).collect())
}

/// Events of all tenants after a position, in order.
pub async fn beyond(db: &impl ConnectionTrait, position: i64, most: u64) -> Result<Vec<Entry>> {
    Ok(event::beyond(position).limit(most).all(&Bounded(db)).await?.into_iter().map(Arc::new).collect())
}
