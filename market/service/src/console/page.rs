//! The page and its files. All are inside the program: the console works where there is no internet, and the
//! Content-Security-Policy forbids the browser to load anything from elsewhere.

use std::sync::LazyLock;

use axum::{
    body::Bytes,
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use protocol::hash::Hash;

/// Scripts only from files of this server, and forms only to it. Styles may be inline, because plotly.js and Swagger UI
/// set some that way.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

struct Asset {
    name: &'static str,
    content_type: &'static str,
    cache_control: &'static str,
    etag: String,
    body: Bytes,
}

/// Kept by the browser, but asked about each time: a new version of the market shows at once.
const REVALIDATE: &str = "no-cache";
/// plotly.js is large and changes only with the program.
const ONE_DAY: &str = "public, max-age=86400";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

static INDEX: LazyLock<Asset> =
    LazyLock::new(|| asset("index.html", "text/html; charset=utf-8", include_str!("assets/index.html")));

static HISTORY: LazyLock<Asset> =
    LazyLock::new(|| asset("history.html", "text/html; charset=utf-8", include_str!("assets/history.html")));

static ASSETS: LazyLock<[Asset; 12]> = LazyLock::new(|| {
    [
        asset("console.css", "text/css; charset=utf-8", include_str!("assets/console.css")),
        asset("console.js", JAVASCRIPT, include_str!("assets/console.js")),
        asset("charts.js", JAVASCRIPT, include_str!("assets/charts.js")),
        asset("mechanism.js", JAVASCRIPT, include_str!("assets/mechanism.js")),
        asset("tables.js", JAVASCRIPT, include_str!("assets/tables.js")),
        asset("alarms.js", JAVASCRIPT, include_str!("assets/alarms.js")),
        asset("health.js", JAVASCRIPT, include_str!("assets/health.js")),
        asset("format.js", JAVASCRIPT, include_str!("assets/format.js")),
        asset("history.css", "text/css; charset=utf-8", include_str!("assets/history.css")),
        asset("history.js", JAVASCRIPT, include_str!("assets/history.js")),
        asset("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
        Asset { cache_control: ONE_DAY, ..asset("plotly.js", JAVASCRIPT, &plotly()) },
    ]
});

fn asset(name: &'static str, content_type: &'static str, body: &str) -> Asset {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let etag = format!("\"{}\"", &Hash::of(&body).to_string()[..32]);
    Asset { name, content_type, cache_control: REVALIDATE, etag, body }
}

/// plotly.js as the crate carries it: the first of the scripts that it embeds in a page.
fn plotly() -> String {
    let scripts = plotly::Plot::offline_js_sources();
    let script = scripts.split_once('>').and_then(|(_, rest)| rest.split_once("</script>"));
    script.map_or_else(String::new, |(script, _)| script.to_owned())
}

/// `GET /`
pub(crate) async fn index(request: HeaderMap) -> Response {
    serve(&INDEX, &request)
}

/// `GET /history`
pub(crate) async fn history(request: HeaderMap) -> Response {
    serve(&HISTORY, &request)
}

/// `GET /assets/NAME`
pub(crate) async fn file(Path(name): Path<String>, request: HeaderMap) -> Response {
    serve_named(&name, &request)
}

/// `GET /favicon.ico`: what browsers ask for beside everything that is not our page, such as the metrics.
pub(crate) async fn icon(request: HeaderMap) -> Response {
    serve_named("icon.svg", &request)
}

fn serve_named(name: &str, request: &HeaderMap) -> Response {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => serve(asset, request),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn serve(asset: &Asset, request: &HeaderMap) -> Response {
    let headers = [(header::CACHE_CONTROL, asset.cache_control), (header::ETAG, asset.etag.as_str())];
    if request.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == asset.etag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(header::CONTENT_TYPE, asset.content_type)], asset.body.clone()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_knows_no_mechanism_by_its_name() {
        for asset in ASSETS.iter().filter(|asset| asset.name != "plotly.js").chain([&*INDEX, &*HISTORY]) {
            let text = std::str::from_utf8(&asset.body).unwrap();
            for known in market::clearing::mechanisms() {
                assert!(!text.contains(known.name()), "{} names `{}`", asset.name, known.name());
            }
        }
    }

    #[test]
    fn plotly_is_bare_javascript() {
        let plotly = plotly();
        assert!(plotly.starts_with("/**\n* plotly.js"), "{}", &plotly[..80.min(plotly.len())]);
        assert!(plotly.len() > 4_000_000 && !plotly.contains("<script"));
    }
}
