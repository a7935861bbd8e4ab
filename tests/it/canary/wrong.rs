//! Secrets in the wrong place: everything that a client can send by mistake, each time with a secret of its own
//! where `§` stands. Nothing of it is a secret to the hub; it is refused for what it is, or passed over.

/// Documents.
pub const DOCUMENTS: &[(&str, &str)] = &[
    ("a text that is not closed", "{ node(id: \"§) { id } }"),
    ("a block text that is not closed", "{ node(id: \"\"\"§) { id } }"),
    ("a comment before a fault of syntax", "# §\n{ viewer {"),
    ("a stray word", "{ viewer { role } } §"),
    ("a number with letters", "{ users(first: 1§) { totalCount } }"),
    ("a text for a number", "{ users(first: \"§\") { totalCount } }"),
    ("a word for a number", "{ users(first: §) { totalCount } }"),
    ("a list for a number", "{ users(first: [\"§\"]) { totalCount } }"),
    ("an object for a number", "{ users(first: {a: \"§\"}) { totalCount } }"),
    ("an argument nobody knows", "{ users(first: 1, password: \"§\") { totalCount } }"),
    ("a cursor", "{ users(first: 1, after: \"§\") { totalCount } }"),
    ("an id", "{ node(id: \"§\") { id } }"),
    ("an id with a prefix", "{ node(id: \"usr_§\") { id } }"),
    ("the argument of a directive", "{ viewer { role @include(if: \"§\") } }"),
    ("the argument of an unknown directive", "{ viewer { role @hide(from: \"§\") } }"),
    ("the default of a variable", "query($a: Int = \"§\") { users(first: $a) { totalCount } }"),
    ("a role", "mutation { createUser(input: {email: \"a@b.c\", name: \"A\", role: §}) { user { id } } }"),
    (
        "a role in quotes",
        "mutation { createUser(input: {email: \"a@b.c\", name: \"A\", role: \"§\"}) { user { id } } }",
    ),
    (
        "an input field nobody knows",
        "mutation { createUser(input: {email: \"a@b.c\", name: \"A\", role: VIEWER, password: \"§\"}) { user { id } } }",
    ),
    ("a text for an input", "mutation { createUser(input: \"§\") { user { id } } }"),
    (
        "an email address",
        "mutation { createUser(input: {email: \"§\", name: \"A\", role: VIEWER}) { userErrors { message } } }",
    ),
    (
        "a name with a control character",
        "mutation { createUser(input: {email: \"a@b.c\", name: \"§\\u0007.\", role: VIEWER}) { userErrors { message } } }",
    ),
    (
        "an idempotency key with a control character",
        "mutation { createUser(input: {email: \"a@b.c\", name: \"A\", role: VIEWER, idempotencyKey: \"§\\u0007.\"}) \
         { userErrors { message } } }",
    ),
    ("a time", "mutation { createApiToken(input: {name: \"A\", role: VIEWER, expiresAt: \"§\"}) { token } }"),
    (
        "a scope",
        "mutation { createApiToken(input: {name: \"A\", role: VIEWER, scopes: [\"§\"]}) { userErrors { message } } }",
    ),
    ("a slug", "mutation { updateTenant(input: {slug: \"§ §\"}) { userErrors { message } } }"),
    ("a time zone", "mutation { updateTenant(input: {settings: {timeZone: \"§\"}}) { userErrors { message } } }"),
    ("a currency", "mutation { updateTenant(input: {settings: {currency: \"§\"}}) { userErrors { message } } }"),
    (
        "the reason of a rotation",
        "mutation { rotateTenantKey(input: {reason: \"§\\u0007\"}) { userErrors { message } } }",
    ),
    ("an action to filter by", "{ auditLog(filter: {action: \"§\"}) { totalCount } }"),
    (
        "an email address to sign in",
        "mutation { signIn(input: {email: \"§\", password: \"x\"}) { session { accessToken } } }",
    ),
    ("the name of an operation that fails", "query §($a: Int) { users(first: $a, last: $a) { totalCount } }"),
];

