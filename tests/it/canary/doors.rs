//! Puts secrets in through every door of a server, and keeps each answer.
//!
//! An answer that hands a secret out for the first time may hold that one, and no other.

use std::{io, net::SocketAddr};

use axum::http::Request;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use super::{canaries::Canaries, wrong};
use crate::support::process::LIMIT;

/// What came out somewhere, and which secrets it is meant to hold.
pub struct Taken {
    pub what: String,
    pub bytes: Vec<u8>,
    pub handed: Vec<usize>,
}

/// A visitor of a server.
pub struct Doors {
    pub canaries: Canaries,
    pub taken: Vec<Taken>,
    pub admin: String,
    server: SocketAddr,
}

const SIGN_IN: &str =
    "mutation($input: SignInInput!) { out: signIn(input: $input) { session { accessToken refreshToken } } }";
const REFRESH: &str = "mutation($input: RefreshSessionInput!) { out: refreshSession(input: $input) { session { accessToken refreshToken } } }";
const SET_PASSWORD: &str = "mutation($input: SetPasswordInput!) { out: setPassword(input: $input) {
    session { accessToken refreshToken } userErrors { path message } } }";
const CHANGE: &str = "mutation($input: ChangePasswordInput!) { out: changePassword(input: $input) {
    session { accessToken refreshToken } userErrors { path message } } }";
const WITH_LINK: &str = "mutation($input: SignInWithLinkInput!) { out: signInWithLink(input: $input) { session { accessToken refreshToken } } }";
const LINK: &str =
    "mutation($input: CreateLinkInput!) { out: createLink(input: $input) { token userErrors { message } } }";
const TOKEN: &str = "mutation($input: CreateApiTokenInput!) { out: createApiToken(input: $input) {
    token apiToken { id hint } userErrors { message } } }";
const WHO: &str = "{ viewer { role } }";

impl Doors {
    /// Somebody with the token of an administrator, which is no secret of ours to look for here.
    pub fn new(server: SocketAddr, admin: &str, canaries: Canaries) -> Self {
        Self { canaries, taken: Vec::new(), admin: admin.to_owned(), server }
    }

    /// Sends bytes, and takes what comes until the other side hangs up.
    pub async fn send(&mut self, what: &str, bytes: &[u8]) -> Vec<u8> {
        let answer = timeout(LIMIT, exchange(self.server, bytes)).await.unwrap().unwrap_or_default();
        self.taken.push(Taken { what: what.to_owned(), bytes: answer.clone(), handed: Vec::new() });
        answer
    }

    /// Asks, and takes the JSON of the answer.
    pub async fn ask(&mut self, what: &str, token: &str, document: &str, variables: Value) -> Value {
        let body = json!({ "query": document, "variables": variables }).to_string();
        let answer = self.send(what, &post(&bearer(token), &body)).await;
        let text = String::from_utf8(answer).unwrap();
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{what}: {error}: {text}"))
    }

    /// The last answer handed that secret out.
    pub fn handed(&mut self, secret: usize) {
        self.taken.last_mut().unwrap().handed.push(secret);
    }

    /// Both tokens of the session in an answer.
    fn session(&mut self, by: &str, answer: &Value) -> (String, String) {
        let session = &answer["data"]["out"]["session"];
        let text = |name: &str| session[name].as_str().unwrap_or_else(|| panic!("{by}: {answer}")).to_owned();
        let (access, refresh) = (text("accessToken"), text("refreshToken"));
        let secret = self.canaries.jwt(&format!("the access token of {by}"), &access);
        self.handed(secret);
        let secret = self.canaries.token(&format!("the refresh token of {by}"), &refresh);
        self.handed(secret);
        (access, refresh)
    }

    /// Everything that a client can do rightly, and most of what it can do a second time.
    pub async fn rightly(&mut self) {
        self.with_api_tokens().await;
        let user = self.ask("createUser", &self.admin.clone(), CREATE_ANN, json!({})).await;
        let user = user["data"]["createUser"]["user"]["id"].as_str().unwrap().to_owned();
        let password = self.with_links(&user).await;
        self.with_sessions(&password).await;
    }

