//! Reading health: of many integrations at once, in as many statements as there are questions.

use std::collections::HashMap;

use chrono::TimeDelta;
use sea_orm::{ColumnTrait, FromQueryResult, QueryFilter, QuerySelect};

use super::{Health, HealthChange, HealthCheck, Verdict};
use crate::{
    context::Cx,
    entity::{health as entity, health_change, health_check},
    kernel::{
        clock::Moment,
        cursor::Cursor,
        error::Result,
        id::{HealthCheckId, IntegrationId},
        page::{Page, PageArgs},
    },
};

/// The name under which cursors of the history are made.
pub const HISTORY: &str = "health checks";

/// Parts of one statement; `SQLite` takes no more than 500.
const PARTS: usize = 250;

/// The longest span of which uptime is computed.
pub const MONTH: TimeDelta = TimeDelta::days(30);

/// What is known of these integrations of the tenant.
pub async fn of_integrations(cx: &Cx, ids: &[IntegrationId]) -> Result<Vec<Health>> {
    let select = entity::of(cx.tenant()?).filter(entity::COLUMN.integration_id.is_in(ids.iter().copied()));
    Ok(select.all(cx.db()).await?)
}

/// How many enabled integrations there are, by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// All that are enabled.
    pub total: i64,
    /// Those that work.
    pub healthy: i64,
    /// Those that work, but not as they should.
    pub degraded: i64,
    /// Those that do not.
    pub down: i64,
    /// Those of which nothing is known.
    pub unknown: i64,
}

/// How the tenant's integrations are.
pub async fn overview(cx: &Cx) -> Result<Overview> {
    let asked = entity::counts(cx.hub().database.backend(), cx.tenant()?);
    let mut overview = Overview::default();
    for count in entity::Count::find_by_statement(asked).all(cx.db()).await? {
        overview.total += count.integrations;
        match count.verdict {
            Some(Verdict::Healthy) => overview.healthy += count.integrations,
            Some(Verdict::Degraded) => overview.degraded += count.integrations,
            Some(Verdict::Down) => overview.down += count.integrations,
            Some(Verdict::Unknown) | None => overview.unknown += count.integrations,
        }
    }
    Ok(overview)
}

/// A page of the checks of one integration, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HistoryPage {
    /// Which integration.
    pub integration: IntegrationId,
    /// Those after this cursor, which are older.
    pub after: Option<String>,
    /// How many at most.
    pub size: u32,
}

impl HistoryPage {
    /// The page that somebody asks for.
    #[must_use]
    pub fn new(integration: IntegrationId, args: &PageArgs) -> Self {
        Self { integration, after: args.after.as_ref().map(|cursor| cursor.0.clone()), size: args.size }
    }

    fn part(&self) -> Result<health_check::Part> {
        let before = self.after.clone().map(|after| Cursor(after).decode(HISTORY, "after")).transpose()?;
        let most = u64::from(self.size) + 1;
        Ok(health_check::Part {
            integration: self.integration,
            before: before.map(HealthCheckId::new),
            since: None,
            bad: false,
            most,
        })
    }
}

/// Pages of the checks of several integrations.
pub async fn history(cx: &Cx, pages: &[HistoryPage]) -> Result<HashMap<HistoryPage, Page<HealthCheck>>> {
    let mut found = HashMap::new();
    // Two pages of one integration in one statement could not be told apart.
    let mut left: Vec<&HistoryPage> = pages.iter().collect();
    while !left.is_empty() {
        let mut round: HashMap<IntegrationId, &HistoryPage> = HashMap::new();
        left.retain(|page| {
            let taken = round.contains_key(&page.integration);
            round.entry(page.integration).or_insert(page);
            taken
        });
        let parts = round.values().map(|page| page.part()).collect::<Result<Vec<_>>>()?;
        let mut rows = by_integration(cx, &parts).await?;
        for (id, page) in round {
            let mut checks = rows.remove(&id).unwrap_or_default();
            let size = page.size as usize;
            let has_next = checks.len() > size;
            checks.truncate(size);
            let rows = checks.into_iter().map(|row| Ok((Cursor::encode(HISTORY, &row.id.uuid())?, row)));
            let rows = rows.collect::<Result<_>>()?;
            found.insert(page.clone(), Page { rows, has_previous: page.after.is_some(), has_next });
        }
    }
    Ok(found)
}

