//! The number of each tenant's last order.

use sea_orm::{DbBackend, Statement, entity::prelude::*};

use crate::kernel::id::TenantId;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "order_heads")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: TenantId,
    pub number: i64,
}

impl ActiveModelBehavior for ActiveModel {}

/// Takes the next number. Who comes next waits until the commit; so none is left out and none given twice.
pub fn next(backend: DbBackend, tenant: TenantId) -> Statement {
    let sql = "INSERT INTO order_heads (tenant_id, number) VALUES ($1, 1) \
               ON CONFLICT (tenant_id) DO UPDATE SET number = order_heads.number + 1 RETURNING number";
    Statement::from_sql_and_values(backend, sql, [tenant.into()])
}
