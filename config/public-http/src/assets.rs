//! Files that a program carries and serves: a page's HTML, styles, scripts and icon.

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use protocol::hash::Hash;

/// The media type of scripts.
pub const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
/// The media type of style sheets.
pub const CSS: &str = "text/css; charset=utf-8";
/// The media type of pages.
pub const HTML: &str = "text/html; charset=utf-8";
/// The media type of pictures that are drawn.
pub const SVG: &str = "image/svg+xml";

/// Kept by the browser, but asked about each time: a new version of the program shows at once.
const REVALIDATE: &str = "no-cache";
const ONE_DAY: &str = "public, max-age=86400";

/// A file inside the program.
#[derive(Debug, Clone)]
pub struct Asset {
    name: &'static str,
    content_type: &'static str,
    cache_control: &'static str,
    etag: String,
    body: Bytes,
}

impl Asset {
    /// A file of this name, media type and content, about which a browser asks each time whether it has changed.
    pub fn new(name: &'static str, content_type: &'static str, body: impl Into<Bytes>) -> Asset {
        let body = body.into();
        let etag = format!("\"{}\"", &Hash::of(&body).to_string()[..32]);
        Asset { name, content_type, cache_control: REVALIDATE, etag, body }
    }

    /// The same, which a browser keeps for a day without asking: for what is large and changes only with the program.
    pub fn kept_for_a_day(self) -> Asset {
        Asset { cache_control: ONE_DAY, ..self }
    }

    /// Its name, under `/assets/`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its content.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The answer to a request with these headers: nothing but "not modified" to who has it already.
    pub fn answer(&self, request: &HeaderMap) -> Response {
        let headers = [(header::CACHE_CONTROL, self.cache_control), (header::ETAG, self.etag.as_str())];
        if request.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == self.etag.as_bytes()) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        (headers, [(header::CONTENT_TYPE, self.content_type)], self.body.clone()).into_response()
    }
}

/// The answer of the file of this name among others; "not found" where there is none.
pub fn answer(assets: &[Asset], name: &str, request: &HeaderMap) -> Response {
    match assets.iter().find(|asset| asset.name == name) {
        Some(asset) => asset.answer(request),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn who_has_a_file_is_told_that_it_did_not_change_and_who_has_another_gets_it() {
        let assets =
            [Asset::new("page.js", JAVASCRIPT, "let a;"), Asset::new("page.css", CSS, "a {}").kept_for_a_day()];
        let first = answer(&assets, "page.js", &HeaderMap::new());
        assert_eq!(
            (first.status(), &first.headers()[header::CONTENT_TYPE]),
            (StatusCode::OK, &JAVASCRIPT.parse().unwrap())
        );
        assert_eq!(first.headers()[header::CACHE_CONTROL], "no-cache");
        let etag = first.headers()[header::ETAG].clone();
        let knowing = |etag: HeaderValue| HeaderMap::from_iter([(header::IF_NONE_MATCH, etag)]);
        assert_eq!(answer(&assets, "page.js", &knowing(etag.clone())).status(), StatusCode::NOT_MODIFIED);
        let other = answer(&assets, "page.css", &knowing(etag));
        assert_eq!(
            (other.status(), &other.headers()[header::CACHE_CONTROL]),
            (StatusCode::OK, &ONE_DAY.parse().unwrap())
        );
        assert_eq!(answer(&assets, "page", &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
    }
}
