//! Lists as Relay connections, all by the same code.
//!
//! A resolver hands over a page of the domain, how a row becomes a node, and how to count the whole
//! list; the count runs only when `totalCount` is selected.

use std::borrow::Cow;

use async_graphql::{Context, Object, OutputType, SimpleObject, TypeName};
use futures_util::future::BoxFuture;

use super::{context::Ask, error::Result};
use crate::{
    context::Cx,
    kernel::{self, page::Page},
};

/// Counts a whole list, later, if asked.
pub type Counter = Box<dyn Fn(Cx) -> BoxFuture<'static, kernel::Result<u64>> + Send + Sync>;

/// A page of nodes.
pub struct Connection<T> {
    edges: Vec<Edge<T>>,
    info: PageInfo,
    counter: Counter,
}

/// A node and its place.
pub struct Edge<T> {
    cursor: String,
    node: T,
}

/// Where a page lies in its list.
#[derive(Clone, Debug, SimpleObject)]
pub struct PageInfo {
    /// Whether there are items before the first one of this page.
    has_previous_page: bool,
    /// Whether there are items after the last one of this page.
    has_next_page: bool,
    /// The cursor of the first item; pass it as `before` to turn back.
    start_cursor: Option<String>,
    /// The cursor of the last item; pass it as `after` to go on.
    end_cursor: Option<String>,
}

impl<T> Connection<T> {
    /// Makes a connection of a page.
    pub fn new<R>(page: Page<R>, node: impl Fn(R) -> T, counter: Counter) -> Self {
        let edges: Vec<_> =
            page.rows.into_iter().map(|(cursor, row)| Edge { cursor: cursor.0, node: node(row) }).collect();
        let info = PageInfo {
            has_previous_page: page.has_previous,
            has_next_page: page.has_next,
            start_cursor: edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: edges.last().map(|edge| edge.cursor.clone()),
        };
        Self { edges, info, counter }
    }
}

impl<T: OutputType> TypeName for Connection<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", T::type_name()).into()
    }
}

impl<T: OutputType> TypeName for Edge<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", T::type_name()).into()
    }
}

/// One page of a list. Turn pages with `first` and `after`, or backwards with `last` and `before`.
#[Object(name_type)]
impl<T: OutputType> Connection<T> {
    /// The items of this page, each with its cursor.
    async fn edges(&self) -> &[Edge<T>] {
        &self.edges
    }

    /// The items of this page, for clients that need no cursors.
    async fn nodes(&self) -> Vec<&T> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    /// Where this page lies in the list.
    async fn page_info(&self) -> &PageInfo {
        &self.info
    }

    /// How many items the whole list has. Counted only when selected.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = (self.counter)(ctx.cx().clone()).await?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// An item of a list and its place in it.
#[Object(name_type)]
impl<T: OutputType> Edge<T> {
    /// The place of this item, for `after` and `before`.
    async fn cursor(&self) -> &str {
        &self.cursor
    }

    /// The item.
    async fn node(&self) -> &T {
        &self.node
    }
}
