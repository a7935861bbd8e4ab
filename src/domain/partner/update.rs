//! What a partner says of an order, and what comes of it. The API, webhooks and syncs all come here.

use std::collections::BTreeSet;

use chrono::{SecondsFormat, TimeDelta};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, sea_query::Expr};
use sha2::{Digest, Sha256};

use super::{
    Beside, PartnerUpdate, Stage, State, StatusMapping, Via, held,
    mapping::{
        rules::{self, Meaning, Rules},
        simulate::outcome,
    },
};
use crate::{
    context::{Cx, Txn},
    domain::{
        alert::{self, Kind, NewAlert, Severity},
        order::{
            Order,
            change::{self, Cause},
            machine::{self, Machine},
            reference::{self, References, SYNC_LAST_UPDATED},
        },
    },
    entity::{
        first::First,
        integration,
        partner_integration::{self, Column as BesideColumn},
        partner_organization, partner_update as entity,
        rewrite::rewrite,
        status_mapping,
    },
    event::partner::PartnerEvent,
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::IntegrationId,
        input::{self, Check},
    },
    provider::webhook::hmac::hex,
};

/// How far the clock of a partner may be ahead.
const SKEW: TimeDelta = TimeDelta::minutes(5);

/// The longest id that a partner gives an order.
const LONGEST_ID: usize = 200;

/// Most that is kept of a word that was refused.
const KEPT: usize = 200;

/// Something that a partner said.
#[derive(Clone, Debug)]
pub struct Heard {
    /// By which partner integration.
    pub integration: IntegrationId,
    /// The partner's id of the order.
    pub partner_order_id: String,
    /// The partner's word.
    pub status: String,
    /// When it came to be so, by the partner's clock; now, if nothing is said.
    pub at: Option<Moment>,
    /// Why, for people.
    pub note: Option<String>,
    /// The partner's id of what it says, if it has one.
    pub event: Option<String>,
    /// How it came.
    pub via: Via,
}

/// What it says, held against what may be said.
struct Said {
    partner_order_id: String,
    status: String,
    happened_at: Moment,
    note: Option<String>,
    dedupe_key: String,
}

/// An id that a partner gives an order.
pub(super) fn order_id(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("the partner's id of the order must not be empty".to_owned()),
        1..=LONGEST_ID if text.chars().any(char::is_control) => {
            Err("an id must not contain control characters".to_owned())
        }
        1..=LONGEST_ID => Ok(text.to_owned()),
        count => Err(format!("an id has at most {LONGEST_ID} characters; this one has {count}")),
    }
}

/// A moment that a partner may name.
pub(super) fn moment(now: Moment, at: Moment) -> Result<Moment, String> {
    if at > now + SKEW {
        let latest = (now + SKEW).to_rfc3339_opts(SecondsFormat::Secs, true);
        return Err(format!("it is in the future; it may be {latest} at the latest"));
    }
    // To the microsecond, as both databases keep it.
    Ok(Moment::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at))
}

fn checked(now: Moment, heard: &Heard) -> Result<Said> {
    let mut check = Check::new();
    let partner_order_id = check.take("partnerOrderId", order_id(&heard.partner_order_id));
    let status = check.take("status", rules::word(&heard.status));
    let at = check.take_some("at", heard.at, |at| moment(now, at));
    let note = check.take_some("note", heard.note.as_deref(), input::note);
    check.done()?;
    let happened_at = at.unwrap_or(now);
    // The same word for the same moment of the same order is the same, whichever way it comes.
    let key = match (&heard.event, at) {
        (Some(event), None) => format!("event\n{event}\n{partner_order_id}\n{status}"),
        _ => format!("said\n{partner_order_id}\n{status}\n{}", happened_at.timestamp_micros()),
    };
    let dedupe_key = hex(&Sha256::digest(key)[..16]);
    Ok(Said { partner_order_id, status, happened_at, note, dedupe_key })
}

/// Takes what a partner says. The same once more is the same update.
pub async fn process(cx: &Cx, heard: &Heard) -> Result<PartnerUpdate> {
    cx.write(async |txn| {
        let beside = held(txn, heard.integration).await?;
        usable(txn, &beside).await?;
        hear(txn, &beside, heard).await
    })
    .await
}

