//! How the exchange with each partner goes: counted from what is kept, so that nothing has to be kept in step.

use std::{collections::HashMap, sync::Arc};

use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, IntoActiveModel};

use super::{PartnerIntegration, State, list, update::went_wrong};
use crate::{
    context::{Cx, Hub},
    domain::{
        alert::{self, Kind, NewAlert, Severity},
        keyring::HUB,
        outbound::Status,
    },
    entity::{alert as alerts, first::First, partner_integration, partner_update, webhook_delivery},
    event::partner::PartnerEvent,
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{IntegrationId, WebhookDestinationId},
    },
};

/// Over which time the success rate is taken.
pub const WINDOW: TimeDelta = TimeDelta::days(7);

/// How long an update waits for its order.
const PATIENCE: TimeDelta = TimeDelta::days(1);

/// How long settled updates are kept.
const KEPT: TimeDelta = TimeDelta::days(365);

/// Updates that are given up or forgotten in one commit.
const BATCH: u64 = 500;

/// Updates from which latencies are taken at most.
const TIMED: u64 = 10_000;

/// The longest span that is analysed.
const LONGEST: TimeDelta = TimeDelta::days(366);

/// What was exchanged with a partner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Updates that came, each once.
    pub received: i64,
    /// How often one of them came again.
    pub repeated: i64,
    /// Those that had a meaning.
    pub mapped: i64,
    /// Those whose word means nothing yet.
    pub unmapped: i64,
    /// Those that may not follow the status of their order.
    pub conflicts: i64,
    /// Those that came too late to count.
    pub late: i64,
    /// Those that wait for their order.
    pub waiting: i64,
    /// Those that were given up.
    pub dead: i64,
    /// Webhooks that arrived at the partner.
    pub sent: i64,
    /// Webhooks that wait to be sent.
    pub pending: i64,
    /// Webhooks that did not arrive and are not tried any more, or were skipped.
    pub failed: i64,
}

impl Counts {
    /// The share of what is over that went well, in percent; nothing, if nothing is over.
    #[must_use]
    pub fn success_rate(&self) -> Option<f64> {
        let good = self.received - self.unmapped - self.conflicts - self.dead - self.waiting + self.sent;
        let all = self.received - self.waiting + self.sent + self.failed;
        #[expect(clippy::cast_precision_loss, reason = "nobody exchanges so much in a year")]
        (all > 0).then(|| (good as f64 / all as f64 * 10_000.0).round() / 100.0)
    }
}

/// What was exchanged by these partner integrations since a moment; who asks has found them by what it may see.
pub async fn counts(cx: &Cx, ids: &[IntegrationId], since: Moment) -> Result<HashMap<IntegrationId, Counts>> {
    use sea_orm::{ColumnTrait, QueryFilter};
    let tenant = cx.tenant()?;
    let mut all: HashMap<IntegrationId, Counts> = ids.iter().map(|id| (*id, Counts::default())).collect();
    for count in partner_update::counts(tenant, ids, since).all(cx.db()).await? {
        let of = all.entry(count.partner_integration_id).or_default();
        of.received += count.updates;
        of.repeated += count.repeats.unwrap_or_default();
        match count.state {
            State::Applied | State::Unchanged | State::Ignored => of.mapped += count.updates,
            State::Late => {
                of.mapped += count.updates;
                of.late += count.updates;
            }
            State::Forbidden => {
                of.mapped += count.updates;
                of.conflicts += count.updates;
            }
            State::Unmapped => of.unmapped += count.updates,
            State::Waiting => of.waiting += count.updates,
            State::Dead => of.dead += count.updates,
        }
    }
    let rows = partner_integration::of(tenant).filter(partner_integration::COLUMN.id.is_in(ids.iter().copied()));
    let rows = rows.all(cx.db()).await?;
    let places: HashMap<WebhookDestinationId, IntegrationId> =
        rows.iter().filter_map(|row| Some((row.destination_id?, row.id))).collect();
    let destinations: Vec<_> = places.keys().copied().collect();
    for count in webhook_delivery::counts(tenant, &destinations, since).all(cx.db()).await? {
        let Some(id) = places.get(&count.destination_id) else { continue };
        let of = all.entry(*id).or_default();
        match count.status {
            Status::Delivered => of.sent += count.deliveries,
            Status::Pending => of.pending += count.deliveries,
            Status::Failed | Status::Skipped => of.failed += count.deliveries,
        }
    }
    Ok(all)
}

/// What was exchanged with a partner in a span, and how late it heard of us and we of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Analytics {
    /// What was exchanged.
    pub counts: Counts,
    /// How long after the partner's own time updates came, in milliseconds: the middle one, and the one that 95 of a
    /// hundred do not exceed.
    pub latency: Option<(i64, i64)>,
}