    async fn with_api_tokens(&mut self) {
        let (admin, input) =
            (self.admin.clone(), json!({ "input": { "name": "A", "role": "VIEWER", "idempotencyKey": "once" } }));
        let made = self.ask("createApiToken", &admin, TOKEN, input.clone()).await;
        let token = made["data"]["out"]["token"].as_str().unwrap().to_owned();
        let secret = self.canaries.token("an API token", &token);
        self.handed(secret);
        let again = self.ask("createApiToken again", &admin, TOKEN, input).await;
        assert_eq!(
            (&again["data"]["out"]["token"], &again["data"]["out"]["apiToken"]),
            (&Value::Null, &made["data"]["out"]["apiToken"])
        );
        self.ask("by API token", &token, WHO, json!({})).await;
        let input = json!({ "input": { "id": made["data"]["out"]["apiToken"]["id"] } });
        self.ask(
            "revokeApiToken",
            &admin,
            "mutation($input: RevokeApiTokenInput!) { revokeApiToken(input: $input) { apiToken { id name hint } } }",
            input,
        )
        .await;
        self.ask("by a revoked API token", &token, WHO, json!({})).await;
        self.send("a token as request id", &post(&format!("x-request-id: {token}\r\n"), "{}")).await;
    }

    /// A person is invited, and sets a password; gives it.
    async fn with_links(&mut self, user: &str) -> String {
        let admin = self.admin.clone();
        let mut links = Vec::new();
        for purpose in ["ACTIVATION", "PASSWORD_RESET"] {
            let made =
                self.ask("createLink", &admin, LINK, json!({ "input": { "userId": user, "purpose": purpose } })).await;
            let link = made["data"]["out"]["token"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
            let secret = self.canaries.token(&format!("a link ({purpose})"), &link);
            self.handed(secret);
            links.push(link);
        }
        let short = self.canaries.make("a password that is too short")[..9].to_owned();
        let long = self.canaries.make("a password that is too long").repeat(100);
        let password = self.canaries.make("a password, set by an invitation");
        let late = self.canaries.make("a password for a link that was used");
        for (what, link, password) in [
            ("setPassword, too short", &links[0], &short),
            ("setPassword, too long", &links[0], &long),
            ("setPassword", &links[0], &password),
            ("setPassword, with a used link", &links[0], &late),
        ] {
            let answer =
                self.ask(what, "", SET_PASSWORD, json!({ "input": { "token": link, "password": password } })).await;
            if what == "setPassword" {
                self.session("setPassword", &answer);
            }
        }
        self.ask("signInWithLink, for another purpose", "", WITH_LINK, json!({ "input": { "token": links[1] } })).await;
        let none = self.canaries.make("a link that never was");
        self.ask("signInWithLink", "", WITH_LINK, json!({ "input": { "token": none } })).await;
        password
    }

    async fn with_sessions(&mut self, password: &str) {
        let sign_in = |password: &str| json!({ "input": { "email": "ann@example.com", "password": password, "userAgent": "canary" } });
        let wrong = self.canaries.make("a wrong password");
        self.ask("signIn, wrong", "", SIGN_IN, sign_in(&wrong)).await;
        let unknown = self.canaries.make("a password of nobody");
        let input = json!({ "input": { "email": "nobody@example.com", "password": unknown } });
        self.ask("signIn, of nobody", "", SIGN_IN, input).await;
        let endless = self.canaries.make("a password of a quarter of a megabyte").repeat(9_000);
        self.ask("signIn, endless", "", SIGN_IN, sign_in(&endless)).await;
        let beyond = self.canaries.make("a password of more than a megabyte").repeat(50_000);
        let body = json!({ "query": SIGN_IN, "variables": sign_in(&beyond) }).to_string();
        self.send("signIn, beyond all bounds", &post("", &body)).await;

        let answer = self.ask("signIn", "", SIGN_IN, sign_in(password)).await;
        let (access, first) = self.session("signIn", &answer);
        self.ask("by access token", &access, WHO, json!({})).await;
        let refresh = |token: &str, agent: &str| json!({ "input": { "refreshToken": token, "userAgent": agent } });
        let answer = self.ask("refreshSession", "", REFRESH, refresh(&first, "canary")).await;
        let (_, second) = self.session("refreshSession", &answer);
        // Lost answers are given again; the tokens are the same but for the moment that the access token names.
        let answer = self.ask("refreshSession, repeated", "", REFRESH, refresh(&first, "canary")).await;
        let again = answer["data"]["out"]["session"]["refreshToken"].as_str().unwrap();
        assert_eq!(again, second);
        self.session("refreshSession, repeated", &answer);
        self.ask("refreshSession, reused", "", REFRESH, refresh(&first, "somebody else")).await;
        self.ask("by the access token of an ended session", &access, WHO, json!({})).await;

        let answer = self.ask("signIn, once more", "", SIGN_IN, sign_in(password)).await;
        let (access, _) = self.session("signIn, once more", &answer);
        let (wrong, next) =
            (self.canaries.make("a wrong present password"), self.canaries.make("a password, changed to"));
        let change = |old: &str, new: &str| json!({ "input": { "currentPassword": old, "newPassword": new, "userAgent": "canary" } });
        self.ask("changePassword, wrong", &access, CHANGE, change(&wrong, &next)).await;
        self.ask("changePassword, by a program", &self.admin.clone(), CHANGE, change(&wrong, &next)).await;
        let answer = self.ask("changePassword", &access, CHANGE, change(password, &next)).await;
        let (access, _) = self.session("changePassword", &answer);
        self.ask("signOut", &access, "mutation { signOut { ended } }", json!({})).await;
        for (kind, input) in [
            ("a password in a list", json!({ "email": "ann@example.com", "password": ["§"] })),
            ("a password in an object", json!({ "email": "ann@example.com", "password": { "text": "§" } })),
            ("a password beside a wrong type", json!({ "email": 7, "password": "§" })),
            ("a password without an address", json!({ "password": "§" })),
            (
                "a password beside a field nobody knows",
                json!({ "email": "ann@example.com", "password": "§", "totp": "§" }),
            ),
        ] {
            let secret = self.canaries.make(kind);
            let input: Value = serde_json::from_str(&input.to_string().replace('§', &secret)).unwrap();
            self.ask(kind, "", SIGN_IN, json!({ "input": input })).await;
        }
    }

    /// Everything that a client can do wrongly.
    pub async fn wrongly(&mut self) {
        let credential = bearer(&self.admin);
        for (kind, document) in wrong::DOCUMENTS {
            let secret = self.canaries.make(kind);
            let document = document.replace('§', &secret);
            self.send(kind, &post(&credential, &json!({ "query": document }).to_string())).await;
        }
        for (kind, variables) in wrong::VARIABLES {
            let secret = self.canaries.make(kind);
            let variables: Value = serde_json::from_str(&variables.replace('§', &secret)).unwrap();
            let body = json!({ "query": wrong::WITH_VARIABLES, "variables": variables });
            self.send(kind, &post(&credential, &body.to_string())).await;
        }
        for (kind, body) in wrong::BODIES {
            let secret = self.canaries.make(kind);
            self.send(kind, &post(&credential, &body.replace('§', &secret))).await;
        }
        for (kind, target) in wrong::TARGETS {
            let secret = self.canaries.make(kind);
            let target = target.replace('§', &secret);
            let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\n{credential}connection: close\r\n\r\n");
            self.send(kind, request.as_bytes()).await;
        }
        for (kind, header) in wrong::HEADERS {
            let secret = self.canaries.make(kind);
            let lines = format!("{}\r\n", header.replace('§', &secret));
            let body = json!({ "query": WHO }).to_string();
            self.send(kind, &post(&lines, &body)).await;
        }
        let secret = self.canaries.make("a header that is too long");
        self.send("a header that is too long", &post(&format!("x-long: {}\r\n", secret.repeat(1_000)), "{}")).await;
        for (kind, request) in wrong::RAW {
            let secret = self.canaries.make(kind);
            self.send(kind, request.replace('§', &secret).as_bytes()).await;
        }
    }

    /// The same password and credential by HTTP/2, rightly and wrongly.
    pub async fn by_http2(&mut self) {
        let (password, token) =
            (self.canaries.make("a password by HTTP/2"), self.canaries.make("a credential by HTTP/2"));
        let (cookie, path) = (self.canaries.make("a cookie by HTTP/2"), self.canaries.make("a path by HTTP/2"));
        let socket = TcpStream::connect(self.server).await.unwrap();
        let (mut client, connection) = h2::client::handshake(socket).await.unwrap();
        let mut running = JoinSet::new();
        running.spawn(connection);
        let body =
            json!({ "query": SIGN_IN, "variables": { "input": { "email": "ann@example.com", "password": password } } });
        for (target, credential, body) in [
            ("/graphql".to_owned(), None, body.to_string()),
            ("/graphql".to_owned(), Some(token), json!({ "query": WHO }).to_string()),
            (format!("/graphql?access_token={path}"), None, "{".to_owned()),
        ] {
            let mut request = Request::post(format!("http://a{target}"))
                .header("content-type", "application/json")
                .header("cookie", &cookie);
            if let Some(credential) = credential {
                request = request.header("authorization", format!("Bearer {credential}"));
            }
            client = client.ready().await.unwrap();
            let (answer, mut send) = client.send_request(request.body(()).unwrap(), false).unwrap();
            send.send_data(Bytes::from(body), true).unwrap();
            let mut answer = timeout(LIMIT, answer).await.unwrap().unwrap();
            let mut bytes = format!("{:?} {:?}", answer.status(), answer.headers()).into_bytes();
            while let Some(data) = answer.body_mut().data().await {
                bytes.extend(data.unwrap());
            }
            self.taken.push(Taken { what: format!("by HTTP/2: {target}"), bytes, handed: Vec::new() });
        }
    }

    /// What a client gets when the database fails under its request.
    pub async fn while_the_database_fails(&mut self) {
        let admin = self.admin.clone();
        let password = self.canaries.make("a password while the database fails");
        let input = json!({ "input": { "email": "ann@example.com", "password": password } });
        let answer = self.ask("signIn, without a table", "", SIGN_IN, input).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL_SERVER_ERROR", "{answer}");
        let link = self.canaries.make("a link while the database fails");
        let password = self.canaries.make("a password to set while the database fails");
        let input = json!({ "input": { "token": link, "password": password } });
        self.ask("setPassword, without a table", "", SET_PASSWORD, input).await;
        let refresh = self.canaries.make("a refresh token while the database fails");
        let input = json!({ "input": { "refreshToken": refresh } });
        self.ask("refreshSession, without a table", "", REFRESH, input).await;
        let input = json!({ "input": { "name": "A", "role": "VIEWER", "idempotencyKey": "failing" } });
        self.ask("createApiToken, without a table", &admin, TOKEN, input).await;
        let token = self.canaries.make("a token while the database fails");
        self.ask("by a token, without a table", &token, WHO, json!({})).await;
    }
}

const CREATE_ANN: &str =
    "mutation { createUser(input: {email: \"ann@example.com\", name: \"Ann\", role: ADMIN}) { user { id } } }";

fn bearer(token: &str) -> String {
    if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") }
}

fn post(lines: &str, body: &str) -> Vec<u8> {
    // Some of the lines say how the connection goes on.
    let close = if lines.contains("connection:") { "" } else { "connection: close\r\n" };
    format!(
        "POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{close}{lines}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn exchange(server: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut socket = TcpStream::connect(server).await?;
    let (mut read, mut write) = socket.split();
    // Who refuses a request early may close before all of it was sent.
    let sent = async { write.write_all(bytes).await.ok() };
    let mut answer = Vec::new();
    let taken = async {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = read.read(&mut buffer).await {
            answer.extend(&buffer[..count]);
        }
    };
    tokio::join!(sent, taken);
    Ok(answer)
}
