//! The OpenAPI document against the router: each path and method is in both or in neither.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Caller;
use crate::testing::World;

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The paths that the router's source names.
fn routed() -> BTreeSet<String> {
    let source = include_str!("../mod.rs");
    let (_, routes) = source.split_once("Router::new()").unwrap();
    routes.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

fn methods(operations: &Value) -> BTreeSet<String> {
    operations.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect()
}

#[tokio::test(start_paused = true)]
async fn it_lists_exactly_what_the_router_answers() {
    let caller = Caller::of(World::new().await);
    let document = caller.get("/v1/openapi.json").await;
    assert_eq!(document.status, 200);
    assert!(document.body["openapi"].as_str().unwrap().starts_with("3."));
    let paths = document.body["paths"].as_object().unwrap();
    assert_eq!(paths.keys().cloned().collect::<BTreeSet<_>>(), routed());
    for (path, operations) in paths {
        let target = path.replace("{key}", "default").replace("{id}", "none").replace("{name}", "none");
        let mut answered = BTreeSet::new();
        for method in METHODS {
            let reply = caller.call(method, &target, "").await;
            if reply.status == 405 {
                reply.is_error(405, "method_not_allowed");
            } else {
                answered.insert(method.to_owned());
            }
        }
        assert_eq!(answered, methods(operations), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_names_every_query_parameter_and_every_schema_it_refers_to() {
    let caller = Caller::signed_in().await;
    let document = caller.get("/v1/openapi.json").await;
    for (path, operations) in document.body["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let query = parameters.iter().filter(|parameter| parameter["in"] == "query");
            for name in query.map(|parameter| parameter["name"].as_str().unwrap()) {
                let target =
                    path.replace("{key}", "default").replace("{id}", "none").replace("{name}", "none");
                let reply = caller.call(&method.to_uppercase(), &format!("{target}?{name}=0"), "").await;
                let refused = reply.text.contains("query parameter");
                assert!(!refused, "{method} {path} does not take the {name} it documents: {}", reply.text);
            }
        }
    }
    for reference in document.text.split("\"$ref\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.body.pointer(pointer).is_some(), "{reference}");
    }
}
