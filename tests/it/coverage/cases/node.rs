//! Reading by global id: a case for each kind of node, since each has a scope of its own. What the caller
//! may not see is null, whatever the reason.

use portolan::kernel::scope::Scope;
use serde_json::json;

use super::super::case::{Case, Needs};

pub const CASES: &[Case] = &[
    Case::new(
        Needs::Sight(Scope::TenantRead),
        "query NodeTenant($id: ID!) { node(id: $id) { id ... on Tenant { slug } } }",
        |side| json!({ "id": side["tenant"] }),
    ),
    Case::new(
        Needs::Sight(Scope::AccessRead),
        "query NodeUser($id: ID!) { node(id: $id) { id ... on User { email } } }",
        |side| json!({ "id": side["user"] }),
    ),
    Case::new(
        Needs::Sight(Scope::AccessRead),
        "query NodeMembership($id: ID!) { node(id: $id) { id ... on Membership { role } } }",
        |side| json!({ "id": side["membership"] }),
    ),
    Case::new(
        Needs::Sight(Scope::AccessRead),
        "query NodeInvitation($id: ID!) { node(id: $id) { id ... on Invitation { email } } }",
        |side| json!({ "id": side["invitation"] }),
    ),
    Case::new(
        Needs::Sight(Scope::AccessRead),
        "query NodeAgent($id: ID!) { node(id: $id) { id ... on Agent { name } } }",
        |side| json!({ "id": side["agent"] }),
    ),
    Case::new(
        Needs::Sight(Scope::AccessRead),
        "query NodeApiToken($id: ID!) { node(id: $id) { id ... on ApiToken { hint } } }",
        |side| json!({ "id": side["apiToken"] }),
    ),
    Case::new(
        Needs::Sight(Scope::IntegrationRead),
        "query NodeIntegration($id: ID!) { node(id: $id) { id ... on Integration { name } } }",
        |side| json!({ "id": side["integration"] }),
    ),
    Case::new(
        Needs::Sight(Scope::IntegrationRead),
        "query NodeIntegrationAction($id: ID!) { node(id: $id) { id ... on IntegrationAction { key } } }",
        |side| json!({ "id": side["integrationAction"] }),
    ),
    Case::new(
        Needs::Sight(Scope::IntegrationRead),
        "query NodeProviderApp($id: ID!) { node(id: $id) { id ... on ProviderApp { updatedAt } } }",
        |side| json!({ "id": side["providerApp"] }),
    ),
    Case::new(
        Needs::Sight(Scope::IntegrationRead),
        "query NodeSyncRun($id: ID!) { node(id: $id) { id ... on SyncRun { stream } } }",
        |side| json!({ "id": side["syncRun"] }),
    ),
    Case::new(
        Needs::Sight(Scope::IntegrationRead),
        "query NodeWebhookSource($id: ID!) { node(id: $id) { id ... on WebhookSource { name } } }",
        |side| json!({ "id": side["webhookSource"] }),
    ),
    Case::new(
        Needs::Sight(Scope::IntegrationRead),
        "query NodeWebhookEvent($id: ID!) { node(id: $id) { id ... on WebhookEvent { status } } }",
        |side| json!({ "id": side["webhookEvent"] }),
    ),
    Case::new(
        Needs::Sight(Scope::IntegrationRead),
        "query NodeWebhookDestination($id: ID!) { node(id: $id) { id ... on WebhookDestination { name } } }",
        |side| json!({ "id": side["webhookDestination"] }),
    ),
    Case::new(
        Needs::Sight(Scope::IntegrationRead),
        "query NodeWebhookDelivery($id: ID!) { node(id: $id) { id ... on WebhookDelivery { status } } }",
        |side| json!({ "id": side["webhookDelivery"] }),
    ),
    Case::new(
        Needs::Sight(Scope::OrderRead),
        "query NodeOrder($id: ID!) { node(id: $id) { id ... on Order { number } } }",
        |side| json!({ "id": side["order"] }),
    ),
    Case::new(
        Needs::Sight(Scope::PartnerRead),
        "query NodePartnerOrganization($id: ID!) { node(id: $id) { id ... on PartnerOrganization { name } } }",
        |side| json!({ "id": side["partnerOrganization"] }),
    ),
    Case::new(
        Needs::Sight(Scope::PartnerRead),
        "query NodePartnerUpdate($id: ID!) { node(id: $id) { id ... on PartnerUpdate { said } } }",
        |side| json!({ "id": side["partnerUpdate"] }),
    ),
    Case::new(
        Needs::Sight(Scope::PartnerRead),
        "query NodeStatusMapping($id: ID!) { node(id: $id) { id ... on StatusMapping { version } } }",
        |side| json!({ "id": side["statusMapping"] }),
    ),
    Case::new(
        Needs::Sight(Scope::AlertRead),
        "query NodeAlert($id: ID!) { node(id: $id) { id ... on Alert { text } } }",
        |side| json!({ "id": side["alert"] }),
    ),
    Case::new(
        Needs::Sight(Scope::JobRead),
        "query NodeJob($id: ID!) { node(id: $id) { id ... on Job { kind } } }",
        |side| json!({ "id": side["deadJob"] }),
    ),
    Case::new(
        Needs::Sight(Scope::AccessRead),
        "query Nodes($ids: [ID!]!) { nodes(ids: $ids) { id } }",
        |side| json!({ "ids": [side["membership"]] }),
    ),
];
