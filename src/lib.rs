//! Portolan: an integration hub in one binary.
pub mod config;
pub mod kernel;
pub mod entity;
pub mod event;
pub mod context;
pub mod domain;
pub mod graphql;
