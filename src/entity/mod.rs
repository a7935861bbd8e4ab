//! Tables, one file each, and the only safe ways to select from them.
//!
//! A model mirrors its table and knows no rule. Selecting begins with a function that takes the tenant
//! (`of`), so that a query without one cannot be written by accident: the bare `find` and its kin are
//! disallowed everywhere else. Tables that stand above tenants (users, the tenants themselves) say so
//! in their essay and offer selectors that name their reason.
//!
//! No output type of the API is derived from a model, so a new column is never public by itself.
#![expect(clippy::disallowed_methods, reason = "this is the home of the bare selectors")]
#![expect(clippy::struct_excessive_bools, reason = "a model mirrors its table")]
#![expect(missing_docs, reason = "columns are described by the migration that makes them")]

pub mod agent;
pub mod alert;
pub mod api_token;
pub mod attempt_limit;
pub mod audit_checkpoint;
pub mod audit_entry;
pub mod audit_head;
pub mod authorization;
pub mod connect_link;
pub mod credential;
pub mod data_key;
pub mod estate;
pub mod event;
pub mod event_head;
pub mod event_log;
pub mod first;
pub mod health;
pub mod health_change;
pub mod health_check;
pub mod hub_identity;
pub mod idempotency_key;
pub mod integration;
pub mod integration_action;
pub mod invitation;
pub mod issuer;
pub mod job;
pub mod key_erasure;
pub mod master_key;
pub mod membership;
pub mod one_time_token;
pub mod order;
pub mod order_change;
pub mod order_head;
pub mod order_machine;
pub mod order_reference;
pub mod outbox;
pub mod page;
mod pair;
pub mod partner_integration;
pub mod partner_organization;
pub mod partner_reader;
pub mod partner_update;
pub mod places;
pub mod provider_app;
pub mod record;
pub mod refresh_token;
pub mod rewrite;
pub mod schedule;
pub mod secret;
pub mod session;
pub mod signing_key;
pub mod status_mapping;
pub mod sync_failure;
pub mod sync_log;
pub mod sync_run;
pub mod sync_sighting;
pub mod sync_stream;
pub mod tenant;
pub mod user;
pub mod webhook_attempt;
pub mod webhook_delivery;
pub mod webhook_destination;
pub mod webhook_event;
pub mod webhook_item;
pub mod webhook_message;
pub mod webhook_refusal;
pub mod webhook_router;
pub mod webhook_source;
pub mod written;
