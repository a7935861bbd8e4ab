//! Rows found by pairs of values: one statement for many, by an index that begins with both columns.

use sea_orm::{
    Condition, Value,
    sea_query::{Asterisk, Expr, ExprTrait, IntoColumnRef, Query, ValueTuple},
};

/// The name of the list of pairs within the statement.
const PAIRS: &str = "pairs";

/// Rows with one of these pairs in two columns. `a IN … AND b IN …` would find more, and look for every a with every b.
pub(super) fn among<C: IntoColumnRef>(columns: [C; 2], pairs: impl IntoIterator<Item = (Value, Value)>) -> Condition {
    let pairs: Vec<_> = pairs.into_iter().map(|(one, other)| ValueTuple::Two(one, other)).collect();
    if pairs.is_empty() {
        return Condition::any().add(Expr::value(false));
    }
    let list = Query::select().column(Asterisk).from_values(pairs, PAIRS).take();
    Condition::all().add(Expr::tuple(columns.map(Expr::col)).in_subquery(list))
}
