//! Looking at partner integrations, mappings and updates.

use std::collections::{HashMap, HashSet};

use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter, Select};

use super::{Beside, PartnerIntegration, PartnerUpdate, Sight, Stage, State, StatusMapping};
use crate::{
    context::Cx,
    domain::{
        integration::{self, Integration},
        outbound::{
            WebhookDelivery,
            list::{self as deliveries, DeliveryFilter},
        },
    },
    entity::{first::First, page, partner_integration as entity, partner_update, status_mapping},
    event::Entry,
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{IntegrationId, OrderId, PartnerOrganizationId, PartnerUpdateId, StatusMappingId},
        page::{Page, PageArgs},
    },
};

/// The most parts of a list that are read one by one.
const PARTS: usize = 40;

fn seen(cx: &Cx) -> Result<Select<entity::Entity>> {
    let select = entity::of(cx.tenant()?);
    Ok(match Sight::of(cx)?.only() {
        Some(partner) => select.filter(entity::COLUMN.partner_organization_id.eq(partner)),
        None => select,
    })
}

/// What these have in common with every integration; those that were deleted are left out.
async fn whole(cx: &Cx, rows: Vec<Beside>) -> Result<Vec<PartnerIntegration>> {
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let mut known: HashMap<IntegrationId, Integration> =
        integration::by_ids(cx, &ids).await?.into_iter().map(|row| (row.id, row)).collect();
    let both = |beside: Beside| {
        let integration = known.remove(&beside.id)?;
        Some(PartnerIntegration { integration, beside })
    };
    Ok(rows.into_iter().filter_map(both).collect())
}

/// Those of the ids that the caller sees.
pub async fn by_ids(cx: &Cx, ids: &[IntegrationId]) -> Result<Vec<PartnerIntegration>> {
    let rows = seen(cx)?.filter(entity::COLUMN.id.is_in(ids.iter().copied())).all(cx.db()).await?;
    whole(cx, rows).await
}

/// One partner integration.
pub async fn get(cx: &Cx, id: IntegrationId) -> Result<PartnerIntegration> {
    by_ids(cx, &[id]).await?.pop().ok_or(Error::NotFound("partner integration"))
}

fn filtered(cx: &Cx, partner: Option<PartnerOrganizationId>) -> Result<Select<entity::Entity>> {
    use crate::entity::integration;
    let select = seen(cx)?.filter(
        // Deleted ones stay until what they brought is gone.
        entity::COLUMN.id.in_subquery(integration::ids_of(cx.tenant()?)),
    );
    Ok(match partner {
        Some(partner) => select.filter(entity::COLUMN.partner_organization_id.eq(partner)),
        None => select,
    })
}

/// One page of partner integrations, oldest first.
pub async fn list(
    cx: &Cx,
    partner: Option<PartnerOrganizationId>,
    args: &PageArgs,
) -> Result<Page<PartnerIntegration>> {
    let (select, column) = (filtered(cx, partner)?, entity::Column::Id);
    let page = page::by_key(cx.db(), "partner integrations", select, column, |row| row.id.uuid(), args).await?;
    let (cursors, rows): (Vec<_>, Vec<_>) = page.rows.into_iter().unzip();
    let mut known: HashMap<_, _> =
        whole(cx, rows.clone()).await?.into_iter().map(|both| (both.beside.id, both)).collect();
    let rows = cursors.into_iter().zip(rows).filter_map(|(cursor, row)| Some((cursor, known.remove(&row.id)?)));
    Ok(Page { rows: rows.collect(), has_previous: page.has_previous, has_next: page.has_next })
}

/// How many there are.
pub async fn count(cx: &Cx, partner: Option<PartnerOrganizationId>) -> Result<u64> {
    Ok(filtered(cx, partner)?.count(cx.db()).await?)
}

/// The mappings in use of these partner integrations, which the caller found by what it may see.
pub async fn active_mappings(cx: &Cx, ids: &[IntegrationId]) -> Result<Vec<StatusMapping>> {
    let select = status_mapping::in_use(cx.tenant()?, ids).filter(status_mapping::COLUMN.state.eq(Stage::Active));
    Ok(select.all(cx.db()).await?)
}

