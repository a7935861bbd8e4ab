//! Credentials of integrations, by every door: made, looked for accounts with, given anew, by a link, by a person who
//! agreed, brought along; taken, refused with a quotation by the provider, and given wrongly.

use serde_json::{Value, json};

use super::{doors::Doors, provider::Provider};

const CREATE: &str = "mutation($input: CreateIntegrationInput!) { out: createIntegration(input: $input) {
    integration { id status keyPrefix credential { fields { name hint } keyPrefix } } userErrors { code path message } } }";
const DISCOVER: &str = "mutation($input: DiscoverAccountsInput!) { out: discoverAccounts(input: $input) {
    integration { id } accounts { key } userErrors { code path message } } }";
const RECONNECT: &str = "mutation($input: ReconnectIntegrationInput!) { out: reconnectIntegration(input: $input) {
    integration { id } userErrors { code path message } } }";
const ROTATE: &str = "mutation($input: RotateCredentialsInput!) { out: rotateCredentials(input: $input) {
    integration { id } userErrors { code path message } } }";
const RUN: &str = "mutation($input: RunActionInput!) { out: runAction(input: $input) {
    result userErrors { code path message } } }";
const APP: &str = "mutation($input: SetProviderAppInput!) { out: setProviderApp(input: $input) {
    providerApp { id fields { name hint } } userErrors { code path message } } }";
const LINK: &str = "mutation($input: CreateConnectLinkInput!) { out: createConnectLink(input: $input) { url } }";
const FORM: &str = "query($token: String!) { connectForm(token: $token) { integrationName authMethods { key } } }";
const GIVE: &str = "mutation($input: ConnectByLinkInput!) { out: connectByLink(input: $input) {
    connected userErrors { code path message } } }";
const AUTHORIZE: &str = "mutation($input: AuthorizeByLinkInput!) { out: authorizeByLink(input: $input) {
    url userErrors { code path message } } }";
const START: &str = "mutation($input: StartOAuthInput!) { out: startOAuth(input: $input) {
    url userErrors { code path message } } }";
const TEST: &str = "mutation($input: TestIntegrationInput!) { out: testIntegration(input: $input) {
    test { success message } userErrors { code path message } } }";
const DELETE: &str =
    "mutation($input: DeleteIntegrationInput!) { out: deleteIntegration(input: $input) { deletedId } }";
const ALL: &str = "{ integrations(first: 50) { nodes {
    id name account settings { name value } metadata errorMessage keyPrefix warnings { message }
    credential { fields { name hint } keyPrefix refusedBecause } } } }";
const LOG: &str = "{ events(last: 100) { nodes { kind data } }
    auditLog(last: 100) { nodes { action before after } } }";

/// A key by its form, as Stripe makes them.
fn stripe(secret: &str) -> Value {
    json!({ "apiKey": { "key": format!("sk_test_{secret}") } })
}

impl Doors {
    /// Asks as administrator, and gives the payload.
    async fn tell(&mut self, what: &str, document: &str, input: Value) -> Value {
        let admin = self.admin.clone();
        let answer = self.ask(what, &admin, document, json!({ "input": input })).await;
        answer["data"]["out"].clone()
    }

    /// The same, for what is done.
    async fn done(&mut self, what: &str, document: &str, input: Value) -> Value {
        let payload = self.tell(what, document, input).await;
        assert!(payload.is_object() && payload["userErrors"].as_array().is_none_or(Vec::is_empty), "{what}: {payload}");
        payload
    }

    /// The same, for what is refused.
    async fn refused(&mut self, what: &str, document: &str, input: Value) {
        let payload = self.tell(what, document, input).await;
        assert!(payload["userErrors"].as_array().is_some_and(|errors| !errors.is_empty()), "{what}: {payload}");
    }

    /// A secret that the provider refuses.
    fn bad(&mut self, provider: &Provider, kind: &str) -> String {
        let secret = self.canaries.make(kind);
        provider.refuse(&secret);
        secret
    }

