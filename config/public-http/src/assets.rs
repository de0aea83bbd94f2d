//! Files that a program carries and serves: a page's HTML, styles, scripts and icon. Packed once, for all who ask.

use std::sync::OnceLock;

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use protocol::hash::Hash;
use tokio::task::spawn_blocking;

use super::packing::Packing;

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
/// Kept without asking, for a year: what is at that address never changes.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

/// A file inside the program.
#[derive(Debug, Clone)]
pub struct Asset {
    name: &'static str,
    content_type: &'static str,
    cache_control: &'static str,
    hash: String,
    body: Bytes,
    brotli: OnceLock<Option<Bytes>>,
    gzip: OnceLock<Option<Bytes>>,
}

impl Asset {
    /// A file of this name, media type and content, about which a browser asks each time whether it has changed.
    pub fn new(name: &'static str, content_type: &'static str, body: impl Into<Bytes>) -> Asset {
        let body = body.into();
        let hash = Hash::of(&body).to_string()[..32].to_owned();
        let cache_control = REVALIDATE;
        Asset { name, content_type, cache_control, hash, body, brotli: OnceLock::new(), gzip: OnceLock::new() }
    }

    /// The same, which a browser keeps without asking again: for what is large, and asked for by its
    /// [address](Self::address).
    pub fn kept(self) -> Asset {
        Asset { cache_control: FOR_GOOD, ..self }
    }

    /// Where it is, with its hash: another content has another address.
    pub fn address(&self) -> String {
        format!("/assets/{}?{}", self.name, self.hash)
    }

    /// Its name, under `/assets/`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its content.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The answer to a request with these headers: packed as who asks can unpack it, and nothing but "not modified" to
    /// who has it already. The first one that wants it packed waits for that, a second where it is large; nobody else
    /// does.
    pub async fn answer(&'static self, request: &HeaderMap) -> Response {
        // Weak: packed or not, it says the same.
        let etag = format!("W/\"{}\"", self.hash);
        let known = request.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
        let headers = [
            (header::CACHE_CONTROL, self.cache_control.to_owned()),
            (header::ETAG, etag),
            (header::VARY, "accept-encoding".to_owned()),
        ];
        if known {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        let content_type = [(header::CONTENT_TYPE, self.content_type)];
        if let Some(packing) = Packing::accepted(request)
            && let Some(body) = self.packed(packing).await
        {
            return (headers, content_type, [(header::CONTENT_ENCODING, packing.name())], body).into_response();
        }
        (headers, content_type, self.body.clone()).into_response()
    }

    async fn packed(&'static self, packing: Packing) -> Option<Bytes> {
        let packed = match packing {
            Packing::Brotli => &self.brotli,
            Packing::Gzip => &self.gzip,
        };
        if let Some(packed) = packed.get() {
            return packed.clone();
        }
        let pack = move || packed.get_or_init(|| packing.pack(&self.body).map(Bytes::from)).clone();
        // It fails only where packing panicked, or the program ends.
        spawn_blocking(pack).await.ok().flatten()
    }
}

/// The answer of the file of this name among others; "not found" where there is none.
pub async fn answer(assets: &'static [Asset], name: &str, request: &HeaderMap) -> Response {
    match assets.iter().find(|asset| asset.name == name) {
        Some(asset) => asset.answer(request).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[tokio::test]
    async fn who_has_a_file_is_told_that_it_did_not_change_and_who_has_another_gets_it() {
        let assets =
            &*[Asset::new("page.js", JAVASCRIPT, "let a;"), Asset::new("page.css", CSS, "a {}").kept()].to_vec().leak();
        let first = answer(assets, "page.js", &HeaderMap::new()).await;
        assert_eq!(
            (first.status(), &first.headers()[header::CONTENT_TYPE]),
            (StatusCode::OK, &JAVASCRIPT.parse().unwrap())
        );
        assert_eq!(first.headers()[header::CACHE_CONTROL], "no-cache");
        let etag = first.headers()[header::ETAG].clone();
        let knowing = |etag: HeaderValue| HeaderMap::from_iter([(header::IF_NONE_MATCH, etag)]);
        assert_eq!(answer(assets, "page.js", &knowing(etag.clone())).await.status(), StatusCode::NOT_MODIFIED);
        let other = answer(assets, "page.css", &knowing(etag)).await;
        assert_eq!(
            (other.status(), &other.headers()[header::CACHE_CONTROL]),
            (StatusCode::OK, &FOR_GOOD.parse().unwrap())
        );
        assert_eq!(answer(assets, "page", &HeaderMap::new()).await.status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn who_can_unpack_gets_less_and_who_cannot_gets_it_as_it_is() {
        let content = "a { color: red }\n".repeat(100);
        let asset: &Asset = Box::leak(Box::new(Asset::new("page.css", CSS, content.clone())));
        let asked = async |coding: &'static str| {
            let request = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(coding))]);
            let answer = asset.answer(&request).await;
            (answer.headers().get(header::CONTENT_ENCODING).cloned(), answer.headers()[header::ETAG].clone())
        };
        let (coding, etag) = asked("identity").await;
        assert_eq!((coding, &etag), (None, &format!("W/\"{}\"", asset.hash).parse().unwrap()));
        for name in ["br", "gzip"] {
            let (coding, same) = asked(name).await;
            assert_eq!((coding.unwrap(), same), (HeaderValue::from_static(name), etag.clone()));
        }
        for packed in [&asset.brotli, &asset.gzip] {
            assert!(packed.get().unwrap().as_ref().unwrap().len() < content.len() / 10);
        }
        assert_ne!(asset.address(), Asset::new("page.css", CSS, "a {}").address());
    }
}