/// Refuses what comes by an integration that is switched off, or from an organisation that is.
pub(super) async fn usable(txn: &Txn, beside: &Beside) -> Result<()> {
    let tenant = beside.tenant_id;
    let own = integration::of(tenant).filter(integration::COLUMN.id.eq(beside.id)).first(&**txn).await?;
    let own = own.ok_or(Error::NotFound("partner integration"))?;
    if !own.enabled {
        let reason = format!("{} is not active (isActive); nothing is exchanged by it", own.name);
        return Err(Error::conflict("partnerIntegrationId", reason));
    }
    let organization = partner_organization::of(tenant)
        .filter(partner_organization::COLUMN.id.eq(beside.partner_organization_id))
        .first(&**txn)
        .await?;
    match organization {
        Some(found) if found.active => Ok(()),
        _ => Err(Error::conflict("partnerIntegrationId", "the partner organization is not active")),
    }
}

/// Takes what a partner says, within a transaction that holds what its integration has beside.
pub(super) async fn hear(txn: &Txn, beside: &Beside, heard: &Heard) -> Result<PartnerUpdate> {
    let now = txn.now();
    let said = checked(now, heard)?;
    if let Some(known) = entity::same(beside.tenant_id, beside.id, &said.dedupe_key).first(&**txn).await? {
        entity::repeated(beside.tenant_id, known.id).exec(&**txn).await?;
        heard_of(txn, beside).await?;
        return Ok(PartnerUpdate { repeats: known.repeats + 1, ..known });
    }
    let order = reference::held(txn, beside.id, &said.partner_order_id).await?;
    let row = PartnerUpdate {
        id: txn.id(),
        tenant_id: beside.tenant_id,
        partner_integration_id: beside.id,
        order_id: order.as_ref().map(|order| order.id),
        partner_order_id: said.partner_order_id,
        said: said.status,
        note: said.note,
        happened_at: said.happened_at,
        received_at: now,
        via: heard.via,
        dedupe_key: said.dedupe_key,
        repeats: 0,
        state: State::Waiting,
        reason: None,
        meant: None,
        from_status: None,
        mapping_version: None,
        settled_at: None,
    };
    entity::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**txn).await?;
    heard_of(txn, beside).await?;
    let row = if let Some(order) = order {
        let desk = Desk::open(txn, beside).await?;
        desk.shadow(txn, &row, &order).await?;
        let (row, order) = desk.settle(txn, row, order).await?;
        desk.look_again(txn, order, row.state).await?;
        row
    } else {
        let reason = "no order is called so; it waits for one for a day".to_owned();
        write(txn, PartnerUpdate { reason: Some(reason), ..row }).await?
    };
    txn.emit(&PartnerEvent::UpdateReceived {
        integration: beside.id,
        partner: beside.partner_organization_id,
        update: row.id,
        order: row.order_id,
        said: row.said.clone(),
        state: row.state.name().to_owned(),
    })?;
    Ok(row)
}

/// Keeps what came by a webhook or a sync and cannot be taken, with the reason; once.
pub(super) async fn keep_refused(txn: &Txn, beside: &Beside, heard: &Heard, reason: &str) -> Result<()> {
    let now = txn.now();
    let cut = |text: &str| text.chars().filter(|letter| !letter.is_control()).take(KEPT).collect::<String>();
    let digest = Sha256::digest(format!("refused\n{}\n{}\n{:?}", heard.partner_order_id, heard.status, heard.at));
    let row = PartnerUpdate {
        id: txn.id(),
        tenant_id: beside.tenant_id,
        partner_integration_id: beside.id,
        order_id: None,
        partner_order_id: cut(&heard.partner_order_id),
        said: cut(&heard.status),
        note: None,
        happened_at: heard.at.unwrap_or(now).min(now),
        received_at: now,
        via: heard.via,
        dedupe_key: hex(&digest[..16]),
        repeats: 0,
        state: State::Dead,
        reason: Some(reason.to_owned()),
        meant: None,
        from_status: None,
        mapping_version: None,
        settled_at: Some(now),
    };
    let insert = entity::Entity::insert(row.into_active_model()).on_conflict(entity::written_meanwhile());
    insert.exec_without_returning(&**txn).await?;
    went_wrong(txn, beside, reason).await
}

/// Notes that something came.
async fn heard_of(txn: &Txn, beside: &Beside) -> Result<()> {
    let update = partner_integration::update_of(beside.tenant_id, beside.id);
    update.col_expr(BesideColumn::LastHeardAt, Expr::value(txn.now())).exec(&**txn).await?;
    Ok(())
}

/// Notes what went wrong.
pub(super) async fn went_wrong(txn: &Txn, beside: &Beside, reason: &str) -> Result<()> {
    let update = partner_integration::update_of(beside.tenant_id, beside.id)
        .col_expr(BesideColumn::LastErrorAt, Expr::value(txn.now()))
        .col_expr(BesideColumn::LastErrorMessage, Expr::value(reason));
    update.exec(&**txn).await?;
    Ok(())
}