/// Parts of the checks of several integrations, each newest first.
pub(super) async fn by_integration(
    cx: &Cx,
    parts: &[health_check::Part],
) -> Result<HashMap<IntegrationId, Vec<HealthCheck>>> {
    let mut found: HashMap<_, Vec<HealthCheck>> = HashMap::new();
    for parts in parts.chunks(PARTS) {
        let asked = health_check::parts(cx.hub().database.backend(), cx.tenant()?, parts);
        for row in HealthCheck::find_by_statement(asked).all(cx.db()).await? {
            found.entry(row.integration_id).or_default().push(row);
        }
    }
    for rows in found.values_mut() {
        rows.sort_by_key(|row| std::cmp::Reverse(row.id));
    }
    Ok(found)
}

/// How many checks of these integrations are kept.
pub async fn count(cx: &Cx, ids: &[IntegrationId]) -> Result<HashMap<IntegrationId, i64>> {
    let columns = health_check::COLUMN;
    let select = health_check::of(cx.tenant()?).filter(columns.integration_id.is_in(ids.iter().copied()));
    let select = select.select_only().column(health_check::Column::IntegrationId);
    let counted = select.column_as(columns.id.count(), "checks").group_by(health_check::Column::IntegrationId);
    let rows: Vec<(IntegrationId, i64)> = counted.into_tuple().all(cx.db()).await?;
    Ok(rows.into_iter().collect())
}

/// The changes of these integrations that uptime is computed from.
pub async fn changes(cx: &Cx, ids: &[IntegrationId]) -> Result<HashMap<IntegrationId, Vec<HealthChange>>> {
    let rows = health_change::since(cx.tenant()?, ids.iter().copied(), cx.now() - MONTH).all(cx.db()).await?;
    let mut found: HashMap<_, Vec<HealthChange>> = HashMap::new();
    for row in rows {
        found.entry(row.integration_id).or_default().push(row);
    }
    Ok(found)
}

/// The share of the last while in which an integration was up, degraded included, in percent. Time of which nothing
/// is known does not count; nothing if that is all of it.
#[must_use]
pub fn uptime(now: Verdict, changes: &[HealthChange], until: Moment, span: TimeDelta) -> Option<f64> {
    let begin = until - span;
    let later = || changes.iter().filter(|change| change.at > begin);
    let mut verdict = later().next().map_or(now, |change| change.before);
    let (mut at, mut up, mut known) = (begin, TimeDelta::zero(), TimeDelta::zero());
    let ends = later().map(|change| (change.at.min(until), change.after)).chain([(until, now)]);
    for (end, next) in ends {
        let lasted = end - at;
        if verdict != Verdict::Unknown {
            known += lasted;
        }
        if matches!(verdict, Verdict::Healthy | Verdict::Degraded) {
            up += lasted;
        }
        (at, verdict) = (end, next);
    }
    let seconds = |span: TimeDelta| span.as_seconds_f64();
    (known > TimeDelta::zero()).then(|| seconds(up) * 100.0 / seconds(known))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::kernel::id::{HealthChangeId, TenantId};

    fn at(hour: i64) -> Moment {
        DateTime::from_timestamp(1_800_000_000 + hour * 3_600, 0).unwrap()
    }

    fn changes(changes: &[(i64, Verdict, Verdict)]) -> Vec<HealthChange> {
        let of = |(hour, before, after): &(i64, Verdict, Verdict)| HealthChange {
            id: HealthChangeId::new(Uuid::nil()),
            tenant_id: TenantId::new(Uuid::nil()),
            integration_id: IntegrationId::new(Uuid::nil()),
            at: at(*hour),
            before: *before,
            after: *after,
            axis: None,
            reason: None,
            class: None,
            latency: None,
            source: None,
            trace: None,
        };
        changes.iter().map(of).collect()
    }

    fn day(now: Verdict, of: &[(i64, Verdict, Verdict)]) -> Option<f64> {
        uptime(now, &changes(of), at(24), TimeDelta::days(1))
    }

    #[test]
    fn uptime_is_the_share_of_the_time_of_which_something_is_known() {
        use Verdict::{Degraded, Down, Healthy, Unknown};
        assert_eq!(day(Healthy, &[]), Some(100.0));
        assert_eq!(day(Down, &[]), Some(0.0));
        assert_eq!(day(Unknown, &[]), None);
        // Before the span it was another; the change of that time is not there to be read.
        assert_eq!(day(Healthy, &[(-5, Unknown, Down), (6, Down, Healthy)]), Some(75.0));
        assert_eq!(day(Degraded, &[(12, Down, Degraded)]), Some(50.0));
        assert_eq!(day(Healthy, &[(12, Unknown, Down), (18, Down, Healthy)]), Some(50.0));
        assert_eq!(day(Unknown, &[(6, Healthy, Down), (12, Down, Unknown)]), Some(50.0));
    }
}