    /// Everything that can be done with a credential.
    pub async fn with_integrations(&mut self, provider: &Provider) {
        let id = self.with_each_form(provider).await;
        self.with_credentials_that_do_not_fit().await;
        self.with_others_for(provider, &id).await;
        self.with_a_link(provider, &id).await;
        self.with_a_person(provider).await;
        self.with_credentials_brought_along(provider).await;
        let admin = self.admin.clone();
        self.ask("integrations", &admin, ALL, json!({})).await;
        self.ask("events and auditLog", &admin, LOG, json!({})).await;
        self.done("deleteIntegration", DELETE, json!({ "id": id })).await;
    }

    /// One integration by each form of a credential; gives the one that stays.
    async fn with_each_form(&mut self, provider: &Provider) -> Value {
        let key = self.canaries.make("the key of an integration");
        let made = json!({
            "provider": "stripe", "credentials": { "apiKey": { "key": format!("sk_test_{key}"), "keyPrefix": "sk_test_" } },
            "name": "Payments", "idempotencyKey": "connections",
        });
        let id = self.done("createIntegration, with a key", CREATE, made).await["integration"]["id"].clone();
        let bearer = self.canaries.make("the token of an integration");
        let input = json!({ "provider": "circuly", "credentials": { "bearerToken": { "token": bearer } } });
        self.done("createIntegration, with a token", CREATE, input).await;
        let password = self.canaries.make("the password of an integration");
        let basic = json!({ "basicAuth": { "username": "somebody", "password": password } });
        self.done("createIntegration, with a password", CREATE, json!({ "provider": "circuly", "credentials": basic }))
            .await;
        let (secret, token) =
            (self.canaries.make("the secret of a client"), self.canaries.make("the token that a client bought"));
        provider.sells(json!({ "access_token": token, "expires_in": 32_400, "token_type": "Bearer" }));
        let client = json!({ "oauth2": { "clientId": "AExampleClientId0123456789", "clientSecret": secret } });
        self.done("createIntegration, with a client", CREATE, json!({ "provider": "paypal", "credentials": client }))
            .await;
        let key = self.canaries.make("a field of a credential");
        let values = json!([{ "name": "api_key", "value": format!("rk_live_{key}") }]);
        let fields = json!({ "fields": { "method": "secret_key", "values": values } });
        self.done("createIntegration, with fields", CREATE, json!({ "provider": "stripe", "credentials": fields }))
            .await;
        let key = self.canaries.make("a key that nobody tested");
        let untested = json!({ "provider": "stripe", "credentials": stripe(&key), "skipTest": true });
        self.done("createIntegration, without a test", CREATE, untested).await;
        for (kind, which) in [
            ("a key that the provider quotes", "stripe"),
            ("a key in an address that the provider quotes", "pancake_pos"),
        ] {
            let secret = self.bad(provider, kind);
            let key = if which == "stripe" { format!("sk_test_{secret}") } else { secret };
            let credentials = json!({ "apiKey": { "key": key } });
            self.refused(kind, CREATE, json!({ "provider": which, "credentials": credentials })).await;
        }
        for (kind, basic) in
            [("a password that the provider quotes", true), ("a token that the provider quotes", false)]
        {
            let secret = self.bad(provider, kind);
            let credentials = if basic {
                json!({ "basicAuth": { "username": "somebody", "password": secret } })
            } else {
                json!({ "bearerToken": { "token": secret } })
            };
            self.refused(kind, CREATE, json!({ "provider": "circuly", "credentials": credentials })).await;
        }
        let secret = self.bad(provider, "the secret of a client that the provider quotes");
        let client = json!({ "oauth2": { "clientId": "AExampleClientId0123456789", "clientSecret": secret } });
        let input = json!({ "provider": "paypal", "credentials": client });
        self.refused("createIntegration, with a wrong client", CREATE, input).await;
        let token = self.bad(provider, "a token that was bought and then quoted");
        let secret = self.canaries.make("the secret of a client that bought in vain");
        provider.sells(json!({ "access_token": token, "expires_in": 32_400, "token_type": "Bearer" }));
        let client = json!({ "oauth2": { "clientId": "AExampleClientId0123456789", "clientSecret": secret } });
        let input = json!({ "provider": "paypal", "credentials": client });
        self.refused("createIntegration, with a client that bought in vain", CREATE, input).await;
        let key = self.canaries.make("a key to look for accounts");
        let look = |key: &str| json!({ "provider": "pancake_pos", "credentials": { "apiKey": { "key": key } } });
        self.done("discoverAccounts", DISCOVER, look(&key)).await;
        let key = self.bad(provider, "a key to look for accounts that the provider quotes");
        self.refused("discoverAccounts, refused", DISCOVER, look(&key)).await;
        id
    }