async fn write(txn: &Txn, row: PartnerUpdate) -> Result<PartnerUpdate> {
    rewrite(row.clone()).update(&**txn).await?;
    Ok(row)
}

/// What it takes to see to updates of one partner integration.
pub(super) struct Desk<'a> {
    beside: &'a Beside,
    machine: Machine,
    active: Option<(i32, Rules)>,
    shadow: Option<(StatusMapping, Rules)>,
}

impl<'a> Desk<'a> {
    pub(super) async fn open(txn: &Txn, beside: &'a Beside) -> Result<Self> {
        let (mut active, mut shadow) = (None, None);
        for row in status_mapping::in_use(beside.tenant_id, &[beside.id]).all(&**txn).await? {
            let rules = row.rules()?;
            match row.state {
                Stage::Active => active = Some((row.version, rules)),
                _ => shadow = Some((row, rules)),
            }
        }
        Ok(Self { beside, machine: machine::of(&**txn, beside.tenant_id).await?, active, shadow })
    }

    /// Counts where the version that runs beside would make something else of an update.
    async fn shadow(&self, txn: &Txn, row: &PartnerUpdate, order: &Order) -> Result<()> {
        let Some((shadow, rules)) = &self.shadow else { return Ok(()) };
        let of = |rules: &Rules| outcome(rules, &self.machine, Some(&order.status), &row.said);
        let own = self.active.as_ref().map(|(_, rules)| of(rules));
        let differs = own.is_none_or(|own| own != of(rules));
        status_mapping::shadowed(shadow.tenant_id, shadow.id, differs).exec(&**txn).await?;
        Ok(())
    }

    /// Sees to an update of an order that is held.
    pub(super) async fn settle(&self, txn: &Txn, row: PartnerUpdate, order: Order) -> Result<(PartnerUpdate, Order)> {
        let meaning = self.active.as_ref().map_or(Meaning::Unknown, |(_, rules)| rules.meaning(&row.said));
        let meant = match &meaning {
            Meaning::Status(to) => Some((*to).to_owned()),
            _ => None,
        };
        let unknown = meaning == Meaning::Unknown;
        let row = PartnerUpdate {
            order_id: Some(order.id),
            meant: meant.clone(),
            from_status: Some(order.status.clone()),
            mapping_version: self.active.as_ref().map(|(version, _)| *version),
            ..row
        };
        let ended = |row: PartnerUpdate, state: State, reason: Option<String>| {
            // What may still come to something is not settled.
            let open = matches!(state, State::Unmapped | State::Forbidden);
            PartnerUpdate { state, reason, settled_at: (!open).then(|| txn.now()), ..row }
        };
        let Some(to) = meant else {
            if !unknown {
                return Ok((write(txn, ended(row, State::Ignored, None)).await?, order));
            }
            let reason = format!("{:?} has no meaning in the mapping", row.said);
            self.alert_unmapped(txn, &row.said).await?;
            return Ok((write(txn, ended(row, State::Unmapped, Some(reason))).await?, order));
        };
        if !change::place(&order, row.happened_at, &row.said) {
            let reason = "something for a later moment counts already".to_owned();
            return Ok((write(txn, ended(row, State::Late, Some(reason))).await?, order));
        }
        if order.status == to {
            let order = change::confirm(txn, order, row.happened_at, &row.said).await?;
            return Ok((write(txn, ended(row, State::Unchanged, None)).await?, order));
        }
        if !self.machine.allows(&order.status, &to) {
            let reason = change::forbidden(&self.machine, &order, &to);
            let text = format!("The partner says {:?}, but {reason}.", row.said);
            self.alert(txn, Kind::ForbiddenStatus, order.id.to_string(), text).await?;
            went_wrong(txn, self.beside, &reason).await?;
            return Ok((write(txn, ended(row, State::Forbidden, Some(reason))).await?, order));
        }
        let cause = Cause {
            reason: row.note.clone(),
            said: Some((self.beside.id, row.said.clone())),
            happened_at: row.happened_at,
        };
        let order = change::into_status(txn, order, &to, cause).await?;
        let at = row.happened_at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let stamp = References::from([(SYNC_LAST_UPDATED.to_owned(), at)]);
        reference::put(txn, &order, self.beside.id, &stamp).await?;
        Ok((write(txn, ended(row, State::Applied, None)).await?, order))
    }

