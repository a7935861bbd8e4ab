//! Each time an integration's health was looked at. Append-only; ids sort by time.

use sea_orm::{DeleteMany, QueryOrder, QuerySelect, Statement, Value, entity::prelude::*};

use crate::kernel::id::{HealthCheckId, IntegrationId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "health_checks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: HealthCheckId,
    pub tenant_id: TenantId,
    pub integration_id: IntegrationId,
    pub at: DateTimeUtc,
    pub source: Source,
    /// Whether everything was as it should be.
    pub good: bool,
    pub class: Option<String>,
    pub message: Option<String>,
    /// In microseconds.
    pub latency: Option<i64>,
    /// The id of the trace in which the call was.
    pub trace: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How it came that something was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Source {
    #[sea_orm(string_value = "PROBE")]
    Probe,
    #[sea_orm(string_value = "MANUAL")]
    Manual,
    #[sea_orm(string_value = "CALL")]
    Call,
    #[sea_orm(string_value = "SYNC")]
    Sync,
    #[sea_orm(string_value = "WEBHOOK")]
    Webhook,
}

/// The checks of the tenant's integrations.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// One page of the checks of one integration, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    pub integration: IntegrationId,
    /// Those before this one.
    pub before: Option<HealthCheckId>,
    /// Those since that moment, as the lowest id of it.
    pub since: Option<HealthCheckId>,
    /// Only those that were not good.
    pub bad: bool,
    pub most: u64,
}

/// Pages of several integrations in one statement.
pub fn parts(backend: sea_orm::DbBackend, tenant: TenantId, parts: &[Part]) -> Statement {
    let mut values: Vec<Value> = vec![tenant.into()];
    let mut each = Vec::with_capacity(parts.len());
    for part in parts {
        let mut conditions = "tenant_id = $1".to_owned();
        let mut given = |condition: &str, value: Value| {
            values.push(value);
            conditions.extend([" AND ", condition, " $", &values.len().to_string()]);
        };
        given("integration_id =", part.integration.into());
        if let Some(before) = part.before {
            given("id <", before.into());
        }
        if let Some(since) = part.since {
            given("id >=", since.into());
        }
        if part.bad {
            conditions.push_str(" AND NOT good");
        }
        each.push(format!(
            "SELECT * FROM (SELECT * FROM health_checks WHERE {conditions} ORDER BY id DESC LIMIT {}) AS part",
            part.most
        ));
    }
    Statement::from_sql_and_values(backend, each.join(" UNION ALL "), values)
}

/// The oldest of the whole hub before an id; for retention.
pub fn oldest(before: HealthCheckId, most: u64) -> Select<Entity> {
    Entity::find().filter(COLUMN.id.lt(before)).order_by_asc(Column::Id).limit(most)
}

/// Takes away those of the whole hub up to an id; for retention.
pub fn up_to(last: HealthCheckId) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.id.lte(last))
}
