//! The API: names and shapes, no rules.
//!
//! One file per concern holds its types, inputs, payloads and resolvers; a resolver asks a guard, calls
//! one function of `domain` and dresses the answer. The roots merge the concerns. What bounds a document
//! before it runs is in [`document`]; how one operation runs is in [`endpoint`].
//!
//! Three conventions hold everywhere. Inputs are one `input:` object. Mutations answer with a payload of
//! the thing and `userErrors`. Lists are connections with opaque cursors.

pub mod access;
pub mod agent;
pub mod alert;
pub mod attempt;
pub mod audit;
pub mod context;
pub mod document;
pub mod endpoint;
pub mod error;
pub mod event;
pub mod guard;
pub mod health;
pub mod id;
pub mod inbox;
pub mod integration;
pub mod invitation;
pub mod issuer;
pub mod job;
pub mod keyring;
pub mod live;
pub mod loader;
pub mod node;
pub mod order;
pub mod outbound;
pub mod page;
pub mod partner;
mod patch;
pub mod provider;
pub mod scope;
pub mod session;
pub mod sync;
pub mod tenant;
pub mod viewer;

use async_graphql::{MergedObject, MergedSubscription, SchemaBuilder};

/// Everything that can be read.
#[derive(MergedObject, Default)]
#[graphql(name = "Query")]
pub struct Query(
    viewer::ViewerQuery,
    node::NodeQuery,
    tenant::TenantQuery,
    access::AccessQuery,
    invitation::InvitationQuery,
    agent::AgentQuery,
    issuer::IssuerQuery,
    audit::AuditQuery,
    alert::AlertQuery,
    job::JobQuery,
    event::EventQuery,
    provider::ProviderQuery,
    integration::IntegrationQuery,
    integration::link::LinkQuery,
    health::HealthQuery,
    sync::SyncQuery,
    sync::log::SyncLogQuery,
    sync::record::RecordQuery,
    inbox::InboxQuery,
    outbound::OutboundQuery,
    order::OrderQuery,
    partner::PartnerQuery,
    partner::update::PartnerUpdateQuery,
    partner::mapping::MappingQuery,
);

/// Everything that can be changed.
#[derive(MergedObject, Default)]
#[graphql(name = "Mutation")]
pub struct Mutation(
    tenant::TenantMutation,
    keyring::KeyringMutation,
    access::AccessMutation,
    invitation::InvitationMutation,
    agent::AgentMutation,
    issuer::IssuerMutation,
    session::SessionMutation,
    job::JobMutation,
    integration::change::IntegrationMutation,
    integration::credential::CredentialMutation,
    integration::action::ActionMutation,
    integration::link::LinkMutation,
    health::change::HealthMutation,
    sync::change::SyncMutation,
    sync::deletions::DeletionMutation,
    inbox::change::SourceMutation,
    inbox::replay::ReplayMutation,
    outbound::change::OutboundMutation,
    order::change::OrderMutation,
    partner::change::PartnerMutation,
    partner::mapping::MappingMutation,
    partner::exchange::ExchangeMutation,
);

/// Everything that can be followed.
#[derive(MergedSubscription, Default)]
#[graphql(name = "Subscription")]
pub struct Subscription(
    event::EventSubscription,
    access::AccessSubscription,
    alert::AlertSubscription,
    integration::follow::IntegrationSubscription,
    health::follow::HealthSubscription,
    sync::follow::SyncSubscription,
    inbox::follow::InboxSubscription,
    outbound::follow::OutboundSubscription,
    order::follow::OrderSubscription,
    partner::follow::PartnerSubscription,
);

/// The schema.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// The schema without any means: enough to print it.
#[must_use]
pub fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
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
