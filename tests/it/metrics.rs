//! The page that a metrics server reads: well-formed, complete, and bounded whatever clients send.

use std::collections::{BTreeMap, BTreeSet};

use portolan::kernel::{error::Code, scope::Role};
use serde_json::json;

use crate::support::{
    TestHub,
    hub::{get, post},
    request::{With, encoded},
    text::many,
};

/// One sample: its name, its labels, its value.
#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// The page, read by the rules of the `OpenMetrics` text format.
#[derive(Debug, Default)]
struct Page {
    /// Family by name: its type.
    families: BTreeMap<String, String>,
    samples: Vec<Sample>,
}

impl Page {
    async fn of(hub: &TestHub) -> Self {
        let reply = hub.send(get("/metrics")).await;
        assert_eq!(reply.status, 200);
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!(reply.header("content-type"), kind);
        Self::read(&reply.text)
    }

    fn read(text: &str) -> Self {
        let mut page = Self::default();
        let text = text.strip_suffix("# EOF\n").expect("the page ends with its mark");
        for line in text.lines() {
            if let Some(meta) = line.strip_prefix("# ") {
                let mut words = meta.splitn(3, ' ');
                let (keyword, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
                assert!(["HELP", "TYPE", "UNIT"].contains(&keyword), "{line}");
                if keyword == "TYPE" {
                    let known = ["counter", "gauge", "histogram", "info"];
                    assert!(known.contains(&rest), "{line}");
                    assert!(page.families.insert(name.to_owned(), rest.to_owned()).is_none(), "twice: {line}");
                }
                if keyword == "UNIT" {
                    assert!(name.ends_with(&format!("_{rest}")), "{line}");
                }
            } else {
                page.samples.push(Self::sample(line));
            }
        }
        for sample in &page.samples {
            let family = page.families.keys().find(|family| page.belongs(&sample.name, family));
            assert!(family.is_some(), "{} belongs to no family", sample.name);
        }
        page
    }

    fn sample(line: &str) -> Sample {
        let (head, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) =
            head.split_once('{').map_or((head, ""), |(name, rest)| (name, rest.strip_suffix('}').unwrap()));
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'), "{line}");
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap();
            let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
            assert!(!value.contains(['"', '\\']), "{line}");
            (name.to_owned(), value.to_owned())
        };
        let labels = labels.split(',').filter(|part| !part.is_empty()).map(pair).collect();
        Sample { name: name.to_owned(), labels, value: value.parse().unwrap() }
    }

    fn belongs(&self, sample: &str, family: &str) -> bool {
        let endings: &[&str] = match self.families[family].as_str() {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_count", "_sum"],
            "info" => &["_info"],
            _ => &[""],
        };
        endings.iter().any(|ending| sample.strip_suffix(ending) == Some(family))
    }

    /// The sum of the samples that carry these labels.
    fn count(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |sample: &&Sample| {
            sample.name == name
                && labels.iter().all(|(name, value)| sample.labels.get(*name).is_some_and(|is| is == value))
        };
        self.samples.iter().filter(fits).map(|sample| sample.value).sum()
    }

    /// Every series by name and labels; buckets of one histogram are one series.
    fn series(&self) -> BTreeSet<String> {
        let label = |sample: &Sample| {
            let mut labels = sample.labels.clone();
            labels.remove("le");
            format!("{}{labels:?}", sample.name)
        };
        self.samples.iter().map(label).collect()
    }
}

fn near(is: f64, wanted: f64) -> bool {
    (is - wanted).abs() < 0.5
}

