//! The page and its files. All are inside the program: the console works where there is no internet, and the
//! Content-Security-Policy forbids the browser to load anything from elsewhere.

use std::sync::LazyLock;

use axum::{extract::Path, http::HeaderMap, response::Response};
use public_http::{Asset, CSS, HTML, JAVASCRIPT, answer, shared};

/// Scripts only from files of this server, and forms only to it. Styles may be inline, because plotly.js and Swagger UI
/// set some that way.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

static INDEX: LazyLock<Asset> = LazyLock::new(|| Asset::new("index.html", HTML, include_str!("assets/index.html")));

static HISTORY: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("history.html", HTML, include_str!("assets/history.html")));

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    // By its hash: a browser that has it does not ask again.
    let plotly = Asset::new("plotly.js", JAVASCRIPT, plotly()).kept();
    let charts = include_str!("assets/charts.js").replace("/assets/plotly.js", &plotly.address());
    let own = [
        Asset::new("console.css", CSS, include_str!("assets/console.css")),
        Asset::new("console.js", JAVASCRIPT, include_str!("assets/console.js")),
        Asset::new("charts.js", JAVASCRIPT, charts),
        Asset::new("mechanism.js", JAVASCRIPT, include_str!("assets/mechanism.js")),
        Asset::new("tables.js", JAVASCRIPT, include_str!("assets/tables.js")),
        Asset::new("alarms.js", JAVASCRIPT, include_str!("assets/alarms.js")),
        Asset::new("health.js", JAVASCRIPT, include_str!("assets/health.js")),
        Asset::new("format.js", JAVASCRIPT, include_str!("assets/format.js")),
        Asset::new("map.js", JAVASCRIPT, include_str!("assets/map.js")),
        Asset::new("say.js", JAVASCRIPT, include_str!("assets/say.js")),
        Asset::new("ask.js", JAVASCRIPT, include_str!("assets/ask.js")),
        Asset::new("paced.js", JAVASCRIPT, include_str!("assets/paced.js")),
        Asset::new("sign-in.js", JAVASCRIPT, include_str!("assets/sign-in.js")),
        Asset::new("server-words.js", JAVASCRIPT, include_str!("assets/server-words.js")),
        Asset::new("words-de.js", JAVASCRIPT, include_str!("assets/words-de.js")),
        Asset::new("words-en.js", JAVASCRIPT, include_str!("assets/words-en.js")),
        Asset::new("words-fr.js", JAVASCRIPT, include_str!("assets/words-fr.js")),
        Asset::new("history.css", CSS, include_str!("assets/history.css")),
        Asset::new("history.js", JAVASCRIPT, include_str!("assets/history.js")),
        Asset::new("history-charts.js", JAVASCRIPT, include_str!("assets/history-charts.js")),
        Asset::new("history-decisions.js", JAVASCRIPT, include_str!("assets/history-decisions.js")),
        Asset::new("history-household.js", JAVASCRIPT, include_str!("assets/history-household.js")),
        Asset::new("history-interval.js", JAVASCRIPT, include_str!("assets/history-interval.js")),
        Asset::new("history-lines.js", JAVASCRIPT, include_str!("assets/history-lines.js")),
        Asset::new("history-parts.js", JAVASCRIPT, include_str!("assets/history-parts.js")),
        Asset::new("history-words.js", JAVASCRIPT, include_str!("assets/history-words.js")),
        plotly,
    ];
    own.into_iter().chain(shared()).collect()
});

/// plotly.js as the crate carries it: the first of the scripts that it embeds in a page.
fn plotly() -> String {
    let scripts = plotly::Plot::offline_js_sources();
    let script = scripts.split_once('>').and_then(|(_, rest)| rest.split_once("</script>"));
    script.map_or_else(String::new, |(script, _)| script.to_owned())
}

/// `GET /`
pub(crate) async fn index(request: HeaderMap) -> Response {
    INDEX.answer(&request).await
}

/// `GET /history`
pub(crate) async fn history(request: HeaderMap) -> Response {
    HISTORY.answer(&request).await
}

/// `GET /assets/NAME`
pub(crate) async fn file(Path(name): Path<String>, request: HeaderMap) -> Response {
    answer(&ASSETS, &name, &request).await
}

/// `GET /favicon.ico`: what browsers ask for beside everything that is not our page, such as the metrics.
pub(crate) async fn icon(request: HeaderMap) -> Response {
    answer(&ASSETS, "icon.svg", &request).await
}

#[cfg(test)]
mod tests;