/// Those of the ids that the caller sees.
pub async fn mappings_by_ids(cx: &Cx, ids: &[StatusMappingId]) -> Result<Vec<StatusMapping>> {
    let rows = status_mapping::of(cx.tenant()?).filter(status_mapping::COLUMN.id.is_in(ids.iter().copied()));
    let rows = rows.all(cx.db()).await?;
    let integrations: Vec<_> = rows.iter().map(|row| row.partner_integration_id).collect();
    let seen = by_ids(cx, &integrations).await?;
    let is_seen = |row: &StatusMapping| seen.iter().any(|both| both.beside.id == row.partner_integration_id);
    Ok(rows.into_iter().filter(is_seen).collect())
}

/// One version of a mapping.
pub async fn mapping(cx: &Cx, id: StatusMappingId) -> Result<StatusMapping> {
    mappings_by_ids(cx, &[id]).await?.pop().ok_or(Error::NotFound("status mapping"))
}

/// The version of a partner integration with that number; the one in use if none is named.
pub async fn version(cx: &Cx, id: IntegrationId, version: Option<i32>) -> Result<Option<StatusMapping>> {
    get(cx, id).await?;
    let select = status_mapping::of_integration(cx.tenant()?, id);
    let select = match version {
        Some(version) => select.filter(status_mapping::COLUMN.version.eq(version)),
        None => select.filter(status_mapping::COLUMN.state.eq(Stage::Active)),
    };
    Ok(select.first(cx.db()).await?)
}

/// The version before another one.
pub async fn before(cx: &Cx, row: &StatusMapping) -> Result<Option<StatusMapping>> {
    let select = status_mapping::of_integration(row.tenant_id, row.partner_integration_id);
    Ok(select.filter(status_mapping::COLUMN.version.lt(row.version)).first(cx.db()).await?)
}

/// One page of the versions of a partner integration, newest first.
pub async fn versions(cx: &Cx, id: IntegrationId, args: &PageArgs) -> Result<Page<StatusMapping>> {
    let select = status_mapping::of(cx.tenant()?).filter(status_mapping::COLUMN.partner_integration_id.eq(id));
    let column = status_mapping::Column::Version;
    page::by_order(cx.db(), "status mappings", select, column, true, |row| row.version, args).await
}

/// How many there are.
pub async fn count_versions(cx: &Cx, id: IntegrationId) -> Result<u64> {
    let select = status_mapping::of(cx.tenant()?).filter(status_mapping::COLUMN.partner_integration_id.eq(id));
    Ok(select.count(cx.db()).await?)
}

/// Which updates; what is left out does not matter.
#[derive(Clone, Debug, Default)]
pub struct UpdateFilter {
    /// By this partner integration.
    pub integration: Option<IntegrationId>,
    /// Of this order.
    pub order: Option<OrderId>,
    /// In one of these states.
    pub states: Option<Vec<State>>,
    /// With this word.
    pub said: Option<String>,
    /// That came at that moment or later.
    pub from: Option<Moment>,
    /// That came before that moment.
    pub to: Option<Moment>,
}

/// Whether what a filter names is there for the caller to see.
pub async fn check(cx: &Cx, filter: &UpdateFilter) -> Result<()> {
    if let Some(id) = filter.integration {
        get(cx, id).await?;
    }
    if let Some(id) = filter.order {
        crate::domain::order::list::get(cx, id).await?;
    }
    Ok(())
}