    /// What is refused before anybody is asked.
    async fn with_credentials_that_do_not_fit(&mut self) {
        for (kind, provider, credentials) in [
            ("a key of the wrong form", "stripe", json!({ "apiKey": { "key": "§ §" } })),
            ("a key of another provider", "stripe", json!({ "bearerToken": { "token": "§" } })),
            ("a key with another beginning", "stripe", json!({ "apiKey": { "key": "sk_test_§", "keyPrefix": "rk_" } })),
            (
                "a key as its own beginning",
                "stripe",
                json!({ "apiKey": { "key": "sk_test_§", "keyPrefix": "sk_test_§" } }),
            ),
            ("a beginning that is a key", "stripe", json!({ "apiKey": { "key": "sk_test_", "keyPrefix": "§" } })),
            ("a password for a key", "stripe", json!({ "basicAuth": { "username": "§", "password": "§" } })),
            ("a secret without a client", "paypal", json!({ "oauth2": { "clientId": "", "clientSecret": "§" } })),
            ("a key that is too long", "circuly", json!({ "bearerToken": { "token": "§".repeat(500) } })),
            ("a key that is much too long", "circuly", json!({ "bearerToken": { "token": "§".repeat(2_000) } })),
            (
                "a field given twice",
                "stripe",
                json!({ "fields": { "method": "secret_key", "values": [
                    { "name": "api_key", "value": "sk_test_§" }, { "name": "api_key", "value": "sk_test_§" },
                ] } }),
            ),
            (
                "a field nobody knows, of a credential",
                "stripe",
                json!({ "fields": { "method": "secret_key", "values": [{ "name": "api_kei", "value": "§" }] } }),
            ),
            (
                "the fields of a method nobody knows",
                "stripe",
                json!({ "fields": { "method": "secret", "values": [{ "name": "api_key", "value": "§" }] } }),
            ),
        ] {
            let secret = self.canaries.make(kind);
            let credentials: Value = serde_json::from_str(&credentials.to_string().replace('§', &secret)).unwrap();
            self.refused(kind, CREATE, json!({ "provider": provider, "credentials": credentials })).await;
        }
        for (kind, input) in [
            ("two forms at once", json!({ "apiKey": { "key": "§" }, "bearerToken": { "token": "§" } })),
            ("a form nobody knows", json!({ "password": "§" })),
            ("a key that is a list", json!({ "apiKey": { "key": ["§"] } })),
            ("a key where an object is due", json!({ "apiKey": "§" })),
            ("a key alone", json!("§")),
        ] {
            let secret = self.canaries.make(kind);
            let credentials: Value = serde_json::from_str(&input.to_string().replace('§', &secret)).unwrap();
            self.tell(kind, CREATE, json!({ "provider": "stripe", "credentials": credentials })).await;
        }
        let secret = self.canaries.make("a key for a provider nobody knows");
        self.refused("no provider", CREATE, json!({ "provider": "strip", "credentials": stripe(&secret) })).await;
    }

    /// Others for an integration that is there.
    async fn with_others_for(&mut self, provider: &Provider, id: &Value) {
        for (what, document) in [("reconnectIntegration", RECONNECT), ("rotateCredentials", ROTATE)] {
            let secret = self.canaries.make(&format!("a key by {what}"));
            self.done(what, document, json!({ "id": id, "credentials": stripe(&secret) })).await;
            let kind = format!("a key by {what} that the provider quotes");
            let secret = self.bad(provider, &kind);
            self.refused(&kind, document, json!({ "id": id, "credentials": stripe(&secret) })).await;
        }
        // One that was taken, and is refused from now on.
        let secret = self.canaries.make("a key that becomes void");
        self.done("reconnectIntegration", RECONNECT, json!({ "id": id, "credentials": stripe(&secret) })).await;
        provider.refuse(&secret);
        let tested = self.done("testIntegration, of a void key", TEST, json!({ "id": id })).await;
        assert_eq!(tested["test"]["success"], false, "{tested}");
        let read = json!({ "integrationId": id, "action": "get_payment_intent", "arguments": { "id": "pi_1" } });
        self.refused("runAction, with a void key", RUN, read).await;
    }

