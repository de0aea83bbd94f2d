//! Roles and refusals, written into the document of the routes: what the guard does, no route can know.

use axum::http::Method;
use utoipa::{
    Modify, ToSchema,
    openapi::{
        self, ContentBuilder, Ref, ResponseBuilder,
        path::{Operation, PathItem},
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

use public_http::Role;

use super::{auth, problem::Problem};

/// The name of the security scheme in the document.
const TOKEN: &str = "token";

/// Says of every operation which role it needs, and which refusals the guard may answer.
pub(super) struct Guarded;

impl Modify for Guarded {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some(
            "A token of the role that the operation names. A `submit` token is good for `read`, too. A node that is \
             reached from its own machine only may go without."
                .into(),
        );
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(TOKEN, SecurityScheme::Http(scheme));
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in operations(item) {
                describe(operation, auth::needed(&method, path), auth::is_of_the_page(&method, path));
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [(Method::GET, get), (Method::PUT, put), (Method::POST, post), (Method::DELETE, delete), (Method::PATCH, patch)]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn describe(operation: &mut Operation, needed: Option<Role>, is_of_the_page: bool) {
    let mut may_answer = vec![
        (429, "`rate_limited` or `too_many_connections_of_address`: ask again after `Retry-After` seconds"),
        (503, "`too_many_connections`: ask again after `Retry-After` seconds"),
        (421, "`host_unknown`: over plain HTTP, the call is addressed to a name that this node does not know"),
    ];
    if let Some(role) = needed {
        if is_of_the_page {
            operation.description = Some("Open to everyone where the node's configuration says `api_public`.".into());
        }
        operation.security = Some(vec![SecurityRequirement::new(TOKEN, [role.to_string()])]);
        may_answer.push((401, "`token_missing` or `token_unknown`"));
        may_answer.push((403, "`role_insufficient`: the token is for other calls"));
    }
    if operation.request_body.is_some() {
        may_answer.push((408, "`body_too_slow`"));
        may_answer.push((413, "`body_too_large`"));
        may_answer.push((415, "`content_type_not_cbor`"));
    }
    for (status, description) in may_answer {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name())));
        let answer = ResponseBuilder::new().description(description).content("application/json", content.build());
        // What a route says of itself stays.
        operation.responses.responses.entry(status.to_string()).or_insert_with(|| answer.into());
    }
}
