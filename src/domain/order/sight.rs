//! Whose orders somebody sees: all of the tenant, or those of one partner organisation.

use crate::{
    context::Cx,
    kernel::{error::Result, id::PartnerOrganizationId},
};

/// Whose rows a caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// All of the tenant.
    Tenant,
    /// Those of a partner organisation.
    Partner(PartnerOrganizationId),
    /// None: the role is a partner's, and no organisation stands beside it.
    Nothing,
}

impl Sight {
    /// That of the caller.
    pub fn of(cx: &Cx) -> Result<Self> {
        let principal = cx.principal()?;
        Ok(match principal.partner {
            Some(partner) => Self::Partner(partner),
            None if principal.is_partner() => Self::Nothing,
            None => Self::Tenant,
        })
    }

    /// The organisation to which every row must belong; an id that nobody has where nothing is seen.
    #[must_use]
    pub fn only(self) -> Option<PartnerOrganizationId> {
        match self {
            Self::Tenant => None,
            Self::Partner(partner) => Some(partner),
            Self::Nothing => Some(PartnerOrganizationId::new(uuid::Uuid::nil())),
        }
    }

    /// Whether a row of that organisation is seen.
    #[must_use]
    pub fn takes(self, partner: Option<PartnerOrganizationId>) -> bool {
        match self {
            Self::Tenant => true,
            Self::Partner(own) => partner == Some(own),
            Self::Nothing => false,
        }
    }
}