/// Variables of an operation that uses each of them.
pub const VARIABLES: &[(&str, &str)] = &[
    ("a variable that should be a number", r#"{"first": "§"}"#),
    ("a variable that should be an id", r#"{"id": "§"}"#),
    ("a variable that should be a cursor", r#"{"after": "§"}"#),
    ("a list for an id", r#"{"id": ["§"]}"#),
    ("an object for a number", r#"{"first": {"value": {"deep": "§"}}}"#),
    ("a variable nobody declared", r#"{"password": "§"}"#),
    ("a role in a variable", r#"{"input": {"email": "a@b.c", "name": "A", "role": "§"}}"#),
    (
        "an input field nobody knows, in a variable",
        r#"{"input": {"email": "a@b.c", "name": "A", "role": "VIEWER", "password": "§"}}"#,
    ),
    ("a list for an input", r#"{"input": ["§"]}"#),
];

/// What those variables are for.
pub const WITH_VARIABLES: &str = "mutation($first: Int, $after: String, $id: ID, $input: CreateUserInput) {
    a: updateTenant(input: {id: $id}) { tenant { id } userErrors { message } }
    b: createUser(input: $input) { userErrors { message } }
    c: createApiToken(input: {name: $after, role: VIEWER, idempotencyKey: $first}) { userErrors { message } } }";

/// Bodies of a POST that says it is JSON.
pub const BODIES: &[(&str, &str)] = &[
    ("a body cut short", r#"{"query": "{ viewer { role } }", "variables": {"password": "§"#),
    ("a body cut in an escape", r#"{"query": "{ viewer { role } }", "variables": {"password": "§\u00"#),
    ("a body that is no JSON", "§"),
    ("a body that is a text", r#""§""#),
    ("a body that is a list", r#"[{"query": "§"}]"#),
    ("a query that is a list", r#"{"query": ["§"]}"#),
    ("variables that are a text", r#"{"query": "{ viewer { role } }", "variables": "§"}"#),
    ("extensions that are a text", r#"{"query": "{ viewer { role } }", "extensions": "§"}"#),
    ("an operation name that is a list", r#"{"query": "{ viewer { role } }", "operationName": ["§"]}"#),
    (
        "an operation name that names none",
        r#"{"query": "query a { viewer { role } } query b { viewer { role } }", "operationName": "§"}"#,
    ),
    ("a query given twice", r#"{"query": "§", "query": "§"}"#),
    ("the hash of a persisted query", r#"{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "§"}}}"#),
    (
        "a query that is not its hash's",
        r#"{"query": "{ viewer { role } }", "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "§"}}}"#,
    ),
    ("the id of a document", r#"{"documentId": "§"}"#),
    ("a member nobody knows", r#"{"query": "{ viewer { role } }", "password": "§"}"#),
    ("a number out of bounds", r#"{"query": "{ viewer { role } }", "variables": {"a": "§", "b": 1e999}}"#),
    (
        "a body in brackets without end",
        r#"{"query": "{ viewer { role } }", "variables": {"a": "§", "b": [[[[[[[[[[[[[[[["#,
    ),
];

/// What a GET asks for.
pub const TARGETS: &[(&str, &str)] = &[
    ("a query in a URL", "/graphql?query=§"),
    ("a document in a URL", "/graphql?query=%7Bnode(id:%22§%22)%7Bid%7D%7D"),
    ("variables in a URL", "/graphql?query=%7Bviewer%7Brole%7D%7D&variables=§"),
    (
        "variables of a wrong type in a URL",
        "/graphql?query=query($a:Int)%7Busers(first:$a)%7BtotalCount%7D%7D&variables=%7B%22a%22:%22§%22%7D",
    ),
    ("an operation name in a URL", "/graphql?query=%7Bviewer%7Brole%7D%7D&operationName=§"),
    ("extensions in a URL", "/graphql?query=%7Bviewer%7Brole%7D%7D&extensions=§"),
    ("a token in a URL", "/graphql?query=%7Bviewer%7Brole%7D%7D&access_token=§"),
    ("a parameter given twice", "/graphql?query=§&query=§"),
    ("a code and a state in a URL", "/oauth/callback?code=§&state=§"),
    ("a state given twice", "/oauth/callback?state=§&state=§"),
    ("a path below where people come back to", "/oauth/callback/§"),
    ("a broken escape in a URL", "/graphql?query=%zz§"),
    (
        "a password in a mutation by GET",
        "/graphql?query=mutation%7BsignIn(input:%7Bemail:%22a@b.c%22,password:%22§%22%7D)%7Bsession%7BaccessToken%7D%7D%7D",
    ),
    ("a path", "/§"),
    ("a path of a webhook", "/hooks/§"),
    ("a path below the endpoint", "/graphql/§"),
    ("the query of the metrics", "/metrics?token=§"),
    ("the query of a probe", "/readyz?token=§"),
    ("the query of the schema", "/schema.graphql?access_token=§"),
    ("the query of the front page", "/?token=§"),
];

/// Lines in the head of a POST.
pub const HEADERS: &[(&str, &str)] = &[
    ("a credential without a scheme", "authorization: §"),
    ("a basic credential", "authorization: Basic §"),
    ("a bearer token that is none", "authorization: Bearer §"),
    ("a bearer token with a comma", "authorization: Bearer a, Bearer §"),
    ("two credentials", "authorization: Bearer §\r\nauthorization: Bearer §"),
    ("a JWT that is none", "authorization: Bearer eyJhbGciOiJub25lIn0.§.§"),
    ("a JWT of three texts", "authorization: Bearer §.§.§"),
    ("a credential beyond ASCII", "authorization: Bearer \u{e9}§"),
    ("a credential for a proxy", "proxy-authorization: Basic §"),
    ("a cookie", "cookie: session=§"),
    ("an API key in a header", "x-api-key: §"),
    ("a tenant", "x-portolan-tenant: §"),
    ("how the cost is told", "x-portolan-cost: §"),
    ("an idempotency key in a header", "idempotency-key: §"),
    ("where it was forwarded for", "x-forwarded-for: §"),
    ("where it was forwarded", "forwarded: for=§"),
    ("an origin", "origin: https://§.example.com"),
    ("a referrer", "referer: https://example.com/?token=§"),
    ("a program's name", "user-agent: curl/§"),
    ("what is accepted", "accept: application/§"),
    ("what is accepted, with a parameter", "accept: application/json; token=§"),
    ("a request id that is none", "x-request-id: § §"),
    ("a trace", "traceparent: 00-§"),
    ("the last event", "last-event-id: §"),
    ("what it expects", "expect: §"),
    ("what it upgrades to", "connection: upgrade\r\nupgrade: §"),
    ("how it is transferred", "transfer-encoding: §"),
    ("a header nobody knows", "x-secret: §"),
    ("the name of a header", "x-§: 1"),
];

/// Whole requests that are none, or nearly.
pub const RAW: &[(&str, &str)] = &[
    ("a method", "§ /graphql HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
    ("a version", "GET / HTTP/§\r\nhost: a\r\n\r\n"),
    ("a line without a colon", "GET / HTTP/1.1\r\nhost: a\r\n§\r\n\r\n"),
    ("a host", "GET / HTTP/1.1\r\nhost: §.example.com\r\nconnection: close\r\n\r\n"),
    ("a target with a user", "GET http://ann:§@a/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
    ("no HTTP at all", "§\r\n\r\n"),
    (
        "a form",
        "POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-www-form-urlencoded\r\nconnection: close\r\n\
         content-length: 36\r\n\r\npassword=123&§",
    ),
    (
        "a type of content",
        "POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json; charset=§\r\nconnection: close\r\n\
         content-length: 2\r\n\r\n{}",
    ),
    (
        "a body that ends too soon",
        "POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n\
         {\"query\": \"§",
    ),
];