    /// An outsider gives a key.
    async fn with_a_link(&mut self, provider: &Provider, id: &Value) {
        let link = self.link(id).await;
        self.ask("connectForm", "", FORM, json!({ "token": link })).await;
        let wrong = self.bad(provider, "a key by a link that the provider quotes");
        let (key, late) = (self.canaries.make("a key by a link"), self.canaries.make("a key by a link that was used"));
        for (what, key) in
            [("connectByLink, refused", &wrong), ("connectByLink", &key), ("connectByLink, with a used link", &late)]
        {
            let input = json!({ "input": { "token": link, "credentials": stripe(key) } });
            let answer = self.ask(what, "", GIVE, input).await;
            assert_eq!(answer["data"]["out"]["connected"] == true, what == "connectByLink", "{what}: {answer}");
        }
        self.ask("connectForm, of a used link", "", FORM, json!({ "token": link })).await;
        let none = self.canaries.make("a connect link that never was");
        self.ask("connectForm, of no link", "", FORM, json!({ "token": none })).await;
    }

    /// The token of a new link.
    async fn link(&mut self, id: &Value) -> String {
        let made = self.done("createConnectLink", LINK, json!({ "id": id })).await;
        let token = made["url"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned();
        let secret = self.canaries.token("a connect link", &token);
        self.handed(secret);
        token
    }

    /// A person agrees at the provider, which then gives tokens, and later refuses them.
    async fn with_a_person(&mut self, provider: &Provider) {
        let app = |secret: &str| {
            let fields = json!([{ "name": "client_id", "value": "awexampleexample" }, { "name": "client_secret", "value": secret }]);
            json!({ "provider": "tiktok", "fields": fields })
        };
        let wrong = self.canaries.make("the secret of an application, of the wrong form");
        self.refused("setProviderApp, refused", APP, app(&format!("{wrong} {wrong}"))).await;
        for kind in ["the secret of an application", "the secret of an application, in place of another"] {
            let secret = self.canaries.make(kind);
            self.done("setProviderApp", APP, app(&secret)).await;
        }
        let made = self.done("createIntegration, to agree for", CREATE, json!({ "provider": "tiktok" })).await;
        let id = made["integration"]["id"].clone();

        let (code, forged) = (self.canaries.make("a code without a state"), self.canaries.make("a state of nobody"));
        self.back("a callback without a state", &format!("code={code}")).await;
        self.back("a callback with a forged state", &format!("code={code}&state={forged}")).await;
        let state = self.state("startOAuth, first", &id).await;
        let code = self.bad(provider, "a code that the provider quotes");
        self.back("a callback with a wrong code", &format!("code={code}&state={state}")).await;
        self.canaries.bytes("what proves that we asked, first", provider.verifier().as_bytes());
        let state = self.state("startOAuth, for a no", &id).await;
        let code = self.canaries.make("a code beside a no");
        self.back("a callback with a no", &format!("error=access_denied&code={code}&state={state}")).await;

        let state = self.state("startOAuth", &id).await;
        let (code, access) = (self.canaries.make("a code"), self.canaries.make("an access token"));
        let refresh = self.canaries.make("a refresh token");
        provider.sells(json!({ "access_token": access, "refresh_token": refresh, "expires_in": 1, "open_id": "amal" }));
        let (next_access, next_refresh) =
            (self.canaries.make("an access token, refreshed"), self.canaries.make("a refresh token, rotated"));
        let next =
            json!({ "access_token": next_access, "refresh_token": next_refresh, "expires_in": 1, "open_id": "amal" });
        provider.sells(next);
        let answer = self.back("a callback", &format!("code={code}&state={state}")).await;
        assert!(answer.contains("/#/connected/int_"), "{answer}");
        self.canaries.bytes("what proves that we asked", provider.verifier().as_bytes());
        self.back("a callback, repeated", &format!("code={code}&state={state}")).await;
        // The first token may have ended within the callback already, or ends now.
        self.tell("testIntegration, with a token that ended", TEST, json!({ "id": id })).await;
        provider.refuse(&refresh);
        provider.refuse(&next_refresh);
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        let tested = self.tell("testIntegration, with void tokens", TEST, json!({ "id": id })).await;
        assert_eq!(tested["test"]["success"], false, "{tested}");

        let link = self.link(&id).await;
        let answer = self.ask("authorizeByLink", "", AUTHORIZE, json!({ "input": { "token": link } })).await;
        self.state_in(&answer["data"]["out"]["url"]);
        let access = self.canaries.make("an access token by a link");
        provider.sells(json!({ "access_token": access, "expires_in": 86_400, "open_id": "amal" }));
        provider.refuse(&access);
    }

    /// The state of a person who is sent to the provider.
    async fn state(&mut self, what: &str, id: &Value) -> String {
        let started = self.done(what, START, json!({ "id": id })).await;
        self.state_in(&started["url"])
    }

    /// Takes note of the state in an address, which the last answer handed out.
    fn state_in(&mut self, url: &Value) -> String {
        let url = url::Url::parse(url.as_str().unwrap()).unwrap();
        let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        let secret = self.canaries.bytes("the state of an authorization", state.as_bytes());
        self.handed(secret);
        state
    }

    /// A person comes back.
    async fn back(&mut self, what: &str, query: &str) -> String {
        let request = format!("GET /oauth/callback?{query} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        String::from_utf8(self.send(what, request.as_bytes()).await).unwrap()
    }

    /// A caller brings its own.
    async fn with_credentials_brought_along(&mut self, provider: &Provider) {
        let run = |kind: &str, by: Value| {
            let effect = if kind.contains("change") { "create_customer" } else { "get_payment_intent" };
            let mut input = json!({ "provider": "stripe", "action": effect, "arguments": { "id": "pi_1" } });
            if effect == "create_customer" {
                input["arguments"] = json!({ "name": "Amal" });
            }
            input.as_object_mut().unwrap().extend(by.as_object().unwrap().clone());
            input
        };
        for (kind, by) in [
            ("a key brought along", json!({ "credentials": stripe("§") })),
            ("a key brought along to change something", json!({ "credentials": stripe("§") })),
            ("a key in variables", json!({ "variables": { "stripe": { "apiKey": "sk_test_§" } } })),
            ("a key in variables, by its field", json!({ "variables": { "stripe": { "api_key": "sk_test_§" } } })),
            ("a key of a workflow", json!({ "variables": { "workflow": { "stripe": { "token": "sk_test_§" } } } })),
        ] {
            for quoted in [false, true] {
                let kind = if quoted { format!("{kind}, that the provider quotes") } else { kind.to_owned() };
                let secret = if quoted { self.bad(provider, &kind) } else { self.canaries.make(&kind) };
                let by: Value = serde_json::from_str(&by.to_string().replace('§', &secret)).unwrap();
                if quoted {
                    self.refused(&kind, RUN, run(&kind, by)).await;
                } else {
                    self.done(&kind, RUN, run(&kind, by)).await;
                }
            }
        }
        for (kind, by) in [
            ("a key in variables, of the wrong form", json!({ "variables": { "stripe": { "apiKey": "§ §" } } })),
            ("a key in the place of an id", json!({ "variables": { "stripeIntegrationId": "§" } })),
            ("a key brought along, of the wrong form", json!({ "credentials": { "apiKey": { "key": "§ §" } } })),
        ] {
            let secret = self.canaries.make(kind);
            let by: Value = serde_json::from_str(&by.to_string().replace('§', &secret)).unwrap();
            self.refused(kind, RUN, run(kind, by)).await;
        }
    }

    /// What happens to a credential when the database fails under it.
    pub async fn while_the_vault_fails(&mut self) {
        for (what, document) in
            [("createIntegration, without a table", CREATE), ("discoverAccounts, without a table", DISCOVER)]
        {
            let secret = self.canaries.make(&format!("a key by {what}"));
            let which = if document == CREATE { "stripe" } else { "pancake_pos" };
            let credentials = if document == CREATE { stripe(&secret) } else { json!({ "apiKey": { "key": secret } }) };
            self.tell(what, document, json!({ "provider": which, "credentials": credentials })).await;
        }
        let secret = self.canaries.make("the secret of an application while the database fails");
        let fields =
            json!([{ "name": "client_id", "value": "awexampleexample" }, { "name": "client_secret", "value": secret }]);
        self.tell("setProviderApp, without a table", APP, json!({ "provider": "tiktok", "fields": fields })).await;
    }
}
