//! The API: names and shapes, no rules.
//!
//! One file per concern holds its types, inputs, payloads and resolvers; a resolver asks a guard, calls
//! one function of `domain` and dresses the answer. The roots merge the concerns. What bounds a document
//! before it runs is in [`document`]; how one operation runs is in [`endpoint`].
//!
//! Three conventions hold everywhere. Inputs are one `input:` object. Mutations answer with a payload of
//! the thing and `userErrors`. Lists are connections with opaque cursors.

pub mod access;
pub mod audit;
pub mod context;
pub mod document;
pub mod endpoint;
pub mod error;
pub mod guard;
pub mod id;
pub mod keyring;
pub mod loader;
pub mod node;
pub mod page;
pub mod provider;
pub mod scope;
pub mod session;
pub mod tenant;
pub mod viewer;

use async_graphql::{EmptySubscription, MergedObject, SchemaBuilder};

/// Everything that can be read.
#[derive(MergedObject, Default)]
#[graphql(name = "Query")]
pub struct Query(
    viewer::ViewerQuery,
    node::NodeQuery,
    tenant::TenantQuery,
    access::AccessQuery,
    audit::AuditQuery,
    provider::ProviderQuery,
);

/// Everything that can be changed.
#[derive(MergedObject, Default)]
#[graphql(name = "Mutation")]
pub struct Mutation(tenant::TenantMutation, keyring::KeyringMutation, access::AccessMutation, session::SessionMutation);

/// The schema.
pub type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// The schema without any means: enough to print it.
#[must_use]
pub fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription)
}

/// The schema in the schema definition language, as it is committed in `schema.graphql`.
#[must_use]
pub fn sdl() -> String {
    let options = async_graphql::SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by();
    builder().finish().sdl_with_options(options)
}
