//! The node's pages and their files: what was settled and decided, where the money went, one certificate's way, the
//! situation for authorities, and receipts and claims checked in the visitor's own browser. All are inside the program.

use std::sync::LazyLock;

use axum::{Router, extract::Path, http::HeaderMap, response::Response, routing::get};
use public_http::{Asset, CSS, HTML, JAVASCRIPT, answer, shared};

static INDEX: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("index.html", HTML, include_str!("../page/assets/index.html")));
static CERTIFICATE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("certificate.html", HTML, include_str!("../page/assets/certificate.html")));

static SITUATION: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("situation.html", HTML, include_str!("../page/assets/situation.html")));

/// The light client's files, which know nothing of a page, and the page's own.
static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let own = [
        Asset::new("block.js", JAVASCRIPT, include_str!("../page/assets/block.js")),
        Asset::new("cbor.js", JAVASCRIPT, include_str!("../page/assets/cbor.js")),
        Asset::new("genesis.js", JAVASCRIPT, include_str!("../page/assets/genesis.js")),
        Asset::new("hash.js", JAVASCRIPT, include_str!("../page/assets/hash.js")),
        Asset::new("json.js", JAVASCRIPT, include_str!("../page/assets/json.js")),
        Asset::new("merkle.js", JAVASCRIPT, include_str!("../page/assets/merkle.js")),
        Asset::new("receipt.js", JAVASCRIPT, include_str!("../page/assets/receipt.js")),
        Asset::new("refused.js", JAVASCRIPT, include_str!("../page/assets/refused.js")),
        Asset::new("retirement.js", JAVASCRIPT, include_str!("../page/assets/retirement.js")),
        Asset::new("shape.js", JAVASCRIPT, include_str!("../page/assets/shape.js")),
        Asset::new("spelled.js", JAVASCRIPT, include_str!("../page/assets/spelled.js")),
        Asset::new("card.js", JAVASCRIPT, include_str!("../page/assets/card.js")),
        Asset::new("certificate.js", JAVASCRIPT, include_str!("../page/assets/certificate.js")),
        Asset::new("certificate-words.js", JAVASCRIPT, include_str!("../page/assets/certificate-words.js")),
        Asset::new("decided.js", JAVASCRIPT, include_str!("../page/assets/decided.js")),
        Asset::new("format.js", JAVASCRIPT, include_str!("../page/assets/format.js")),
        Asset::new("page.js", JAVASCRIPT, include_str!("../page/assets/page.js")),
        Asset::new("page-words.js", JAVASCRIPT, include_str!("../page/assets/page-words.js")),
        Asset::new("check-words.js", JAVASCRIPT, include_str!("../page/assets/check-words.js")),
        Asset::new("verdict.js", JAVASCRIPT, include_str!("../page/assets/verdict.js")),
        Asset::new("situation.js", JAVASCRIPT, include_str!("../page/assets/situation.js")),
        Asset::new("situation-words.js", JAVASCRIPT, include_str!("../page/assets/situation-words.js")),
        Asset::new("situation.css", CSS, include_str!("../page/assets/situation.css")),
        Asset::new("page.css", CSS, include_str!("../page/assets/page.css")),
    ];
    own.into_iter().chain(shared()).collect()
});

/// The pages at `/`, `/certificate` and `/situation`, and what they load.
pub(super) fn router() -> Router {
    Router::new()
        .route("/", get(async |request: HeaderMap| INDEX.answer(&request).await))
        .route("/certificate", get(async |request: HeaderMap| CERTIFICATE.answer(&request).await))
        .route("/situation", get(async |request: HeaderMap| SITUATION.answer(&request).await))
        .route("/assets/{name}", get(file))
        .route("/favicon.ico", get(async |request: HeaderMap| answer(&ASSETS, "icon.svg", &request).await))
}

async fn file(Path(name): Path<String>, request: HeaderMap) -> Response {
    answer(&ASSETS, &name, &request).await
}

#[cfg(test)]
mod tests;
