//! Tokens, bought with whatever buys them.

use url::Url;

use super::{Connection, Connector, Purpose, Trouble, exchange::Errand};
use crate::{
    kernel::secret::Secret,
    provider::{
        manifest::auth::{Auth, TokenCall},
        request::Unmade,
        template::{Unfilled, Values},
        token::{self, Pending, Token},
    },
};

/// What buys a token.
#[derive(Clone, Copy, Debug)]
pub enum Grant<'a> {
    /// The client id and secret of the credential.
    Credentials,
    /// The code that a person brought back from the provider.
    Code {
        /// The code.
        code: &'a Secret,
        /// The address to which it was brought, as it was said when it was asked for.
        redirect_uri: &'a str,
        /// What proves that it was asked for by us.
        verifier: Option<&'a Secret>,
    },
    /// The refresh token of the connection, or where the file says so its present token. The answer may have no
    /// new refresh token: the old one then stays.
    Refresh,
}

impl Connector {
    /// The page on which a person agrees, and what to keep until the person comes back.
    pub fn authorize(&self, connection: &Connection, redirect_uri: &str) -> Result<(Url, Pending), Trouble> {
        let Auth::AuthorizationCode(method) = connection.auth() else { return Err(Trouble::NoSuchGrant) };
        let values = connection.values();
        let missing = || Unmade::from(Unfilled::Missing("app.client_id".to_owned()));
        let (client_id, _) = values.get("app.client_id").ok_or_else(missing)?;
        let pending = Pending::new(&method.authorize, &*self.chance);
        let url = token::authorize(&method.authorize, &client_id, redirect_uri, &pending, values)?;
        Ok((connection.real(&url)?, pending))
    }

    /// Buys a token. With a code this takes all the calls that the file has for it: the first token, the one it
    /// is changed for, and what is asked about the account.
    pub async fn token(&self, connection: &Connection, grant: Grant<'_>) -> Result<Token, Trouble> {
        let mut values = connection.values().clone();
        match (connection.auth(), grant) {
            (Auth::ClientCredentials(it), Grant::Credentials) => {
                self.buy(connection, &it.token, token::Purpose::Credentials, &values).await
            }
            (Auth::AuthorizationCode(it), Grant::Refresh) => {
                let call = it.refresh.get().ok_or(Trouble::NoSuchGrant)?;
                let lacks = call.sends_refresh_token() && values.get("refresh_token").is_none();
                if lacks {
                    return Err(Unmade::from(Unfilled::Missing("refresh_token".to_owned())).into());
                }
                self.buy(connection, call, token::Purpose::Refresh, &values).await
            }
            (Auth::AuthorizationCode(it), Grant::Code { code, redirect_uri, verifier }) => {
                values.set("redirect_uri", redirect_uri).set_secret("code", code.clone());
                if let Some(verifier) = verifier {
                    values.set_secret("code_verifier", verifier.clone());
                }
                let mut token = self.buy(connection, &it.token, token::Purpose::Code, &values).await?;
                take_over(&mut values, &token);
                if let Some(call) = &it.exchange {
                    let longer = self.buy(connection, call, token::Purpose::Exchange, &values).await?;
                    take_over(&mut values, &longer);
                    let (refresh, mut set) = (token.refresh, token.set);
                    set.extend(longer.set.clone());
                    token = Token { refresh: longer.refresh.clone().or(refresh), set, ..longer };
                }
                if let Some(after) = &it.after {
                    let ready = token::after(after, &values)?.finish()?;
                    let errand = Errand::new(Purpose::Token, ready).repeatable();
                    let known = connection.clone().with_token(&token);
                    let answer = self.exchange(&known, errand).await?;
                    token.set.extend(token::fill(&after.set, &answer.document));
                }
                Ok(token)
            }
            _ => Err(Trouble::NoSuchGrant),
        }
    }

    async fn buy(
        &self,
        connection: &Connection,
        call: &TokenCall,
        purpose: token::Purpose,
        values: &Values,
    ) -> Result<Token, Trouble> {
        let errand = Errand::new(Purpose::Token, token::call(call, purpose, values)?.finish()?).oauth();
        let errand = if purpose == token::Purpose::Credentials { errand.repeatable() } else { errand };
        // What is bought with must not come out in the words of a refusal either.
        let known = connection.clone().with_values(values.clone());
        let answer = self.exchange(&known, errand).await?;
        token::read(call, &answer.document, self.clock.now()).map_err(|reason| answer.unreadable(&reason))
    }
}

fn take_over(values: &mut Values, token: &Token) {
    values.set_secret("access_token", token.access.clone());
    if let Some(refresh) = &token.refresh {
        values.set_secret("refresh_token", refresh.clone());
    }
    for (name, text) in &token.set {
        values.set(name, text.as_str());
    }
}