fn updates_seen(cx: &Cx, filter: &UpdateFilter) -> Result<Select<partner_update::Entity>> {
    let tenant = cx.tenant()?;
    let mut select = partner_update::of(tenant);
    if let Some(partner) = Sight::of(cx)?.only() {
        select =
            select.filter(partner_update::COLUMN.partner_integration_id.in_subquery(entity::ids_of(tenant, partner)));
    }
    if let Some(id) = filter.integration {
        select = select.filter(partner_update::COLUMN.partner_integration_id.eq(id));
    }
    if let Some(id) = filter.order {
        select = select.filter(partner_update::COLUMN.order_id.eq(id));
    }
    match filter.states.as_deref() {
        Some([state]) => select = select.filter(partner_update::COLUMN.state.eq(*state)),
        Some(states) => select = select.filter(partner_update::COLUMN.state.is_in(states.iter().copied())),
        None => {}
    }
    if let Some(said) = &filter.said {
        select = select.filter(partner_update::COLUMN.said.eq(said.trim()));
    }
    // Ids sort by the time at which they came, and have the index.
    if let Some(from) = filter.from {
        select = select.filter(partner_update::COLUMN.id.gte(PartnerUpdateId::first_of(from)));
    }
    if let Some(to) = filter.to {
        select = select.filter(partner_update::COLUMN.id.lt(PartnerUpdateId::first_of(to)));
    }
    Ok(select)
}

/// The same, apart for each of a partner's integrations and each state that is asked for, as each stands in an index.
async fn updates_apart(cx: &Cx, filter: &UpdateFilter) -> Result<Vec<Select<partner_update::Entity>>> {
    let integrations: Vec<_> = match (filter.integration, Sight::of(cx)?.only()) {
        (None, Some(_)) => seen(cx)?.all(cx.db()).await?.into_iter().map(|row| Some(row.id)).collect(),
        (one, _) => vec![one],
    };
    let states: Vec<_> = match &filter.states {
        Some(states) => states.iter().copied().collect::<HashSet<_>>().into_iter().map(Some).collect(),
        None => vec![None],
    };
    if integrations.len() * states.len() > PARTS {
        return Ok(vec![updates_seen(cx, filter)?]);
    }
    let mut parts = Vec::new();
    for integration in integrations {
        for state in &states {
            let states = state.map(|state| vec![state]);
            parts.push(updates_seen(cx, &UpdateFilter { integration, states, ..filter.clone() })?);
        }
    }
    Ok(parts)
}

/// One page of what partners said, newest first.
pub async fn updates(cx: &Cx, filter: &UpdateFilter, args: &PageArgs) -> Result<Page<PartnerUpdate>> {
    let (parts, column) = (updates_apart(cx, filter).await?, partner_update::Column::Id);
    page::of_parts(cx.db(), "partner updates", parts, column, true, |row| row.id.uuid(), args).await
}

/// How many there are.
pub async fn count_updates(cx: &Cx, filter: &UpdateFilter) -> Result<u64> {
    Ok(updates_seen(cx, filter)?.count(cx.db()).await?)
}

/// Those of the ids that the caller sees.
pub async fn updates_by_ids(cx: &Cx, ids: &[PartnerUpdateId]) -> Result<Vec<PartnerUpdate>> {
    let select = updates_seen(cx, &UpdateFilter::default())?;
    Ok(select.filter(partner_update::COLUMN.id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// What went, or goes, to the destination of a partner integration; newest first.
pub async fn sent(cx: &Cx, id: IntegrationId, args: &PageArgs) -> Result<Page<WebhookDelivery>> {
    match get(cx, id).await?.beside.destination_id {
        Some(destination) => {
            let filter = DeliveryFilter { destination: Some(destination), ..DeliveryFilter::default() };
            deliveries::deliveries(cx, &filter, args).await
        }
        None => Ok(Page { rows: Vec::new(), has_previous: false, has_next: false }),
    }
}

/// How many there are.
pub async fn count_sent(cx: &Cx, id: IntegrationId) -> Result<u64> {
    match get(cx, id).await?.beside.destination_id {
        Some(destination) => {
            let filter = DeliveryFilter { destination: Some(destination), ..DeliveryFilter::default() };
            deliveries::count(cx, &filter).await
        }
        None => Ok(0),
    }
}

/// Whether what was told in an event is for the caller.
pub fn is_told(cx: &Cx, entry: &Entry) -> bool {
    let partner = entry.data["partner"].as_str().and_then(|partner| partner.parse().ok());
    Sight::of(cx).is_ok_and(|sight| sight.takes(partner))
}