#[tokio::test]
async fn the_page_is_well_formed_and_has_every_family() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::Admin).await;
    hub.ask(&token, "{ users { nodes { id } } }", json!({})).await.data();
    hub.ask(&token, "{ nothing }", json!({})).await;
    // A family is there once it has a series.
    hub.ask(&token, "{ broken", json!({})).await;
    let page = Page::of(&hub).await;
    let families = [
        ("build", "info"),
        ("http_server_request_duration_seconds", "histogram"),
        ("http_connections_open", "gauge"),
        ("http_connections_refused", "counter"),
        ("graphql_operation_duration_seconds", "histogram"),
        ("graphql_errors", "counter"),
        ("graphql_refused", "counter"),
        ("graphql_operation_cost", "histogram"),
        ("db_statement_duration_seconds", "histogram"),
    ];
    for (name, kind) in families {
        assert_eq!(page.families.get(name).map(String::as_str), Some(kind), "{name}");
    }
    let ok = [("type", "query"), ("outcome", "ok")];
    assert!(near(page.count("graphql_operation_duration_seconds_count", &ok), 1.0));
    let refused = [("type", "query"), ("outcome", "refused")];
    assert!(near(page.count("graphql_operation_duration_seconds_count", &refused), 1.0));
    assert!(page.count("db_statement_duration_seconds_count", &[("outcome", "ok")]) > 1.0);
    assert!(page.count("graphql_operation_cost_sum", &[]) > 25.0);
    let answered = [("method", "POST"), ("route", "/graphql"), ("status", "2xx")];
    assert!(near(page.count("http_server_request_duration_seconds_count", &answered), 3.0));
    assert!(near(page.count("build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0));
}

#[tokio::test]
async fn every_refusal_is_counted_under_the_limit_that_made_it() {
    let hub = TestHub::with(&[("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "1000")]).await;
    let token = hub.token(Role::Admin).await;
    let page = |alias: char| format!("{alias}: users(first: 100) {{ nodes {{ membership {{ user {{ id }} }} }} }}");
    let dear = format!("{{ {} {} {} {} }}", page('a'), page('b'), page('c'), page('d'));
    let once = format!("{{ {} {} {} }}", page('a'), page('b'), page('c'));
    let aliases = many(40, |at| format!("a{at}: __typename "));
    let roots = many(12, |at| format!("a{at}: __typename "));
    let documents = [
        ("tokens", "{".to_owned() + &"a ".repeat(3_000) + "}"),
        ("nesting", "{a(x:".to_owned() + &"[".repeat(100)),
        ("syntax", "{ a".to_owned()),
        ("text_bytes", format!("{{ a }} #{}", "x".repeat(40_000))),
        ("depth", "{ users { nodes { membership { user { membership { user { membership { user { membership { user { membership { id } } } } } } } } } } } }".to_owned()),
        ("aliases", format!("{{ viewer {{ {aliases} }} }}")),
        ("root_fields", format!("{{ {roots} }}")),
        ("directives", format!("{{ __typename {} }}", "@include(if: true) ".repeat(30))),
        ("fragments", "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }".to_owned()),
        ("cost", dear),
        ("rate", once.clone()),
    ];
    let spent = hub.ask(&token, &once, json!({})).await;
    spent.data();
    for (limit, document) in documents {
        let before = Page::of(&hub).await.count("graphql_refused_total", &[("limit", limit)]);
        let reply = hub.ask(&token, &document, json!({})).await;
        let [code] = reply.codes().try_into().unwrap_or_else(|codes| panic!("{limit}: {codes:?}"));
        let after = Page::of(&hub).await;
        let counted = after.count("graphql_refused_total", &[("limit", limit)]);
        assert!(near(counted - before, 1.0), "{limit} {code}: {:?}", after.series());
        assert!(after.count("graphql_errors_total", &[("code", &code)]) > 0.5, "{limit} {code}");
    }
    let variables = hub.ask(&token, "query($a: Int!) { __typename }", json!({})).await;
    assert_eq!(variables.codes(), ["BAD_USER_INPUT"]);
    hub.send(post("", vec![b' '; 1_100_000])).await.refused(413, "PAYLOAD_TOO_LARGE");
    hub.send(post("wrong", "{}")).await.refused(401, "UNAUTHENTICATED");
    let after = Page::of(&hub).await;
    for limit in ["variables", "body_bytes"] {
        assert!(near(after.count("graphql_refused_total", &[("limit", limit)]), 1.0), "{limit}");
    }
    for code in ["PAYLOAD_TOO_LARGE", "UNAUTHENTICATED"] {
        assert!(near(after.count("graphql_errors_total", &[("code", code)]), 1.0), "{code}");
    }
}

#[tokio::test]
async fn nothing_a_client_sends_becomes_a_label() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::Admin).await;
    let storm = async |from: u32| {
        for at in from..from + 40 {
            let marked = format!("marked{at}");
            let paths =
                [format!("/{marked}"), format!("/graphql/{marked}"), format!("/graphql?query={}", encoded(&marked))];
            for path in paths {
                hub.send(get(&path).by(&marked.to_uppercase())).await;
                hub.send(get(&path).with("user-agent", &marked).with("host", &marked)).await;
            }
            let operation = format!("query {marked} {{ {marked}: __typename }}");
            hub.ask(&token, &operation, json!({ (marked.as_str()): marked })).await.data();
            hub.ask(&token, &format!("{{ {marked} }}"), json!({})).await;
            hub.ask(&token, &format!("{{ __typename @{marked} }}"), json!({})).await;
            hub.send(post(&marked, "{}")).await;
            hub.send(post(&token, "{}").with("x-portolan-tenant", &marked).with("x-portolan-cost", &marked)).await;
            hub.send(post("", "{}").without("content-type").with("content-type", &marked)).await;
            let body = json!({ "query": operation, "operationName": marked, "documentId": marked });
            hub.send(post(&token, body.to_string())).await;
        }
    };
    storm(100).await;
    // Asking for the page is a request too, and counted once it is answered.
    Page::of(&hub).await;
    let page = Page::of(&hub).await;
    storm(200).await;
    let again = Page::of(&hub).await;
    assert_eq!(page.series(), again.series(), "more of the same brings no new series");
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
    for sample in &again.samples {
        for (name, value) in &sample.labels {
            assert!(!value.to_lowercase().contains("marked"), "{sample:?}");
            assert!(name != "code" || codes.contains(&value.as_str()), "{sample:?}");
        }
    }
    let odd = again.count("http_server_request_duration_seconds_count", &[("method", "other")]);
    assert!(near(odd, 240.0), "{odd}");
    assert!(again.series().len() < 100, "{}", again.series().len());
}