    /// Looks again at what was forbidden for an order, now that it is another; and whether anything still is.
    pub(super) async fn look_again(&self, txn: &Txn, mut order: Order, settled: State) -> Result<Order> {
        if !matches!(settled, State::Applied | State::Unchanged) {
            return Ok(order);
        }
        loop {
            let kept = entity::kept_of(order.tenant_id, order.id).all(&**txn).await?;
            if kept.is_empty() {
                alert::resolve(txn, Kind::ForbiddenStatus, &order.id.to_string()).await?;
                return Ok(order);
            }
            // What is settled may settle what comes before it by the partner's clock, and may have been the last.
            let mut settled = false;
            for row in kept {
                let (after, next) = self.settle(txn, row.clone(), order).await?;
                order = next;
                if after.state != State::Forbidden {
                    self.tell_settled(txn, &row, &after)?;
                    settled = true;
                }
            }
            if !settled {
                return Ok(order);
            }
        }
    }

    pub(super) fn tell_settled(&self, txn: &Txn, before: &PartnerUpdate, after: &PartnerUpdate) -> Result<()> {
        txn.emit(&PartnerEvent::UpdateSettled {
            integration: self.beside.id,
            partner: self.beside.partner_organization_id,
            update: after.id,
            order: after.order_id,
            said: after.said.clone(),
            from: before.state.name().to_owned(),
            to: after.state.name().to_owned(),
        })
    }

    async fn alert_unmapped(&self, txn: &Txn, said: &str) -> Result<()> {
        let text = format!("The partner says {said:?}, which has no meaning yet: draft a mapping that has it.");
        self.alert(txn, Kind::UnmappedStatus, self.beside.id.to_string(), text).await?;
        went_wrong(txn, self.beside, &format!("{said:?} has no meaning in the mapping")).await
    }

    async fn alert(&self, txn: &Txn, kind: Kind, subject: String, text: String) -> Result<()> {
        alert::raise(txn, NewAlert { kind, severity: Severity::Warning, subject, text }).await
    }
}

/// Sees to everything that waited for an order, or was given up since there was none, now that there is one; its
/// integration and the order are held.
pub(super) async fn arrived(txn: &Txn, beside: &Beside, order: Order, partner_order: &str) -> Result<Order> {
    let mut left = entity::waiting_for(beside.tenant_id, beside.id, partner_order).all(&**txn).await?;
    left.extend(entity::given_up_for(beside.tenant_id, beside.id, partner_order).all(&**txn).await?);
    // In the order of the partner's clock.
    left.sort_by(|one, other| (one.happened_at, &one.said).cmp(&(other.happened_at, &other.said)));
    if left.is_empty() {
        return Ok(order);
    }
    let (desk, mut order, mut known) = (Desk::open(txn, beside).await?, order, false);
    for row in left {
        let (after, next) = desk.settle(txn, row.clone(), order).await?;
        desk.tell_settled(txn, &row, &after)?;
        order = desk.look_again(txn, next, after.state).await?;
        known |= row.state == State::Dead;
    }
    if known && entity::given_up(beside.tenant_id, beside.id).first(&**txn).await?.is_none() {
        alert::resolve(txn, Kind::UnknownOrder, &beside.id.to_string()).await?;
    }
    Ok(order)
}

/// Updates that are looked at again in one commit.
const BATCH: usize = 200;

/// Looks again at updates that had no meaning, as far as they have one now. Says how many came to something.
pub async fn reapply(cx: &Cx, integration: IntegrationId) -> Result<u64> {
    let (mut done, mut passed) = (0, BTreeSet::new());
    loop {
        let more = cx
            .write(async |txn| {
                let beside = held(txn, integration).await?;
                let rows = entity::unmapped(beside.tenant_id, integration, 10_000).all(&**txn).await?;
                let rows: Vec<_> = rows.into_iter().filter(|row| !passed.contains(&row.id)).take(BATCH).collect();
                let (desk, mut settled, mut seen) = (Desk::open(txn, &beside).await?, 0, Vec::new());
                let more = rows.len() == BATCH;
                for row in rows {
                    seen.push(row.id);
                    let Some(order) = reference::held(txn, integration, &row.partner_order_id).await? else { continue };
                    let (after, order) = desk.settle(txn, row.clone(), order).await?;
                    if after.state != State::Unmapped {
                        desk.tell_settled(txn, &row, &after)?;
                        desk.look_again(txn, order, after.state).await?;
                        settled += 1;
                    }
                }
                Ok((settled, seen, more))
            })
            .await?;
        let (settled, seen, more) = more;
        done += settled;
        passed.extend(seen);
        if !more {
            return Ok(done);
        }
    }
}