/// What was exchanged by a partner integration since a moment.
pub async fn analytics(cx: &Cx, id: IntegrationId, since: Option<Moment>) -> Result<Analytics> {
    let own = list::get(cx, id).await?;
    let since = since.unwrap_or(cx.now() - WINDOW);
    if since > cx.now() || since < cx.now() - LONGEST {
        return Err(Error::invalid("since", "it is a moment of the last year"));
    }
    let counts = counts(cx, &[own.beside.id], since).await?.remove(&id).unwrap_or_default();
    let mut late: Vec<i64> = partner_update::timings(own.beside.tenant_id, id, since, TIMED)
        .all(cx.db())
        .await?
        .into_iter()
        .map(|timing| (timing.received_at - timing.happened_at).num_milliseconds().max(0))
        .collect();
    late.sort_unstable();
    let at = |share: usize| late.get((late.len().saturating_sub(1)) * share / 100).copied();
    Ok(Analytics { counts, latency: at(50).zip(at(95)) })
}

/// When something last went wrong with a partner integration, and what.
#[must_use]
pub fn last_error(own: &PartnerIntegration) -> Option<(Moment, Option<&str>)> {
    let beside = own.beside.last_error_at.map(|at| (at, own.beside.last_error_message.as_deref()));
    let integration = own.integration.last_error_at.map(|at| (at, own.integration.error_message.as_deref()));
    match (beside, integration) {
        (Some(one), Some(other)) => Some(if one.0 >= other.0 { one } else { other }),
        (one, other) => one.or(other),
    }
}

/// When something last came from a partner: what it sent, or what was read.
#[must_use]
pub fn last_sync(own: &PartnerIntegration) -> Option<Moment> {
    own.beside.last_heard_at.max(own.integration.last_synced_at)
}

/// Gives up updates that waited for their order for a day. Says how many.
pub async fn give_up(hub: Arc<Hub>) -> Result<u64> {
    let mut done = 0;
    let due = hub.clock.now() - PATIENCE;
    let rows = partner_update::waiting_since_before(due, BATCH).all(hub.database.reader()).await?;
    for row in rows {
        let cx = Cx::system(Arc::clone(&hub), "partner", row.tenant_id);
        done += cx
            .write(async |txn| {
                use sea_orm::{ColumnTrait, QueryFilter};
                let held = partner_integration::held(row.tenant_id, row.partner_integration_id).first(&**txn).await?;
                let Some(beside) = held else { return Ok(0) };
                let still = partner_update::of(row.tenant_id).filter(partner_update::COLUMN.id.eq(row.id));
                let Some(still) = still.first(&**txn).await?.filter(|still| still.state == State::Waiting) else {
                    return Ok(0);
                };
                let reason = format!("no order was called {:?} for a day", still.partner_order_id);
                let mut dead = still.into_active_model();
                dead.state = Set(State::Dead);
                dead.reason = Set(Some(reason.clone()));
                dead.settled_at = Set(Some(txn.now()));
                let dead = dead.update(&**txn).await?;
                let text =
                    format!("The partner spoke of an order for a day that nobody knows: {:?}.", dead.partner_order_id);
                let (kind, severity, subject) = (Kind::UnknownOrder, Severity::Warning, beside.id.to_string());
                alert::raise(txn, NewAlert { kind, severity, subject, text }).await?;
                went_wrong(txn, &beside, &reason).await?;
                txn.emit(&PartnerEvent::UpdateSettled {
                    integration: beside.id,
                    partner: beside.partner_organization_id,
                    update: dead.id,
                    order: None,
                    said: dead.said,
                    from: State::Waiting.name().to_owned(),
                    to: State::Dead.name().to_owned(),
                })?;
                Ok(1)
            })
            .await?;
    }
    calm(&hub).await?;
    Ok(done)
}

/// Ends the alerts of partner integrations by which nothing was given up for as long as the success rate looks back.
/// An order that comes after all ends them sooner.
async fn calm(hub: &Arc<Hub>) -> Result<()> {
    use sea_orm::QueryFilter;
    let before = hub.clock.now() - WINDOW;
    for open in alerts::open_since_before(Kind::UnknownOrder, before, BATCH).all(hub.database.reader()).await? {
        let Ok(integration) = open.subject.parse::<IntegrationId>() else { continue };
        let cx = Cx::system(Arc::clone(hub), "partner", open.tenant_id);
        cx.write(async |txn| {
            let lately = partner_update::given_up(open.tenant_id, integration);
            let lately = lately.filter(partner_update::COLUMN.settled_at.gte(before));
            match lately.first(&**txn).await? {
                Some(_) => Ok(()),
                None => alert::resolve(txn, Kind::UnknownOrder, &open.subject).await,
            }
        })
        .await?;
    }
    Ok(())
}

/// Forgets updates that were settled long ago. Says how many.
pub async fn forget_old(hub: Arc<Hub>) -> Result<u64> {
    let mut gone = 0;
    let before = hub.clock.now() - KEPT;
    loop {
        let cx = Cx::system(Arc::clone(&hub), "partner", HUB);
        let some = cx
            .write(async |txn| {
                let forget = partner_update::forget(txn.get_database_backend(), before, BATCH);
                Ok(txn.execute_raw(forget).await?.rows_affected())
            })
            .await?;
        gone += some;
        if some < BATCH {
            return Ok(gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_of_what_is_over() {
        assert_eq!(Counts::default().success_rate(), None);
        let waits = Counts { received: 1, waiting: 1, pending: 3, ..Counts::default() };
        assert_eq!(waits.success_rate(), None);
        let some = Counts { received: 3, unmapped: 1, sent: 1, ..Counts::default() };
        assert_eq!(some.success_rate(), Some(75.0));
    }
}
